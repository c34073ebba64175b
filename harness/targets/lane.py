"""One of several processes of a run that ask the same board, each beside the others (`-n` with ``net:``).

Each has ports of its own on the peer's side, and hears of nothing that goes to other ones. The board is asked for its
habits once, by the process that starts the others, which hands on what it has found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What the cases' ports lie in, and where those of the harness's own connections begin where one process has them all.
FIRST_PORT, LAST_PORT, OWN_CALLS = 1024, 65_535, 20_000
#: Above it are the ports of the fence.
LAST_SHARED = 60_001
#: So many ports of a lane are for the harness's own connections.
CALLS = 300
#: So many processes may ask one board.
MOST = 8


@dataclass(frozen=True, slots=True)
class Lane:
    """The lane of a process among those of `count`; `at` is None for the process that starts the others.

    `handed_on`: by the target's text, what was found out about it.
    """

    at: int | None = None
    count: int = 1
    handed_on: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_shared(self) -> bool:
        """Whether others have lanes beside it."""
        return self.at is not None

    @property
    def ports(self) -> tuple[int, int]:
        """The first and the last port of the cases."""
        if self.at is None:
            return FIRST_PORT, LAST_PORT
        # A worker that has died is replaced by one with the next number, whose ports are fresh ones.
        width = (LAST_SHARED - FIRST_PORT) // (2 * self.count)
        first = FIRST_PORT + self.at % (2 * self.count) * width
        return first + CALLS, first + width - 1

    @property
    def calls(self) -> range:
        """The ports of the harness's own connections."""
        first, _last = self.ports
        return range(OWN_CALLS, LAST_SHARED) if self.at is None else range(first - CALLS, first)

    @property
    def first_fence(self) -> int:
        """What the numbers of the fence's probes begin behind."""
        return 0 if self.at is None else (self.at + 1 & 0xFF) << 24

    def has(self, port: int) -> bool:
        """Tell whether a port of the peer's is this lane's."""
        first, last = self.ports
        return self.at is None or first - CALLS <= port <= last
