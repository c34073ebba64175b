"""What a case calls `target`: the application's calls at the target, and what the target must do.

The RFC 2119 words are the verbs, so the level of a rule stands in the source of the case.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.expect import Expected, Number, Silence
from harness.case.peer_side import PeerSide
from harness.case.user_calls import PENDING_ERROR, UserCalls, data_text, error_name
from harness.case.violation import Code, Level
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import State


class TargetSide(UserCalls):
    """The target's end of one connection."""

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
        if conversation.rig.target.facts.one_port and tuple4._replace(peer_port=own.peer_port) == own:
            # Near the port of this connection are those of other cases, on the same port of the target.
            tuple4 = own._replace(peer_port=conversation.rig.fresh_ports()[1])
        iss = self._connection.peer_iss if same_iss else conversation.rig.peer_iss(conversation)
        connection = Connection(conversation, len(conversation.connections), tuple4, iss)
        if tuple4.port == own.port:
            connection.listener = self._connection.listener
        conversation.add(connection)
        return TargetSide(connection), PeerSide(connection)

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

    def must_hold_back(self, data: bytes, *, seq: int, ack: Number = None) -> int:
        """Demand that data waits for the peer's closed window, or a FIN where it is empty; `seq` is its first number.

        A probe at once, which brings that octet or FIN, is early, no more than that (MUST-36, SHLD-29): it is noted at
        level SHOULD. Returns how many octets have come: 0, or 1 in a probe.
        """
        __tracebackhide__ = True
        flags = ACK if data else FIN | ACK
        probed = self.may_send(flags, seq=seq, ack=ack, data=data[:1])
        if probed:
            due, seen = "no probe within a retransmission time-out", Expected(flags, seq, ack, data[:1]).notation()
            connection, cites = self._connection, ("SHLD-29",)
            self.conversation.fail(Code.EXTRA, due, seen, connection=connection, level=Level.SHOULD, cites=cites)
        self.must_not_send()
        return int(probed)

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
        before = self.snapshot
        yield
        if before is None:
            self.conversation.unobserved += 1
        else:
            self._be((State.LISTEN if before.listening else before.state,), Level.MUST)

    def must_deliver(self, data: bytes) -> None:
        """Demand that RECEIVE gives exactly these octets now, in as many calls as it takes; `EOF` for the stream's end.

        A call may return before its buffer is full (RFC 9293 §3.9.1.3): some stacks give one segment's text each time.
        """
        __tracebackhide__ = True
        got = self._received(data)
        while got and got != data and data.startswith(got) and (more := self._received(data[len(got) :])):
            got += more
        if got != data:
            self._wrong_answer(f"recv() gives {data_text(data)}", f"it gives {data_text(got or b'')}")

    def _received(self, data: bytes) -> bytes:
        __tracebackhide__ = True
        return self._call("recv()", lambda: self._app().recv(len(data) + 4096), due=data, about=len(data) + 4096) or b""

    def must_not_deliver(self) -> None:
        """Demand that RECEIVE has nothing: neither data nor the end of the stream."""
        __tracebackhide__ = True
        self._call("recv()", lambda: self._app().recv(4096), refused=errno.EAGAIN, about=4096)

    def must_report(self, code: int, *others: int) -> None:
        """Demand that the application is told this error (an errno), or one of the others, by its next RECEIVE."""
        __tracebackhide__ = True
        self._call("recv()", lambda: self._app().recv(4096), refused=code, or_with=others, about=4096)

    def must_report_pending(self, code: int) -> None:
        """Demand that the socket's pending error is this errno; 0 for none."""
        __tracebackhide__ = True
        got = self._call(
            PENDING_ERROR, self._app().pending_error, due=code, name="setsockopt", about=None if code else 0
        )
        if got != code:
            due, seen = f"the pending error is {error_name(code)}", f"it is {error_name(got or 0)}"
            self._wrong_answer(due, seen, asks=False)

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

    def _show(self, field: str, seen: object, due: object, level: Level) -> None:
        __tracebackhide__ = True
        if seen != due:
            conversation, connection = self.conversation, self._connection
            expected, observed = f"{field} {due}", f"{field} {seen}"
            conversation.fail(Code.WRONG_HEADER, expected, observed, connection=connection, level=level)


@contextlib.contextmanager
def walking(conversation: Conversation) -> Iterator[None]:
    """Within this context a difference is no violation: the precondition is not reached (Inconclusive)."""
    conversation.walking = True
    try:
        yield
    finally:
        conversation.walking = False
