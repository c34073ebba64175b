"""What a connection sends, and when (RFC 9293 §3.7, §3.8.6): segments, acknowledgments, windows, resets."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, URG, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
)
from harness.stack import options
from harness.stack.config import nanoseconds
from harness.stack.datagram import Datagram
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

#: States in which data or FIN may be under way.
SENDING = frozenset({ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1, CLOSING, LAST_ACK})
#: The largest number that the window field holds.
LARGEST_FIELD = 65535


class Output(Tcb):
    """A connection that can speak. `output` is the one place where new data, FIN and the ACKs that are due leave."""

    def output(self) -> None:
        """Send what window, congestion, Nagle and silly window avoidance allow; then an ACK if one is due."""
        if self.state in SENDING:
            while self._send_next():
                pass
            self._arm_send_timers()
        if self.ack_due:
            self.send_ack()

    # --- data and FIN ------------------------------------------------------------------------------------------------

    def _send_next(self) -> bool:
        """Send the next segment of the stream if it is due; tell whether it was."""
        queued = max(0, seqno.diff(self.snd_end, self.cursor))
        usable = seqno.diff(seqno.add(self.snd_una, self.usable_window()), self.cursor)
        size = min(queued, usable, self.send_mss)
        fin = self._fin_fits(size, usable)
        if size <= 0 and not fin:
            return False
        if not fin and not self.worth_sending(size, queued):
            return False
        self.send_data(max(size, 0), fin=fin)
        return True

    def usable_window(self) -> int:
        """Return how far behind SND.UNA may be sent."""
        return min(self.snd_wnd, self.congestion.window)

    def _fin_fits(self, size: int, usable: int) -> bool:
        """Tell whether the FIN goes with the next segment: all data is sent with it, and the window has room."""
        at_end = self.fin_queued and seqno.add(self.cursor, max(size, 0)) == self.snd_end
        return at_end and usable > max(size, 0) and seqno.leq(self.cursor, self.snd_end)

    def worth_sending(self, size: int, queued: int) -> bool:
        """Nagle's algorithm and the sender's silly window avoidance (§3.7.4, §3.8.6.2.1; all data counts as pushed)."""
        if size >= self.send_mss or seqno.lt(self.cursor, self.snd_nxt):  # (1); or it is sent again
            return True
        if not self.may_send_small():
            return False
        return size == queued or 2 * size >= self.max_snd_wnd  # (2) and (3)

    def may_send_small(self) -> bool:
        """Tell whether a segment that is not full-sized may leave while others are under way (SHLD-7, MUST-17).

        This is Minshall's variant (appendix A.3): only another small segment holds one back.
        """
        return self.settings.no_delay or seqno.leq(self.small_end, self.snd_una)

    def send_data(self, size: int, *, fin: bool) -> None:
        """Send `size` octets at the cursor, with the FIN if told so; advance cursor and SND.NXT."""
        seq, at = self.cursor, seqno.diff(self.cursor, self.snd_first)
        payload = bytes(self.send_buffer[at : at + size])
        flags = ACK | (FIN if fin else 0)
        if payload and (fin or seqno.add(seq, size) == self.snd_end):
            flags |= PSH  # MUST-61: the last of what is queued
        again = seqno.lt(seq, self.snd_nxt)
        self.cursor = seqno.add(seq, size + fin)
        if seqno.lt(self.snd_nxt, self.cursor):
            self.snd_nxt = self.cursor
        if 0 < size < self.send_mss and not again:
            self.small_end = self.cursor
        if not again and self.timed is None:
            self.timed = (self.cursor, self.now)
        self.transmit(flags, seq, payload)
        self.start_retransmission_timer()
        if fin and self.state is CLOSE_WAIT:
            self.enter(LAST_ACK)

    def start_retransmission_timer(self) -> None:
        """Start the timer if it does not run (RFC 6298 §5.1), and with it R2 (§3.8.3)."""
        if not self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        self.timers.stop(Timer.PROBE)
        self.start_user_timeout()

    def start_user_timeout(self) -> None:
        """Start R2 if it does not run: so long the peer may be silent about what it was sent."""
        if not self.timers.runs(Timer.USER_TIMEOUT):
            self.unanswered_since = self.now
            self.set_user_timeout()

    def set_user_timeout(self) -> None:
        """Let R2 end as the application has set it (MUST-21), also if it does so while R2 runs."""
        own = self.settings.user_timeout_s
        if self.state is SYN_SENT:
            timeout_s = self.settings.syn_timeout_s or own or self.config.syn_timeout_s
        elif self.state is SYN_RECEIVED:
            timeout_s = own or self.config.syn_ack_timeout_s
        else:
            timeout_s = own or self.config.user_timeout_s
        self.start(Timer.USER_TIMEOUT, self.unanswered_since + nanoseconds(timeout_s) - self.now)

    def _arm_send_timers(self) -> None:
        """While something waits and nothing is under way, a timer must send it: a probe, or the override of SWS."""
        if not self.unsent or self.timers.runs(Timer.RETRANSMISSION):
            self.timers.stop(Timer.PROBE)
        elif not self.timers.runs(Timer.PROBE):
            self.probes = 0
            closed = self.snd_wnd == 0
            self.start(Timer.PROBE, self.rtt.rto if closed else nanoseconds(self.config.override_timeout_s))

    # --- single segments ---------------------------------------------------------------------------------------------

    def send_syn(self) -> None:
        """Send <SEQ=ISS><CTL=SYN>, with ACK once the peer's SYN is here, and the options that both sides may use."""
        answers = self.state is not SYN_SENT
        local = self.pair.local.version
        stamps = (self.timestamp(), self.ts_recent) if self.offers_timestamps(answers) else None
        field = options.write_syn(
            self.config.mss_of(local), self.offered_shift(answers), self.offers_sack(answers), stamps
        )
        flags, ack = (SYN | ACK, self.rcv_nxt) if answers else (SYN, 0)
        window = min(self.offer_window(0), LARGEST_FIELD)  # never scaled (RFC 7323 §2.2)
        if answers:
            self.note_ack_sent()
        self.emit(Segment(flags, self.iss, ack, window, options=field))
        self.cursor = seqno.add(self.iss, 1)
        if seqno.lt(self.snd_nxt, self.cursor):
            self.snd_nxt, self.timed = self.cursor, (self.cursor, self.now)
        self.start_retransmission_timer()

    def offered_shift(self, answers: bool) -> int | None:
        """Return the shift count to put on a SYN: on an answer only if the peer has sent one (RFC 7323 §1.3)."""
        return self.rcv_shift if self.config.window_scale and (self.scaling or not answers) else None

    def offers_timestamps(self, answers: bool) -> bool:
        """Tell whether a SYN carries timestamps, by the same rule (RFC 7323 §3.2)."""
        return self.config.timestamps and (self.stamping or not answers)

    def offers_sack(self, answers: bool) -> bool:
        """Tell whether a SYN permits SACK, by the same rule."""
        return self.config.sack and (self.sacking or not answers)

    def send_ack(self) -> None:
        """Send <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>."""
        self.transmit(ACK, self.snd_nxt)

    def send_challenge(self) -> None:
        """Send a challenge ACK, unless there were too many (RFC 5961 §7)."""
        if not self.answered_lately() and not self.challenged_lately() and self.host.challenge_allowed():
            self.last_challenge = self.now
            self.send_ack()

    def challenged_lately(self) -> bool:
        """Tell whether this connection has sent a challenge a moment ago."""
        last, interval = self.last_challenge, nanoseconds(self.config.challenge_interval_s)
        return last is not None and self.now - last < interval

    def answer_unacceptable(self) -> None:
        """Send <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, so that a peer that is out of step can find back (§3.5.2)."""
        if not self.answered_lately():
            self.send_ack()

    def answered_lately(self) -> bool:
        """Tell whether an unacceptable segment was answered a moment ago; if not, one is being answered now."""
        last, interval = self.last_invalid_ack, nanoseconds(self.config.invalid_interval_s)
        if last is not None and self.now - last < interval:
            return True
        self.last_invalid_ack = self.now
        return False

    def send_reset(self) -> None:
        """Send <SEQ=SND.NXT><CTL=RST>, as ABORT does (§3.10.5)."""
        field = options.write((self.timestamp(), self.ts_recent) if self.stamping else None, [])
        self.emit(Segment(RST, self.snd_nxt, window=0, options=field))

    def refuse(self, segment: Segment) -> None:
        """Answer an unacceptable acknowledgment with <SEQ=SEG.ACK><CTL=RST>."""
        self.emit(Segment(RST, segment.ack, window=0))

    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        """Send a segment once the peer's numbers are known: ACK, window and options are the present ones."""
        window = self.offer_window(self.rcv_scale) >> self.rcv_scale
        stamps = (self.timestamp(), self.ts_recent) if self.stamping else None
        field = options.write(stamps, self.reassembly.blocks() if self.sacking and not payload else [])
        segment = Segment(flags, seq, self.rcv_nxt, window, payload, field)
        if self.snd_up is not None and seqno.lt(seq, self.snd_up) and seqno.lt(self.snd_una, self.snd_up):
            segment.flags |= URG
            segment.urgent = min(seqno.diff(self.snd_up, seq), LARGEST_FIELD)
        self.note_ack_sent()
        self.emit(segment)

    def note_ack_sent(self) -> None:
        """Everything received so far is acknowledged by the segment that now goes out."""
        self.ack_due, self.unacknowledged = False, 0
        self.last_ack_sent = self.rcv_nxt
        self.timers.stop(Timer.DELAYED_ACK)

    def emit(self, segment: Segment) -> None:
        """Put a segment on the way, with the ports and IP fields of this connection."""
        local, remote = self.pair
        segment.source_port, segment.destination_port = local.port, remote.port
        self.host.transmit(
            Datagram(local.address, remote.address, segment, self.settings.ttl, self.settings.traffic_class)
        )

    # --- numbers that go along ---------------------------------------------------------------------------------------

    @property
    def rcv_scale(self) -> int:
        """The shift of the window field that we send."""
        return self.rcv_shift if self.scaling else 0

    def offer_window(self, shift: int) -> int:
        """Return RCV.WND for a segment, advancing the right edge unless that were silly (§3.8.6.2.2)."""
        space = min(self.settings.receive_buffer or self.config.receive_buffer, LARGEST_FIELD << shift)
        free = ((space - len(self.receive_buffer)) >> shift) << shift
        if free - self.rcv_wnd >= min(space // 2, self.send_mss):
            self.rcv_edge = seqno.add(self.rcv_nxt, free)
        return self.rcv_wnd

    def timestamp(self) -> int:
        """Return TSval: milliseconds, with an offset of the connection's own (RFC 7323 §5.4, §7.1)."""
        return (self.now // 1_000_000 + self.ts_offset) & 0xFFFFFFFF
