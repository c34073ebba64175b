"""A cell in words: which rules decide it, why, and what a target may do."""

import difflib
from collections.abc import Iterator

from harness.grid.accept import reactions
from harness.grid.calls import EventCell, call_cells, reply_of, timer_cells
from harness.grid.cells import Cell, by_id
from harness.grid.numbers import connection_of, nominal_window, segment_of
from harness.grid.session import summary_of
from harness.spec.ambiguities import REGISTER
from harness.spec.reaction import Reaction


class UnknownCell(LookupError):
    """No cell of the grid has this name; the message names the nearest."""


def explain(cell_id: str) -> str:
    """Return the branches that decide a cell; raises UnknownCell."""
    events = {cell.id: cell for cell in (*call_cells(), *timer_cells())}
    if cell_id in by_id():
        return "\n".join(_segment(by_id()[cell_id]))
    if cell_id in events:
        return "\n".join(_event(events[cell_id]))
    near = difflib.get_close_matches(cell_id, [*by_id(), *events], 3, 0.6)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    raise UnknownCell(f"there is no cell {cell_id!r}{hint}")


def _segment(cell: Cell) -> Iterator[str]:
    connection = connection_of(cell, nominal_window(cell))
    yield cell.id
    yield f"  {summary_of(cell)}"
    yield f"  for example {segment_of(cell, connection).notation()}"
    if cell.state.value not in ("CLOSED", "LISTEN"):
        names = ("snd_una", "snd_nxt", "rcv_nxt", "rcv_wnd", "max_snd_wnd")
        yield "  when " + ", ".join(f"{_rfc(name)}={getattr(connection, name)}" for name in names)
    for reaction in reactions(cell):
        yield ""
        yield from _reaction(reaction)


def _rfc(name: str) -> str:
    return name.upper().replace("_", ".")


def _reaction(reaction: Reaction) -> Iterator[str]:
    sent = " then ".join(str(out) for out in reaction.segments) or "nothing"
    policies = f", under {' + '.join(reaction.policies)}" if reaction.policies else ""
    yield f"  {reaction.level.name}{policies}: {reaction.reply} → {reaction.next}   ({sent})"
    yield f"    {reaction.why}"
    yield f"    rules: {' → '.join(reaction.path)}"
    yield f"    cites: {', '.join(reaction.cites)}"
    for name in reaction.ambiguities:
        yield f"    open question {name}: {REGISTER[name].decision}"


def _event(cell: EventCell) -> Iterator[str]:
    yield cell.id
    given = f", {cell.stimulus}" if cell.stimulus else ""
    yield f"  {cell.place}: {cell.event}{given}"
    for row in cell.rows:
        yield ""
        tells = f"; tells {' or '.join(row.tells)}" if row.tells else ""
        when = f" ({row.when})" if row.when and row.when != cell.stimulus else ""
        yield f"  {row.level.name}: {reply_of(row)} → {(row.next or cell.place).state}{tells}{when}"
        yield f"    cites: {', '.join(row.cites)}"
