"""The application's sockets at a target: what each offers, and what only some do."""

import socket
from typing import Any, NamedTuple, Protocol, runtime_checkable


class AppSocket(Protocol):
    """An application's socket at the target. Calls never block; a refusal is an OSError with the target's errno."""

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN from `local` to `remote`; returns while the handshake is under way."""

    def accept(self) -> "AppSocket":
        """Return the next established connection; BlockingIOError if there is none."""

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND: return how many octets were taken."""

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE: return what has come, the empty string at the end of the stream; BlockingIOError if nothing."""

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction only, or what `how` says; ENOSYS where there is no such call."""

    def close(self) -> None:
        """CLOSE, for both directions."""

    def abort(self) -> None:
        """ABORT: close with a reset."""

    def pending_error(self) -> int:
        """Return and clear the pending error (an errno, 0 for none)."""

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option."""

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return a socket option: an integer, or `size` octets."""


@runtime_checkable
class WatchedSocket(AppSocket, Protocol):
    """What sockets of some targets offer besides."""

    def local(self) -> tuple[str, int]:
        """Return the own address and port, the one that was chosen where 0 was asked for."""

    def poll(self) -> int:
        """Return what holds now, in the bits of poll(2): `select.POLLIN`, POLLOUT, POLLERR, POLLHUP, POLLRDHUP."""


@runtime_checkable
class ConnectedSocket(Protocol):
    """What sockets of some targets offer besides: whose connection it is."""

    def remote(self) -> tuple[str, int]:
        """Return the peer's address and port; an OSError where the connection is gone."""


@runtime_checkable
class TellingSocket(AppSocket, Protocol):
    """What sockets offer besides of a target with the capability READINESS."""

    def poll(self) -> int:
        """Return what holds now, in the bits of poll(2): `select.POLLIN`, POLLOUT, POLLERR, POLLHUP, POLLRDHUP."""

    def edges(self) -> int:
        """Return what holds and has newly come about since the last call, as EPOLLET tells it; same bits."""


#: Both ends of a connection, each an address and a port: the target's, and the peer's.
Ends = tuple[tuple[str, int], tuple[str, int]]


class Message(NamedTuple):
    """What recvmsg(2) hands over: text, control data (level, type, octets), and flags."""

    data: bytes
    control: list[tuple[int, int, bytes]]
    flags: int


@runtime_checkable
class LinuxSocket(AppSocket, Protocol):
    """What sockets of a Linux kernel offer besides: control data, the error queue, and its own epoll."""

    def begin(self, local: tuple[str, int], remote: tuple[str, int], data: bytes | None, flags: int = 0) -> int:
        """Active OPEN by sendto(2) with MSG_FASTOPEN; where `data` is None, by connect(2) after TCP_FASTOPEN_CONNECT.

        Returns what the call does. BlockingIOError (EINPROGRESS): a SYN without text was sent.
        """

    def recv_message(self, limit: int, flags: int = 0) -> Message:
        """RECEIVE with control data; with MSG_ERRQUEUE of the error queue."""

    def nowhere(self, sends: bool, octets: int, flags: int = 0, ends: Ends | None = None) -> int:
        """SEND or RECEIVE with NULL for a buffer, to which a kernel says EFAULT; with `ends` (its own, the peer's)
        the SEND opens a connection.
        """

    def send_file(self, data: bytes) -> int:
        """SEND by sendfile(2) a file that holds this text: return how many octets were taken."""

    def splice(self, limit: int) -> bytes:
        """RECEIVE by splice(2) into a pipe: return what has come."""

    def watch(self, poll: int, events: int | None) -> None:
        """Have the epoll of this number watch the socket: epoll_ctl(2) with ADD, or MOD, or (None) DEL."""

    def watched(self, poll: int) -> int:
        """Return what the epoll of this number tells of the socket by now, 0 for nothing."""


class UnderWay(Protocol):
    """A call that waits."""

    @property
    def done(self) -> bool:
        """Tell whether it has returned; up to date behind each exchange."""

    def result(self) -> Any:
        """Return what it returned, or raise its OSError."""


@runtime_checkable
class WaitingSocket(Protocol):
    """What sockets offer besides of a target with the capability WAITING_CALLS."""

    def start(self, call: str, *arguments: Any) -> UnderWay:
        """Begin a call that waits: ``connect`` (local, remote), ``accept``, ``recv`` (limit), ``send`` (data).

        ``close`` takes its linger time in seconds, and gives whether all was acknowledged (None: it does not tell).
        """
