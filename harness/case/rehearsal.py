"""A rehearsal: a case without a target, in which everything that must happen does. It gives the expected ladder.

A case that decides by what it sees may end a rehearsal early; what was rehearsed until then still stands.
"""

import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.expect import Absolute, Expected, Silence
from harness.case.peer_side import PeerSide
from harness.case.received import Received
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.case.timers import Wait
from harness.case.violation import Code, Inconclusive, Level
from harness.case.walks import Walk, walk
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import State
from harness.targets.protocol import Addresses, Capability, Facts
from harness.trace.events import Event, Kind
from harness.wire import codec

_T = TypeVar("_T")

#: Documentation addresses (RFC 5737, RFC 3849): nothing is ever sent to them.
_ADDRESSES = {
    4: Addresses(("192.0.2.1", "192.0.2.3"), ("192.0.2.2", "192.0.2.4")),
    6: Addresses(("2001:db8::1", "2001:db8::3"), ("2001:db8::2", "2001:db8::4")),
}
_TARGET_ISS = 1_000_000
#: A case whose rehearsal has so many events goes round in circles: it waits for what only a target does.
MOST_EVENTS = 10_000


class _Clock:
    """Counts steps of a hundredth of a millisecond, and the waits of the case."""

    def __init__(self) -> None:
        self.time_ns = 0

    def now_ns(self) -> int:
        self.time_ns += 10_000
        return self.time_ns

    def wait(self, seconds: float) -> None:
        self.time_ns += int(seconds * 1e9)


class _Anything:
    """An application's socket whose calls all succeed."""

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        return lambda *_arguments, **_named: self


class _Stage:
    """Stands in for the target."""

    name = "rehearsal"
    capabilities = frozenset(Capability)
    silence_proof = "rehearsed"
    facts = Facts("rehearsal", "", "")

    def __init__(self) -> None:
        self.clock = _Clock()

    def addresses(self, version: int) -> Addresses:
        return _ADDRESSES[version]

    def socket(self, _version: int) -> _Anything:
        return _Anything()

    def exchange(self, _packets: Iterable[bytes], _destination_mac: bytes | None = None) -> list[Any]:
        return []

    def waiting(self) -> list[Any]:
        return []

    def snapshot(self, _tuple4: FourTuple) -> Snapshot:
        return Snapshot(State.CLOSED)

    def evidence(self, _tuple4: FourTuple) -> None:
        return None

    def setting(self, _name: str, _value: str) -> AbstractContextManager[None]:
        return nullcontext()

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        return lambda *_arguments, **_named: _Anything()


class RehearsedConversation(Conversation):
    """A conversation in which the target does what is due."""

    def __init__(self, version: int, name: str) -> None:
        super().__init__(Rig(_Stage()), version, name=name)

    def observe(self, connection: Connection) -> None:
        """Nothing to look at: states appear where the case demands them."""

    def invoke(self, action: Callable[[], _T], refused: int, due: _T | None) -> _T:
        """Give what is due; a call that must be refused is refused."""
        if refused:
            raise OSError(refused, "as rehearsed")
        return due  # type: ignore[return-value]

    def judge_state(self, connection: Connection, states: tuple[State, ...], level: Level) -> None:
        """Take the first allowed state."""
        if connection.state != states[0]:
            connection.snapshot = Snapshot(states[0], listening=states[0] is State.LISTEN)
            self.note(Kind.STATE, states[0], connection)

    def fail(self, code: Code, *what: Any, **more: Any) -> None:
        """Take as shown what a made-up header does not show: that has only what the case asks for by name."""
        if code is not Code.WRONG_HEADER:
            super().fail(code, *what, **more)

    def judge_next(
        self, connection: Connection, answers: tuple[Expected | Silence, ...], level: Level
    ) -> Received | None:
        """Make up the first allowed answer."""
        answer = answers[0]
        if len(self.events) > MOST_EVENTS:
            raise Inconclusive("it does not end without a target")
        if isinstance(answer, Silence):
            return None
        wire = _made_up(connection, answer)
        packet = codec.encode(connection.path.reversed(), wire)
        self.take(connection, codec.decode(packet), self.rig.target.clock.now_ns())
        return connection.inbox.popleft()


def _made_up(connection: Connection, expected: Expected) -> Segment:
    record = connection.peer
    iss = connection.target_iss if connection.target_iss is not None else (_TARGET_ISS if expected.flags & SYN else 0)
    seq = expected.seq.number if isinstance(expected.seq, Absolute) else iss + _first(expected.seq, record.rcv_nxt)
    ack = 0
    if expected.flags & ACK:
        due = expected.ack
        ack = due.number if isinstance(due, Absolute) else connection.peer_iss + _first(due, record.snd_nxt)
    return Segment(
        expected.flags,
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        expected.window if expected.window is not None else 65535,
        expected.data or b"",
        source_port=connection.tuple4.port,
        destination_port=connection.tuple4.peer_port,
    )


def _first(number: int | None, default: int) -> int:
    return default if number is None else number


def rehearse(route: Walk, body: Callable[[TargetSide, PeerSide], Any], *, version: int = 4) -> tuple[list[Event], str]:
    """Return the events of a case as they should be, and why the rehearsal ended early ("" if it did not)."""
    conversation = RehearsedConversation(version, "rehearsal")
    target, peer = TargetSide(conversation.main), PeerSide(conversation.main)
    try:
        walk(target, peer, route)
        result = body(target, peer)
        for wait in itertools.islice(result or (), 1000):
            if isinstance(wait, Wait):
                stage = conversation.rig.target.clock
                resume_ns = wait.until_ns if wait.due_ns is None else wait.due_ns
                stage.wait(max(0, resume_ns - stage.now_ns()) / 1e9)
    except Exception as error:
        return conversation.events, f"{type(error).__name__}: {error}"
    return conversation.events, ""
