"""The application's sockets at a server that nobody can tell anything: its calls, as far as the server makes them."""

import errno
import socket
from typing import Protocol

from harness.targets.protocol import NotOffered
from harness.targets.wired.channel import Channel
from harness.wire.link import Arrival

#: `harness.case.user_calls.BACKLOG`: a listener with room for everybody.
SMALLEST_BACKLOG = 16


class Server(Protocol):
    """What a socket asks of the server it is at: one that has begun another life knows its connections no more."""

    life: int

    def open_port(self, port: int) -> None:
        """Let a port of the case's be the server's."""

    def close_port(self, port: int) -> None:
        """Let it be closed again, for new connections."""

    def unaccepted(self, port: int) -> Channel | None:
        """Return an established connection of a port that was not taken yet."""

    def show(self, arrivals: list[Arrival]) -> None:
        """Keep what has come for the next look."""

    def await_server(self, channel: Channel) -> None:
        """Wait until the server has done what it does by itself; raises NotOffered where it does not."""

    def await_echo(self, channel: Channel) -> None:
        """Wait for what the server sends back."""

    def await_end(self, channel: Channel) -> None:
        """Wait for the server's FIN behind its peer's."""


class ServerSocket:
    """A listener or a connection of the server. What it can't stand for raises NotOffered."""

    def __init__(self, target: Server, channel: Channel | None = None) -> None:
        self._target, self._channel = target, channel
        self._port = 0
        self._life = target.life

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Take a port of the case's for the server's own."""
        if backlog < SMALLEST_BACKLOG:
            raise NotOffered("listen(): the server chooses its backlog itself")
        self._port = port
        self._target.open_port(port)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Refuse: no server opens a connection."""
        raise NotOffered("connect(): no server opens a connection by itself")

    def accept(self) -> "ServerSocket":
        """Return the connection that has been established; whether one waits can't be seen, only that it must."""
        channel = self._target.unaccepted(self._port)
        if channel is None:
            raise NotOffered("accept(): whether a server has a connection to accept, nobody sees")
        return ServerSocket(self._target, channel)

    def send(self, data: bytes, flags: int = 0) -> int:
        """Make the server send: an echo server, by sending it the same."""
        if flags:
            raise NotOffered("send(): a server takes no flags")
        channel = self._connection("send()")
        if channel.expects_an_echo:  # a busy server may owe one, which would be taken for this one
            self._target.await_echo(channel)
        channel.say(data)
        self._target.await_server(channel)
        return len(data)

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """Return what the server has echoed."""
        if flags:
            raise NotOffered("recv(): a server takes no flags")
        channel = self._connection("recv()")
        if channel.reset:
            raise NotOffered("recv(): what a server is told of a reset, nobody sees")
        data = channel.read(limit)
        if data is None and channel.expects_an_echo:
            self._target.await_echo(channel)
            data = channel.read(limit)
        if data is None and channel.expects_the_end:
            self._target.await_end(channel)
            data = channel.read(limit)
        if data is None:
            raise BlockingIOError(errno.EAGAIN, "nothing has come")
        return data

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Let the server's FIN out; of the other direction nothing is known."""
        if how != socket.SHUT_WR:
            raise NotOffered("shutdown(): a server closes as a whole")
        self._close("shutdown()")

    def close(self) -> None:
        """CLOSE: of a listener, or of a connection whose server has closed or is about to."""
        if self._life != self._target.life:
            return
        if self._channel is None:
            self._target.close_port(self._port)
        else:
            self._close("close()")

    def abort(self) -> None:
        """Refuse: no server aborts."""
        raise NotOffered("abort(): no server resets a connection by itself")

    def pending_error(self) -> int:
        """Refuse: an error stays in the server."""
        raise NotOffered("the pending error stays in the server")

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Refuse: the socket is the server's."""
        raise NotOffered("setsockopt(): the socket is the server's")

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Refuse: the socket is the server's."""
        raise NotOffered("getsockopt(): the socket is the server's")

    def _close(self, call: str) -> None:
        channel = self._connection(call)
        self._target.show(channel.close())
        self._target.await_server(channel)

    def _connection(self, call: str) -> Channel:
        if self._channel is None or self._life != self._target.life:
            raise NotOffered(f"{call}: the server has no connection here")
        return self._channel
