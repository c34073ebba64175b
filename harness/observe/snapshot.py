"""What a look at the target's connection table shows for one 4-tuple."""

from typing import NamedTuple

from harness.spec.states import State


class FourTuple(NamedTuple):
    """A connection seen from the target: its own address and port, then the peer's."""

    address: str
    port: int
    peer_address: str
    peer_port: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return f"{_endpoint(self.address, self.port)} <-> {_endpoint(self.peer_address, self.peer_port)}"


def _endpoint(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Snapshot(NamedTuple):
    """The state of a connection at one moment.

    `state` is CLOSED when there is no record of the 4-tuple; `listening` tells that its port is in LISTEN (a kernel
    answers the exact query with the listener when the connection itself is gone). Queues are in octets; for a listener
    they are the accept queue's length and limit. `mini` is a time-wait record without a full socket behind it. `untold`
    are the queues whose length the target does not tell, ``recvq`` and ``sendq``.
    """

    state: State
    listening: bool = False
    receive_queue: int = 0
    send_queue: int = 0
    mini: bool = False
    untold: frozenset[str] = frozenset()

    def as_dict(self) -> dict[str, object]:
        """Return the state, and of the rest what is not 0 or false, as JSON-able data."""
        data: dict[str, object] = {"state": str(State.LISTEN if self.listening else self.state)}
        for name in ("receive_queue", "send_queue", "mini"):
            if value := getattr(self, name):
                data[name] = value
        return data
