"""Application sockets that an agent works: inside a kernel that runs as a process, or in a container far away."""

import itertools
import socket
from dataclasses import dataclass, field

from harness.targets.operations import Operations
from harness.targets.sockets import AppSocket, Ends, Message

_numbers = itertools.count()


@dataclass(slots=True)
class Life:
    """What is opened until a target forgets its connections: the local ports; `over` when it has."""

    ports: set[int] = field(default_factory=set)
    over: bool = False


class GuestSocket:
    """A socket that the agent works; it is known by a number. Errors are OSErrors with the guest's errno."""

    def __init__(self, calls: Operations, version: int | None, life: Life | None = None) -> None:
        self._calls = calls
        self._life = life or Life()
        self._number = next(_numbers)
        if version is not None:
            calls.prepare("socket", self._number, version)

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._life.ports.add(port)
        self._calls.call("listen", self._number, address, port, backlog)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN."""
        self._life.ports.add(local[1])
        self._calls.call("connect", self._number, local, remote)

    def accept(self) -> AppSocket:
        """Return the next established connection."""
        accepted = GuestSocket(self._calls, None, self._life)
        self._calls.call("accept", self._number, accepted._number)
        return accepted

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND."""
        return int(self._calls.call("send", self._number, data.hex(), flags))

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE."""
        return bytes.fromhex(self._calls.call("recv", self._number, limit, flags))

    def begin(self, local: tuple[str, int], remote: tuple[str, int], data: bytes | None, flags: int = 0) -> int:
        """Active OPEN with text, or with TCP_FASTOPEN_CONNECT."""
        self._life.ports.add(local[1])
        return int(self._calls.call("begin", self._number, local, remote, None if data is None else data.hex(), flags))

    def recv_message(self, limit: int, flags: int = 0) -> Message:
        """RECEIVE with control data."""
        data, control, told = self._calls.call("recv message", self._number, limit, flags)
        return Message(bytes.fromhex(data), [(level, kind, bytes.fromhex(text)) for level, kind, text in control], told)

    def nowhere(self, sends: bool, octets: int, flags: int = 0, ends: Ends | None = None) -> int:
        """SEND or RECEIVE with NULL for a buffer."""
        return int(self._calls.call("uncommon", self._number, "nowhere", sends, octets, flags, ends))

    def send_file(self, data: bytes) -> int:
        """SEND a file with this text."""
        return int(self._calls.call("uncommon", self._number, "send file", data.hex()))

    def splice(self, limit: int) -> bytes:
        """RECEIVE into a pipe."""
        return bytes.fromhex(self._calls.call("uncommon", self._number, "splice", limit))

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction, or what `how` says."""
        self._calls.call("shutdown", self._number, how)

    def close(self) -> None:
        """CLOSE. The socket of a forgotten connection is closed already."""
        if not self._life.over:
            self._calls.call("close", self._number)

    def abort(self) -> None:
        """ABORT."""
        self._calls.call("abort", self._number)

    def pending_error(self) -> int:
        """Return and clear SO_ERROR."""
        return int(self._calls.call("pending error", self._number))

    def poll(self) -> int:
        """Return what holds now, in the bits of poll(2)."""
        return int(self._calls.call("poll", self._number))

    def edges(self) -> int:
        """Return what has newly come about, as EPOLLET tells it; the first look tells all that holds."""
        return int(self._calls.call("edges", self._number))

    def watch(self, poll: int, events: int | None) -> None:
        """Have an epoll watch the socket, otherwise than before, or no more."""
        self._calls.call("watch", self._number, poll, events)

    def watched(self, poll: int) -> int:
        """Return what an epoll tells of the socket."""
        return int(self._calls.call("watched", self._number, poll))

    def local(self) -> tuple[str, int]:
        """Return the own address and port."""
        address, port = self._calls.call("local", self._number)
        return str(address), int(port)

    def remote(self) -> tuple[str, int]:
        """Return the peer's address and port; ENOTCONN where the connection is gone."""
        address, port = self._calls.call("remote", self._number)
        return str(address), int(port)

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option."""
        self._calls.call("set option", self._number, level, name, value.hex() if isinstance(value, bytes) else value)

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return a socket option."""
        value: int | str = self._calls.call("get option", self._number, level, name, size)
        return bytes.fromhex(value) if isinstance(value, str) else value
