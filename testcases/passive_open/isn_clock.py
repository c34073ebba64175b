"""Is an initial sequence number driven by a clock (RFC 9293 §3.4.1)? Judged by capture times."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from harness.case import Capability, Segment, Target
from harness.spec import seqno

#: How long to let the clock run between two numbers; where time costs nothing, long enough for clocks that leap.
PAUSE_S, VIRTUAL_PAUSE_S = 0.02, 1.0
#: The clock ticks once in about 4 microseconds at least; "about" is given a factor of two.
SLOWEST_HZ = 250_000 / 2
#: It may not come round within the maximum segment lifetime of two minutes.
FASTEST_HZ = 2**32 / 120
#: How much later than the choice of the number the capture of its segment may be.
JITTER_S = 0.015


def pause_s(target: Target) -> float:
    """Return how long to let the clock of a target run."""
    virtual = Capability.VIRTUAL_TIME in target.conversation.rig.target.capabilities
    return VIRTUAL_PAUSE_S if virtual else PAUSE_S


@dataclass(frozen=True, slots=True)
class Reading:
    """An initial sequence number as on the wire, and when it was captured."""

    number: int
    time_ns: int

    @classmethod
    def of(cls, target: Target) -> Self:
        """Return the number of the SYN that the target has just sent."""
        received = target.connection.received[-1]
        return cls(received.wire.seq, received.event.time_ns)

    def ticks_until(self, later: "Reading") -> tuple[int, float, float]:
        """Return how far the number went until `later`, and the least and the most that a clock would go."""
        seconds = (later.time_ns - self.time_ns) / 1e9
        least = max(0.0, seconds - JITTER_S) * SLOWEST_HZ
        return (later.number - self.number) & seqno.MASK, least, (seconds + JITTER_S) * FASTEST_HZ


def advances(target: Target, earlier: Reading) -> Callable[[Segment], str]:
    """Return a check that a SYN's number lies as far above `earlier` as the clock demands and allows."""

    def check(_wire: Segment) -> str:
        ticks, least, most = earlier.ticks_until(Reading.of(target))
        return "" if least <= ticks <= most else f"a number {least:.0f} to {most:.0f} above the last, not {ticks}"

    return check


def explained_by_a_clock(readings: Sequence[Reading]) -> bool:
    """Tell whether nothing but the clock explains each step: then the numbers are no secret."""
    steps = (earlier.ticks_until(later) for earlier, later in pairwise(readings))
    return all(ticks <= most for ticks, _least, most in steps)
