"""What a connection does when a timer expires: RFC 6298, RFC 9293 §3.8 and §3.10.8."""

import errno
from collections.abc import Callable

from harness.spec import seqno
from harness.spec.segment import ACK, FIN
from harness.spec.states import CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2, LAST_ACK
from harness.stack.config import nanoseconds
from harness.stack.datagram import Pair
from harness.stack.output import SENDING, Output
from harness.stack.readiness import Ready
from harness.stack.tcb import Host, Owner
from harness.stack.timers import Timer


class Retransmission(Output):
    """A connection that does what is due by itself."""

    def __init__(self, host: Host, pair: Pair, owner: Owner | None) -> None:
        super().__init__(host, pair, owner)
        self.keep_alives = 0
        self.soft_error = 0
        self._handlers: dict[Timer, Callable[[], None]] = {
            Timer.RETRANSMISSION: self.retransmission_timeout,
            Timer.PROBE: self.probe_timeout,
            Timer.DELAYED_ACK: self.delayed_ack_timeout,
            Timer.USER_TIMEOUT: self.user_timeout,
            Timer.KEEP_ALIVE: self.keep_alive_timeout,
            Timer.FIN_WAIT_2: self.fin_wait_2_timeout,
            Timer.TIME_WAIT: self.time_wait_timeout,
            Timer.LINGER: self.linger_timeout,
        }

    def wake(self) -> None:
        """Act on every timer that is due."""
        while (timer := self.timers.expired(self.now)) is not None:
            self.host.event(self, f"{timer} timer")
            self._handlers[timer]()

    # --- retransmission (RFC 6298 §5) --------------------------------------------------------------------------------

    def retransmission_timeout(self) -> None:
        """Send the front of the retransmission queue again, with twice the timeout (§5.4 to §5.6)."""
        self.retransmissions += 1
        if self.retransmissions == self.config.retries_r1:
            self.host.event(self, "R1 reached: advice to the IP layer")  # §3.8.3 (b)
        self.timed = None  # Karn's algorithm
        self.rtt.back_off()
        if self.snd_una == self.iss:
            self.send_syn()
        elif self.snd_wnd == 0:
            self.probe_timeout()
        else:
            self.congestion.timed_out(self.flight, first=self.retransmissions == 1)
            self.cursor = self.snd_una
            self.output()

    def resend_front(self) -> None:
        """Send the first unacknowledged segment again, without a timeout (RFC 5681 §3.2)."""
        self.timed = None
        sent = min(seqno.diff(self.snd_end, self.snd_una), seqno.diff(self.snd_nxt, self.snd_una))
        size = min(sent, self.send_mss)
        cursor, self.cursor = self.cursor, self.snd_una
        fin = self.fin_queued and seqno.add(self.snd_una, size) == self.snd_end and self.snd_nxt != self.snd_end
        self.send_data(size, fin=fin)
        if seqno.lt(self.cursor, cursor):
            self.cursor = cursor

    # --- window probes (§3.8.6.1) and the override of silly window avoidance (§3.8.6.2.1) ----------------------------

    def probe_timeout(self) -> None:
        """Probe a closed window; send what a small one holds, though it is less than is worth sending."""
        if not self.flight and not self.unsent:
            return  # the last probe was taken, and nothing is left to probe with
        if self.snd_wnd == 0:
            self.probes += 1
            self.send_probe()
            if self.state is CLOSE_WAIT and self.fin_queued and seqno.lt(self.snd_end, self.snd_nxt):
                self.enter(LAST_ACK)  # the FIN has been sent, in whatever window (§3.10.4)
            self.start(Timer.PROBE, self.probe_interval())
            self.start_user_timeout()
        else:
            usable = seqno.diff(seqno.add(self.snd_una, self.usable_window()), self.cursor)
            size = min(seqno.diff(self.snd_end, self.cursor), usable, self.send_mss)
            if size > 0:
                self.send_data(size, fin=False)
            self.output()

    def probe_interval(self) -> int:
        """Return the time until the next probe: it grows exponentially, answered or not (SHLD-30)."""
        return min(self.rtt.rto << min(self.probes, 10), nanoseconds(self.config.rto_max_s))

    def send_probe(self) -> None:
        """Send one octet, or the FIN, beyond the closed window (MUST-36); it stays first in the queue."""
        self.cursor, self.timed = self.snd_una, None
        at = seqno.diff(self.snd_una, self.snd_first)
        payload = bytes(self.send_buffer[at : at + 1])
        end = seqno.add(self.snd_una, 1)
        if seqno.lt(self.snd_nxt, end):
            self.snd_nxt = end
        self.transmit(ACK if payload else FIN | ACK, self.snd_una, payload)

    # --- the other timers --------------------------------------------------------------------------------------------

    def delayed_ack_timeout(self) -> None:
        """Send the ACK that was delayed (§3.8.6.3)."""
        self.ack_due = True
        self.output()

    def user_timeout(self) -> None:
        """Give up (§3.10.8): the peer was silent for R2. An ICMP error, if there was one, says more than ETIMEDOUT."""
        self.delete(self.soft_error or errno.ETIMEDOUT)

    def fin_wait_2_timeout(self) -> None:
        """End a connection that has no application any more and whose peer does not close."""
        self.delete()

    def time_wait_timeout(self) -> None:
        """End TIME-WAIT (§3.10.8)."""
        self.delete()

    def linger_timeout(self) -> None:
        """The application waits no longer for what it has sent; it goes on leaving."""
        self.notify(Ready.NONE)

    # --- keep-alive (§3.8.4) -----------------------------------------------------------------------------------------

    def arm_keep_alive(self) -> None:
        """Start or stop the timer as the application has set it."""
        if not self.settings.keep_alive or self.state not in SENDING | {FIN_WAIT_2}:
            self.timers.stop(Timer.KEEP_ALIVE)
        else:
            self.start(Timer.KEEP_ALIVE, self._keep_alive_idle())

    def _keep_alive_idle(self) -> int:
        return nanoseconds(self.settings.keep_alive_idle_s or self.config.keep_alive_idle_s)

    def keep_alive_timeout(self) -> None:
        """Probe a connection on which nothing has come for the time of silence, or give it up."""
        if self.state not in (ESTABLISHED, CLOSE_WAIT, FIN_WAIT_2):
            return
        idle = self.now - self.last_heard
        if self.flight or self.unsent:  # MUST-26: what is under way is probe enough
            self.start(Timer.KEEP_ALIVE, self._keep_alive_idle())
        elif idle < self._keep_alive_idle():
            self.start(Timer.KEEP_ALIVE, self._keep_alive_idle() - idle)
        elif self.keep_alives >= (self.settings.keep_alive_probes or self.config.keep_alive_probes):
            self.send_reset()
            self.delete(errno.ETIMEDOUT)
        else:
            self.keep_alives += 1
            self.send_keep_alive()
            interval_s = self.settings.keep_alive_interval_s or self.config.keep_alive_interval_s
            self.start(Timer.KEEP_ALIVE, nanoseconds(interval_s))

    def send_keep_alive(self) -> None:
        """Send <SEQ=SND.NXT-1><ACK=RCV.NXT><CTL=ACK>, without data (SHLD-12): it must be answered."""
        self.transmit(ACK, seqno.add(self.snd_nxt, -1))
