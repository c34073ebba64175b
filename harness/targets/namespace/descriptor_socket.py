"""An application socket of the target's namespace that is worked by the harness itself."""

import contextlib
import select
import socket
import struct
from typing import Any

from harness.agent import uncommon
from harness.targets.namespace.callers import Caller, Callers
from harness.targets.sockets import Ends, Message, UnderWay

#: Room for the control data of one message, in octets.
CONTROL = 1024
#: The kernel reads the octets of such a SEND later (linux/socket.h); the socket module knows no name for it.
MSG_ZEROCOPY = 0x4000000
#: With them an epoll tells edges; its other bits are those of poll(2).
EDGES = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
WATCHED = select.POLLIN | select.POLLOUT | select.POLLRDHUP
LINGER_RESET = struct.pack("ii", 1, 0)


class DescriptorSocket:
    """An application socket of the target's namespace, worked through a passed descriptor."""

    def __init__(self, sock: socket.socket, callers: Callers) -> None:
        self._sock, self._callers = sock, callers
        self._edges: select.epoll | None = None
        self._polls: dict[int, select.epoll] = {}
        self._lent: list[bytes] = []
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._sock.bind((address, port))
        self._sock.listen(backlog)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN; EINPROGRESS is the normal answer of a non-blocking socket."""
        self._sock.bind(local)
        with contextlib.suppress(BlockingIOError):
            self._sock.connect(remote)

    def accept(self) -> "DescriptorSocket":
        """Return the next established connection."""
        accepted, _address = self._sock.accept()
        accepted.setblocking(False)
        return DescriptorSocket(accepted, self._callers)

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND; without SIGPIPE."""
        if flags & MSG_ZEROCOPY:
            self._lent.append(data)
        return self._sock.send(data, flags | socket.MSG_NOSIGNAL)

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE."""
        return self._sock.recv(limit, flags)

    def begin(self, local: tuple[str, int], remote: tuple[str, int], data: bytes | None, flags: int = 0) -> int:
        """Active OPEN with text, or with TCP_FASTOPEN_CONNECT."""
        if not self._sock.getsockname()[1]:
            self._sock.bind(local)
        if data is not None:
            if flags & MSG_ZEROCOPY:
                self._lent.append(data)
            return self._sock.sendto(data, flags | socket.MSG_NOSIGNAL, remote)
        self._sock.connect(remote)
        return 0

    def recv_message(self, limit: int, flags: int = 0) -> Message:
        """RECEIVE with control data."""
        data, control, told, _address = self._sock.recvmsg(limit, CONTROL, flags)
        return Message(data, control, told)

    def nowhere(self, sends: bool, octets: int, flags: int = 0, ends: Ends | None = None) -> int:
        """SEND or RECEIVE with NULL for a buffer."""
        return uncommon.nowhere(self._sock.fileno(), sends, octets, flags, ends)

    def send_file(self, data: bytes) -> int:
        """SEND a file with this text."""
        return uncommon.send_file(self._sock.fileno(), data.hex())

    def splice(self, limit: int) -> bytes:
        """RECEIVE into a pipe."""
        return bytes.fromhex(uncommon.splice(self._sock.fileno(), limit))

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction, or what `how` says."""
        self._sock.shutdown(how)

    def start(self, call: str, *arguments: Any) -> UnderWay:
        """Begin a call that waits."""
        if call == "connect":
            local, remote = arguments
            self._sock.bind(local)
            return self._callers.start(self._sock, call, remote=remote)
        if call == "accept":
            return _Accepting(self._callers.start(self._sock, call), self._callers)
        if call == "close":
            (seconds,) = arguments
            self._leave()
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, int(seconds)))
            return self._callers.start(self._sock, call)
        (argument,) = arguments
        named = {"data": argument.hex()} if call == "send" else {"limit": argument}
        return self._callers.start(self._sock, call, **named)

    def close(self) -> None:
        """CLOSE; calls that wait are ended before, for as long as one does nobody else's close() counts."""
        self._leave()
        self._sock.close()

    def abort(self) -> None:
        """ABORT: SO_LINGER with a time of 0, then close()."""
        self._leave()
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self._sock.close()

    def pending_error(self) -> int:
        """Return and clear SO_ERROR."""
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def local(self) -> tuple[str, int]:
        """Return the own address and port."""
        address, port = self._sock.getsockname()[:2]
        return str(address), int(port)

    def remote(self) -> tuple[str, int]:
        """Return the peer's address and port; ENOTCONN where the connection is gone."""
        address, port = self._sock.getpeername()[:2]
        return str(address), int(port)

    def poll(self) -> int:
        """Return what holds now, in the bits of poll(2)."""
        poll = select.poll()
        poll.register(self._sock, WATCHED)
        return sum(events for _descriptor, events in poll.poll(0))

    def edges(self) -> int:
        """Return what has newly come about, as EPOLLET tells it; the first look tells all that holds."""
        if self._edges is None:
            self._edges = select.epoll(1)
            self._edges.register(self._sock, EDGES)
        return sum(events for _descriptor, events in self._edges.poll(0))

    def watch(self, poll: int, events: int | None) -> None:
        """Have an epoll watch the socket, otherwise than before, or no more."""
        if events is None:
            self._polls.pop(poll).close()
        elif poll in self._polls:
            self._polls[poll].modify(self._sock, events)
        else:
            self._polls[poll] = select.epoll(1)
            self._polls[poll].register(self._sock, events)

    def watched(self, poll: int) -> int:
        """Return what an epoll tells of the socket."""
        return sum(events for _descriptor, events in self._polls[poll].poll(0))

    def _leave(self) -> None:
        self._callers.end(self._sock)
        for each in (self._edges, *self._polls.values()):
            if each is not None:
                each.close()

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option."""
        self._sock.setsockopt(level, name, value)

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return a socket option."""
        return self._sock.getsockopt(level, name, size) if size else self._sock.getsockopt(level, name)


class _Accepting:
    """An accept() that waits: its result is a socket."""

    def __init__(self, caller: Caller, callers: Callers) -> None:
        self._caller, self._callers = caller, callers

    @property
    def done(self) -> bool:
        return self._caller.done

    def result(self) -> DescriptorSocket:
        return DescriptorSocket(self._caller.result(), self._callers)
