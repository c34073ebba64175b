"""Variants of what happens when segments cross: simultaneous opens and closes (RFC 9293 §3.5, §3.6, appendix A.2)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSING, SYN_RECEIVED
from harness.stack.connection import Connection
from harness.stack.options import Options
from harness.stack.variants.variant import variant


@variant(
    "crossing-syn-ack-out-of-window",
    "The SYN,ACK of a simultaneous open is out of the window: it is acknowledged and dropped, an ACK establishes.",
    "RFC 9293 §3.10.7.4 first",
    "RFC 9293 §A.2",
    allows="Table 6: SEG.SEQ is RCV.NXT-1.",
)
class CrossingSynAckOutOfWindow(Connection):
    def trimmed(self, segment: Segment) -> Segment:
        return super().trimmed(segment) if self.passive else segment


@variant(
    "crossing-syn-ack-acknowledged",
    "The SYN,ACK of a simultaneous open establishes, and is acknowledged besides.",
    "RFC 9293 §3.5",
    "RFC 9293 §3.10.7.4 first",
    allows="Figure 7 for the state, table 6 for the answer.",
)
class CrossingSynAckAcknowledged(Connection):
    def trimmed(self, segment: Segment) -> Segment:
        crosses = segment.flags & (SYN | ACK | RST) == SYN | ACK and segment.seq == self.irs
        if self.state is SYN_RECEIVED and not self.passive and crosses and self.acknowledges_our_syn(segment):
            self.ack_due = True
        return super().trimmed(segment)


@variant(
    "crossing-fin-is-heard",
    "In CLOSING the acknowledgment of a FIN that is sent again counts.",
    "RFC 9293 §A.2",
    allows="In a simultaneous close the ACK on a FIN that lies left of the window must be heard.",
)
class CrossingFinIsHeard(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        passes = super().check_sequence(segment, found)
        again = segment.flags & (ACK | FIN | RST | SYN) == ACK | FIN and segment.end == self.rcv_nxt
        if not passes and self.state is CLOSING and again and self.is_acceptable_ack(segment):
            self.process_ack(segment)
            if self.fin_acknowledged:
                self.our_fin_acknowledged()
        return passes


@variant(
    "second-fin-in-closing-acknowledged",
    "In CLOSING a second FIN in the window is acknowledged.",
    "RFC 9293 §3.10.7.4 eighth",
    allows="The eighth check lists CLOSING among the states in which a FIN is acknowledged.",
)
class SecondFinInClosingAcknowledged(Connection):
    def process_ack(self, segment: Segment) -> None:
        super().process_ack(segment)
        in_window = segment.flags & FIN and seqno.leq(segment.end, self.rcv_edge)
        if self.state is CLOSING and in_window and not self.fin_acknowledged:
            self.ack_due = True
