"""SEGMENT ARRIVES for a connection that exists (RFC 9293 §3.10.7.4): eight checks, in the RFC's order.

A check that is done with a segment returns False, and the later ones don't see it. What comes of it all leaves in one
place, `output`, so that an acknowledgment travels with data where it can (MUST-58).
"""

import errno
from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import (
    CLOSED,
    CLOSING,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from harness.stack import options
from harness.stack.config import NS
from harness.stack.handshake import Handshake
from harness.stack.options import Options

#: A timestamp is forgotten when the connection was idle for so long (RFC 7323 §5.5).
TIMESTAMP_LIFETIME = 24 * 24 * 3600 * NS


class Arrivals(Handshake):
    """A connection that segments arrive for."""

    def arrive(self, segment: Segment) -> None:
        """Process one segment and send what is due because of it."""
        found = options.read(segment.options)
        self.heard_syn = bool(segment.flags & SYN)
        if self.state is SYN_SENT:
            self.arrives_in_syn_sent(segment, found)
        else:
            self._arrives_in_other_states(self.trimmed(segment), found)
        if self.state is not CLOSED:
            self.output()

    def _arrives_in_other_states(self, segment: Segment, found: Options) -> None:
        if (
            self.check_timestamp(segment, found)
            and self.check_sequence(segment, found)
            and self.check_reset(segment)
            and self.check_syn(segment)
            and self.check_ack(segment)
        ):
            self.process_text_and_fin(segment)

    def trimmed(self, segment: Segment) -> Segment:
        """Trim off a SYN that the peer repeats, for it lies left of the window; what is on it may be new.

        So the SYN,ACK of a simultaneous open counts as an ACK. A passive opener looks at text and FIN only: a SYN and
        nothing else stays one, to be answered.
        """
        repeated = self.state is SYN_RECEIVED and segment.flags & (SYN | RST) == SYN and segment.seq == self.irs
        if not repeated or not (segment.length > 1 if self.passive else segment.flags & ACK):
            return segment
        return replace(segment, flags=segment.flags & ~SYN, seq=self.rcv_nxt)

    # --- RFC 7323 §5.3: before all others ----------------------------------------------------------------------------

    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        """Protection against wrapped sequence numbers (PAWS), where timestamps were negotiated; resets are exempt."""
        if not self.stamping or segment.flags & RST:
            return True
        if found.timestamps is None:
            # RFC 7323 §3.2: SHOULD be dropped in silence; but RFC 6191 §2 lets a SYN without them end TIME-WAIT.
            return not self.config.require_timestamps or bool(self.state is TIME_WAIT and segment.flags & SYN)
        if self.is_old_timestamp(found.timestamps[0]):  # R1
            self.answer_unacceptable()
            return False
        return True

    def is_old_timestamp(self, value: int) -> bool:
        """SEG.TSval < TS.Recent, unless that has not been heard of for 24 days (§5.5)."""
        return seqno.lt(value, self.ts_recent) and not self.timestamp_expired

    @property
    def timestamp_expired(self) -> bool:
        """Tell whether TS.Recent is too old to be compared with."""
        return self.now - self.ts_recent_at >= TIMESTAMP_LIFETIME

    def note_timestamp(self, segment: Segment, found: Options) -> None:
        """R3: what is echoed is the timestamp of the segment that advances the left edge of the window."""
        if not self.stamping or found.timestamps is None or seqno.lt(self.last_ack_sent, segment.seq):
            return
        if seqno.leq(self.ts_recent, found.timestamps[0]) or self.timestamp_expired:  # §5.5: any one replaces it then
            self.ts_recent, self.ts_recent_at = found.timestamps[0], self.now

    # --- first: the sequence number ----------------------------------------------------------------------------------

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        """Answer a segment that lies outside the window with an ACK, a reset with silence."""
        if segment.flags & RST:
            return self.is_reset_in_window(segment)
        if self.is_acceptable(segment):
            self.last_heard, self.keep_alives = self.now, 0
            self.note_timestamp(segment, found)
            return True
        if self.fills_a_closed_window(segment):
            # Special allowance: its ACK counts all the same (MUST-66).
            if self.check_ack(segment):
                self.ack_due = True
            return False
        if self.state is TIME_WAIT and segment.flags & FIN and seqno.add(segment.seq, segment.length) == self.rcv_nxt:
            self.restart_time_wait()  # the peer's FIN again: our ACK of it was lost
        self.answer_unacceptable()
        return False

    def is_acceptable(self, segment: Segment) -> bool:
        """The four cases of table 6."""
        wnd, length = self.rcv_wnd, segment.length
        if length == 0:
            return segment.seq == self.rcv_nxt if wnd == 0 else seqno.in_window(segment.seq, self.rcv_nxt, wnd)
        last = seqno.add(segment.seq, length - 1)
        return seqno.in_window(segment.seq, self.rcv_nxt, wnd) or seqno.in_window(last, self.rcv_nxt, wnd)

    def is_reset_in_window(self, segment: Segment) -> bool:
        """RFC 5961 §3.2, case 1: SEG.SEQ alone counts, and RCV.NXT is always in the window."""
        return segment.seq == self.rcv_nxt or seqno.in_window(segment.seq, self.rcv_nxt, self.rcv_wnd)

    def fills_a_closed_window(self, segment: Segment) -> bool:
        """Tell whether a segment is unacceptable only because the window is shut."""
        return self.rcv_wnd == 0 and segment.seq == self.rcv_nxt and segment.flags & (SYN | ACK) == ACK

    # --- second: RST -------------------------------------------------------------------------------------------------

    def check_reset(self, segment: Segment) -> bool:
        """A reset at RCV.NXT ends the connection; elsewhere in the window it is challenged (RFC 5961 §3.2)."""
        if not segment.flags & RST:
            return True
        if segment.seq == self.rcv_nxt:
            self.reset_arrived()
        else:
            self.send_challenge()
        return False

    def reset_arrived(self) -> None:
        """Delete the connection; the application is told according to the state."""
        if self.state is SYN_RECEIVED:
            self.delete(0 if self.passive else errno.ECONNREFUSED)  # passive: back to LISTEN
        elif self.state is TIME_WAIT and self.config.keep_time_wait:
            return
        else:
            self.delete(0 if self.state in (CLOSING, LAST_ACK, TIME_WAIT) else errno.ECONNRESET)

    # --- third: security (there is none); fourth: SYN ----------------------------------------------------------------

    def check_syn(self, segment: Segment) -> bool:
        """A SYN in the window takes a passive opener back to LISTEN; in synchronized states it is challenged."""
        if not segment.flags & SYN:
            return True
        if self.state is SYN_RECEIVED and self.passive:
            self.delete()
        else:
            self.send_challenge()  # RFC 5961 §4.2
        return False

    # --- fifth: ACK --------------------------------------------------------------------------------------------------

    def check_ack(self, segment: Segment) -> bool:
        """Process the acknowledgment; False if it is none, is unacceptable, or was all that counts."""
        if not segment.flags & ACK:
            return False
        if self.state is SYN_RECEIVED:
            if not self.acknowledges_our_syn(segment):
                self.refuse(segment)
                return False
            self.take_window(segment, shift=0 if self.heard_syn else self.snd_shift)
            self.acknowledge(segment.ack)
            self.establish()
        elif not self.is_acceptable_ack(segment):
            self.send_challenge()  # RFC 5961 §5.2
            return False
        else:
            self.process_ack(segment)
        if self.fin_acknowledged:
            self.our_fin_acknowledged()
        return self.state is not CLOSED

    def is_acceptable_ack(self, segment: Segment) -> bool:
        """(SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT."""
        oldest = seqno.add(self.snd_una, -self.max_snd_wnd)
        return seqno.leq(oldest, segment.ack) and seqno.leq(segment.ack, self.snd_nxt)

    def process_ack(self, segment: Segment) -> None:
        """The processing for ESTABLISHED, which all later states have in common."""
        if seqno.lt(self.snd_una, segment.ack):
            self.acknowledge(segment.ack)
        elif segment.ack == self.snd_una:
            self.duplicate(segment)
        if seqno.leq(self.snd_una, segment.ack):
            self.update_window(segment)
        if self.state is TIME_WAIT and segment.flags & FIN:
            self.restart_time_wait()

    # --- TIME-WAIT and a new SYN (MAY-2, RFC 6191 §2) ----------------------------------------------------------------

    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        """Tell whether a SYN that finds the connection in TIME-WAIT is new: its timestamp tells, or else its number."""
        stamps = found.timestamps
        if stamps is None or (self.stamping and stamps[0] == self.ts_recent):
            return seqno.leq(self.rcv_nxt, segment.seq)
        return not self.stamping or seqno.lt(self.ts_recent, stamps[0])
