"""Defects of the fifth check: which acknowledgments count, and what they do (RFC 9293 §3.10.7.4 fifth)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, SYN_RECEIVED, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect

FIFTH = "RFC 9293 §3.10.7.4 fifth"


@defect(
    "D42",
    "An acknowledgment of data that was never sent is accepted.",
    FIFTH,
    "RFC 5961 §5.2",
    source="FreeBSD bug 250357; mTCP, found by TCP-Fuzz",
)
class FutureAckAccepted(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return seqno.leq(seqno.add(self.snd_una, -self.max_snd_wnd), segment.ack)


@defect(
    "D43",
    "An acknowledgment far below SND.UNA is accepted: it has no lower bound.",
    "RFC 5961 §5.2",
    source="TLDK, found by TCP-Fuzz",
)
class AncientAckAccepted(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return seqno.leq(segment.ack, self.snd_nxt)


@defect("D47", "The acknowledgment on a FIN is not processed.", FIFTH, source="picoTCP issue 310")
class AckOfFinOverlooked(Connection):
    def check_ack(self, segment: Segment) -> bool:
        if segment.flags & FIN and segment.flags & ACK and self.state is not SYN_RECEIVED:
            return True
        return super().check_ack(segment)


@defect("D54", "In FIN-WAIT-1 any acknowledgment counts as that of the FIN.", FIFTH)
class AnyAckCoversTheFin(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        if usable and self.state is FIN_WAIT_1:
            self.our_fin_acknowledged()
        return usable


@defect("D61", "In CLOSING the acknowledgment of the FIN ends the connection: there is no TIME-WAIT.", FIFTH)
class NoTimeWaitAfterClosing(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is CLOSING:
            self.delete()
        else:
            super().our_fin_acknowledged()


@defect("D72", "In LAST-ACK any acknowledgment ends the connection.", FIFTH)
class AnyAckIsTheLast(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        if usable and self.state is LAST_ACK:
            self.delete()
        return usable and self.state is not CLOSED


@defect("D163", "In CLOSING any acknowledgment counts as that of the FIN.", FIFTH)
class AnyAckEndsClosing(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        if usable and self.state is CLOSING:
            self.enter_time_wait()
        return usable


@defect("D164", "A segment without ACK is processed as if its acknowledgment were good.", FIFTH)
class AckBitOptional(Connection):
    def check_ack(self, segment: Segment) -> bool:
        return super().check_ack(segment) if segment.flags & ACK else True


@defect("D165", "An unacceptable acknowledgment draws no answer.", FIFTH, "RFC 5961 §5.2")
class BadAckUnanswered(Connection):
    def check_ack(self, segment: Segment) -> bool:
        bad = self.state is not SYN_RECEIVED and not self.is_acceptable_ack(segment)
        return False if bad else super().check_ack(segment)


@defect(
    "D166",
    "A segment with an unacceptable acknowledgment is challenged, but its text and FIN are taken.",
    FIFTH,
    "RFC 5961 §5.2",
)
class BadAckBringsText(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        return usable or (bool(segment.flags & ACK) and self.state not in (SYN_RECEIVED, CLOSED))


@defect(
    "D167",
    "A synchronized connection answers an unacceptable acknowledgment with a reset.",
    FIFTH,
    "RFC 9293 §3.5.2 group 3",
)
class BadAckReset(Connection):
    def check_ack(self, segment: Segment) -> bool:
        if segment.flags & ACK and self.state is not SYN_RECEIVED and not self.is_acceptable_ack(segment):
            self.refuse(segment)
            return False
        return super().check_ack(segment)


@defect("D168", "An acknowledgment one beyond SND.NXT is accepted.", FIFTH)
class AckOneTooFar(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return super().is_acceptable_ack(segment) or segment.ack == seqno.add(self.snd_nxt, 1)


@defect(
    "D169",
    "A repeated acknowledgment of SND.UNA is unacceptable.",
    FIFTH,
    source="RFC 793's own slip, corrected in RFC 1122",
)
class RepeatedAckChallenged(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return super().is_acceptable_ack(segment) and seqno.lt(self.snd_una, segment.ack)


@defect("D170", "An old acknowledgment, below SND.UNA, is unacceptable: its text is not taken.", FIFTH)
class OldAckRejected(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return super().is_acceptable_ack(segment) and seqno.leq(self.snd_una, segment.ack)


@defect("D171", "An old acknowledgment moves SND.UNA back.", FIFTH)
class OldAckMovesBack(Connection):
    def process_ack(self, segment: Segment) -> None:
        super().process_ack(segment)
        if seqno.lt(segment.ack, self.snd_una):
            self.snd_una = segment.ack


@defect("D172", "The acknowledgment of our FIN does not leave FIN-WAIT-1.", FIFTH)
class FinWait1Stays(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is not FIN_WAIT_1:
            super().our_fin_acknowledged()


@defect("D173", "In CLOSING the acknowledgment of our FIN changes nothing.", FIFTH)
class ClosingStays(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is not CLOSING:
            super().our_fin_acknowledged()


@defect("D174", "In LAST-ACK the acknowledgment of our FIN leads to TIME-WAIT.", FIFTH)
class TimeWaitAfterLastAck(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is LAST_ACK:
            self.enter_time_wait()
        else:
            super().our_fin_acknowledged()


@defect("D175", "An acknowledgment of all data counts as that of the FIN behind it.", FIFTH)
class FinCoveredByData(Connection):
    @property
    def fin_acknowledged(self) -> bool:
        fin_sent = self.fin_queued and seqno.lt(self.snd_end, self.snd_nxt)
        return fin_sent and seqno.leq(self.snd_end, self.snd_una)


@defect("D176", "In CLOSE-WAIT acknowledgments are not processed: all data is sent again.", FIFTH)
class CloseWaitIgnoresAcks(Connection):
    def process_ack(self, segment: Segment) -> None:
        if self.state is not CLOSE_WAIT:
            super().process_ack(segment)


@defect(
    "D177",
    "In FIN-WAIT-2 an acceptable bare ACK is answered with an ACK.",
    FIFTH,
    source="ACK storms between two such hosts",
)
class AcksAcksInFinWait2(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        if self.state is FIN_WAIT_2 and not segment.length:
            self.ack_due = True
        return usable


@defect(
    "D65",
    "In TIME-WAIT an acceptable bare ACK is answered with an ACK.",
    FIFTH,
    source="ACK storms between two such hosts",
)
class AcksAcksInTimeWait(Connection):
    def check_ack(self, segment: Segment) -> bool:
        usable = super().check_ack(segment)
        if self.state is TIME_WAIT and not segment.length:
            self.ack_due = True
        return usable
