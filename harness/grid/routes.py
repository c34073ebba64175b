"""The walk to a cell."""

from harness.case.walks import SIMULTANEOUS as BY_BOTH
from harness.case.walks import Walk
from harness.grid.cells import CLOSE, SHUTDOWN, SIMULTANEOUS, Cell
from harness.grid.numbers import LAST_TSVAL, PEER_WINDOW, SENT_OCTETS
from harness.spec import options
from harness.spec.segment import NO_FLAGS
from harness.spec.states import FIN_WAIT_1, FIN_WAIT_2, SYNCHRONIZED, State

#: A receive buffer in octets that is soon full.
SMALL_BUFFER = 4096


def route_of(cell: Cell) -> Walk:
    """Return the walk to a cell: no options in the peer's SYN, and no listener unless the cell wants one."""
    return Walk(
        cell.state,
        opened=BY_BOTH if cell.route == SIMULTANEOUS else "passive",
        closed_by="close" if cell.route == CLOSE else "shutdown",
        options=options.timestamps(LAST_TSVAL) if cell.timestamps else b"",
        keep_listener=cell.listening,
        octets=SENT_OCTETS if cell.state in SYNCHRONIZED else 0,
        window=PEER_WINDOW,
        receive_buffer=SMALL_BUFFER if cell.zero_window else None,
    )


def shut_down(state: State, route: str | None) -> Cell:
    """Return a cell that stands for its place alone: the walk there, and the numbers. CLOSE is shutdown()."""
    return Cell(state, SHUTDOWN if state in (FIN_WAIT_1, FIN_WAIT_2) else route, NO_FLAGS, None, None)
