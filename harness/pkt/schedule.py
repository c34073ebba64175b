"""When a line is due: times of a script on the target's clock, and how exactly they are asserted."""

from dataclasses import dataclass

from harness.case.timers import COARSENESS
from harness.pkt.tree import Clock, Time

#: What packetdrill tolerates where a script does not say (`--tolerance_usecs`), in seconds.
TOLERANCE_S = 0.004
#: An acknowledgment of text may be delayed so long (RFC 9293 §3.8.6.3).
DELAYED_ACK_S = 0.5
#: A line at any time (`*`) is waited for so long.
ANY_TIME_S = 300.0
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Window:
    """When a line may come, in nanoseconds on the target's clock; `due_ns` is when the script says."""

    earliest_ns: int
    due_ns: int
    latest_ns: int


@dataclass(slots=True)
class Schedule:
    """The times of one run. `previous_ns` is when the event before happened, `shift_ns` how far all is behind."""

    origin_ns: int
    tick_s: float
    strict: bool
    tolerance_s: float = TOLERANCE_S
    percent: float = 0.0
    scale: float = 1.0
    previous_ns: int = 0
    shift_ns: int = 0
    #: How much later than due something was done at the worst.
    latest_ns: int = 0
    #: How far all is behind in sum, though times count from when the event before was over.
    behind_ns: int = 0
    #: How long the peer or the application took for what they did last: a packet may have left at its end only.
    took_ns: int = 0

    def __post_init__(self) -> None:
        self.previous_ns = self.origin_ns

    def due_ns(self, time: Time, offset_ns: int | None = None) -> int:
        """Return when an event is due; `offset_ns` is another time of it than its beginning."""
        offset = time.start_ns if offset_ns is None else offset_ns
        if time.clock is Clock.ABSOLUTE:
            return self.origin_ns + self.shift_ns + offset
        return self.previous_ns + (0 if time.clock is Clock.ANY else offset)

    def window(self, time: Time, *, acknowledges: bool = False) -> Window:
        """Return when a line may come; one that `acknowledges` text may take its time."""
        due = self.due_ns(time)
        if time.clock is Clock.ANY:
            return Window(0, due, due + int(ANY_TIME_S * NS))
        end = self.due_ns(time, time.end_ns)
        before = self.margin_ns(due - self.previous_ns)
        after = self.margin_ns(end - self.previous_ns)
        if acknowledges and not self.strict:  # at once, or as late as a delayed one may be
            before = max(before, due - self.previous_ns)
            after = max(after, int(DELAYED_ACK_S * NS))
        after = int(after * self.scale) + (self.took_ns if self.strict else 0)
        return Window(due - before, due, end + after)

    def margin_ns(self, interval_ns: int) -> int:
        """Return how much an interval may differ."""
        asked = max(self.tolerance_s, self.percent / 100 * interval_ns / NS)
        if self.strict:
            return int(asked * NS)
        return int((max(asked, self.tick_s) + max(0, interval_ns) / NS * COARSENESS) * NS)

    def happened(self, due_ns: int, time_ns: int | None = None) -> None:
        """Note that an event has happened, later than it was due perhaps: what follows moves by that.

        With the strict profile only what counts from it does, as packetdrill counts from when an event was over.
        """
        at = due_ns if time_ns is None else max(due_ns, time_ns)
        if self.strict:
            self.behind_ns += at - due_ns
            self.previous_ns = due_ns if time_ns is None else time_ns
            return
        self.shift_ns += at - due_ns
        self.previous_ns = at
