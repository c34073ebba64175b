"""What a segment that passed the checks brings: acknowledgments, window, text, FIN (RFC 9293 §3.10.7.4, 5th to 8th)."""

import errno

from harness.spec import seqno
from harness.spec.segment import FIN, URG, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    TIME_WAIT,
)
from harness.stack.config import nanoseconds
from harness.stack.readiness import Ready
from harness.stack.retransmission import Retransmission
from harness.stack.timers import Timer

#: States in which the peer may still send text.
RECEIVING = frozenset({ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2})


class Reception(Retransmission):
    """A connection that takes in what the peer acknowledges and sends."""

    def establish(self) -> None:
        """Our SYN is acknowledged: enter ESTABLISHED, and FIN-WAIT-1 at once if CLOSE waited for that."""
        self.enter(ESTABLISHED)
        if self.replaced is not None:
            self.replaced.delete()
        self.arm_keep_alive()
        if self.owner is not None:
            self.owner.opened(self)
        if self.fin_queued:
            self.enter(FIN_WAIT_1)

    # --- acknowledgments and window (fifth check) --------------------------------------------------------------------

    def acknowledge(self, ack: int) -> None:
        """SND.UNA < SEG.ACK =< SND.NXT: advance SND.UNA and take what is acknowledged from the retransmission queue."""
        octets, was_full = seqno.diff(ack, self.snd_una), self.send_room <= 0
        self.measure(ack)
        self.snd_una = ack
        taken = min(max(0, seqno.diff(ack, self.snd_first)), len(self.send_buffer))
        del self.send_buffer[:taken]
        if was_full and taken:
            self.notify(Ready.OUT)
        self.snd_first = seqno.add(self.snd_first, taken)
        if seqno.lt(self.cursor, ack):
            self.cursor = ack
        self.retransmissions = 0
        # RFC 6298 §5.2 and §5.3; R2 begins anew with each progress.
        self.timers.stop(Timer.RETRANSMISSION, Timer.USER_TIMEOUT)
        if self.flight:
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
            self.start_user_timeout()
        if self.congestion.acknowledged(octets, ack):
            self.resend_front()

    def measure(self, ack: int) -> None:
        """Take a round-trip sample if `ack` covers the segment that is timed (RFC 6298 §3)."""
        if self.snd_una == self.iss and self.retransmissions:
            self.rtt.syn_was_lost()
            self.congestion.window = self.send_mss  # RFC 5681 §3.1
        elif self.timed is not None and seqno.leq(self.timed[0], ack):
            self.rtt.sample(self.now - self.timed[1])
            self.timed = None

    def duplicate(self, segment: Segment) -> None:
        """Count an ACK that repeats SND.UNA and brings nothing else (RFC 5681 §2).

        With a single segment under way there is no later one that could have drawn it.
        """
        bare = not segment.length and segment.window << self.snd_shift == self.snd_wnd
        several = self.flight > self.send_mss
        if bare and several and self.snd_wnd and self.congestion.duplicate(self.flight, self.snd_nxt):
            self.resend_front()

    def update_window(self, segment: Segment) -> None:
        """Take the window of a segment unless an older one is at hand: SND.WL1 and SND.WL2 tell."""
        newer = seqno.lt(self.snd_wl1, segment.seq)
        if newer or (self.snd_wl1 == segment.seq and seqno.leq(self.snd_wl2, segment.ack)):
            self.take_window(segment, shift=self.snd_shift)
        if self.snd_wnd == 0:
            # A peer that answers is alive: it may keep its window shut for as long as it likes (MUST-37).
            self.timers.stop(Timer.USER_TIMEOUT)

    def take_window(self, segment: Segment, *, shift: int) -> None:
        """Set SND.WND, SND.WL1, SND.WL2 and MAX.SND.WND."""
        self.snd_wnd = segment.window << shift
        self.max_snd_wnd = max(self.max_snd_wnd, self.snd_wnd)
        self.snd_wl1, self.snd_wl2 = segment.seq, segment.ack

    # --- text (sixth and seventh check) ------------------------------------------------------------------------------

    def process_text_and_fin(self, segment: Segment) -> None:
        """Take URG, text and FIN in, as far as they lie in the window; SYN is no part of them."""
        if segment.flags & URG and self.state in RECEIVING:
            self.process_urgent(segment)
        if segment.payload and self.state in RECEIVING:
            self.process_text(segment)
        if segment.flags & FIN and self.state is not CLOSED:
            self.note_fin(segment)
        self.advance()

    def process_urgent(self, segment: Segment) -> None:
        """RCV.UP <- max(RCV.UP,SEG.UP); the text stays in its place (§3.8.5)."""
        pointer = seqno.add(segment.seq, segment.urgent)
        if self.rcv_up is None or seqno.lt(self.rcv_up, pointer):
            self.rcv_up = pointer
            self.host.event(self, "urgent data")

    def process_text(self, segment: Segment) -> None:
        """Keep what is new and lies in the window; see to its acknowledgment."""
        start = text_start(segment)
        old = max(0, seqno.diff(self.rcv_nxt, start))
        first = seqno.add(start, old)
        text = segment.payload[old : old + max(0, seqno.diff(self.rcv_edge, first))]
        if text and self.deaf:
            # Nobody will read it: a reset shows that it is lost (SHLD-3).
            self.refuse(segment)
            self.delete(errno.ECONNRESET)
            return
        if first == self.rcv_nxt:
            # A segment in sequence counts as a whole, before what waits behind it (§3.10.7.4).
            self.reassembly.overtake(seqno.add(first, len(text)))
        self.reassembly.put(first, text)
        self.owe_ack(len(text), at_once=first != self.rcv_nxt or not text or bool(len(self.reassembly) > len(text)))

    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        """See to the acknowledgment of what came: now, or a little later (§3.8.6.3)."""
        self.unacknowledged += octets
        delay_s = self.config.delayed_ack_s
        if delay_s is None or at_once or self.unacknowledged >= 2 * self.config.mss_of(self.pair.local.version):
            self.ack_due = True
        elif not self.timers.runs(Timer.DELAYED_ACK):
            self.start(Timer.DELAYED_ACK, nanoseconds(delay_s))

    def advance(self) -> None:
        """Move what continues the stream into the receive buffer; take the FIN in when it is its turn."""
        if self.state in RECEIVING:
            text = self.reassembly.take(self.rcv_nxt)
            self.receive_buffer += text
            self.rcv_nxt = seqno.add(self.rcv_nxt, len(text))
            if text:
                self.owe_ack(0, at_once=False)
                self.notify(Ready.IN)
        if self.reassembly.fin == self.rcv_nxt and not self.fin_received:
            self.take_fin()

    # --- FIN (eighth check) ------------------------------------------------------------------------------------------

    def note_fin(self, segment: Segment) -> None:
        """Remember where the FIN stands if that is in the window. It is answered at once, behind a gap too."""
        place = seqno.add(text_start(segment), len(segment.payload))
        if seqno.in_window(place, self.rcv_nxt, self.rcv_wnd):
            self.ack_due = True
            if not self.fin_received:
                self.reassembly.end_at(place)

    def take_fin(self) -> None:
        """Advance RCV.NXT over the FIN and change the state."""
        self.fin_received = True
        self.rcv_nxt = seqno.add(self.rcv_nxt, 1)
        self.ack_due = True
        if self.state in (SYN_RECEIVED, ESTABLISHED):
            self.enter(CLOSE_WAIT)
        elif self.state is FIN_WAIT_1:
            if self.fin_acknowledged:
                self.enter_time_wait()
            else:
                self.enter(CLOSING)
        elif self.state is FIN_WAIT_2:
            self.enter_time_wait()
        self.notify(Ready.IN | Ready.RDHUP | (Ready.HUP if self.fin_queued else Ready.NONE))

    def enter_time_wait(self) -> None:
        """Enter TIME-WAIT, turn off the other timers and wait for 2 MSL (MUST-13)."""
        self.enter(TIME_WAIT)
        self.timers.clear()
        self.restart_time_wait()

    def restart_time_wait(self) -> None:
        """Let 2 MSL begin, or begin anew."""
        self.start(Timer.TIME_WAIT, self.two_msl)

    def our_fin_acknowledged(self) -> None:
        """Change the state when the peer has our FIN."""
        if self.state is FIN_WAIT_1:
            self.enter(FIN_WAIT_2)
            self.bound_fin_wait_2()
        elif self.state is CLOSING:
            self.enter_time_wait()
        elif self.state is LAST_ACK:
            self.delete()
        self.notify(Ready.NONE)

    def bound_fin_wait_2(self) -> None:
        """Without application nobody waits for the peer's FIN for ever."""
        if self.deaf:
            own = self.settings.fin_wait_2_timeout_s
            self.start(Timer.FIN_WAIT_2, nanoseconds(self.config.fin_wait_2_timeout_s if own is None else own))


def text_start(segment: Segment) -> int:
    """Return the number of the first octet of text: a SYN takes one before it."""
    return seqno.add(segment.seq, segment.length - len(segment.payload) - bool(segment.flags & FIN))
