"""Variants that small stacks are known for: one segment under way, windows of a segment, memory that is soon full.

uIP and its heirs, RIOT's GNRC, lwIP, Zephyr, FreeRTOS and NetX count octets of memory, and the RFCs let them.
"""

import errno
from collections import deque

from harness.spec import seqno
from harness.spec.segment import FIN, Segment
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.reception import RECEIVING, text_start
from harness.stack.stack import Stack
from harness.stack.timers import Timer
from harness.stack.variants.variant import settings_variant, variant

#: How long text is held behind a gap that nobody fills.
PATIENCE_NS = nanoseconds(5)
#: What all connections together have room for.
POOL = 131_072

settings_variant(
    "window-of-one-segment",
    "The receive buffer has room for one segment, as RIOT's GNRC has it.",
    "RFC 9293 §3.8.6",
    allows="How much a receiver buffers is its own choice.",
    receive_buffer=1460,
)

settings_variant(
    "window-smaller-than-a-segment",
    "The receive buffer has room for two thirds of the segment that the MSS option allows.",
    "RFC 9293 §3.8.6",
    "RFC 9293 §3.7.1",
    allows="The MSS tells of the largest segment that can be taken in one piece, the window of what may be sent now.",
    receive_buffer=1000,
)


@variant(
    "one-segment-under-way",
    "A segment leaves when the one before is acknowledged, as uIP and RIOT's GNRC send.",
    "RFC 9293 §3.7",
    "RFC 5681 §3.1",
    allows="Windows are upper bounds, and how the stream is cut is the sender's choice.",
)
class OneSegmentUnderWay(Connection):
    def usable_window(self) -> int:
        """Return no more than what is under way, or else one segment; a SYN that is under way keeps nothing back."""
        new = self.cursor == self.snd_nxt and self.flight and self.snd_una != self.iss
        return min(super().usable_window(), self.flight if new else self.flight + self.send_mss + 1)


@variant(
    "one-gap-at-a-time",
    "Text is held behind one gap; what would leave a second one is acknowledged and dropped.",
    "SHLD-31",
    allows="Text out of order SHOULD be held: no sentence says how much of it.",
)
class OneGapAtATime(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        start = text_start(segment)
        end = seqno.add(start, len(segment.payload))
        blocks = self.reassembly.blocks()
        apart = all(seqno.lt(end, first) or seqno.lt(last, start) for first, last in blocks)
        if blocks and segment.length and apart and seqno.lt(self.rcv_nxt, start) and self.state in RECEIVING:
            self.ack_due = True
        else:
            super().process_text_and_fin(segment)


@variant(
    "held-text-forgotten",
    "What has waited behind a gap for five seconds is forgotten when the next segment comes, reported or not.",
    "RFC 2018 §8",
    "SHLD-31",
    allows="A receiver may discard what it has reported in a SACK block and not acknowledged yet.",
)
class HeldTextForgotten(Connection):
    held_since = 0

    def process_text_and_fin(self, segment: Segment) -> None:
        if not self.reassembly.blocks():
            self.held_since = self.now
        elif self.now - self.held_since >= PATIENCE_NS and not self.fin_received:
            self.reassembly.clear()
        super().process_text_and_fin(segment)


class _Sharing(Connection):
    def offer_window(self, shift: int) -> int:
        before = self.rcv_edge
        super().offer_window(shift)
        assert isinstance(self.host, RoomSharedByAllConnections)
        left = max(0, POOL - len(self.receive_buffer) - self.host.waiting_elsewhere(self))
        edge = seqno.add(self.rcv_nxt, min(self.rcv_wnd, left >> shift << shift))
        self.rcv_edge = edge if seqno.lt(before, edge) else before
        return self.rcv_wnd


@variant(
    "room-shared-by-all-connections",
    "What waits to be read on one connection takes room from the windows of all, which open no further.",
    "RFC 9293 §3.8.6",
    allows="How much a receiver offers is its own choice, as long as its edge does not move left.",
)
class RoomSharedByAllConnections(Stack):
    connection_class = _Sharing

    def waiting_elsewhere(self, connection: Connection) -> int:
        """Return how many octets wait to be read on the other connections."""
        return sum(len(each.receive_buffer) for each in self.connections.values() if each is not connection)


@variant(
    "send-takes-all-or-nothing",
    "SEND queues what it is given as a whole, or says that there is no room, as lwIP's does.",
    "RFC 9293 §3.10.2",
    allows="Without the resources for it SEND returns an error: insufficient resources.",
    lacks=("readiness", "waiting-calls"),  # which count with parts
)
class SendTakesAllOrNothing(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if self.send_buffer and len(data) > self.send_room > 0:
            raise BlockingIOError(errno.EAGAIN, "insufficient resources")
        return super().send(data, urgent=urgent)


@variant(
    "receive-by-segments",
    "RECEIVE returns the text that came in one segment, however much is asked for, as NetX's does.",
    "RFC 9293 §3.10.3",
    "RFC 9293 §3.9.1.3",
    allows="A buffer may be returned before it is full: it is a stream, and what is left comes with the next call.",
)
class ReceiveBySegments(Connection):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.pieces: deque[int] = deque()

    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if added := len(self.receive_buffer) - before:
            self.pieces.append(added)

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        piece = self.pieces[0] if self.pieces else limit
        data = super().receive(min(limit, piece), peek=peek)
        if self.pieces and not peek:
            self.pieces[0] -= len(data)
            if not self.pieces[0]:
                self.pieces.popleft()
        return data


@variant(
    "fin-acknowledged-with-delay",
    "The ACK of a FIN is delayed as that of text is, also where the FIN comes alone.",
    "MUST-40",
    "RFC 9293 §3.8.6.3",
    allows="Any ACK may be delayed, by less than half a second.",
)
class FinAcknowledgedWithDelay(Connection):
    def enter_time_wait(self) -> None:
        waits = self.timers.runs(Timer.DELAYED_ACK)
        super().enter_time_wait()
        self.ack_due = self.ack_due or waits

    def process_text_and_fin(self, segment: Segment) -> None:
        due, before, fin = self.ack_due, self.rcv_nxt, self.fin_received
        super().process_text_and_fin(segment)
        first = self.fin_received and not fin and seqno.diff(self.rcv_nxt, before) == len(segment.payload) + 1
        delay_s = self.config.delayed_ack_s
        if first and segment.flags & FIN and not due and delay_s is not None:
            self.ack_due = False
            self.start(Timer.DELAYED_ACK, nanoseconds(delay_s))


@variant(
    "window-opens-when-all-is-read",
    "The window moves on when nothing is left to read.",
    "MAY-8",
    "RFC 9293 §3.8.6.2.2",
    allows="How much a receiver offers is its own choice, as long as its edge does not move left.",
)
class WindowOpensWhenAllIsRead(Connection):
    def offer_window(self, shift: int) -> int:
        if self.receive_buffer and self.rcv_nxt != seqno.add(self.irs, 1):
            return self.rcv_wnd
        return super().offer_window(shift)


@variant(
    "window-of-zero-behind-the-fin",
    "When the peer's FIN has come no window is offered any more.",
    "SHLD-14",
    "RFC 9293 §3.10.7.4 seventh",
    allows="Nothing can come behind a FIN; a window SHOULD NOT be taken back, and a peer MUST bear that it is.",
)
class WindowOfZeroBehindTheFin(Connection):
    def offer_window(self, shift: int) -> int:
        super().offer_window(shift)
        if self.fin_received:
            self.rcv_edge = self.rcv_nxt
        return self.rcv_wnd


@variant(
    "four-segments-under-way",
    "No more than four segments are under way, whatever the windows.",
    "RFC 5681 §3.1",
    "RFC 9293 §3.7",
    allows="Windows are upper bounds.",
)
class FourSegmentsUnderWay(Connection):
    def usable_window(self) -> int:
        return min(super().usable_window(), 4 * self.send_mss)
