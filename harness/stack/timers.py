"""The timers of one connection. They only keep deadlines; `harness.stack.retransmission` says what follows."""

from enum import StrEnum


class Timer(StrEnum):
    """A reason for a connection to act by itself."""

    RETRANSMISSION = "retransmission"  # RFC 6298
    PROBE = "probe"  # zero window (RFC 9293 §3.8.6.1), and the override of SWS avoidance (§3.8.6.2.1)
    DELAYED_ACK = "delayed-ack"  # §3.8.6.3
    USER_TIMEOUT = "user-timeout"  # R2: §3.8.3, §3.10.8
    KEEP_ALIVE = "keep-alive"  # §3.8.4
    FIN_WAIT_2 = "fin-wait-2"
    LOSS_PROBE = "loss-probe"  # RFC 8985 §7, which variants have
    COLLECTING = "collecting"  # a moment in which an application may send more (MUST-60), which variants have
    TIME_WAIT = "time-wait"  # §3.6.1
    LINGER = "linger"  # how long an application waits in its close()


class Timers:
    """The running timers and when they expire, in nanoseconds."""

    def __init__(self) -> None:
        self._deadlines: dict[Timer, int] = {}

    def start(self, timer: Timer, deadline: int) -> None:
        """Let a timer expire at `deadline`; one that runs is set anew."""
        self._deadlines[timer] = deadline

    def stop(self, *timers: Timer) -> None:
        """Stop timers; those that don't run stay so."""
        for timer in timers:
            self._deadlines.pop(timer, None)

    def clear(self) -> None:
        """Stop all."""
        self._deadlines.clear()

    def runs(self, timer: Timer) -> bool:
        """Tell whether a timer runs."""
        return timer in self._deadlines

    @property
    def earliest(self) -> int | None:
        """The first deadline."""
        return min(self._deadlines.values(), default=None)

    def expired(self, now: int) -> Timer | None:
        """Stop the timer that expired first and return it, None if none is due."""
        if not self._deadlines:
            return None
        timer = min(self._deadlines, key=lambda name: self._deadlines[name])
        if self._deadlines[timer] > now:
            return None
        del self._deadlines[timer]
        return timer
