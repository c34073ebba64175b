"""A case demands the course that its author saw. Where another came, the rules are asked whether they allow it.

Only what the judge of whole conversations knows can be allowed: segments of §3.10.7, calls, states, and silence.
Options, headers, windows and all timer cases stay the author's. Where time costs nothing, the conversation is carried
on as any peer would carry it on, until nothing can be owed any more: what is stuck is found. Elsewhere silence is
allowed if it would be for ever: where anything is owed, however late, it is the author's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.case.bench import Bench
from harness.case.leaving import SEND_S
from harness.case.peer_record import PeerRecord
from harness.case.policies import policies_in_force
from harness.case.received import Received
from harness.case.retelling import Made, Retelling, Untold
from harness.case.throttling import longest_s
from harness.case.violation import Code
from harness.observe.snapshot import FourTuple
from harness.spec.history.fall import Fall
from harness.spec.history.world import Traits
from harness.spec.policy import Policy
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import State
from harness.targets.protocol import Capability, Target
from harness.trace.events import Event, Kind

#: What the rules are asked about.
ASKED = frozenset(
    {
        Code.SILENT,
        Code.EXTRA,
        Code.RESET,
        Code.WRONG_FLAGS,
        Code.WRONG_SEQ,
        Code.WRONG_ACK,
        Code.WRONG_DATA,
        Code.WRONG_STATE,
        Code.WRONG_ANSWER,
    }
)
#: So long may text wait with nothing under way: the override timeout and two ticks.
OVERRIDE_S = 2.5
#: The octets of a probe.
PROBE = 1
#: In virtual time a conversation is carried on: what needs no peer comes within so many seconds, and anything at all
#: within such a round.
PAUSE_S = 3.0
ROUNDS, ROUND_S = 3, 140.0
#: Behind so long a silence nothing is owed any more.
FOR_EVER_S = PAUSE_S + ROUNDS * ROUND_S
_UNSYNCHRONIZED = (State.CLOSED, State.LISTEN, State.SYN_SENT)


class Side(Protocol):
    """A connection (`harness.case.connection`), as far as it is looked at here."""

    index: int
    tuple4: FourTuple
    target_iss: int | None
    peer: PeerRecord
    received: list[Received]


class CourseSoFar(Protocol):
    """A conversation (`harness.case.conversation`), as far as it is looked at here and carried on."""

    rig: Bench
    events: list[Event]
    steps: list[int]
    calls: list[Made]
    set_apart: bool
    shares_time: bool

    @property
    def connections(self) -> Sequence[Side]:
        """Its connections."""

    def note(self, kind: Kind, text: str) -> Event:
        """Add an event."""

    def step(self) -> None:
        """Take in what has come by itself."""

    def inject_for(self, connection: Any, segment: Segment) -> None:
        """Send a segment that no case asked for."""


class OtherCourse(Exception):
    """The case took another course than its author's, which the rules allow: it has nothing more to ask."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rules explain all that was seen; `remarks` are recommendations that were not followed."""

    remarks: tuple[Fall, ...] = ()


def asked(conversation: CourseSoFar, silent_s: float = 0.0) -> Allowed | None:
    """Ask the rules about everything that was seen so far; None where they do not allow it, or can't tell.

    `silent_s` is for how many seconds more nothing is taken to come.
    """
    target = conversation.rig.target
    if conversation.set_apart or any(_is_odd(connection, target) for connection in conversation.connections):
        return None
    traits = Traits(
        throttle_s=longest_s(target),
        throttles_host=target.facts.throttles_host,
        override_s=OVERRIDE_S,
        send_s=SEND_S,
    )
    policies = policies_in_force(target) | {Policy.HARD_CODED_WINDOW}
    now_ns = target.clock.now_ns() + int(silent_s * 1e9)
    retelling = Retelling((each.tuple4 for each in conversation.connections), policies, traits)
    try:
        retelling.tell(conversation.events, conversation.steps, conversation.calls, now_ns)
    except (Fall, Untold):
        return None
    return Allowed(tuple(retelling.remarks))


def _is_odd(connection: Side, target: Target) -> bool:
    """Tell whether a connection has an address at which there can be none."""
    known, tuple4 = target.addresses(connection.tuple4.version), connection.tuple4
    return tuple4.address not in known.target or tuple4.peer_address not in known.peer


def allowed(conversation: CourseSoFar, code: Code, connection: Side) -> Allowed | None:
    """Tell whether the course that a case has taken is one that the rules allow; what is stuck is not.

    Text into a closed window is not asked about, nor what fills an open one to its edge, nor a probe instead of text:
    windows are the author's (§3.8.6.2.1 recommends how, MUST-38 that). Nor is what is sent again because of a bare
    acknowledgment: it takes a third duplicate, which no case sends (RFC 5681 §3.2).
    """
    if code not in ASKED or conversation.shares_time:
        return None
    if code is Code.EXTRA and _is_shut(conversation, connection) and _texts(connection, 1) != [0]:
        return None
    if code is Code.EXTRA and _fills_the_window(conversation, connection):
        return None
    if code is Code.EXTRA and _repeats_for_an_ack(conversation, connection):
        return None
    if code is Code.WRONG_DATA and _texts(connection, 2) == [0, PROBE]:
        return None
    timeless = Capability.VIRTUAL_TIME in conversation.rig.target.capabilities
    found = asked(conversation, FOR_EVER_S if code is Code.SILENT and not timeless else 0.0)
    if found is None or not timeless:
        return found
    told, steps = len(conversation.events), len(conversation.steps)
    _carry_on(conversation)
    found = asked(conversation)
    if found is None:
        del conversation.events[told:], conversation.steps[steps:]
    return found


def _texts(connection: Side, count: int) -> list[int]:
    """Return how many octets of text, and FINs, the target's last segments have."""
    return [len(received.wire.payload) + bool(received.wire.flags & FIN) for received in connection.received[-count:]]


def _fills_the_window(conversation: CourseSoFar, connection: Side) -> bool:
    """Tell whether the target's last segment has text up to the right edge of what the peer has offered last."""
    events = [event for event in conversation.events if event.connection == connection.index]
    offers = [event.segment for event in events if event.kind is Kind.SENT and event.segment is not None]
    last = connection.received[-1].segment if connection.received else None
    if not offers or last is None or not last.payload:
        return False
    return last.seq + len(last.payload) == offers[-1].ack + offers[-1].window


def _is_shut(conversation: CourseSoFar, connection: Side) -> bool:
    """Tell whether the peer's last segment on the connection has offered no window."""
    own = [event for event in conversation.events if (event.kind, event.connection) == (Kind.SENT, connection.index)]
    last = next((event.segment for event in reversed(own) if event.segment is not None), None)
    return last is not None and not last.window and bool(connection.received)


def _repeats_for_an_ack(conversation: CourseSoFar, connection: Side) -> bool:
    """Tell whether the target has sent text or a FIN again because of an acknowledgment and nothing else."""
    events = conversation.events
    at = next((at for at in reversed(range(len(events))) if events[at].kind in (Kind.SENT, Kind.CALL)), 0)
    asked = events[at].segment
    if events[at].kind is not Kind.SENT or asked is None or not asked.is_bare_ack:
        return False
    before, since = _texts_of(events[:at], connection), _texts_of(events[at:], connection)
    return any(segment.seq in {earlier.seq for earlier in before} for segment in since)


def _texts_of(events: Sequence[Event], connection: Side) -> list[Segment]:
    """Return what the target has sent that occupies sequence numbers."""
    of_target = [event for event in events if (event.kind, event.connection) == (Kind.RECEIVED, connection.index)]
    return [event.segment for event in of_target if event.segment is not None and event.segment.length]


def _carry_on(conversation: CourseSoFar) -> None:
    """Let time pass, and acknowledge what has come, by turns; what is due without the peer's help comes first."""
    conversation.note(Kind.NOTE, "the rules allow this: the conversation goes on as with any peer")
    conversation.step()
    _let_pass(conversation, PAUSE_S)
    for _round in range(ROUNDS):
        for connection in conversation.connections:
            record = connection.peer
            if record.state in _UNSYNCHRONIZED or record.reset or connection.target_iss is None:
                continue
            segment = Segment(ACK, record.snd_nxt, record.rcv_nxt, record.window, options=record.stamped)
            conversation.inject_for(connection, segment)
        _let_pass(conversation, ROUND_S)


def _let_pass(conversation: CourseSoFar, seconds: float) -> None:
    """Let time pass until something is heard, or it is over."""
    clock = conversation.rig.target.clock
    deadline_ns = clock.now_ns() + int(seconds * 1e9)
    before = sum(len(connection.received) for connection in conversation.connections)
    while (left_ns := deadline_ns - clock.now_ns()) > 0:
        clock.wait(left_ns / 1e9)
        conversation.step()
        if sum(len(connection.received) for connection in conversation.connections) > before:
            return
