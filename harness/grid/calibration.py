"""How a target answers a follow-up when it really is in a state: what tells a wrong next state from a right one.

A target is led to each state once and asked. Where it leaves the RFC even then, its answer there, provided that it
gives it twice, is what a cell's follow-up must hear instead: the deviation is shown by cells of its own, and the state
is proved all the same. Where no such habit can be found, a follow-up that fails refutes nothing that the target shows.

What a target that shows no states does behind a walk may be what it does in the state before, which it has not left.
So its habits count only if it answers the same questions otherwise there.
"""

from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from harness.case.bench import Bench
from harness.case.conversation import Conversation
from harness.case.peer_side import PeerSide
from harness.case.runner import CaseRun, Ending, capture
from harness.case.target_side import TargetSide
from harness.case.walks import Walk
from harness.grid import followup
from harness.grid.cells import CLOSE, PASSIVE, SHUTDOWN, SIMULTANEOUS, Cell
from harness.grid.followup import ARBITRARY, Habits, Numbers, Said, Scene, Tells
from harness.grid.numbers import connection_of
from harness.grid.routes import route_of
from harness.spec.segment import NO_FLAGS
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    State,
)
from harness.targets.protocol import Capability

#: A socket without an application may be of either sort after a FIN; and a half-open connection began in two ways.
_ROUTES: dict[State, tuple[str, ...]] = {
    SYN_RECEIVED: (PASSIVE, SIMULTANEOUS),
    FIN_WAIT_1: (SHUTDOWN, CLOSE),
    FIN_WAIT_2: (SHUTDOWN, CLOSE),
}

#: The state that may not have been left, of those that are proved by more than a closed port or a listener is.
_BEFORE: dict[State, State] = {
    SYN_SENT: CLOSED,
    SYN_RECEIVED: LISTEN,
    ESTABLISHED: SYN_RECEIVED,
    FIN_WAIT_1: ESTABLISHED,
    FIN_WAIT_2: FIN_WAIT_1,
    CLOSE_WAIT: ESTABLISHED,
    CLOSING: FIN_WAIT_1,
    LAST_ACK: CLOSE_WAIT,
    TIME_WAIT: FIN_WAIT_2,
}

#: So often a target is asked for a habit.
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Manner:
    """What a target that was led to a state answers: where the RFC leaves it open, and where it leaves the RFC."""

    tells: Tells
    habits: Habits = field(default_factory=dict)


_Key = tuple[int, State, str | None]
_measured: "WeakKeyDictionary[Bench, dict[_Key, Manner | None]]" = WeakKeyDictionary()


def prove(state: State, target: TargetSide, peer: PeerSide, numbers: Numbers) -> Tells:
    """Prove a state to a target that may have habits there; raises Violation where it shows another state."""
    __tracebackhide__ = True
    return followup.prove(state, scene(state, target, peer, numbers))


def scene(state: State, target: TargetSide, peer: PeerSide, numbers: Numbers) -> Scene:
    """Return the scene of a state's follow-up, in which the target's habits are known."""
    conversation = target.conversation
    habits = [manner.habits for manner in manners(conversation.rig, conversation.version, state) if manner]
    return Scene(target, peer, numbers, habits)


def manners(rig: Bench, version: int, state: State) -> list[Manner | None]:
    """Return how the target answers in a state, one for each way there; None for a way on which nothing is to learn."""
    return [_manner(rig, version, state, route) for route in _ROUTES.get(state, (None,))]


def tells_due(rig: Bench, version: int, state: State) -> set[Tells]:
    """Return what the follow-up of a state may tell."""
    return {manner.tells for manner in manners(rig, version, state) if manner}


def can_refute(conversation: Conversation, state: State) -> bool:
    """Tell whether a follow-up that fails refutes a state: it does unless nothing is known of the state's own answers.

    Where a target shows no state there is nothing else to go by.
    """
    if state not in SYNCHRONIZED or conversation.main.snapshot is None:
        return True
    return None not in manners(conversation.rig, conversation.version, state)


def calibrate(rig: Bench, version: int) -> None:
    """Learn the manners of a target in all states now, not when they are first needed."""
    for state in State:
        manners(rig, version, state)


def _manner(rig: Bench, version: int, state: State, route: str | None) -> Manner | None:
    known = _measured.setdefault(rig, {})
    key = (version, state, route)
    if key not in known:
        known[key] = None
        known[key] = _measure(rig, version, Cell(state, route, NO_FLAGS, None, None))
    return known[key]


def _measure(rig: Bench, version: int, place: Cell) -> Manner | None:
    literal = _ask(rig, version, place, None).manner
    if literal is not None:
        return literal
    habit = _habit(rig, version, place)
    before = _BEFORE.get(place.state)
    if habit is None or Capability.STATES in rig.target.capabilities or before is None:
        return habit
    routes = _ROUTES.get(before, (None,))
    route = place.route if place.route in routes else routes[0]
    there = _ask(rig, version, place, {}, at=Cell(before, route, NO_FLAGS, None, None))
    return habit if there.differs(habit) else None


def _habit(rig: Bench, version: int, place: Cell) -> Manner | None:
    """Return what the target does twice in a row: one that is slow may be late once."""
    last = None
    for _attempt in range(ATTEMPTS):
        manner = _ask(rig, version, place, {}).manner
        if manner is not None and manner == last:
            return manner
        last = manner
    return None


@dataclass(slots=True)
class _Asked:
    """How far a follow-up has come, and what was learned by it; `manner` if it came as far as it can on this target."""

    questions: int = 0
    learned: Habits = field(default_factory=dict)
    manner: Manner | None = None

    def differs(self, manner: Manner) -> bool:
        """Tell whether anything that was asked was answered otherwise than where this is the manner."""
        return any(self.learned.get(number) != manner.habits.get(number) for number in range(self.questions))


def _ask(
    rig: Bench, version: int, place: Cell, learned: dict[int, tuple[Said, ...]] | None, *, at: Cell | None = None
) -> _Asked:
    """Lead the target to a place, or to another one, and ask it the follow-up of the place.

    A server that sends nothing before it is asked is led there without text, as cells are that come there themselves.
    """
    connection, route = connection_of(place), route_of(at or place)
    numbers = Numbers(connection.snd_nxt, connection.rcv_nxt, connection.max_snd_wnd)
    if place.state in (CLOSED, LISTEN):
        numbers = ARBITRARY
    asked, ending = _asked_on(rig, version, place, learned, route, numbers)
    if ending is Ending.NOT_APPLICABLE and not asked.questions and route.octets:
        numbers = replace(numbers, snd_nxt=numbers.snd_nxt - route.octets)
        asked, _ending = _asked_on(rig, version, place, learned, replace(route, octets=0), numbers)
    return asked


def _asked_on(
    rig: Bench,
    version: int,
    place: Cell,
    learned: dict[int, tuple[Said, ...]] | None,
    route: Walk,
    numbers: Numbers,
) -> tuple[_Asked, Ending]:
    run = CaseRun(rig.begin(version, name=f"calibration/{place.place}"), route)
    scenes: list[Scene] = []
    found: list[Tells] = []

    def follow_up() -> None:
        if learned is not None:
            learned.clear()  # of an attempt that a timer disturbed
        scenes.append(Scene(run.target, run.peer, numbers, (), learned))
        found.append(followup.prove(place.state, scenes[-1]))

    def lead_and_ask() -> None:
        run.prepare()
        run.perform(follow_up)

    outcome = capture(run.conversation, lead_and_ask, evidence=False)
    if rig.is_taken:  # the next question, or the cell that is about to begin, needs its only connection
        rig.discard()
    asked = _Asked(scenes[-1].questions if scenes else 0, learned or {})
    # Where nothing can stand for a question, cells come no further either.
    if outcome.ending is Ending.COMPLETED or (outcome.ending is Ending.NOT_APPLICABLE and asked.questions):
        asked.manner = Manner(found[-1] if found else (), asked.learned)
    return asked, outcome.ending
