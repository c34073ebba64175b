"""Defects of the second and fourth check: resets, SYNs on a connection, and challenge ACKs (RFC 5961)."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, TIME_WAIT, State
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.stack import Stack

SECOND = "RFC 9293 §3.10.7.4 second"
FOURTH = "RFC 9293 §3.10.7.4 fourth"
RESETS = "RFC 5961 §3.2"
SYNS = "RFC 5961 §4.2"


class Deaf(Connection):
    """A connection that ignores resets in one state."""

    deaf_in: State

    def reset_arrived(self) -> None:
        """Process a reset, unless the state is the one."""
        if self.state is not self.deaf_in:
            super().reset_arrived()


@defect(
    "D36",
    "A reset anywhere in the window ends the connection.",
    RESETS,
    source="CVE-2004-0230; gVisor issue 1132, forks of lwIP, TLDK",
)
class BlindReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST:
            self.reset_arrived()
            return False
        return True


@defect(
    "D37", "A reset in the window, but not at RCV.NXT, is not challenged.", RESETS, source="TLDK, found by TCP-Fuzz"
)
class ResetUnchallenged(Connection):
    def check_reset(self, segment: Segment) -> bool:
        return not segment.flags & RST if segment.seq != self.rcv_nxt else super().check_reset(segment)


@defect(
    "D38",
    "The challenge ACK for a reset has numbers from that reset.",
    RESETS,
    source="FreeRTOS+TCP pull request 1236",
)
class ChallengeEchoesTheReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.seq != self.rcv_nxt:
            self.emit(Segment(ACK, segment.ack, seqno.add(segment.seq, 1)))
            return False
        return super().check_reset(segment)


@defect("D39", "A reset with ACK is ignored: only a bare one is known.", SECOND, source="picoTCP issue 248")
class OnlyBareResets(Connection):
    def check_reset(self, segment: Segment) -> bool:
        return not segment.flags & RST if segment.flags & ACK else super().check_reset(segment)


@defect("D40", "The application is not told of a reset: it reads the end of the stream.", SECOND)
class ResetUntold(Connection):
    def reset_arrived(self) -> None:
        if self.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT):
            self.delete()
        else:
            super().reset_arrived()


@defect(
    "D41",
    "A SYN in the window resets the connection, as RFC 793 had it.",
    SYNS,
    FOURTH,
    source="Zephyr pull request 48704, FreeRTOS+TCP pull request 472, Windows 8, FreeBSD 10",
)
class SynResets(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN:
            self.send_reset()
            self.delete(errno.ECONNRESET)
        return super().check_syn(segment)


@defect("D58", "In FIN-WAIT-1 a reset is ignored.", SECOND)
class FinWait1IsDeaf(Deaf):
    deaf_in = FIN_WAIT_1


@defect("D70", "In CLOSE-WAIT a reset is ignored.", SECOND)
class CloseWaitIsDeaf(Deaf):
    deaf_in = CLOSE_WAIT


@defect("D145", "In ESTABLISHED a reset is ignored.", SECOND)
class EstablishedIsDeaf(Deaf):
    deaf_in = ESTABLISHED


@defect("D146", "In FIN-WAIT-2 a reset is ignored.", SECOND)
class FinWait2IsDeaf(Deaf):
    deaf_in = FIN_WAIT_2


@defect("D147", "In CLOSING a reset is ignored.", SECOND)
class ClosingIsDeaf(Deaf):
    deaf_in = CLOSING


@defect("D148", "In LAST-ACK a reset is ignored.", SECOND)
class LastAckIsDeaf(Deaf):
    deaf_in = LAST_ACK


@defect("D149", "In TIME-WAIT a reset is ignored though the setting of RFC 1337 is off.", SECOND)
class TimeWaitIsDeaf(Deaf):
    deaf_in = TIME_WAIT


@defect(
    "D67", "A reset ends TIME-WAIT though the setting of RFC 1337 is on.", "RFC 1337 §4", source="lwIP's ports; Linux"
)
class TimeWaitAssassinated(Connection):
    def reset_arrived(self) -> None:
        if self.state is TIME_WAIT:
            self.delete()
        else:
            super().reset_arrived()


@defect("D150", "A reset that ends the connection is answered with a reset.", SECOND, "RFC 9293 §3.5.2")
class ResetAnsweredWithReset(Connection):
    def reset_arrived(self) -> None:
        self.send_reset()
        super().reset_arrived()


@defect("D151", "A reset one number below RCV.NXT counts.", RESETS, "RFC 9293 §3.10.7.4 first")
class ResetBelowTheWindow(Connection):
    def is_reset_in_window(self, segment: Segment) -> bool:
        if seqno.add(segment.seq, 1) == self.rcv_nxt:
            self.reset_arrived()
            return False
        return super().is_reset_in_window(segment)


@defect("D152", "A reset counts only if its acknowledgment is acceptable too.", SECOND)
class ResetNeedsAck(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.flags & ACK and not self.is_acceptable_ack(segment):
            return False
        return super().check_reset(segment)


@defect("D153", "A SYN in the window is dropped in silence.", SYNS, FOURTH)
class SynUnchallenged(Connection):
    def check_syn(self, segment: Segment) -> bool:
        return not segment.flags & SYN


@defect("D154", "A SYN in the window is ignored, and what else the segment brings is processed.", SYNS, FOURTH)
class SynOverlooked(Connection):
    def check_syn(self, segment: Segment) -> bool:
        return True


@defect("D155", "The challenge ACK for a SYN acknowledges that SYN.", SYNS)
class ChallengeEchoesTheSyn(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and self.state not in (TIME_WAIT,):
            self.emit(Segment(ACK, self.snd_nxt, seqno.add(segment.seq, 1)))
            return False
        return super().check_syn(segment)


@defect("D156", "Challenge ACKs carry RST.", RESETS, SYNS)
class ChallengeResets(Connection):
    def send_challenge(self) -> None:
        self.transmit(RST | ACK, self.snd_nxt)


@defect("D157", "A SYN in the window of a closing connection is dropped in silence.", SYNS, FOURTH)
class SynWhileClosingUnchallenged(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if self.state in (CLOSING, LAST_ACK, TIME_WAIT):
            return not segment.flags & SYN
        return super().check_syn(segment)


@defect(
    "D158",
    "Challenge ACKs are not limited.",
    "RFC 5961 §7",
    source="RFC 5961 asks for a limit; CVE-2016-5696 is its misuse",
)
class ChallengesUnlimited(Stack):
    def challenge_allowed(self) -> bool:
        return True


@defect("D159", "ABORT sends a reset that acknowledges nothing and is numbered zero.", "RFC 9293 §3.10.5")
class AbortNumberedZero(Connection):
    def send_reset(self) -> None:
        self.emit(Segment(RST, 0, window=0))


@defect("D74", "ABORT sends a FIN.", "RFC 9293 §3.10.5")
class AbortSendsFin(Connection):
    def send_reset(self) -> None:
        self.transmit(FIN | ACK, self.snd_nxt)


@defect("D160", "ABORT sends nothing.", "RFC 9293 §3.10.5")
class AbortIsSilent(Connection):
    def send_reset(self) -> None:
        return


@defect("D161", "The reset of ABORT has SND.UNA as its number: a peer that has more ignores it.", "RFC 9293 §3.10.5")
class AbortFromUna(Connection):
    def send_reset(self) -> None:
        self.emit(Segment(RST, self.snd_una, window=0))


@defect("D162", "ABORT in CLOSE-WAIT sends nothing: the peer has closed, after all.", "RFC 9293 §3.10.5")
class AbortInCloseWaitSilent(Connection):
    def abort(self) -> None:
        if self.state is CLOSE_WAIT:
            self.delete()
        else:
            super().abort()
