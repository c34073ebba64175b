"""Variants that wait where the reference stack acts at once, and whose timers begin at another moment."""

from harness.spec import seqno
from harness.spec.segment import ACK, Segment
from harness.spec.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.reception import text_start
from harness.stack.timers import Timer
from harness.stack.variants.variant import variant

#: So many duplicate ACKs call for a fast retransmit where the network reorders.
MANY_DUPLICATES = 6


@variant(
    "probes-back-off-the-timer",
    "A probe of a closed window doubles the retransmission time-out, until a round trip is measured.",
    "RFC 6298 §5",
    "SHLD-30",
    allows="Intervals between probes SHOULD grow; no sentence gives them a time-out of their own.",
)
class ProbesBackOffTheTimer(Connection):
    def send_probe(self) -> None:
        super().send_probe()
        self.rtt.back_off()

    def probe_interval(self) -> int:
        return self.rtt.rto


@variant(
    "timer-begins-with-a-shut-window",
    "A window that is shut over what is under way starts the retransmission timer anew.",
    "SHLD-29",
    "RFC 9293 §3.8.6.1",
    allows="The first probe SHOULD come when a zero window has existed for the time-out, and not before.",
)
class TimerBeginsWithAShutWindow(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        before = self.snd_wnd
        super().take_window(segment, shift=shift)
        if before and not self.snd_wnd and self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


@variant(
    "probes-with-an-old-octet",
    "A probe of a closed window carries the octet that was acknowledged last once more.",
    "MUST-35",
    "RFC 9293 §3.8.6.1",
    allows="New data is sent, or something again: what is not acceptable is answered with the window.",
)
class ProbesWithAnOldOctet(Connection):
    def send_probe(self) -> None:
        self.cursor, self.timed = self.snd_una, None
        self.transmit(ACK, seqno.add(self.snd_una, -1), b"\0")


@variant(
    "gap-filled-and-acknowledged-with-delay",
    "The ACK of text that fills a gap is delayed as that of text in sequence is.",
    "MUST-40",
    "RFC 5681 §4.2",
    allows="An immediate ACK SHOULD be sent when a gap is filled; any is delayed by less than half a second.",
)
class GapFilledAndAcknowledgedWithDelay(Connection):
    def process_text(self, segment: Segment) -> None:
        due, edge = self.ack_due, self.rcv_edge
        super().process_text(segment)
        end = seqno.add(text_start(segment), len(segment.payload))
        fills = seqno.leq(text_start(segment), self.rcv_nxt) and seqno.lt(self.rcv_nxt, end)
        delay_s = self.config.delayed_ack_s
        whole = seqno.leq(end, edge) and self.unacknowledged < 2 * self.config.mss_of(self.pair.local.version)
        if fills and whole and self.ack_due and not due and delay_s is not None:
            self.ack_due = False
            self.start(Timer.DELAYED_ACK, nanoseconds(delay_s))


@variant(
    "gaps-acknowledged-with-delay",
    "What stands behind a gap is acknowledged a tenth of a second later, once for all that has come by then.",
    "MUST-40",
    "MAY-13",
    allows="An immediate duplicate ACK SHOULD be sent; none need be (RFC 5681 §4.2).",
)
class GapsAcknowledgedWithDelay(Connection):
    def process_text(self, segment: Segment) -> None:
        due = self.ack_due
        super().process_text(segment)
        if seqno.lt(self.rcv_nxt, text_start(segment)) and self.ack_due and not due:
            self.ack_due = False
            if not self.timers.runs(Timer.DELAYED_ACK):
                self.start(Timer.DELAYED_ACK, nanoseconds(0.1))


@variant(
    "window-told-with-delay",
    "Of the window that RECEIVE opens an ACK tells 200 ms later, as LWIPv6 has it.",
    "RFC 9293 §3.8.6.2.2",
    "MUST-40",
    allows="When an ACK that updates the window is sent is left open, and any is delayed by less than half a second.",
)
class WindowToldWithDelay(Connection):
    def window_update_due(self, offered: int) -> bool:
        before = self.rcv_edge
        if self.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
            self.offer_window(self.rcv_scale)
        if before != self.rcv_edge and not self.timers.runs(Timer.DELAYED_ACK):
            self.start(Timer.DELAYED_ACK, nanoseconds(0.2))
        return False


@variant(
    "six-duplicates-call-for-a-segment",
    "Six duplicate ACKs call for a fast retransmit, where three do elsewhere.",
    "RFC 5681 §3.2",
    "RFC 8985 §6.2",
    allows="It SHOULD be used behind the third; who knows that the network reorders may wait for longer.",
)
class SixDuplicatesCallForASegment(Connection):
    more = 0

    def duplicate(self, segment: Segment) -> None:
        self.more += 1
        if self.more > MANY_DUPLICATES - 3:
            super().duplicate(segment)

    def acknowledge(self, ack: int) -> None:
        self.more = 0
        super().acknowledge(ack)


@variant(
    "fin-waits-for-acknowledgments",
    "The FIN leaves when all text has been acknowledged.",
    "RFC 9293 §3.10.4",
    allows="It is formed when all that was sent has been cut into segments; when it leaves is the sender's choice.",
)
class FinWaitsForAcknowledgments(Connection):
    def _fin_fits(self, size: int, usable: int) -> bool:
        first = seqno.leq(self.cursor, self.snd_una) or self.snd_una == self.iss
        return super()._fin_fits(size, usable) and size <= 0 and first
