"""What a call gives, as an application of sockets sees it, and which errno may stand for which end."""

import select
from dataclasses import dataclass

from harness.spec.history.world import Fate, World

AGAIN = "EAGAIN"
#: Errors that say that there is no connection (any more), or none to send on.
NO_CONNECTION = frozenset({"ENOTCONN", "EPIPE", "EINVAL", "EBADF", "ESHUTDOWN", "ECONNABORTED"})
ENDINGS = {
    Fate.RESET: frozenset({"ECONNRESET", "EPIPE"}),
    Fate.REFUSED: frozenset({"ECONNREFUSED", "ECONNRESET", "EPIPE"}),
    Fate.TIMED_OUT: frozenset({"ETIMEDOUT", "EPIPE"}),
    Fate.UNREACHABLE: frozenset({"ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET", "ECONNABORTED", "EPIPE"}),
}
#: What an ICMP error that came before says more, when the connection is given up.
TROUBLE = frozenset({"EHOSTUNREACH", "ENETUNREACH", "ECONNREFUSED"})
#: The conditions of poll(2), in the order in which they are told.
CONDITIONS = {
    "IN": select.POLLIN,
    "OUT": select.POLLOUT,
    "ERR": select.POLLERR,
    "HUP": select.POLLHUP,
    "RDHUP": select.POLLRDHUP,
}


@dataclass(frozen=True)
class Answer:
    """What a call gave: an errno's name, or the octets that SEND took or RECEIVE gave (b"": the end of the stream).

    `ready` are the conditions of poll(2), `whole` tells whether a close() that waited says that all was acknowledged.
    `spent`: it was refused because the target has nothing left to give, such as a port.
    """

    error: str = ""
    taken: int = 0
    data: bytes | None = None
    ready: int | None = None
    whole: bool | None = None
    spent: bool = False

    def __str__(self) -> str:
        if self.error:
            return self.error
        if self.ready is not None:
            return conditions(self.ready)
        if self.whole is not None:
            return "all acknowledged" if self.whole else "not all acknowledged"
        if self.data is not None:
            return f"{len(self.data)} octets" if self.data else "the end of the stream"
        return f"{self.taken} octets taken" if self.taken else "ok"


def errors_of(world: World) -> frozenset[str]:
    """Return the errors that may tell how the connection of a world has ended; none where that is no error."""
    told = ENDINGS.get(world.fate, frozenset())
    return told | TROUBLE if world.fate is Fate.TIMED_OUT and world.troubled else told


def conditions(mask: int) -> str:
    """Return conditions of poll(2) in words."""
    return "|".join(name for name, bit in CONDITIONS.items() if mask & bit) or "not ready"
