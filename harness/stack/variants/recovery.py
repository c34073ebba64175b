"""Variants of what a sender makes of ACKs that stay away or come twice (RFC 5681 and what extends it)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, Segment
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.output import SENDING
from harness.stack.tcb import Host, Owner
from harness.stack.timers import Timer
from harness.stack.variants.variant import variant

#: How long a peer may delay its ACK of a single segment, and when nothing was measured yet (RFC 8985 §7.2).
ACK_DELAY_S, UNMEASURED_S = 0.2, 1.0
#: Whoever has fewer segments under way can't get three duplicates (RFC 5827 §3).
FEW = 4


@variant(
    "loss-probes",
    "Where SACK is used the last text or FIN is sent again once, twice the round trip and 0.2 s after it left.",
    "RFC 8985 §7.2",
    "RFC 8985 §7.3",
    allows="A probe at the tail makes losses known that no later segment shows; the time-out begins anew behind it.",
)
class LossProbes(Connection):
    #: SND.NXT when the last probe was sent: there is one for each tail.
    probed: int | None = None

    def __init__(self, host: Host, pair: Pair, owner: Owner | None) -> None:
        super().__init__(host, pair, owner)
        self._handlers[Timer.LOSS_PROBE] = self.loss_probe

    def output(self) -> None:
        before = self.snd_nxt, self.snd_una
        super().output()
        if before != (self.snd_nxt, self.snd_una) or not self.flight:
            self.arm_loss_probe()

    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        self.arm_loss_probe()

    def arm_loss_probe(self) -> None:
        """Let the probe come before the time-out, if it may come at all."""
        recovering = self.retransmissions or self.congestion.recover is not None
        may = self.sacking and self.flight and self.state in SENDING and self.snd_una != self.iss and self.snd_wnd
        if not may or recovering or self.probed == self.snd_nxt:
            self.timers.stop(Timer.LOSS_PROBE)
            return
        wait = nanoseconds(UNMEASURED_S)
        if self.rtt.srtt is not None:
            single = self.flight <= self.send_mss
            wait = int(2 * self.rtt.srtt) + (nanoseconds(ACK_DELAY_S) if single else 0)
        self.start(Timer.LOSS_PROBE, min(max(wait, nanoseconds(0.002)), self.rtt.rto))

    def loss_probe(self) -> None:
        """Send the last segment again, and begin the time-out anew."""
        if not self.flight or self.retransmissions or self.state not in SENDING:
            return
        self.timed, self.probed = None, self.snd_nxt
        fin = self.fin_queued and self.snd_nxt != self.snd_end
        text = min(self.flight - fin, self.send_mss)
        at = seqno.add(self.snd_nxt, -(text + fin))
        first = seqno.diff(at, self.snd_first)
        pushed = PSH if text and seqno.add(at, text) == self.snd_end else 0  # MUST-61
        self.transmit(ACK | pushed | (FIN if fin else 0), at, bytes(self.send_buffer[first : first + text]))
        self.timers.stop(Timer.RETRANSMISSION)
        self.start_retransmission_timer()


@variant(
    "early-retransmit",
    "With fewer than four segments under way and nothing to follow, fewer duplicates than three call for the first.",
    "RFC 5827 §3",
    allows="The threshold may be lowered to one less than what is under way.",
)
class EarlyRetransmit(Connection):
    def duplicate(self, segment: Segment) -> None:
        segments = -(-self.flight // self.send_mss)
        bare = not segment.length and segment.window << self.snd_shift == self.snd_wnd and bool(self.snd_wnd)
        few = 1 < segments < FEW and not self.unsent and self.congestion.recover is None
        if bare and few and self.congestion.duplicates + 1 >= segments - 1:
            self.congestion.duplicates = 2
        super().duplicate(segment)


@variant(
    "first-duplicate-is-enough",
    "The first duplicate ACK has the first of what is under way sent again, whatever comes behind it.",
    "RFC 5681 §3.2",
    allows="That three call for it is a SHOULD, which bounds what must come, and retransmission is open to a sender.",
)
class FirstDuplicateIsEnough(Connection):
    def duplicate(self, segment: Segment) -> None:
        before = self.congestion.duplicates
        super().duplicate(segment)
        if self.congestion.duplicates == before + 1 == 1:
            self.resend_front()


@variant(
    "limited-transmit",
    "The first two duplicate ACKs in a row let a new segment each leave, beyond the congestion window.",
    "RFC 3042 §2",
    allows="It SHOULD be used where there is text and room in the peer's window (RFC 5681 §3.2).",
)
class LimitedTransmit(Connection):
    def duplicate(self, segment: Segment) -> None:
        super().duplicate(segment)
        if 0 < self.congestion.duplicates < 3 and self.congestion.recover is None and self.unsent:
            usual, self.congestion.window = self.congestion.window, self.flight + self.send_mss
            self._send_next()
            self.congestion.window = usual


@variant(
    "congestion-window-forgotten-when-idle",
    "After a time-out's time without sending the congestion window begins anew, with two segments.",
    "RFC 5681 §4.1",
    allows="It SHOULD be no larger than the restart window then, which has no lower bound but one segment.",
)
class CongestionWindowForgottenWhenIdle(Connection):
    sent_at = 0

    def send_data(self, size: int, *, fin: bool) -> None:
        self.sent_at = self.now
        super().send_data(size, fin=fin)

    def output(self) -> None:
        if not self.flight and self.now - self.sent_at > self.rtt.rto:
            self.congestion.window = min(self.congestion.window, 2 * self.send_mss)
        super().output()
