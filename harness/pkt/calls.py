"""The calls of scripts, made at the target's application sockets.

`Application.attempt` returns a function that tries a call once: it gives an answer, or None where the call blocks, to
be tried again when something has happened.
"""

import errno
import socket
from collections.abc import Callable
from os import O_NONBLOCK, O_RDWR

from harness.case.connection import Connection
from harness.pkt.answers import Answer, Attempt, done, error_name, refused
from harness.pkt.descriptors import LINGERING, Descriptor, Stage, Table, argument, connection_of
from harness.pkt.file_calls import FileCalls
from harness.pkt.polling import Polling
from harness.pkt.profile import Dialect
from harness.pkt.socket_options import SocketOptions
from harness.pkt.support import Unsupported
from harness.pkt.symbols import number
from harness.pkt.text_calls import TextCalls
from harness.pkt.tree import Anything, Applied, Call, Expression, Name, Place, Record
from harness.spec.states import State
from harness.targets.sockets import LinuxSocket

#: States of an active open that is under way.
_OPENING = (State.SYN_SENT, State.SYN_RECEIVED)
#: States in which the peer has not acknowledged the FIN: a close() that lingers goes on.
_CLOSING = (State.FIN_WAIT_1, State.CLOSING, State.LAST_ACK)


#: Calls that nothing on the wire comes of.
QUIET = frozenset(
    {"socket", "bind", "fcntl", "getsockopt", "setsockopt", "ioctl", "poll", "epoll_create", "epoll_create1"}
    | {"epoll_ctl", "epoll_wait", "getsockname", "getpeername"}
)


#: How many arguments a call has at least.
LEAST = {
    **dict.fromkeys(("socket", "recvmsg", "sendmsg", "readv", "writev"), 2),
    **dict.fromkeys(("poll", "epoll_create", "epoll_create1", "epoll_wait"), 1),
    "epoll_ctl": 3,
}


class Application:
    """The application at the target, as a script writes it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.table = Table()
        self.options = SocketOptions(stage, self.table)
        self._polling = Polling(stage, self.table)
        self._text = TextCalls(stage, self.table)
        self._files = FileCalls(stage, self.table)

    def attempt(self, call: Call, place: Place) -> Attempt:
        """Return how to try a call; raises Unsupported for one that this target does not have."""
        if len(call.arguments) < LEAST.get(call.function, 0):
            raise Unsupported(f"{call.function}() with {len(call.arguments)} arguments", place)
        for family in (self._polling, self.options, self._text, self._files):
            if (found := family.attempt(call, place)) is not None:
                return found
        makers: dict[str, Callable[[Call, Place], Attempt]] = {
            "socket": self._socket,
            "bind": self._bind,
            "listen": self._listen,
            "connect": self._connect,
            "accept": self._accept,
            "accept4": self._accept,
            "close": self._close,
            "shutdown": self._shutdown,
            "fcntl": self._fcntl,
            **dict.fromkeys(("getsockname", "getpeername"), lambda _call, _place: done),
        }
        if call.function not in makers:
            raise Unsupported(f"the call {call.function[:40]}()", place)
        return makers[call.function](call, place)

    def close_all(self) -> None:
        """Let go of all sockets; those of a conversation are closed by its sweep."""
        for descriptor in self.table.all():
            if descriptor.sock is not None:
                descriptor.sock.close()

    # --- opening and closing -----------------------------------------------------------------------------------------

    def _socket(self, call: Call, place: Place) -> Attempt:
        kind = argument(call, 1, self.stage.symbols, place)
        domain = call.arguments[0]
        if isinstance(domain, Name) and domain.name in ("AF_UNIX", "AF_LOCAL", "PF_UNIX"):
            raise Unsupported(f"a socket of {domain.name}", place)
        protocol = argument(call, 2, self.stage.symbols, place) if len(call.arguments) > 2 else 0
        flags = kind & (socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if kind & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) != socket.SOCK_STREAM or protocol not in (0, 6):
            raise Unsupported("a socket that is not TCP's", place)
        said = number(call.result, self.stage.symbols)
        if said < 0:
            raise Unsupported("a socket that can't be had", place)

        def make() -> Answer:
            blocking = not flags & socket.SOCK_NONBLOCK
            self.table.add(said, Descriptor(self.stage.socket(), blocking=blocking))
            return Answer(said)

        return make

    def _bind(self, call: Call, place: Place) -> Attempt:
        descriptor = self.table.of(call, self.stage.symbols, place)
        port = _port(call.arguments[1] if len(call.arguments) > 1 else None)

        def bind() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if descriptor.port:
                return Answer(-1, "EINVAL")
            own = self.stage.bound(port)
            descriptor.connection, descriptor.port = own, own.tuple4.port
            return done()

        return bind

    def _listen(self, call: Call, place: Place) -> Attempt:
        descriptor = self.table.of(call, self.stage.symbols, place)
        backlog = argument(call, 1, self.stage.symbols, place)

        def listen() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if descriptor.listening:
                return done()
            if descriptor.connection is None:
                descriptor.connection = self.stage.bound(0)
                descriptor.port = descriptor.connection.tuple4.port
            try:
                self.table.sock(descriptor, place).listen(*self.stage.local(descriptor.port), backlog)
            except OSError as error:
                return refused(error)
            descriptor.listening = True
            self.stage.begun.add(descriptor.port)
            self.stage.current = descriptor.connection
            return done()

        return listen

    def _connect(self, call: Call, place: Place) -> Attempt:
        descriptor = self.table.of(call, self.stage.symbols, place)
        if len(call.arguments) > 1 and isinstance(call.arguments[1], Name):
            if call.arguments[1].name != "AF_UNSPEC" or not self.stage.traits.is_linux:
                raise Unsupported(f"connect() to {call.arguments[1].name[:20]}", place)
            return self._disconnect(descriptor, place)
        begun = False

        def connect() -> Answer | None:
            nonlocal begun
            if descriptor is None:
                return Answer(-1, "EBADF")
            if descriptor.listening:
                return Answer(-1, "EOPNOTSUPP" if self.stage.dialect is Dialect.BSD else "EISCONN")
            if begun:
                return self._connected(descriptor, place)
            if descriptor.connecting and descriptor.opens_fast:
                return self._connect_fast(descriptor, place)
            if descriptor.connecting:
                return self._connect_again(descriptor, place)
            begun = True
            own = self.stage.opening(descriptor)
            try:
                if descriptor.opens_fast:
                    return self._connect_fast(descriptor, place)
                self.table.sock(descriptor, place).connect(self.stage.local(descriptor.port), self.stage.remote(own))
            except OSError as error:
                return refused(error)
            return None if descriptor.blocking else Answer(-1, "EINPROGRESS")

        return connect

    def _connect_fast(self, descriptor: Descriptor, place: Place) -> Answer | None:
        """Open with TCP_FASTOPEN_CONNECT: at once where there is a cookie, and the first text goes with the SYN."""
        assert descriptor.connection is not None
        sock = self.table.sock(descriptor, place)
        assert isinstance(sock, LinuxSocket)
        try:
            sock.begin(self.stage.local(descriptor.port), self.stage.remote(descriptor.connection), None)
        except OSError as error:
            return None if descriptor.blocking and error.errno == errno.EINPROGRESS else refused(error)
        descriptor.deferred = True
        return done()

    def _disconnect(self, descriptor: Descriptor | None, place: Place) -> Attempt:
        """Return how a socket is freed of its connection, as by a close() that resets, to be used for another one."""

        def disconnect() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            self.table.sock(descriptor, place).abort()
            descriptor.sock, descriptor.freed = self.stage.socket(), True
            descriptor.connecting = descriptor.connected = descriptor.listening = False
            return done()

        return disconnect

    def _connected(self, descriptor: Descriptor, place: Place) -> Answer | None:
        """Return what a blocking connect gives, None while the handshake is under way."""
        state = self._state(descriptor, place)
        if state in _OPENING:
            return None if self.stage.waits(descriptor) else Answer(-1, "EINPROGRESS")
        code = self.table.sock(descriptor, place).pending_error()
        if code:
            return Answer(-1, error_name(code))
        descriptor.connected = state is not State.CLOSED
        return done() if descriptor.connected else Answer(-1, "ECONNREFUSED")

    def _connect_again(self, descriptor: Descriptor, place: Place) -> Answer:
        if self._state(descriptor, place) in _OPENING:
            return Answer(-1, "EALREADY")
        code = self.table.sock(descriptor, place).pending_error()
        if code:
            return Answer(-1, error_name(code))
        told, descriptor.connected = descriptor.connected or self.stage.dialect is Dialect.BSD, True
        return Answer(-1, "EISCONN") if told else done()

    def _state(self, descriptor: Descriptor, place: Place) -> State:
        assert descriptor.connection is not None
        snapshot = self.stage.conversation.rig.snapshot(descriptor.connection.tuple4)
        if snapshot is not None:
            return State.CLOSED if snapshot.listening else snapshot.state
        raise Unsupported("a call that waits for a connection whose state can't be seen", place)

    def _accept(self, call: Call, place: Place) -> Attempt:
        listener = self.table.of(call, self.stage.symbols, place)
        flags = (
            argument(call, 3, self.stage.symbols, place)
            if call.function == "accept4" and len(call.arguments) > 3
            else 0
        )
        said = number(call.result, self.stage.symbols)

        def accept() -> Answer | None:
            if listener is None:
                return Answer(-1, "EBADF")
            if not listener.listening:
                return Answer(-1, "EINVAL")
            try:
                sock = self.table.sock(listener, place).accept()
            except BlockingIOError:
                return None if self.stage.waits(listener) else Answer(-1, "EAGAIN")
            except OSError as error:
                return refused(error)
            waiting = [each for each in self.stage.incoming if each.tuple4.port == listener.port]
            own = connection_of(sock, waiting, self._is_over)
            if own is not None:
                self.stage.incoming.remove(own)
            blocking = not flags & socket.SOCK_NONBLOCK
            descriptor = Descriptor(sock, own, listener.port, blocking, connecting=True, connected=True)
            descriptor.timeouts_ns.update(listener.timeouts_ns)
            if own is not None:
                descriptor.begun = self.stage.streams_of(own).begun
                self.stage.streams_of(own).written.clear()
            self.table.add(said, descriptor)
            self.stage.current = own or self.stage.current
            return Answer(said)

        return accept

    def _is_over(self, connection: Connection) -> bool:
        """Tell whether a connection that waited to be accepted has ended."""
        snapshot = self.stage.conversation.rig.snapshot(connection.tuple4)
        return snapshot is not None and (snapshot.listening or snapshot.state in (State.CLOSED, State.LISTEN))

    def _close(self, call: Call, place: Place) -> Attempt:
        numbered = argument(call, 0, self.stage.symbols, place)
        descriptor = self.table.get(numbered, place)
        begun = False

        def close() -> Answer | None:
            nonlocal begun
            if descriptor is None:
                return Answer(-1, "EBADF")
            if begun:
                return None if self._lingers(descriptor, place) else done()
            begun = True
            self.table.drop(numbered)
            if descriptor.sock is not None:
                try:
                    if descriptor.linger_resets and not descriptor.listening and descriptor.connecting:
                        descriptor.sock.abort()
                    else:
                        descriptor.sock.close()
                except OSError as error:
                    return refused(error)
            return None if self._lingers(descriptor, place) else done()

        return close

    def _lingers(self, descriptor: Descriptor, place: Place) -> bool:
        """Tell whether a close() waits for the peer to acknowledge all, as SO_LINGER asks with a time."""
        asked = descriptor.timeouts_ns.get(LINGERING) and not descriptor.listening and descriptor.connecting
        return bool(asked) and not self.stage.expired and self._state(descriptor, place) in _CLOSING

    def _shutdown(self, call: Call, place: Place) -> Attempt:
        descriptor = self.table.of(call, self.stage.symbols, place)
        how = argument(call, 1, self.stage.symbols, place)
        if how != socket.SHUT_WR and not self.stage.traits.shuts_receiving:
            raise Unsupported("shutdown() of the receiving direction", place, lacking=True)

        def shutdown() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if how not in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR):
                return Answer(-1, "EINVAL")
            sock = self.table.sock(descriptor, place)
            try:
                if how == socket.SHUT_WR:
                    sock.shutdown()
                else:
                    sock.shutdown(how)
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    raise Unsupported("shutdown() of the receiving direction", place) from None
                return refused(error)
            return done()

        return shutdown

    def _fcntl(self, call: Call, place: Place) -> Attempt:
        descriptor = self.table.of(call, self.stage.symbols, place)
        command = call.arguments[1] if len(call.arguments) > 1 else Anything(place)
        name = command.name if isinstance(command, Name) else ""
        said = number(call.result, self.stage.symbols)

        def fcntl() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if name == "F_SETFL":
                descriptor.blocking = not argument(call, 2, self.stage.symbols, place) & O_NONBLOCK
                return done()
            flags = O_RDWR if descriptor.blocking else O_RDWR | O_NONBLOCK
            # FreeBSD has another number for O_NONBLOCK: 4.
            return Answer(said if not descriptor.blocking and said == O_RDWR | 4 else flags)

        if name not in ("F_SETFL", "F_GETFL"):
            raise Unsupported(f"fcntl() with {name or 'a number'}", place)
        return fcntl


def _port(address: Expression | None) -> int:
    """Return the port of an address, 0 where it is left open."""
    if isinstance(address, Record) and isinstance(given := address.fields.get("sin_port"), Applied):
        return number(given, {})
    return 0
