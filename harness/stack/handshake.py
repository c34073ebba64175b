"""How a connection opens: SEGMENT ARRIVES in LISTEN (the new connection's part) and in SYN-SENT (RFC 9293 §3.10.7)."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import SYN_RECEIVED, SYN_SENT
from harness.stack.congestion import Congestion
from harness.stack.options import Options
from harness.stack.reception import Reception
from harness.stack.timers import Timer


class Handshake(Reception):
    """A connection that can be opened, from either side or from both."""

    # --- where it begins ---------------------------------------------------------------------------------------------

    def open_active(self) -> None:
        """Active OPEN (§3.10.1): select an ISS, send the SYN, enter SYN-SENT."""
        self.choose_numbers()
        self.enter(SYN_SENT)
        self.send_syn()

    def open_passive(self, segment: Segment, found: Options) -> None:
        """A SYN has arrived in LISTEN (§3.10.7.2, third): answer it, enter SYN-RECEIVED."""
        self.passive = True
        self.choose_numbers()
        self.learn_from_syn(segment, found)
        self.enter(SYN_RECEIVED)
        self.send_syn()
        self.keep_for_later(segment)

    def choose_numbers(self) -> None:
        """Choose an ISS, and what else a connection needs before its SYN."""
        self.iss = self.host.choose_iss(self.pair)
        self.snd_una = self.snd_nxt = self.iss
        self.snd_first = self.cursor = self.small_end = seqno.add(self.iss, 1)
        self.ts_offset = self.host.choose_timestamp_offset(self.pair)
        size = self.settings.receive_buffer or self.config.receive_buffer
        self.rcv_shift = next(shift for shift in range(15) if size >> shift <= 0xFFFF)

    # --- SYN-SENT (§3.10.7.3) ----------------------------------------------------------------------------------------

    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        """Process a segment in SYN-SENT."""
        # First, the ACK bit.
        acknowledges = bool(segment.flags & ACK)
        if acknowledges and not self.acknowledges_our_syn(segment):
            if not segment.flags & RST:
                self.refuse(segment)
            return
        # Second, the RST bit.
        if segment.flags & RST:
            if acknowledges:
                self.delete(errno.ECONNREFUSED)
            return
        # Third, security: none. Fourth, the SYN bit.
        if not segment.flags & SYN:
            return  # fifth
        self.learn_from_syn(segment, found)
        if acknowledges:
            self.acknowledge(segment.ack)
            self.ack_due = True
            self.establish()
            self.process_text_and_fin(segment)
        else:  # simultaneous open (MUST-10)
            self.enter(SYN_RECEIVED)
            self.timers.stop(Timer.RETRANSMISSION)
            self.send_syn()
            self.keep_for_later(segment)

    def acknowledges_our_syn(self, segment: Segment) -> bool:
        """ISS < SEG.ACK =< SND.NXT."""
        return seqno.lt(self.iss, segment.ack) and seqno.leq(segment.ack, self.snd_nxt)

    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        """Take the peer's numbers, window and options from its SYN."""
        offered = self.rcv_wnd
        self.irs, self.rcv_nxt = segment.seq, seqno.add(segment.seq, 1)
        self.rcv_edge = seqno.add(self.rcv_nxt, offered)
        self.last_ack_sent = self.rcv_nxt
        self.negotiate(found)
        self.take_window(segment, shift=0)  # RFC 7323 §2.2: the window of a SYN is never scaled
        self.congestion = Congestion(self.send_mss, self.send_mss * self.config.initial_window_segments)

    def negotiate(self, found: Options) -> None:
        """Use what both sides have sent or will send in their SYN."""
        if found.mss:
            self.peer_mss = found.mss
        if found.window_scale is not None and self.config.window_scale:
            self.scaling, self.snd_shift = True, found.window_scale
        if found.timestamps is not None and self.config.timestamps:
            self.stamping, self.ts_recent, self.ts_recent_at = True, found.timestamps[0], self.now
        self.sacking = found.sack_permitted and self.config.sack

    def keep_for_later(self, segment: Segment) -> None:
        """Keep text and FIN of a SYN until the connection is established (§3.10.7.2 third, §3.10.7.3 fourth)."""
        text = segment.payload[: self.rcv_wnd]
        self.reassembly.put(self.rcv_nxt, text)
        if segment.flags & FIN and len(segment.payload) < self.rcv_wnd:
            self.reassembly.fin = seqno.add(self.rcv_nxt, len(text))
