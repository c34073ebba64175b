"""Variants that released stacks are known for: BSD's timers and counters, Linux's and macOS's ACKs, small buffers."""

from harness.spec import seqno
from harness.spec.segment import ACK, PSH, Segment
from harness.spec.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, SYN_RECEIVED
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.listener import Listener
from harness.stack.stack import Stack
from harness.stack.timers import Timer
from harness.stack.variants.variant import settings_variant, variant

#: How often BSD's fast timer runs.
HEARTBEAT_NS = nanoseconds(0.2)
#: So many segments Linux acknowledges at once in the beginning, and so many macOS with one ACK later.
QUICK, STRETCHED = 16, 8
#: BSD's persist timer is set no shorter.
PERSIST_NS = nanoseconds(5)
#: What a segment takes beside its text where it waits to be read.
OVERHEAD = 40

settings_variant(
    "small-send-buffer",
    "SEND takes two segments and a half at most, until some of it has been acknowledged.",
    "RFC 9293 §3.9.1.2",
    "RFC 9293 §3.10.2",
    allows="Where there is no room to queue what SEND has been given, it says so: no size is demanded.",
    send_buffer=3650,
)

settings_variant(
    "fin-wait-2-of-ten-seconds",
    "FIN-WAIT-2 without an application lasts ten seconds.",
    "RFC 9293 §3.6",
    allows="No RFC has such a limit, and none bounds one that a stack has.",
    fin_wait_2_timeout_s=10.0,
)

settings_variant(
    "fin-wait-2-of-eleven-minutes",
    "FIN-WAIT-2 without an application lasts 675 s.",
    "RFC 9293 §3.6",
    allows="No RFC has such a limit, and none bounds one that a stack has.",
    fin_wait_2_timeout_s=675.0,
)


@variant(
    "probes-without-an-octet",
    "A probe of a closed window is an ACK below SND.UNA, without text, as Linux and netstack send it.",
    "MUST-35",
    "RFC 9293 §3.8.6.1",
    allows="What is sent has to be answered with the window: an ACK that is not acceptable always is.",
)
class ProbesWithoutAnOctet(Connection):
    def send_probe(self) -> None:
        self.cursor, self.timed = self.snd_una, None
        self.transmit(ACK, seqno.add(self.snd_una, -1))


@variant(
    "probes-from-five-seconds-on",
    "A closed window is probed after five seconds at the earliest, as BSD's persist timer has it.",
    "SHLD-29",
    "SHLD-30",
    allows="The first probe SHOULD be sent after a retransmission time-out, and the interval grow from there.",
)
class ProbesFromFiveSecondsOn(Connection):
    def probe_interval(self) -> int:
        return max(PERSIST_NS, super().probe_interval())

    def _arm_send_timers(self) -> None:
        ran = self.timers.runs(Timer.PROBE)
        super()._arm_send_timers()
        if self.timers.runs(Timer.PROBE) and not ran and self.snd_wnd == 0:
            self.start(Timer.PROBE, max(PERSIST_NS, self.rtt.rto))
            if self.settings.user_timeout_s:  # it counts from SEND on
                self.start_user_timeout()


@variant(
    "fin-behind-text-acknowledged-with-delay",
    "The ACK of a segment with text and FIN is delayed as that of text is; a FIN alone is acknowledged at once.",
    "MUST-40",
    "RFC 9293 §3.8.6.3",
    allows="Any ACK may be delayed, by less than half a second.",
)
class FinBehindTextAcknowledgedWithDelay(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        due, before, fin = self.ack_due, self.rcv_nxt, self.fin_received
        super().process_text_and_fin(segment)
        first = self.fin_received and not fin and seqno.diff(self.rcv_nxt, before) == len(segment.payload) + 1
        delay_s = self.config.delayed_ack_s
        if first and segment.payload and not due and delay_s is not None:
            self.ack_due = False
            self.start(Timer.DELAYED_ACK, nanoseconds(delay_s))


@variant(
    "acks-at-a-heartbeat",
    "Delayed ACKs leave at the ticks of a clock that runs every 200 ms, as BSD's: after any time up to that.",
    "SHLD-18",
    "MUST-40",
    allows="An ACK is delayed by less than half a second: no sentence says that two wait equally long.",
)
class AcksAtAHeartbeat(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        beat = HEARTBEAT_NS - self.now % HEARTBEAT_NS
        super().start(timer, beat if timer is Timer.DELAYED_ACK else duration)


@variant(
    "acks-quick-at-first",
    "The first sixteen segments are acknowledged at once, later ones with delay, as Linux does.",
    "SHLD-18",
    allows="Delayed ACKs SHOULD be implemented; when they are used is left open.",
)
class AcksQuickAtFirst(Connection):
    quick = QUICK

    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        self.quick -= bool(octets) and self.quick > 0
        super().owe_ack(octets, at_once=at_once or self.quick > 0)


@variant(
    "acks-stretched",
    "One ACK does for eight full-sized segments, or is sent after 200 ms, as macOS does.",
    "SHLD-19",
    "RFC 5681 §4.2",
    allows="One for every second full-sized segment is what SHOULD be sent.",
)
class AcksStretched(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        all_of_it = self.unacknowledged + octets
        many = all_of_it >= STRETCHED * self.config.mss_of(self.pair.local.version)
        self.unacknowledged = 0 if not many else self.unacknowledged
        super().owe_ack(0 if not many else octets, at_once=at_once)
        self.unacknowledged = all_of_it


@variant(
    "pushed-text-acknowledged-at-once",
    "Text with PSH is acknowledged at once, other text with delay.",
    "SHLD-18",
    allows="When an ACK is delayed is left open, up to half a second.",
)
class PushedTextAcknowledgedAtOnce(Connection):
    pushed = False

    def process_text_and_fin(self, segment: Segment) -> None:
        self.pushed = bool(segment.flags & PSH)
        super().process_text_and_fin(segment)

    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        super().owe_ack(octets, at_once=at_once or (self.pushed and bool(octets)))


@variant(
    "window-taken-back",
    "Each segment that waits to be read takes 40 octets of room beside its text: the window's right edge moves left.",
    "SHLD-14",
    allows="A receiver SHOULD NOT shrink its window, and a sender MUST be prepared for one that does (MUST-34).",
)
class WindowTakenBack(Connection):
    taken = 0

    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        self.taken = (
            (self.taken + OVERHEAD if len(self.receive_buffer) > before else self.taken) if before else OVERHEAD
        )
        if len(self.receive_buffer) > before and self.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
            self.rcv_edge = seqno.add(self.rcv_edge, -min(OVERHEAD, self.rcv_wnd))

    def offer_window(self, shift: int) -> int:
        before = self.rcv_edge
        super().offer_window(shift)
        edge = seqno.add(self.rcv_edge, -self.taken) if self.receive_buffer else self.rcv_edge
        self.rcv_edge = edge if seqno.lt(before, edge) else before
        return self.rcv_wnd


@variant(
    "timer-of-each-segment",
    "Behind the acknowledgment of a part the retransmission timer counts from when the next segment left.",
    "RFC 6298 §5",
    allows="How the timer is managed is RECOMMENDED; no segment is sent again before its own time-out is over.",
)
class TimerOfEachSegment(Connection):
    #: The ends of what was sent, with its time.
    left: tuple[tuple[int, int], ...] = ()

    def send_data(self, size: int, *, fin: bool) -> None:
        super().send_data(size, fin=fin)
        self.left = (*self.left, (self.cursor, self.now))

    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        self.left = tuple((end, at) for end, at in self.left if seqno.lt(self.snd_una, end))
        if self.left and self.timers.runs(Timer.RETRANSMISSION):
            oldest = max(at for end, at in self.left if end == self.left[0][0])
            self.start(Timer.RETRANSMISSION, max(0, oldest + self.rtt.rto - self.now))


@variant(
    "syn-again-counts-as-repetition",
    "A SYN that is repeated in SYN-RECEIVED is answered with the SYN,ACK, and the time-out doubles for it, as in lwIP.",
    "RFC 9293 §3.10.8",
    "RFC 6298 §5",
    allows="How the timer is managed is RECOMMENDED; no segment is sent again before its own time-out is over.",
)
class SynAgainCountsAsRepetition(Connection):
    def answer_unacceptable(self) -> None:
        if self.state is SYN_RECEIVED and self.heard_syn:
            self.rtt.back_off()
            self.send_syn()
        else:
            super().answer_unacceptable()


@variant(
    "isn-without-a-hash",
    "Initial sequence numbers are those of a clock that all connections share, as RFC 793 has it.",
    "MUST-8",
    "SHLD-1",
    allows="They are clock-driven; that nobody else can compute them is what they SHOULD be.",
)
class IsnWithoutAHash(Stack):
    def choose_iss(self, pair: Pair) -> int:
        iss, used = seqno.add(self.now // 4_000, int.from_bytes(self._key[:4])), self.last_number(pair)
        return iss if used is None or seqno.lt(used, iss) else seqno.add(used, 1)


@variant(
    "backlog-half-as-large-again",
    "A listener takes three connections for each two of its backlog, and one more, as BSD did.",
    "RFC 9293 §3.9.1.1",
    allows="No RFC knows a backlog.",
)
class BacklogHalfAsLargeAgain(Listener):
    @property
    def full(self) -> bool:
        return len(self.opening) + len(self.ready) >= self.backlog * 3 // 2 + 1


@variant(
    "half-open-forgotten-with-the-listener",
    "What is in SYN-RECEIVED when its listener is closed is forgotten in silence, as where a SYN cache holds it.",
    "RFC 9293 §3.10.4",
    allows="CLOSE in LISTEN deletes the TCB: that a reset is sent for what others have begun, no sentence says.",
)
class HalfOpenForgottenWithTheListener(Listener):
    def close(self) -> None:
        for connection in self.opening:
            if connection.state is SYN_RECEIVED:
                connection.delete()
        super().close()
