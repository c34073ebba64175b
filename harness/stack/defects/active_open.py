"""Defects of SYN-SENT (RFC 9293 §3.10.7.3), and of the active OPEN."""

import errno
from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import SYN_SENT
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import Options

FIRST = "RFC 9293 §3.10.7.3 first"
SECOND = "RFC 9293 §3.10.7.3 second"
FOURTH = "RFC 9293 §3.10.7.3 fourth"
FIFTH = "RFC 9293 §3.10.7.3 fifth"


@defect(
    "D14",
    "In SYN-SENT an unacceptable ACK is ignored.",
    FIRST,
    source="smoltcp pull requests 366 and 552, picoTCP issue 114",
)
class BadAckIgnored(Connection):
    def refuse(self, segment: Segment) -> None:
        if self.state is not SYN_SENT:
            super().refuse(segment)


@defect(
    "D15",
    "In SYN-SENT a SYN,ACK opens the connection whatever it acknowledges.",
    FIRST,
    source="mTCP, found by TCP-Fuzz",
)
class AnySynAckOpens(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.flags & (SYN | ACK | RST) == SYN | ACK:
            segment = replace(segment, ack=self.snd_nxt)
        super().arrives_in_syn_sent(segment, found)


@defect("D16", "In SYN-SENT a reset counts whatever it acknowledges.", FIRST, SECOND, source="mirage-tcpip")
class AnyResetRefuses(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.flags & RST:
            segment = replace(segment, flags=RST | ACK, ack=self.snd_nxt)
        super().arrives_in_syn_sent(segment, found)


@defect("D19", "The SYN,ACK is not acknowledged.", FOURTH)
class ThirdSegmentMissing(Connection):
    def establish(self) -> None:
        active = self.state is SYN_SENT
        super().establish()
        self.ack_due = self.ack_due and not active


@defect("D20", "In SYN-SENT a segment with neither SYN nor RST opens the connection.", FIFTH)
class SynIsOptional(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if not segment.flags & (SYN | RST):
            segment = replace(segment, flags=segment.flags | SYN, seq=seqno.add(segment.seq, -1))
        super().arrives_in_syn_sent(segment, found)


@defect("D21", "A repeated SYN has another number.", "RFC 9293 §3.8.1", source="FreeBSD's TCP with Fast Open")
class RepeatedSynRenumbered(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is SYN_SENT:
            self.choose_numbers()
        super().retransmission_timeout()


@defect("D22", "An active OPEN gives up after one repetition of the SYN.", "MUST-23")
class GivesUpEarly(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is SYN_SENT and self.retransmissions:
            self.delete(errno.ETIMEDOUT)
        else:
            super().retransmission_timeout()


@defect("D23", "CLOSE in SYN-SENT sends a FIN.", "RFC 9293 §3.10.4")
class CloseSendsFin(Connection):
    def shutdown(self) -> None:
        if self.state is SYN_SENT:
            self.emit(Segment(FIN, self.snd_nxt))
        super().shutdown()


@defect("D77", "A refused connection is reported as one that timed out.", "RFC 9293 §3.10.7.3 second")
class RefusedIsTimeout(Connection):
    def delete(self, error: int = 0) -> None:
        super().delete(errno.ETIMEDOUT if error == errno.ECONNREFUSED else error)


@defect("D100", "A reset without ACK refuses a connection in SYN-SENT.", SECOND)
class ResetWithoutAckRefuses(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.flags & (RST | ACK) == RST:
            self.delete(errno.ECONNREFUSED)
        else:
            super().arrives_in_syn_sent(segment, found)


@defect("D101", "In SYN-SENT an unacceptable reset is answered with a reset.", FIRST)
class BadResetAnswered(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        super().arrives_in_syn_sent(segment, found)
        if self.state is SYN_SENT and segment.flags & RST and segment.flags & ACK:
            self.refuse(segment)


@defect("D102", "An unacceptable ACK ends SYN-SENT, with the reset that it draws.", FIRST)
class BadAckEndsTheOpen(Connection):
    def refuse(self, segment: Segment) -> None:
        super().refuse(segment)
        if self.state is SYN_SENT:
            self.delete(errno.ECONNREFUSED)


@defect("D103", "The reset for an unacceptable ACK in SYN-SENT has our own number and not SEG.ACK.", FIRST)
class RefusalFromOurNumber(Connection):
    def refuse(self, segment: Segment) -> None:
        if self.state is SYN_SENT:
            self.emit(Segment(RST, self.snd_nxt, window=0))
        else:
            super().refuse(segment)


@defect("D104", "The handshake's third segment acknowledges the SYN,ACK's own number.", FOURTH)
class ThirdSegmentOneShort(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & ACK and not segment.flags & (SYN | RST) and segment.ack == seqno.add(self.irs, 1):
            segment.ack = self.irs
        super().emit(segment)


@defect("D105", "Text and FIN of a SYN,ACK are lost: they are neither taken nor acknowledged.", FOURTH)
class RestOfSynAckLost(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        super().arrives_in_syn_sent(replace(segment, payload=b"", flags=segment.flags & ~FIN), found)


@defect("D106", "The SYN of an active OPEN carries ACK.", "RFC 9293 §3.10.1")
class SynWithAck(Connection):
    def emit(self, segment: Segment) -> None:
        if self.state is SYN_SENT and segment.flags & SYN:
            segment.flags |= ACK
        super().emit(segment)


@defect("D107", "The SYN of an active OPEN is never repeated.", "RFC 9293 §3.8.1", "RFC 6298 §5.1")
class SynNotRepeated(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is not SYN_SENT:
            super().retransmission_timeout()


@defect("D108", "ABORT in SYN-SENT sends a reset.", "RFC 9293 §3.10.5")
class AbortInSynSentSpeaks(Connection):
    def abort(self) -> None:
        if self.state is SYN_SENT:
            self.send_reset()
        super().abort()


@defect("D109", "An active OPEN never gives up.", "MUST-20")
class NeverGivesUpOpening(Connection):
    def user_timeout(self) -> None:
        if self.state is not SYN_SENT:
            super().user_timeout()
