"""Defects of the first check: which segments are acceptable, and how the others are answered (RFC 9293 §3.10.7.4)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, LAST_ACK, SYN_RECEIVED, TIME_WAIT, State
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import Options

FIRST = "RFC 9293 §3.10.7.4 first"
ANSWER = "RFC 9293 §3.5.2 group 3"


@defect("D34", "A segment outside the window is processed.", FIRST)
class NoWindowCheck(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return True


@defect(
    "D35",
    "A segment that ends right before RCV.NXT, and so is all old, counts as acceptable.",
    FIRST,
    FIRST,
    source="Linux, whose check of the left edge takes it",
)
class LeftEdgeOneTooFar(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) or segment.end == self.rcv_nxt


@defect("D127", "A segment right behind the window counts as acceptable.", FIRST)
class RightEdgeOneTooFar(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) or segment.seq == self.rcv_edge


@defect("D128", "A segment at the last number of the window counts as unacceptable.", FIRST)
class RightEdgeOneShort(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and seqno.add(segment.seq, 1) != self.rcv_edge


@defect("D129", "A segment that begins left of the window is unacceptable, though its end is new.", FIRST)
class PartlyOldRejected(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and not seqno.lt(segment.seq, self.rcv_nxt)


@defect("D130", "A segment that begins in the window and ends behind it is unacceptable.", FIRST)
class PartlyBeyondRejected(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and seqno.leq(segment.end, self.rcv_edge)


@defect(
    "D131", "Only segments at RCV.NXT are acceptable: what comes out of order is answered, but not looked at.", FIRST
)
class OnlyInOrder(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and seqno.leq(segment.seq, self.rcv_nxt)


@defect("D132", "Sequence numbers are compared as plain numbers: a window that wraps is none.", "RFC 9293 §3.4")
class WindowDoesNotWrap(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and segment.seq >= self.rcv_nxt - len(segment.payload) - 1


@defect("D133", "Acknowledgments are compared as plain numbers: one behind the wrap counts as old.", "RFC 9293 §3.4")
class AckDoesNotWrap(Connection):
    def process_ack(self, segment: Segment) -> None:
        if self.snd_una <= segment.ack:
            super().process_ack(segment)


@defect("D134", "Text is cut at 2**32: what lies behind the wrap is lost.", "RFC 9293 §3.4")
class TextDoesNotWrap(Connection):
    def process_text(self, segment: Segment) -> None:
        segment.payload = segment.payload[: seqno.MODULUS - segment.seq]
        super().process_text(segment)


@defect("D135", "An unacceptable segment draws no ACK.", FIRST, ANSWER)
class UnacceptableUnanswered(Connection):
    def answer_unacceptable(self) -> None:
        return


@defect("D136", "An unacceptable segment is answered with a reset.", FIRST, ANSWER, source="stacks of RFC 793's time")
class UnacceptableReset(Connection):
    def answer_unacceptable(self) -> None:
        self.send_reset()


@defect("D137", "The ACK for an unacceptable segment acknowledges the end of that segment.", FIRST, ANSWER)
class UnacceptableAcknowledged(Connection):
    def arrive(self, segment: Segment) -> None:
        self.latest = segment.end
        super().arrive(segment)

    def answer_unacceptable(self) -> None:
        self.emit(Segment(ACK, self.snd_nxt, self.latest))


@defect("D138", "The ACK for an unacceptable segment has SND.UNA, and not SND.NXT, as its number.", FIRST, ANSWER)
class UnacceptableFromUna(Connection):
    def answer_unacceptable(self) -> None:
        self.transmit(ACK, self.snd_una)


class OldFinUnanswered(Connection):
    """A connection that does not answer the peer's FIN, when it comes again, in some states."""

    silent_in: frozenset[State]

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        """Drop an old FIN in silence."""
        old_fin = segment.flags & FIN and not segment.flags & RST and not self.is_acceptable(segment)
        if old_fin and self.state in self.silent_in:
            return False
        return super().check_sequence(segment, found)


@defect("D69", "In CLOSE-WAIT the peer's FIN, when it comes again, is not acknowledged.", FIRST)
class OldFinUnansweredInCloseWait(OldFinUnanswered):
    silent_in = frozenset({CLOSE_WAIT})


@defect(
    "D63",
    "In TIME-WAIT the peer's FIN, when it comes again, is not acknowledged.",
    FIRST,
    source="Zephyr pull request 46407",
)
class OldFinUnansweredInTimeWait(OldFinUnanswered):
    silent_in = frozenset({TIME_WAIT})


@defect("D139", "In CLOSING and LAST-ACK the peer's FIN, when it comes again, is not acknowledged.", FIRST)
class OldFinUnansweredLate(OldFinUnanswered):
    silent_in = frozenset({CLOSING, LAST_ACK})


@defect("D140", "A reset outside the window is answered with an ACK.", FIRST, "RFC 5961 §3.2")
class OutsideResetAnswered(Connection):
    def is_reset_in_window(self, segment: Segment) -> bool:
        inside = super().is_reset_in_window(segment)
        if not inside:
            self.send_ack()
        return inside


@defect("D141", "With a closed window a reset at RCV.NXT counts as outside.", FIRST, "RFC 5961 §3.2")
class ResetMeetsClosedWindow(Connection):
    def is_reset_in_window(self, segment: Segment) -> bool:
        return seqno.in_window(segment.seq, self.rcv_nxt, self.rcv_wnd)


@defect(
    "D142",
    "With a closed window the acknowledgment on a segment with text is not processed.",
    "MUST-66",
)
class ClosedWindowIgnoresAcks(Connection):
    def fills_a_closed_window(self, segment: Segment) -> bool:
        return False


@defect("D143", "With a closed window a segment without text is unacceptable.", FIRST)
class ClosedWindowRejectsAcks(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and self.rcv_wnd > 0


@defect("D144", "A SYN that the peer repeats is taken for a new one: it draws a SYN,ACK in every state.", FIRST, ANSWER)
class RepeatedSynAnswered(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        if segment.flags & (SYN | RST) == SYN and segment.seq == self.irs and self.state is not SYN_RECEIVED:
            self.emit(Segment(SYN | ACK, self.iss, self.rcv_nxt))
            return False
        return super().check_sequence(segment, found)
