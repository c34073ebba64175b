"""What a conversation asks of the rig that it is on."""

from collections.abc import Iterable
from typing import Any, Protocol

from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.protocol import Outspoken, Target


class Bench(Protocol):
    """A target set up for one conversation after the other (`harness.case.rig` says more of each member)."""

    target: Target
    outspoken: Outspoken | None
    guarded: bool
    patient: bool
    time_scale: float
    aside: frozenset[str]
    spent_ns: int | None

    @property
    def is_held_to_one_case(self) -> bool:
        """Whether what one case has drawn is held back from the next."""

    @property
    def is_taken(self) -> bool:
        """Whether the one connection that the target takes at a time may be taken."""

    def discard(self) -> None:
        """Forget all connections, without waiting for late segments."""

    def begin(self, version: int, *, name: str = "", cites: tuple[str, ...] = ()) -> Any:
        """Start another conversation."""

    def fresh_ports(self) -> tuple[int, int]:
        """Return a port of the target and one of the peer that no connection has used together."""

    def peer_iss(self, conversation: Any) -> int:
        """Return the peer's initial sequence number for the next connection of a conversation."""

    def register(self, connection: Any) -> None:
        """Route the segments of a 4-tuple to its conversation."""

    def exchange(self, conversation: Any, packets: Iterable[bytes], destination_mac: bytes | None = None) -> None:
        """Inject packets on behalf of a conversation, and hand out everything that comes back."""

    def collect(self, conversation: Any) -> None:
        """Hand out what has come by itself."""

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return the state of a connection."""

    def calm(self) -> None:
        """Make a target that sends without end forget its connections."""
