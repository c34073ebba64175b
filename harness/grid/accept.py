"""What a target may do in a cell: the rules of §3.10.7 asked, and the policies that a target has chosen."""

from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from harness.cache import kept
from harness.grid.cells import Cell, segment_cells
from harness.grid.numbers import connection_of, nominal_window, segment_of
from harness.spec.arrivals import allowed
from harness.spec.policy import Policy
from harness.spec.reaction import Reaction, select
from harness.spec.segment import ACK, PSH, RST
from harness.spec.states import State


@lru_cache(maxsize=16384)
def live_reactions(cell: Cell, window: int, filled: int = 0) -> tuple[Reaction, ...]:
    """Return all reactions that the specifications allow in a cell, under any policy; see `connection_of`."""
    connection = connection_of(cell, window, filled)
    return allowed(connection, segment_of(cell, connection))


def reactions(cell: Cell) -> tuple[Reaction, ...]:
    """Return the same for a window of usual size."""
    return live_reactions(cell, nominal_window(cell), 0)


def demanded(found: Iterable[Reaction], policies: Collection[Policy]) -> tuple[Reaction, ...]:
    """Return the reactions that a target with these policies should choose from."""
    return select(found, policies)


def tolerated(found: Iterable[Reaction], policies: Collection[Policy]) -> tuple[Reaction, ...]:
    """Return the reactions that break no MUST.

    RFC 6191 is a recommendation, even for those who follow MAY-2; and RFC 5961 §5.2 lets a stack hard-code MAX.SND.WND.
    """
    return select(found, (set(policies) - {Policy.RFC6191}) | {Policy.HARD_CODED_WINDOW})


def cites_of(cell: Cell) -> tuple[str, ...]:
    """Return what the allowed reactions of a cell cite."""
    found = _surveyed().get(cell.id)
    return _cited(cell) if found is None else found[0]


def _cited(cell: Cell) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cite for reaction in reactions(cell) for cite in reaction.cites))


@cache
def core() -> frozenset[str]:
    """Return the names of the cells that an ordinary run takes: see `survey`."""
    return frozenset(name for name, (_cites, taken) in _surveyed().items() if taken)


@cache
def _surveyed() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return the cites of each cell, and whether it is in the core."""
    package = Path(__file__).parents[1]
    sources = sorted(path for name in ("spec", "grid") for path in (package / name).iterdir() if path.is_file())
    found = kept("grid", sources, survey)
    lists = [tuple(cites) for cites in found["cites"]]
    return {
        cell.id: (lists[at], bool(taken))
        for cell, at, taken in zip(segment_cells(), found["cites_of"], found["core"], strict=True)
    }


def survey() -> dict[str, list[Any]]:
    """Ask the rules about each cell, in the order of `segment_cells`: there are thousands, which takes half a second.

    `cites` are all lists of cites, `cites_of` the place of a cell's own among them, `core` whether (1) an ordinary run
    takes the cell: one for each thing that the rules can tell apart. Within a place and a set of flags, cells with the
    same allowed reactions stand for each other, and the first of them is taken (PSH makes no difference by any rule).
    A reset at RCV.NXT is taken with each near acknowledgment, which makes no difference by any rule, and did in stacks.
    Then one cell for each rule that has not been met in a state.
    """
    lists: dict[tuple[str, ...], int] = {}
    cites_of_each = [lists.setdefault(_cited(cell), len(lists)) for cell in segment_cells()]
    taken = _distinguished()
    return {
        "cites": list(lists),
        "cites_of": cites_of_each,
        "core": [int(cell.id in taken) for cell in segment_cells()],
    }


#: Acknowledgments of a reset that are left to the full grid: near ones stand for them.
_FAR = frozenset({"too_old", "far_old", "far_new"})


def _distinguished() -> set[str]:
    chosen: dict[object, Cell] = {}
    for cell in segment_cells():
        outcome = frozenset((reaction.reply, reaction.next) for reaction in reactions(cell))
        number = cell.ack if cell.flags == RST | ACK and cell.seq == "exact" and cell.ack not in _FAR else None
        chosen.setdefault((cell.state, cell.route, cell.setting, cell.flags & ~PSH, number, outcome), cell)
    taken = list(chosen.values())
    met = {met for cell in taken for met in _rules_met(cell)}
    for cell in segment_cells():
        if not _rules_met(cell) <= met:
            met |= _rules_met(cell)
            taken.append(cell)
    return {cell.id for cell in taken}


def _rules_met(cell: Cell) -> set[tuple[State, str]]:
    return {(cell.state, rule) for reaction in reactions(cell) for rule in reaction.path}
