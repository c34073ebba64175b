"""What a case calls `target`: the application's calls at the target, and what the target must do.

The RFC 2119 words are the verbs, so the level of a rule stands in the source of the case.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import TypeVar

from harness.case.conversation import Connection, Conversation
from harness.case.expect import Expected, Number, Silence
from harness.case.peer_side import PeerSide
from harness.case.violation import Code, Level
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import State
from harness.targets.protocol import Adjustable, AppSocket
from harness.trace.events import Kind

BACKLOG = 128
#: IP_RECVERR (linux/in.h) and IPV6_RECVERR (linux/in6.h): level and option. The socket module has no names for them.
RECEIVE_ERRORS = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
#: The end of the stream, as RECEIVE gives it.
EOF = b""
#: `refused=ANY_ERROR`: the call must fail, and the RFC does not say with which error.
ANY_ERROR = -1

_T = TypeVar("_T")


class TargetSide:
    """The target's end of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rebind(self, connection: Connection) -> None:
        """Speak of another connection from now on: the same case is replayed."""
        self._connection = connection

    @property
    def conversation(self) -> Conversation:
        """The run of the case that this connection belongs to."""
        return self._connection.conversation

    @property
    def connection(self) -> Connection:
        """The 4-tuple and its numbers."""
        return self._connection

    @property
    def snapshot(self) -> Snapshot | None:
        """The last look at the target's record of the connection."""
        return self._connection.snapshot

    def beside(
        self,
        *,
        address: str | None = None,
        port: int | None = None,
        peer_address: str | None = None,
        peer_port: int | None = None,
        same_iss: bool = False,
    ) -> "tuple[TargetSide, PeerSide]":
        """Return both sides of another connection that differs from this one only in what is given.

        With nothing given it differs in the peer's port. On the same port both share the listener. `same_iss`: the peer
        begins at the same sequence number.
        """
        conversation, own = self.conversation, self._connection.tuple4
        tuple4 = FourTuple(
            address or own.address, port or own.port, peer_address or own.peer_address, peer_port or own.peer_port
        )
        if tuple4 == own:
            tuple4 = own._replace(peer_port=own.peer_port + len(conversation.connections))
        iss = self._connection.peer_iss if same_iss else conversation.rig.peer_iss(conversation)
        connection = Connection(conversation, len(conversation.connections), tuple4, iss)
        if tuple4.port == own.port:
            connection.listener = self._connection.listener
        conversation.connections.append(connection)
        conversation.rig.register(connection)
        return TargetSide(connection), PeerSide(connection)

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
        sock = self._fresh_socket(prepare)
        connection.listener = sock
        address, port = self._local(any_address)
        self._call("listen()", lambda: sock.listen(address, port, backlog), refused=refused)

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
        sock = self._fresh_socket(prepare)
        connection.app = sock
        local = self._local(any_address)
        remote = (connection.tuple4.peer_address, connection.tuple4.peer_port)
        self._call("connect()", lambda: sock.connect(local, remote), refused=refused)

    def accept(self) -> None:
        """Take the established connection from the listener."""
        __tracebackhide__ = True
        listener = self._listener()
        self._connection.app = self._call("accept()", listener.accept, due=listener)

    def accept_must_block(self) -> None:
        """Demand that no connection is ready to be accepted."""
        __tracebackhide__ = True
        self._call("accept()", self._listener().accept, refused=errno.EAGAIN)

    def close_listener(self) -> None:
        """Close the listening socket only."""
        __tracebackhide__ = True
        listener = self._listener()
        self._connection.listener = None
        self._call("close() of the listener", listener.close)

    def send(self, data: bytes, *, flags: int = 0, refused: int = 0) -> None:
        """SEND all of `data`; `refused` is the errno with which it must fail instead."""
        __tracebackhide__ = True
        text = f"send({len(data)} octets)"
        taken = self._call(text, lambda: self._app().send(data, flags), refused=refused, due=len(data))
        if not refused and taken != len(data):
            self._wrong_answer(f"send() takes {len(data)} octets", f"it takes {taken}")

    def shutdown(self, *, refused: int = 0) -> None:
        """Close the sending direction; the application still receives."""
        __tracebackhide__ = True
        self._call("shutdown(WR)", self._app().shutdown, refused=refused)

    def close(self) -> None:
        """CLOSE both directions; the application is gone."""
        __tracebackhide__ = True
        app = self._app()
        self._connection.app = None
        self._call("close()", app.close)

    def abort(self) -> None:
        """ABORT the connection; where there is none yet, the listener."""
        __tracebackhide__ = True
        connection = self._connection
        if connection.app is None:
            sock, connection.listener = self._listener(), None
        else:
            sock, connection.app = connection.app, None
        self._call("abort()", sock.abort)

    def recv(self, limit: int = 65536, *, flags: int = 0) -> bytes:
        """RECEIVE what is there and return it, for a case that looks at it itself."""
        __tracebackhide__ = True
        return self._call("recv()", lambda: self._app().recv(limit, flags)) or b""

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option of the connection's socket."""
        __tracebackhide__ = True
        self._call(f"setsockopt({level}, {name})", lambda: self._app().set_option(level, name, value))

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
        with target.setting(name, value):
            self.conversation.note(Kind.NOTE, f"{name} = {value}", self._connection)
            yield

    # --- what the target must do -------------------------------------------------------------------------------------

    def must_send(
        self,
        flags: int,
        *,
        seq: Number = None,
        ack: Number = None,
        data: bytes | None = b"",
        window: int | None = None,
        check: Callable[[Segment], str] | None = None,
    ) -> Segment:
        """Demand this as the next segment; return it with relative numbers. `check` returns what is wrong, or ""."""
        __tracebackhide__ = True
        return self._must((Expected(flags, seq, ack, data, window, check),)) or Segment(0)

    def must_send_stream(self, data: bytes, *, seq: int, ack: Number = None, fin: bool = False) -> None:
        """Demand exactly these octets, segmented as the target likes; with `fin` a FIN on or behind the last one."""
        __tracebackhide__ = True
        while data or fin:
            inbox = self._connection.inbox
            seen = inbox[0].segment if inbox else None
            size = len(seen.payload) if seen and 0 < len(seen.payload) < len(data) else len(data)
            ends = fin and size == len(data) and (seen is None or not data or bool(seen.flags & FIN))
            self.must_send(FIN | ACK if ends else ACK, seq=seq, ack=ack, data=data[:size])
            data, seq, fin = data[size:], seq + size, fin and not ends

    def must_answer(self, *answers: Expected | Silence) -> Segment | None:
        """Demand one of several allowed answers; return the segment, None for allowed silence."""
        __tracebackhide__ = True
        return self._must(answers)

    def should_send(
        self,
        flags: int,
        *,
        seq: Number = None,
        ack: Number = None,
        data: bytes | None = b"",
        check: Callable[[Segment], str] | None = None,
    ) -> Segment | None:
        """Expect this as the next segment, at level SHOULD: a difference is noted, and the case goes on."""
        __tracebackhide__ = True
        return self.should_answer(Expected(flags, seq, ack, data, check=check))

    def should_answer(self, *answers: Expected | Silence) -> Segment | None:
        """Expect one of several answers, at level SHOULD."""
        __tracebackhide__ = True
        received = self.conversation.judge_next(self._connection, answers, Level.SHOULD)
        return received.segment if received else None

    def may_send(self, flags: int, *, seq: Number = None, ack: Number = None, data: bytes | None = b"") -> bool:
        """Tolerate this segment if it comes next; tell whether it came."""
        inbox = self._connection.inbox
        if inbox and Expected(flags, seq, ack, data).mismatch(inbox[0].segment, inbox[0].wire) is None:
            inbox.popleft()
            return True
        return False

    def should_send_at_most(
        self, times: int, flags: int, *, seq: Number = None, ack: Number = None, data: bytes | None = b""
    ) -> int:
        """Expect this segment so often at most, at level SHOULD; return how often it came."""
        __tracebackhide__ = True
        count = 0
        while self.may_send(flags, seq=seq, ack=ack, data=data):
            count += 1
        if count > times:
            due = f"{Expected(flags, seq, ack, data).notation()} at most {times} times"
            self.conversation.fail(Code.EXTRA, due, f"{count} times", connection=self._connection, level=Level.SHOULD)
        return count

    def must_not_send(self) -> None:
        """Demand silence; the target's silence proof stands behind it."""
        __tracebackhide__ = True
        self.conversation.demand_quiet()

    def must_be(self, *states: State) -> None:
        """Demand that the connection is in one of these states; counts as unobserved where states can't be read."""
        __tracebackhide__ = True
        self._be(states, Level.MUST)

    def should_be(self, *states: State) -> None:
        """Expect one of these states, at level SHOULD."""
        __tracebackhide__ = True
        self._be(states, Level.SHOULD)

    @contextlib.contextmanager
    def must_stay(self) -> Iterator[None]:
        """Demand that the connection is in the same state after the context as before it."""
        __tracebackhide__ = True
        before = self._connection.snapshot
        yield
        if before is None:
            self.conversation.unobserved += 1
        else:
            self._be((State.LISTEN if before.listening else before.state,), Level.MUST)

    def must_deliver(self, data: bytes) -> None:
        """Demand that RECEIVE gives exactly these octets now; `EOF` for the end of the stream."""
        __tracebackhide__ = True
        got = self._call("recv()", lambda: self._app().recv(len(data) + 4096), due=data)
        if got != data:
            self._wrong_answer(f"recv() gives {_data(data)}", f"it gives {_data(got or b'')}")

    def must_not_deliver(self) -> None:
        """Demand that RECEIVE has nothing: neither data nor the end of the stream."""
        __tracebackhide__ = True
        self._call("recv()", lambda: self._app().recv(4096), refused=errno.EAGAIN)

    def must_report(self, code: int, *others: int) -> None:
        """Demand that the application is told this error (an errno), or one of the others, by its next RECEIVE."""
        __tracebackhide__ = True
        self._call("recv()", lambda: self._app().recv(4096), refused=code, or_with=others)

    def must_report_pending(self, code: int) -> None:
        """Demand that the socket's pending error is this errno; 0 for none."""
        __tracebackhide__ = True
        got = self._call("pending error", self._app().pending_error, due=code)
        if got != code:
            self._wrong_answer(f"the pending error is {_name(code)}", f"it is {_name(got or 0)}")

    def must_show(self, field: str, seen: object, due: object) -> None:
        """Demand that a header field of the last segment, which has no argument in `must_send`, is as it is due."""
        __tracebackhide__ = True
        self._show(field, seen, due, Level.MUST)

    def should_show(self, field: str, seen: object, due: object) -> None:
        """Expect a header field of the last segment to be as it is due, at level SHOULD."""
        __tracebackhide__ = True
        self._show(field, seen, due, Level.SHOULD)

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _must(self, answers: tuple[Expected | Silence, ...]) -> Segment | None:
        __tracebackhide__ = True
        received = self.conversation.judge_next(self._connection, answers, Level.MUST)
        return received.segment if received else None

    def _be(self, states: tuple[State, ...], level: Level) -> None:
        __tracebackhide__ = True
        self.conversation.judge_state(self._connection, states, level)

    def _call(
        self,
        text: str,
        action: Callable[[], _T],
        *,
        refused: int = 0,
        or_with: tuple[int, ...] = (),
        due: _T | None = None,
    ) -> _T | None:
        """Make a call in a step of its own and hold its outcome against `refused` (0: it must succeed).

        `or_with` are other errors that would do as well.
        `due` is what it gives where everything is as it should be; only a rehearsal needs to know.
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
            event.annotations.append(f"= {_name(code)}")
        elif isinstance(result, bytes):
            event.annotations.append(f"= {_data(result)}")
        conversation.step()
        if code not in (refused, *or_with) and not (code and refused == ANY_ERROR):
            errors = " or ".join(_name(error) for error in (refused, *or_with))
            wanted = f"{text} fails with {errors}" if refused else f"{text} succeeds"
            self._wrong_answer(wanted, f"it fails with {_name(code)}" if code else f"it gives {_result(result)}")
        return result

    def _show(self, field: str, seen: object, due: object, level: Level) -> None:
        __tracebackhide__ = True
        if seen != due:
            conversation, connection = self.conversation, self._connection
            expected, observed = f"{field} {due}", f"{field} {seen}"
            conversation.fail(Code.WRONG_HEADER, expected, observed, connection=connection, level=level)

    def _local(self, any_address: bool) -> tuple[str, int]:
        tuple4 = self._connection.tuple4
        unspecified = "0.0.0.0" if tuple4.version == 4 else "::"
        return unspecified if any_address else tuple4.address, tuple4.port

    def _wrong_answer(self, due: str, got: str) -> None:
        __tracebackhide__ = True
        self.conversation.fail(Code.WRONG_ANSWER, due, got, connection=self._connection)

    def _fresh_socket(self, prepare: Callable[[AppSocket], None] | None) -> AppSocket:
        sock = self.conversation.rig.target.socket(self._connection.tuple4.version)
        if prepare is not None:
            prepare(sock)
        return sock

    def _app(self) -> AppSocket:
        if self._connection.app is None:
            raise RuntimeError("this connection has no application socket: listen() and accept(), or connect() first")
        return self._connection.app

    def _listener(self) -> AppSocket:
        if self._connection.listener is None:
            raise RuntimeError("this connection has no listener: listen() first")
        return self._connection.listener


def _name(code: int) -> str:
    if code == ANY_ERROR:
        return "an error"
    return errno.errorcode.get(code, f"{code} ({os.strerror(code)})") if code else "no error"


def _data(data: bytes) -> str:
    if not data:
        return "the end of the stream"
    return f"{data!r}" if len(data) <= 24 else f"{len(data)} octets {data[:16]!r}…"


def _result(result: object) -> str:
    return _data(result) if isinstance(result, bytes) else "success"


@contextlib.contextmanager
def walking(conversation: Conversation) -> Iterator[None]:
    """Within this context a difference is no violation: the precondition is not reached (Inconclusive)."""
    conversation.walking = True
    try:
        yield
    finally:
        conversation.walking = False
