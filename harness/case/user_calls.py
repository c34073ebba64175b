"""The application's calls at the target: each is a step of its own, and is held against how it must end."""

import contextlib
import errno
import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.retelling import EVERYWHERE, Made
from harness.case.violation import Code
from harness.observe.snapshot import Snapshot
from harness.targets.protocol import Adjustable, NotOffered
from harness.targets.sockets import AppSocket
from harness.trace.events import Kind

BACKLOG = 128
#: IP_RECVERR (linux/in.h) and IPV6_RECVERR (linux/in6.h): level and option. The socket module has no names for them.
RECEIVE_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
#: The end of the stream, as RECEIVE gives it.
EOF = b""
#: The call that asks for SO_ERROR.
PENDING_ERROR = "pending error"
#: What a record says of a socket that was given options before the call: this, and each as level, number, and value.
PREPARED = "with options of its own: "
#: What a record says of a SEND of urgent data.
URGENT = "(urgent)"
#: `refused=ANY_ERROR`: the call must fail, and the RFC does not say with which error.
ANY_ERROR = -1

_T = TypeVar("_T")


class UserCalls:
    """The application's side of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rebind(self, connection: Connection) -> None:
        """Speak of another connection from now on: the same case is replayed."""
        self._connection = connection

    @property
    def conversation(self) -> Conversation:
        """The run of the case that this connection belongs to."""
        conversation: Conversation = self._connection.conversation
        return conversation

    @property
    def connection(self) -> Connection:
        """The 4-tuple and its numbers."""
        return self._connection

    @property
    def snapshot(self) -> Snapshot | None:
        """The last look at the target's record of the connection."""
        if self._connection.overlooked:
            self.conversation.observe(self._connection)
        return self._connection.snapshot

    # --- user calls (RFC 9293 §3.10.1 to §3.10.6) --------------------------------------------------------------------

    def listen(
        self,
        *,
        backlog: int = BACKLOG,
        prepare: Callable[[AppSocket], None] | None = None,
        any_address: bool = False,
        refused: int = 0,
    ) -> None:
        """Passive OPEN on the connection's port; `prepare` sets options on the socket before.

        `any_address` leaves the local address unspecified; `refused` is the errno with which the call must fail.
        """
        __tracebackhide__ = True
        connection = self._connection
        sock, options = self._fresh_socket(prepare)
        connection.listener = sock
        address, port = self._local(any_address)
        name = EVERYWHERE if any_address else "listen"
        text = "listen()" if backlog == BACKLOG else f"listen({backlog})"
        self._call(text, lambda: sock.listen(address, port, backlog), refused=refused, name=name, about=backlog)
        self._note_prepared(options)

    def connect(
        self,
        *,
        prepare: Callable[[AppSocket], None] | None = None,
        any_address: bool = False,
        refused: int = 0,
    ) -> None:
        """Active OPEN to the peer; `refused` is the errno with which the call itself must fail.

        `any_address` leaves the choice of the local address to the target.
        """
        __tracebackhide__ = True
        connection = self._connection
        sock, options = self._fresh_socket(prepare)
        connection.app = sock
        local = self._local(any_address)
        remote = (connection.tuple4.peer_address, connection.tuple4.peer_port)
        self._call("connect()", lambda: sock.connect(local, remote), refused=refused, about=0)
        self._note_prepared(options)

    def accept(self) -> None:
        """Take the established connection from the listener."""
        __tracebackhide__ = True
        listener = self._listener()
        self._connection.app = self._call("accept()", listener.accept, due=listener, about=0)

    def accept_must_block(self) -> None:
        """Demand that no connection is ready to be accepted."""
        __tracebackhide__ = True
        self._call("accept()", self._listener().accept, refused=errno.EAGAIN, about=0)

    def close_listener(self) -> None:
        """Close the listening socket only."""
        __tracebackhide__ = True
        listener = self._listener()
        self._connection.listener = None
        self._call("close() of the listener", listener.close, name="unlisten", about=0)

    def send(self, data: bytes, *, flags: int = 0, refused: int = 0) -> None:
        """SEND all of `data`; `refused` is the errno with which it must fail instead.

        A target that has room for a part of it only takes what it can (§3.10.2): the case can't go on there.
        """
        __tracebackhide__ = True
        text = f"send({len(data)} octets)"
        told = None if flags else data
        taken = self._call(text, lambda: self._app().send(data, flags), refused=refused, due=len(data), about=told)
        if flags & socket.MSG_OOB:
            self.conversation.calls[-1].event.annotations.append(URGENT)
        if not refused and taken is not None and 0 < taken < len(data):
            raise NotOffered(f"SEND has room for {taken} of {len(data)} octets")
        if not refused and taken != len(data):
            self._wrong_answer(f"send() takes {len(data)} octets", f"it takes {taken}")

    def shutdown(self, *, refused: int = 0, early: bool = False) -> None:
        """Close the sending direction; the application still receives.

        `early`: there is no connection yet, of which a part could be closed (MAY-1), and a stack may have no such call
        then: CLOSE it must have.
        """
        __tracebackhide__ = True
        or_with = (errno.ENOTCONN,) if early else ()
        self._call("shutdown(WR)", self._app().shutdown, refused=refused, or_with=or_with, about=0)
        if early and self.conversation.calls[-1].code == errno.ENOTCONN:
            raise NotOffered("shutdown() is for what is established, before that there is close()")

    def close(self) -> None:
        """CLOSE both directions; the application is gone."""
        __tracebackhide__ = True
        app = self._app()
        self._connection.app = None
        self._call("close()", app.close, about=0)

    def abort(self) -> None:
        """ABORT the connection; where there is none yet, the listener."""
        __tracebackhide__ = True
        connection = self._connection
        name = "abort" if connection.app is not None else "unlisten"
        if connection.app is None:
            sock, connection.listener = self._listener(), None
        else:
            sock, connection.app = connection.app, None
        self._call("abort()", sock.abort, name=name, about=0)

    def recv(self, limit: int = 65536, *, flags: int = 0) -> bytes:
        """RECEIVE what is there and return it, for a case that looks at it itself."""
        __tracebackhide__ = True
        return self._call("recv()", lambda: self._app().recv(limit, flags), about=None if flags else limit) or b""

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option of the connection's socket."""
        __tracebackhide__ = True
        self.conversation.set_apart = True
        self._call(
            f"setsockopt({level}, {name}, {value!r})", lambda: self._app().set_option(level, name, value), about=0
        )

    def ask_for_icmp_errors(self) -> None:
        """Ask for ICMP errors to be reported at once, soft ones too (RFC 1122 §4.2.4.1 leaves the way to the stack)."""
        __tracebackhide__ = True
        level, name = RECEIVE_ERRORS[self._connection.tuple4.version]
        self.set_option(level, name, 1)

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return an option of the connection's socket."""
        return self._app().get_option(level, name, size)

    def wait(self, seconds: float) -> None:
        """Let time pass at the target; what it sends meanwhile must be explained."""
        __tracebackhide__ = True
        conversation = self.conversation
        conversation.begin_step()
        conversation.note(Kind.WAIT, f"{seconds * 1000:g} ms pass", self._connection)
        clock = conversation.rig.target.clock
        deadline = clock.now_ns() + int(seconds * 1e9)
        while (left := deadline - clock.now_ns()) > 0:
            clock.wait(left / 1e9)
            conversation.rig.collect(conversation)
        conversation.step()

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a setting of the target for the time of the context; the case requires Capability.SETTINGS."""
        __tracebackhide__ = True
        target = self.conversation.rig.target
        if not isinstance(target, Adjustable):
            raise RuntimeError(f"{target.name} can't change its settings: @requires(Capability.SETTINGS)")
        self.conversation.set_apart = True
        with target.setting(name, value):
            self.conversation.note(Kind.NOTE, f"{name} = {value}", self._connection)
            yield

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _call(
        self,
        text: str,
        action: Callable[[], _T],
        *,
        refused: int = 0,
        or_with: tuple[int, ...] = (),
        due: _T | None = None,
        name: str = "",
        about: bytes | int | None = None,
    ) -> _T | None:
        """Make a call in a step of its own and hold its outcome against `refused` (0: it must succeed).

        `or_with` are other errors that would do as well.
        `due` is what it gives where everything is as it should be; only a rehearsal needs to know. `name` and `about`
        are for the record (`harness.case.retelling.Made`).
        """
        __tracebackhide__ = True
        conversation = self.conversation
        conversation.begin_step()
        event = conversation.note(Kind.CALL, text, self._connection)
        result: _T | None = None
        code = 0
        try:
            result = conversation.invoke(action, refused, due)
        except OSError as error:
            code = error.errno or errno.EIO
        if code:
            event.annotations.append(f"= {error_name(code)}")
        elif isinstance(result, bytes):
            event.annotations.append(f"= {data_text(result)}")
        elif isinstance(result, int) and result and text == PENDING_ERROR:
            event.annotations.append(f"= {error_name(result)}")
        conversation.calls.append(Made(event, name or text.partition("(")[0], about, result, code))
        conversation.step()
        if code not in (refused, *or_with) and not (code and refused == ANY_ERROR):
            errors = " or ".join(error_name(error) for error in (refused, *or_with))
            wanted = f"{text} fails with {errors}" if refused else f"{text} succeeds"
            got = f"it fails with {error_name(code)}" if code else f"it gives {_result(result)}"
            self._wrong_answer(wanted, got, asks=code in (0, errno.EAGAIN))
        return result

    def _local(self, any_address: bool) -> tuple[str, int]:
        tuple4 = self._connection.tuple4
        unspecified = "0.0.0.0" if tuple4.version == 4 else "::"
        return unspecified if any_address else tuple4.address, tuple4.port

    def _wrong_answer(self, due: str, got: str, *, asks: bool = True) -> None:
        """Which error stands for which of the RFC's is the author's: the rules are not asked (`asks`) about that."""
        __tracebackhide__ = True
        self.conversation.fail(Code.WRONG_ANSWER, due, got, connection=self._connection, asks=asks)

    def _fresh_socket(self, prepare: Callable[[AppSocket], None] | None) -> tuple[AppSocket, "_Noting"]:
        sock = self.conversation.rig.target.socket(self._connection.tuple4.version)
        noting = _Noting(sock)
        if prepare is not None:
            prepare(cast("AppSocket", noting))
        return sock, noting

    def _note_prepared(self, noting: "_Noting") -> None:
        if noting.options:
            self.conversation.calls[-1].event.annotations.append(f"({PREPARED}{', '.join(noting.options)})")

    def _app(self) -> AppSocket:
        if self._connection.app is None:
            raise RuntimeError("this connection has no application socket: listen() and accept(), or connect() first")
        return self._connection.app

    def _listener(self) -> AppSocket:
        if self._connection.listener is None:
            raise RuntimeError("this connection has no listener: listen() first")
        return self._connection.listener


class _Noting:
    """A socket that keeps a note of the options that it is given."""

    def __init__(self, sock: AppSocket) -> None:
        self._sock = sock
        self.options: list[str] = []

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option."""
        self._sock.set_option(level, name, value)
        number = value if isinstance(value, int) else int.from_bytes(value, sys.byteorder)
        self.options.append(f"{level} {name} {number}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def error_name(code: int) -> str:
    """Return an errno in words, for messages."""
    if code == ANY_ERROR:
        return "an error"
    return errno.errorcode.get(code, f"{code} ({os.strerror(code)})") if code else "no error"


def data_text(data: bytes) -> str:
    """Return what was received in words, for messages."""
    if not data:
        return "the end of the stream"
    return f"{data!r}" if len(data) <= 24 else f"{len(data)} octets {data[:16]!r}…"


def _result(result: object) -> str:
    return data_text(result) if isinstance(result, bytes) else "success"
