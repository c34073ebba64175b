"""How a target answers a follow-up when it really is in a state: what tells a wrong next state from a right one.

A target is led to each state once and asked. Where it leaves the RFC even then, its answer there, provided that it
gives it twice, is what a cell's follow-up must hear instead: the deviation is shown by cells of its own, and the state
is proved all the same. Where no such habit can be found, a follow-up that fails refutes nothing that the target shows.
"""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from harness.case.bench import Bench
from harness.case.conversation import Conversation
from harness.case.peer_side import PeerSide
from harness.case.runner import CaseRun, Ending, capture
from harness.case.target_side import TargetSide
from harness.grid import followup
from harness.grid.cells import CLOSE, PASSIVE, SHUTDOWN, SIMULTANEOUS, Cell
from harness.grid.followup import ARBITRARY, Habits, Numbers, Said, Scene, Tells
from harness.grid.numbers import connection_of
from harness.grid.routes import route_of
from harness.spec.segment import NO_FLAGS
from harness.spec.states import CLOSED, FIN_WAIT_1, FIN_WAIT_2, LISTEN, SYN_RECEIVED, SYNCHRONIZED, State
from harness.targets.protocol import Capability

#: A socket without an application may be of either sort after a FIN; and a half-open connection began in two ways.
_ROUTES: dict[State, tuple[str, ...]] = {
    SYN_RECEIVED: (PASSIVE, SIMULTANEOUS),
    FIN_WAIT_1: (SHUTDOWN, CLOSE),
    FIN_WAIT_2: (SHUTDOWN, CLOSE),
}


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
    literal = _ask(rig, version, place, None)
    # What a target that shows no states does behind a walk may be what it does in the state before.
    shown = Capability.STATES in rig.target.capabilities or place.state in (CLOSED, LISTEN)
    if literal is not None or not shown:
        return literal
    first, second = (_ask(rig, version, place, {}) for _ in range(2))
    return first if first == second else None


def _ask(rig: Bench, version: int, place: Cell, learned: dict[int, tuple[Said, ...]] | None) -> Manner | None:
    """Lead the target to a place and run the follow-up; None if it fails."""
    connection = connection_of(place)
    numbers = Numbers(connection.snd_nxt, connection.rcv_nxt, connection.max_snd_wnd)
    if place.state in (CLOSED, LISTEN):
        numbers = ARBITRARY
    run = CaseRun(rig.begin(version, name=f"calibration/{place.place}"), route_of(place))
    found: list[Tells] = []

    def lead_and_ask() -> None:
        run.prepare()
        run.perform(
            lambda: found.append(followup.prove(place.state, Scene(run.target, run.peer, numbers, (), learned)))
        )

    outcome = capture(run.conversation, lead_and_ask, evidence=False)
    return Manner(found[-1], learned or {}) if outcome.ending is Ending.COMPLETED else None
