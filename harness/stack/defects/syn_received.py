"""Defects of SYN-RECEIVED, reached from LISTEN or by a simultaneous open (RFC 9293 §3.10.7.4, §3.5 figure 7)."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import ESTABLISHED, SYN_RECEIVED, SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

FIRST = "RFC 9293 §3.10.7.4 first"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
CROSSING = "MUST-10"


@defect(
    "D17",
    "There is no simultaneous open: a SYN that arrives in SYN-SENT is dropped.",
    CROSSING,
    source="picoTCP issues 67 and 528, smoltcp before pull request 1001",
)
class NoSimultaneousOpen(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.flags & (SYN | ACK | RST) != SYN:
            super().arrives_in_syn_sent(segment, found)


@defect(
    "D18",
    "A simultaneous open reaches SYN-RECEIVED, but sends no SYN,ACK.",
    CROSSING,
    source="SerenityOS pull request 12329",
)
class CrossingSynUnanswered(Connection):
    def send_syn(self) -> None:
        if self.passive or self.state is SYN_SENT:
            super().send_syn()


@defect(
    "D24",
    "In SYN-RECEIVED an acknowledgment of ISS, which does not cover the SYN, opens the connection.",
    FIFTH,
    source="Linux 6.18 after a simultaneous open",
)
class AckOfIssOpens(Connection):
    def acknowledges_our_syn(self, segment: Segment) -> bool:
        lowest = self.state is SYN_RECEIVED and segment.ack == self.iss
        return lowest or super().acknowledges_our_syn(segment)


@defect("D25", "In SYN-RECEIVED an unacceptable ACK is answered with RST,ACK.", FIFTH, source="gVisor issue 7199")
class RefusalWithAck(Connection):
    def refuse(self, segment: Segment) -> None:
        if self.state is SYN_RECEIVED:
            self.emit(Segment(RST | ACK, segment.ack, segment.end, window=0))
        else:
            super().refuse(segment)


@defect("D26", "In SYN-RECEIVED a repeated SYN is answered with a reset.", FIRST, source="picoTCP issue 148")
class RepeatedSynReset(Connection):
    def answer_unacceptable(self) -> None:
        if self.state is SYN_RECEIVED:
            self.send_reset()
        else:
            super().answer_unacceptable()


@defect("D27", "A repeated SYN is answered with a SYN,ACK that has a new initial number.", FIRST, "RFC 9293 §3.4")
class RepeatedSynRenumbers(Connection):
    def trimmed(self, segment: Segment) -> Segment:
        if self.state is SYN_RECEIVED and segment.flags & (SYN | ACK) == SYN and segment.seq == self.irs:
            self.iss = seqno.add(self.iss, 64_000)
            self.snd_una = self.snd_nxt = self.iss
            self.send_syn()
        return super().trimmed(segment)


@defect("D28", "A passive open that ends in SYN-RECEIVED takes the listener with it.", SECOND)
class ListenerEndsToo(Stack):
    def forget(self, connection: Tcb) -> None:
        owner = connection.owner
        if isinstance(owner, Listener) and any(mine is connection for mine in owner.opening):
            self.listeners = {place: other for place, other in self.listeners.items() if other is not owner}
        super().forget(connection)


@defect("D29", "Text that comes with the handshake's third segment is lost.", SEVENTH, source="picoTCP issue 37")
class TextOfThirdSegmentLost(Connection):
    def check_ack(self, segment: Segment) -> bool:
        opening = self.state is SYN_RECEIVED
        return super().check_ack(segment) and not (opening and segment.payload)


@defect("D30", "A connection whose third segment is a FIN never reaches accept().", FIFTH, "RFC 9293 §3.10.7.4 eighth")
class FinNotAccepted(Connection):
    def check_ack(self, segment: Segment) -> bool:
        if self.state is SYN_RECEIVED and segment.flags & FIN and self.acknowledges_our_syn(segment):
            self.owner = None
        return super().check_ack(segment)


@defect("D31", "The SYN,ACK is never repeated.", "RFC 9293 §3.8.1", source="FreeBSD's SYN cache")
class SynAckNotRepeated(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is not SYN_RECEIVED:
            super().retransmission_timeout()


@defect("D32", "A repeated SYN,ACK acknowledges another number than the first.", "RFC 9293 §3.8.1")
class RepeatedSynAckDiffers(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and self.state is SYN_RECEIVED and self.retransmissions:
            segment.ack = seqno.add(segment.ack, 1)
        super().emit(segment)


@defect("D33", "A connection whose handshake has not ended is given to accept().", "RFC 9293 §3.10.1")
class AcceptedTooEarly(Listener):
    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        connection = super().open(datagram, replaced)
        self.opened(connection)
        return connection


@defect("D110", "A SYN in the window does not take a passive open back to LISTEN.", "RFC 9293 §3.10.7.4 fourth")
class SynInWindowIgnored(Connection):
    def check_syn(self, segment: Segment) -> bool:
        return not segment.flags & SYN if self.state is SYN_RECEIVED else super().check_syn(segment)


@defect("D111", "In SYN-RECEIVED an unacceptable ACK is dropped in silence.", FIFTH)
class BadThirdSegmentIgnored(Connection):
    def refuse(self, segment: Segment) -> None:
        if self.state is not SYN_RECEIVED:
            super().refuse(segment)


@defect("D112", "In SYN-RECEIVED an unacceptable ACK ends the connection, with the reset that it draws.", FIFTH)
class BadThirdSegmentEnds(Connection):
    def refuse(self, segment: Segment) -> None:
        super().refuse(segment)
        if self.state is SYN_RECEIVED:
            self.delete(errno.ECONNREFUSED)


@defect("D113", "In SYN-RECEIVED an acknowledgment of numbers beyond SND.NXT opens the connection.", FIFTH)
class FutureAckOpens(Connection):
    def acknowledges_our_syn(self, segment: Segment) -> bool:
        return super().acknowledges_our_syn(segment) or (
            self.state is SYN_RECEIVED and seqno.lt(self.snd_nxt, segment.ack)
        )


@defect("D114", "A reset ends SYN-RECEIVED wherever in the window it lies.", "RFC 5961 §3.2")
class BlindResetWhileOpening(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and self.state is SYN_RECEIVED:
            self.reset_arrived()
            return False
        return super().check_reset(segment)


@defect("D115", "A reset in SYN-RECEIVED is ignored.", SECOND)
class ResetWhileOpeningIgnored(Connection):
    def reset_arrived(self) -> None:
        if self.state is not SYN_RECEIVED:
            super().reset_arrived()


@defect("D116", "After a simultaneous open a reset in SYN-RECEIVED is not reported to the application.", SECOND)
class RefusalAfterCrossingUntold(Connection):
    def reset_arrived(self) -> None:
        if self.state is SYN_RECEIVED:
            self.delete()
        else:
            super().reset_arrived()


@defect("D117", "The SYN,ACK of a simultaneous open begins one number too late.", CROSSING)
class CrossingSynAckRenumbered(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and segment.flags & ACK and not self.passive:
            segment.seq = seqno.add(segment.seq, 1)
        super().emit(segment)


@defect("D118", "In a simultaneous open the peer's SYN,ACK neither establishes nor is answered.", CROSSING)
class CrossingSynAckDropped(Connection):
    def trimmed(self, segment: Segment) -> Segment:
        return super().trimmed(segment) if self.passive else segment

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        dropped = self.state is SYN_RECEIVED and not self.passive and segment.seq == self.irs
        return not dropped and super().check_sequence(segment, found)


@defect("D119", "After a simultaneous open the SYN,ACK is never repeated.", CROSSING, "RFC 9293 §3.8.1")
class CrossingTimerLost(Connection):
    def send_syn(self) -> None:
        super().send_syn()
        if self.state is SYN_RECEIVED and not self.passive:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D120", "In a simultaneous open the options of the peer's SYN are ignored.", CROSSING, "MUST-16")
class CrossingOptionsIgnored(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        crossing = not self.passive and not segment.flags & ACK
        super().learn_from_syn(segment, Options() if crossing else found)


@defect(
    "D121",
    "In a simultaneous open the text of the peer's SYN is acknowledged, but not delivered.",
    CROSSING,
    "RFC 9293 §3.10.7.3 fourth",
)
class CrossingTextLost(Connection):
    lost = 0

    def keep_for_later(self, segment: Segment) -> None:
        self.lost = 0 if self.passive else len(segment.payload)
        if not self.lost:
            super().keep_for_later(segment)

    def establish(self) -> None:
        super().establish()
        self.rcv_nxt = seqno.add(self.rcv_nxt, self.lost)
        self.ack_due = self.ack_due or bool(self.lost)


@defect("D122", "A simultaneous open is established by the peer's SYN alone.", CROSSING)
class CrossingOpensAtOnce(Connection):
    def keep_for_later(self, segment: Segment) -> None:
        super().keep_for_later(segment)
        if not self.passive:
            self.enter(ESTABLISHED)


@defect("D123", "CLOSE in SYN-RECEIVED is forgotten.", "RFC 9293 §3.10.4")
class CloseWhileOpeningForgotten(Connection):
    def shutdown(self) -> None:
        if self.state is not SYN_RECEIVED:
            super().shutdown()


@defect("D124", "CLOSE in SYN-RECEIVED sends a reset and ends the connection.", "RFC 9293 §3.10.4")
class CloseWhileOpeningAborts(Connection):
    def shutdown(self) -> None:
        if self.state is SYN_RECEIVED:
            self.abort()
        else:
            super().shutdown()


@defect("D125", "ABORT in SYN-RECEIVED sends nothing.", "RFC 9293 §3.10.5")
class AbortWhileOpeningSilent(Connection):
    def abort(self) -> None:
        if self.state is SYN_RECEIVED:
            self.delete()
        else:
            super().abort()


@defect("D126", "A passive open never gives up: SYN-RECEIVED lasts for ever.", "MUST-20")
class NeverGivesUpAnswering(Connection):
    def user_timeout(self) -> None:
        if self.state is not SYN_RECEIVED:
            super().user_timeout()
