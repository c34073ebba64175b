"""Defects of CLOSE: our own FIN, and the states that it leads through (RFC 9293 §3.6, §3.10.4)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
)
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.timers import Timer

EIGHTH = "RFC 9293 §3.10.7.4 eighth"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
CLOSE = "RFC 9293 §3.10.4"
FIGURES = "RFC 9293 §3.6"


@defect("D49", "CLOSE sends a reset though the application has read everything.", CLOSE, FIGURES, source="Windows 8")
class CloseResets(Connection):
    def close(self) -> None:
        if self.state in (ESTABLISHED, CLOSE_WAIT):
            self.abort()
        else:
            super().close()


@defect("D50", "The FIN has no ACK bit.", "RFC 9293 §3.1", FIGURES)
class FinWithoutAck(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN:
            segment.flags &= ~ACK
        super().emit(segment)


@defect("D51", "The FIN overtakes data that waits for the window, and ends the stream before it.", CLOSE)
class FinOvertakesData(Connection):
    def shutdown(self) -> None:
        if self.state in (ESTABLISHED, CLOSE_WAIT) and self.unsent:
            self.transmit(FIN | ACK, self.snd_nxt)
        super().shutdown()


@defect("D71", "CLOSE in CLOSE-WAIT sends no FIN.", CLOSE)
class CloseWaitSendsNoFin(Connection):
    def shutdown(self) -> None:
        if self.state is not CLOSE_WAIT:
            super().shutdown()


@defect("D206", "CLOSE in ESTABLISHED leads to FIN-WAIT-1 without a FIN.", CLOSE)
class EstablishedSendsNoFin(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN and self.state is FIN_WAIT_1:
            segment.flags &= ~FIN
        super().emit(segment)


@defect("D207", "A second CLOSE sends a second FIN.", CLOSE)
class SecondFin(Connection):
    def shutdown(self) -> None:
        if self.fin_queued and self.state in (FIN_WAIT_1, FIN_WAIT_2, LAST_ACK):
            self.transmit(FIN | ACK, self.snd_nxt)
        super().shutdown()


@defect("D208", "SEND after CLOSE is accepted, and its data lost.", "RFC 9293 §3.10.2")
class SendAfterClose(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if self.fin_queued:
            return len(data)
        return super().send(data, urgent=urgent)


@defect("D209", "CLOSE in CLOSE-WAIT leads to FIN-WAIT-1.", CLOSE)
class CloseWaitToFinWait1(Connection):
    def send_data(self, size: int, *, fin: bool) -> None:
        passive = self.state is CLOSE_WAIT
        super().send_data(size, fin=fin)
        if passive and self.state is LAST_ACK:
            self.enter(FIN_WAIT_1)


@defect("D210", "CLOSE in CLOSE-WAIT leads to CLOSING, as RFC 793 had it.", CLOSE, source="an erratum of RFC 793")
class CloseWaitToClosing(Connection):
    def send_data(self, size: int, *, fin: bool) -> None:
        passive = self.state is CLOSE_WAIT
        super().send_data(size, fin=fin)
        if passive and self.state is LAST_ACK:
            self.enter(CLOSING)


@defect("D211", "CLOSE in CLOSE-WAIT ends the connection with its FIN: there is no LAST-ACK.", CLOSE)
class LastAckSkipped(Connection):
    def output(self) -> None:
        super().output()
        if self.state is LAST_ACK:
            self.delete()


@defect(
    "D212",
    "CLOSE with unread text sends a FIN: the peer takes all of it for read.",
    "SHLD-3",
    source="RFC 2525 §2.17",
)
class UnreadTextUntold(Connection):
    def close(self) -> None:
        self.receive_buffer.clear()
        super().close()


@defect("D213", "The FIN takes no number: what is sent behind it has the FIN's own.", "RFC 9293 §3.4")
class OwnFinTakesNoNumber(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.seq == self.snd_nxt and self.fin_queued and seqno.lt(self.snd_end, self.snd_nxt):
            segment.seq = self.snd_end
        super().emit(segment)


@defect(
    "D214",
    "In FIN-WAIT-2, after CLOSE for both directions, the peer's text draws no reset.",
    "SHLD-3",
)
class DeafInFinWait2(Connection):
    def process_text(self, segment: Segment) -> None:
        if not (self.deaf and self.state is FIN_WAIT_2):
            super().process_text(segment)


@defect("D60", "FIN-WAIT-2 is bounded for an application that still reads.", FIGURES)
class HalfCloseBounded(Connection):
    def our_fin_acknowledged(self) -> None:
        super().our_fin_acknowledged()
        if self.state is FIN_WAIT_2:
            deaf, self.deaf = self.deaf, True
            self.bound_fin_wait_2()
            self.deaf = deaf


@defect("D52", "A repeated FIN has a number too many.", "RFC 9293 §3.8.1", source="warp17 issue 15")
class RepeatedFinRenumbered(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN and self.retransmissions:
            segment.seq = seqno.add(segment.seq, 1)
        super().emit(segment)


@defect("D53", "The FIN is sent again after it was acknowledged.", "RFC 9293 §3.8.1", source="Zephyr issue 61181")
class AcknowledgedFinRepeated(Connection):
    def our_fin_acknowledged(self) -> None:
        super().our_fin_acknowledged()
        if self.state is FIN_WAIT_2 and not self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)

    def retransmission_timeout(self) -> None:
        if self.state is FIN_WAIT_2:
            self.transmit(FIN | ACK, seqno.add(self.snd_nxt, -1))
        else:
            super().retransmission_timeout()


@defect(
    "D62", "In CLOSING the FIN is sent again without its FIN bit.", "RFC 9293 §3.8.1", source="Demikernel issue 1537"
)
class FinBitLost(Connection):
    def emit(self, segment: Segment) -> None:
        if self.state is CLOSING and self.retransmissions:
            segment.flags &= ~FIN
        super().emit(segment)


@defect(
    "D73",
    "LAST-ACK lasts for ever when the last acknowledgment is lost.",
    "MUST-20",
    source="picoTCP issue 40",
)
class LastAckForEver(Connection):
    def user_timeout(self) -> None:
        if self.state is not LAST_ACK:
            super().user_timeout()


@defect("D215", "The FIN is not sent again.", "RFC 9293 §3.8.1", "RFC 6298 §5")
class FinNotRepeated(Connection):
    def retransmission_timeout(self) -> None:
        if self.state not in (FIN_WAIT_1, CLOSING, LAST_ACK):
            super().retransmission_timeout()


@defect("D216", "FIN-WAIT-1 lasts for ever when the peer is silent.", "MUST-20")
class FinWait1ForEver(Connection):
    def user_timeout(self) -> None:
        if self.state is not FIN_WAIT_1:
            super().user_timeout()
