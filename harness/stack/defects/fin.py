"""Defects of the eighth check: the peer's FIN (RFC 9293 §3.10.7.4 eighth, §3.6)."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import FIN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    SYN_RECEIVED,
    TIME_WAIT,
)
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect

EIGHTH = "RFC 9293 §3.10.7.4 eighth"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
CLOSE = "RFC 9293 §3.10.4"
FIGURES = "RFC 9293 §3.6"


@defect("D44", "The peer's FIN is not acknowledged.", EIGHTH)
class FinUnacknowledged(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        super().process_text_and_fin(segment)
        if segment.flags & FIN:
            self.ack_due = False


@defect("D45", "Text that comes with a FIN is lost, and not counted.", EIGHTH, source="TLDK, found by TCP-Fuzz")
class TextOfFinLost(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        if segment.flags & FIN:
            segment = replace(segment, payload=b"")
        super().process_text_and_fin(segment)


@defect("D46", "A FIN that comes out of order is taken at once.", EIGHTH, source="TLDK, found by TCP-Fuzz")
class FinOutOfOrder(Connection):
    def note_fin(self, segment: Segment) -> None:
        super().note_fin(segment)
        if self.reassembly.fin is not None and not self.fin_received:
            self.rcv_nxt = self.reassembly.fin
            self.take_fin()


@defect("D48", "The peer's FIN closes both directions.", EIGHTH, FIGURES, source="Zephyr issue 105740")
class NoHalfClose(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSE_WAIT:
            self.shutdown()


@defect("D55", "In FIN-WAIT-1 a FIN leads to TIME-WAIT though ours is not acknowledged.", EIGHTH)
class ClosingSkipped(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSING:
            self.enter_time_wait()


@defect("D56", "In a simultaneous close the peer's FIN is not acknowledged.", EIGHTH)
class CrossingFinUnacknowledged(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSING:
            self.ack_due = False


@defect("D59", "In FIN-WAIT-2 a FIN ends the connection: there is no TIME-WAIT.", "MUST-13", EIGHTH)
class NoTimeWait(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is TIME_WAIT:
            self.send_ack()
            self.delete()


@defect("D197", "The peer's FIN is acknowledged without being counted.", EIGHTH)
class FinTakesNoNumber(Connection):
    def emit(self, segment: Segment) -> None:
        if self.fin_received:
            segment.ack = seqno.add(segment.ack, -1)
        super().emit(segment)


@defect("D198", "A FIN that comes out of order is forgotten, and its gap's filling does not bring it back.", EIGHTH)
class EarlyFinForgotten(Connection):
    def note_fin(self, segment: Segment) -> None:
        super().note_fin(segment)
        if self.reassembly.fin is not None and seqno.lt(self.rcv_nxt, segment.seq):
            self.reassembly.fin = None


@defect("D199", "The peer's FIN is acknowledged, but the connection stays in ESTABLISHED.", EIGHTH)
class FinChangesNothing(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSE_WAIT:
            self.enter(ESTABLISHED)


@defect(
    "D200",
    "A FIN with the acknowledgment of ours leads to CLOSING.",
    EIGHTH,
    source="a step forgotten: RFC 9293 checks ACK first",
)
class FinWithAckMeansClosing(Connection):
    def take_fin(self) -> None:
        crossed = self.state is FIN_WAIT_2 and self.just_acknowledged
        super().take_fin()
        if crossed:
            self.timers.clear()
            self.enter(CLOSING)

    def check_ack(self, segment: Segment) -> bool:
        before = self.state
        usable = super().check_ack(segment)
        self.just_acknowledged = before is FIN_WAIT_1 and self.state is FIN_WAIT_2
        return usable


@defect("D201", "In FIN-WAIT-2 the peer's FIN is acknowledged, but the state stays.", EIGHTH)
class FinWait2Stays(Connection):
    def enter_time_wait(self) -> None:
        if self.state is not FIN_WAIT_2:
            super().enter_time_wait()


@defect("D202", "A second FIN behind the first is taken and acknowledged.", EIGHTH)
class SecondFinTaken(Connection):
    def note_fin(self, segment: Segment) -> None:
        if self.fin_received and segment.seq == self.rcv_nxt:
            self.rcv_nxt = seqno.add(self.rcv_nxt, 1)
        super().note_fin(segment)


@defect("D203", "The end of the stream is not told: after a FIN the application goes on waiting.", EIGHTH)
class EndUntold(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        told, self.fin_received = self.fin_received, False
        try:
            return super().receive(limit, peek=peek)
        finally:
            self.fin_received = told


@defect("D204", "The end of the stream is told at once, before the text in front of it is read.", EIGHTH)
class EndToldEarly(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        return b"" if self.fin_received else super().receive(limit, peek=peek)


@defect("D205", "A FIN in SYN-RECEIVED leaves the connection in ESTABLISHED: the end is lost.", EIGHTH)
class FinWhileOpeningLost(Connection):
    def check_ack(self, segment: Segment) -> bool:
        opening = self.state is SYN_RECEIVED
        usable = super().check_ack(segment)
        if opening and usable and segment.flags & FIN:
            segment.flags &= ~FIN
        return usable
