"""What the kit wants of a stack: a method for each command of the protocol. Refusals are OSErrors with their errno."""

import abc
import errno
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

#: A socket: any object of the stack's.
S = TypeVar("S")


def refused(number: int, text: str = "") -> OSError:
    """Return the refusal with this errno."""
    return OSError(number, text or os.strerror(number))


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a connection."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class State:
    """What can be seen of a connection: its state in the RFC's spelling, and figures such as `recvq` and `sendq`."""

    name: str
    figures: Mapping[str, object] = field(default_factory=dict)


class Stack(abc.ABC, Generic[S]):
    """A TCP stack in virtual time. A socket is any object that `listen`, `connect` and `accept` return.

    What the stack sends it hands to `transmit`, whenever that is: while a packet arrives, in a call, in `advance`.
    """

    #: What the answer to `hello` says.
    name: ClassVar[str]
    version: str
    time: ClassVar[str] = "virtual"
    capabilities: ClassVar[Collection[str]] = ()
    lacks: ClassVar[Collection[str]] = ()
    settings: ClassVar[Collection[str]] = ()
    calls: ClassVar[Collection[str]] = ()
    facts: Mapping[str, object] = {}

    def __init__(self) -> None:
        self._sent: list[tuple[float, bytes]] = []

    def transmit(self, packet: bytes) -> None:
        """Send an IP packet, now."""
        self._sent.append((self.now(), bytes(packet)))

    @property
    def has_sent(self) -> bool:
        """Whether something was sent since the command began: `advance` stops there."""
        return bool(self._sent)

    def taken(self) -> list[tuple[float, bytes]]:
        """Return what was sent since the last call."""
        sent, self._sent = self._sent, []
        return sent

    @abc.abstractmethod
    def now(self) -> float:
        """Return the time in milliseconds."""

    @abc.abstractmethod
    def advance(self, milliseconds: int) -> None:
        """Let so much time pass, or less: up to the instant at which something is sent."""

    @abc.abstractmethod
    def address(self, host: str, bits: int) -> None:
        """Take an address of one's own."""

    def set(self, name: str, value: str) -> None:
        """Change a setting that was named in `settings`."""
        raise refused(errno.EINVAL, f"no setting {name}")

    @abc.abstractmethod
    def arrive(self, packet: bytes, frame: str) -> None:
        """Take an IP packet; `frame` is "broadcast" or "multicast" where it came in a frame to several hosts."""

    @abc.abstractmethod
    def listen(self, local: Address, backlog: int) -> S:
        """Passive OPEN."""

    @abc.abstractmethod
    def connect(self, local: Address, remote: Address) -> S:
        """Active OPEN; returns at once."""

    @abc.abstractmethod
    def accept(self, listener: S) -> S | None:
        """Return the next established connection, None if there is none."""

    @abc.abstractmethod
    def send(self, sock: S, data: bytes) -> int:
        """Return how many octets were taken."""

    @abc.abstractmethod
    def recv(self, sock: S, limit: int) -> bytes | None:
        """Return what has come, b"" at the end of the stream, None if nothing has."""

    @abc.abstractmethod
    def shutdown(self, sock: S) -> None:
        """Close the sending direction."""

    def shutdown_receiving(self, sock: S, *, both: bool) -> None:
        """Close the receiving direction, or both; only asked for where `calls` has "shutdown"."""
        raise refused(errno.ENOSYS, "no shutdown of the receiving direction")

    def set_option(self, sock: S, name: str, value: int) -> None:
        """Set an option; only asked for where `capabilities` has "keep-alive" or "user-timeout"."""
        raise refused(errno.ENOSYS, f"no option {name}")

    def option(self, sock: S, name: str) -> int:
        """Return the value of an option; only asked for as `set_option` is."""
        raise refused(errno.ENOSYS, f"no option {name}")

    @abc.abstractmethod
    def close(self, sock: S) -> None:
        """CLOSE."""

    def abort(self, sock: S) -> None:
        """ABORT."""
        raise refused(errno.ENOSYS, "no abort")

    def error(self, sock: S) -> int:
        """Return the pending error's errno, 0 for none, and clear it."""
        return 0

    def state(self, local: Address, remote: Address) -> State:
        """Return the state of a connection; only asked for where `capabilities` has "states"."""
        raise refused(errno.ENOSYS, "no states")

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget every connection and every listener; what is sent meanwhile is dropped."""
