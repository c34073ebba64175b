"""How long a target may wait before it sends again: what it was measured to do, and what round trips have told it.

A retransmission timeout follows round trips (RFC 6298 §2.3): SRTT + 4 RTTVAR is at most five times the longest. So a
target that repeats within a second, and has met no slow answer, should not wait for two minutes at first. No sentence
has it so, as RFC 6298 bounds a timeout from below only, and so this is no more than a remark: where nothing comes, the
judge goes on to the longest that any stack may wait. What is behind a slow answer, or backed off, may be slow.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.spec.history.clock import is_overdue
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.world import Traits, World

_SECOND = 1_000_000_000
CITES = ("RFC 9293 §3.8.1", "RFC 6298 §2", "SHLD-29")
#: So many times as long as was measured, or as the slowest answer took, and a tick of a coarse clock besides.
TIMES, TIMES_SLOWEST, TICK_S = 4, 8, 2.0


@dataclass(slots=True)
class Pace:
    """What is known of a target's timers; shared by all connections, since a host may remember round trips."""

    traits: Traits
    _slowest_ns: int = 0

    def answered_in(self, passed_ns: int) -> None:
        """Something has waited so long for its acknowledgment."""
        self._slowest_ns = max(self._slowest_ns, passed_ns)

    @property
    def first_s(self) -> float:
        """The longest that it should wait at first, without end where that was not measured."""
        if not self.traits.first_s:
            return math.inf
        return TIMES * self.traits.first_s + TIMES_SLOWEST * self._slowest_ns / _SECOND + TICK_S


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

    def overdue(self, now: int, worlds: Sequence[World]) -> Fall | None:
        """Return what to say where nothing came by now, in any world, of what should be sent again at first."""
        first_s = self.pace.first_s
        if self.since is None or now - self.since <= first_s * _SECOND:
            return None
        if not all(is_overdue(world, now, self.pace.traits, first_s) for world in worlds):
            return None
        due = f"what waits to be sent, or sent again, within {first_s:.0f} s"
        return Fall(Broken.SILENT, due, "", CITES, "pace", must=False)
