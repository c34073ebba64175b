"""How long a target may wait before it sends again: what it was measured to do, and what round trips have told it.

A retransmission timeout follows round trips (RFC 6298 §2.3): SRTT + 4 RTTVAR is at most five times the longest. So a
target that repeats within a second, and has met no slow answer, may not wait for two minutes at first, though RFC 6298
bounds its timeout from below only. What is behind a slow answer may be slow, and so may be what is backed off.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.spec.history.world import Traits, World
from harness.spec.values import replace

_SECOND = 1_000_000_000
#: So many times as long as was measured, or as the slowest answer took, and a tick of a coarse clock besides.
TIMES, TIMES_SLOWEST, TICK_S = 4, 8, 2.0


@dataclass(slots=True)
class Pace:
    """What is known of a target's timers; shared by all connections, since a host may remember round trips.

    In its `traits` `first_s` is the longest that it may wait at first, without end where that was not measured.
    """

    given: Traits
    traits: Traits = field(init=False)
    _slowest_ns: int = 0

    def __post_init__(self) -> None:
        self._limit()

    def answered_in(self, passed_ns: int) -> None:
        """Something has waited so long for its acknowledgment."""
        if passed_ns > self._slowest_ns:
            self._slowest_ns = passed_ns
            self._limit()

    def _limit(self) -> None:
        longest_s = TIMES * self.given.first_s + TIMES_SLOWEST * self._slowest_ns / _SECOND + TICK_S
        self.traits = replace(self.given, first_s=longest_s if self.given.first_s else math.inf)


@dataclass(slots=True)
class Waiting:
    """Since when something of one connection is under way, None while nothing is, and when it has sent last."""

    pace: Pace
    since: int | None = None
    sent: int = 0

    def longest(self, now: int, worlds: Sequence[World]) -> int:
        """Return how long ago what a segment of the peer acknowledges may have been sent, as timestamps may tell it."""
        if self.since is None:
            return 0
        stamped = any(world.stamping for world in worlds)
        return now - (min(self.since, self.sent) if stamped else self.since)

    def stands(self, now: int, times: Sequence[int], worlds: Sequence[World]) -> None:
        """Something has happened, and the target has sent at these times."""
        if any(world.unacknowledged or world.unsent for world in worlds):
            if self.since is None:
                self.since = min((now, *times))
        elif self.since is not None:
            self.pace.answered_in(now - self.since)
            self.since = None
        self.sent = max((self.sent, *times))
