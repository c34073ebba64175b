"""How a target answers a follow-up when it really is in a state: what tells a wrong next state from a right one.

A follow-up that fails even then proves nothing: the target leaves the RFC there, which cells of that state show.
"""

from weakref import WeakKeyDictionary

from harness.case.conversation import Conversation
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Ending, capture
from harness.grid import followup
from harness.grid.cells import CLOSE, SHUTDOWN, Cell
from harness.grid.followup import Numbers, Scene, Tells
from harness.grid.numbers import connection_of
from harness.grid.routes import route_of
from harness.spec.segment import NO_FLAGS
from harness.spec.states import FIN_WAIT_1, FIN_WAIT_2, SYNCHRONIZED, TIME_WAIT, State

#: States of which follow-ups have something to tell.
TELLING = frozenset({FIN_WAIT_2, TIME_WAIT})

_Key = tuple[int, State, str | None]
_measured: "WeakKeyDictionary[Rig, dict[_Key, Tells | None]]" = WeakKeyDictionary()


def tells_of(rig: Rig, version: int, state: State, route: str | None) -> Tells | None:
    """Return the answers of a target that was led to this state; None if its follow-up fails even there."""
    return _measured_tells(rig, version, state, route) if state in TELLING else ()


def can_refute(conversation: Conversation, state: State) -> bool:
    """Tell whether a follow-up that fails refutes a state: it does unless it fails after a walk to that state too.

    Where a target shows no state there is nothing else to go by.
    """
    if state not in SYNCHRONIZED or conversation.main.snapshot is None:
        return True
    routes = (SHUTDOWN, CLOSE) if state in (FIN_WAIT_1, FIN_WAIT_2) else (None,)
    return all(_measured_tells(conversation.rig, conversation.version, state, route) is not None for route in routes)


def _measured_tells(rig: Rig, version: int, state: State, route: str | None) -> Tells | None:
    known = _measured.setdefault(rig, {})
    key = (version, state, route)
    if key not in known:
        known[key] = None
        known[key] = _measure(rig, version, state, route)
    return known[key]


def _measure(rig: Rig, version: int, state: State, route: str | None) -> Tells | None:
    cell = Cell(state, route, NO_FLAGS, None, None)
    connection = connection_of(cell)
    run = CaseRun(rig.begin(version, name=f"calibration/{cell.place}"), route_of(cell))
    found: list[Tells] = []

    def lead_and_ask() -> None:
        run.prepare()
        numbers = Numbers(connection.snd_nxt, connection.rcv_nxt, connection.max_snd_wnd)
        run.perform(lambda: found.append(followup.prove(state, Scene(run.target, run.peer, numbers))))

    outcome = capture(run.conversation, lead_and_ask, evidence=False)
    return found[-1] if outcome.ending is Ending.COMPLETED else None
