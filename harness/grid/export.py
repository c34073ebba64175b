"""The grid as JSON, for other tools: one object per cell, in the order of the enumeration.

An ordinary segment cell has exactly the keys id, state, route, flags, seq, ack, payload and accept. Cells of the other
settings, of calls and of timers say so with a `kind`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.grid.accept import reactions
from harness.grid.calls import EventCell, call_cells, reply_of, timer_cells
from harness.grid.cells import Cell, segment_cells
from harness.spec.machine import Row
from harness.spec.reaction import Reaction


def cells() -> list[dict[str, Any]]:
    """Return every cell as JSON-able data."""
    segments = [segment_cell(cell) for cell in segment_cells()]
    return segments + [event_cell(cell) for cell in (*call_cells(), *timer_cells())]


def export(path: Path) -> int:
    """Write the grid into a file as a JSON list, one cell per line; return the number of cells. Raises OSError."""
    found = cells()
    lines = ",\n".join(json.dumps(cell, ensure_ascii=True) for cell in found)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return len(found)


def segment_cell(cell: Cell) -> dict[str, Any]:
    """Return a segment cell as JSON-able data."""
    data: dict[str, Any] = {
        "id": cell.id,
        "state": str(cell.state),
        "route": cell.route,
        "flags": cell.flag_names,
        "seq": cell.seq,
        "ack": cell.ack,
        "payload": cell.payload,
        "accept": accept(reactions(cell)),
    }
    if cell.setting:
        data["kind"] = cell.setting
    if cell.tsval:
        data["tsval"] = cell.tsval
    return data


def accept(found: Sequence[Reaction]) -> list[dict[str, Any]]:
    """Return the allowed reactions without doubles: what another tool can see is the reply and the next state."""
    members: dict[tuple[str, str], list[Reaction]] = {}
    for reaction in found:
        members.setdefault((reaction.reply, reaction.next), []).append(reaction)
    return [_member(same) for same in members.values()]


def _member(same: list[Reaction]) -> dict[str, Any]:
    # What is allowed always needs no policy; else each of those that allow it is named.
    always = any(not reaction.policies for reaction in same)
    weight = sorted(same, key=lambda reaction: (reaction.default, reaction.level))
    return {
        "reply": str(same[0].reply),
        "next": str(same[0].next),
        "level": weight[-1].level.name,
        "policy": [] if always else sorted({str(policy) for reaction in same for policy in reaction.policies}),
        "default": any(reaction.default for reaction in same),
        "cites": list(dict.fromkeys(cite for reaction in same for cite in reaction.cites)),
    }


def event_cell(cell: EventCell) -> dict[str, Any]:
    """Return the cell of a call or timer as JSON-able data."""
    return {
        "id": cell.id,
        "kind": cell.kind,
        "event": str(cell.event),
        "stimulus": cell.stimulus or None,
        "state": str(cell.place.state),
        "route": cell.route,
        "accept": [_outcome(cell, row) for row in cell.rows],
    }


def _outcome(cell: EventCell, row: Row) -> dict[str, Any]:
    return {
        "reply": reply_of(row),
        "next": str((row.next or cell.place).state),
        "tells": list(row.tells),
        "level": row.level.name,
        "policy": [],
        "default": True,
        "cites": list(row.cites),
    }
