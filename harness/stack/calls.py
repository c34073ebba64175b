"""The user calls on a connection (RFC 9293 §3.10.2 to §3.10.6). Refusals are OSErrors, as sockets have them."""

import errno

from harness.spec import seqno
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from harness.stack.arrivals import Arrivals
from harness.stack.timers import Timer

#: FINs have gone both ways: there is nothing left to reset.
BOTH_CLOSED = frozenset({CLOSING, LAST_ACK, TIME_WAIT})


class Calls(Arrivals):
    """A connection that an application uses."""

    def send(self, data: bytes, *, urgent: bool = False) -> int:
        """SEND (§3.10.2): queue as much of `data` as there is room for, return how much."""
        if self.fin_queued or self.state not in (SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT):
            raise BrokenPipeError(errno.EPIPE, "connection closing")
        room = self.send_room
        if data and room <= 0:
            raise BlockingIOError(errno.EAGAIN, "insufficient resources")
        taken = data[: max(0, room)]
        self.send_buffer += taken
        if urgent:
            self.snd_up = self.snd_end  # MUST-62: it points behind the urgent data
        self.output()
        return len(taken)

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        """RECEIVE (§3.10.3): return what has come, the empty string at the end of the stream."""
        if not self.receive_buffer:
            if self.fin_received:
                return b""
            raise BlockingIOError(errno.EAGAIN, "nothing has come yet")
        data = bytes(self.receive_buffer[:limit])
        if not peek:
            before = self.rcv_wnd
            del self.receive_buffer[: len(data)]
            if self.window_update_due(before):
                self.send_ack()
        return data

    def window_update_due(self, offered: int) -> bool:
        """Tell whether reading has opened the window so far that the peer must hear of it at once (§3.8.6.2.2)."""
        if self.state not in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
            return False
        self.offer_window(self.rcv_scale)
        return self.rcv_wnd >= 2 * max(offered, 1)

    def shutdown(self) -> None:
        """CLOSE (§3.10.4): nothing more will be sent; the application still receives."""
        if self.state is SYN_SENT:
            self.delete()
        elif self.fin_queued:
            return  # no second FIN
        elif self.state in (SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT):
            self.fin_queued = True
            if self.state is ESTABLISHED or (self.state is SYN_RECEIVED and not self.send_buffer):
                self.enter(FIN_WAIT_1)
            self.output()  # in CLOSE-WAIT the state changes when the FIN is sent

    def close(self) -> None:
        """CLOSE for both directions (MAY-1): the application is gone. Data that it has not read is lost (SHLD-3)."""
        self.owner = None
        self.deaf = True
        if self.receive_buffer and self.state not in BOTH_CLOSED:
            self.abort()
            return
        self.shutdown()
        if self.state is FIN_WAIT_2:
            self.bound_fin_wait_2()

    def abort(self) -> None:
        """ABORT (§3.10.5): <SEQ=SND.NXT><CTL=RST> where the peer has a connection, then CLOSED."""
        if self.state not in BOTH_CLOSED | {SYN_SENT}:
            self.send_reset()
        self.owner = None
        self.delete()

    def settings_changed(self) -> None:
        """The application has changed a setting of a connection that is open."""
        self.arm_keep_alive()
        if self.timers.runs(Timer.USER_TIMEOUT):
            self.set_user_timeout()

    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        """An ICMP error quotes a segment with this number (§3.9.2.2); `code` is the errno that stands for it."""
        if not (seqno.leq(self.snd_una, seq) and seqno.leq(seq, self.snd_nxt)):
            return  # neither under way (RFC 5927 §4.1) nor an ACK that was sent last
        self.soft_error = code
        if hard and self.hard_error_aborts():
            self.delete(code)  # SHLD-26
        elif self.owner is not None:
            self.owner.soft_error(self, code)  # SHLD-25; MUST-56: the connection stays

    def hard_error_aborts(self) -> bool:
        """Tell whether a hard error ends the connection: it SHOULD. But nothing shortens TIME-WAIT (MUST-13)."""
        return self.state is not TIME_WAIT
