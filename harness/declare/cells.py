"""Drafts about the grid: rules over whole ranges of cells, each as wide as the run allows.

A set of cells is a number with a bit per cell, so that a range is tried by a few operations.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, reduce
from operator import or_
from typing import Any

from harness.declare.entries import Entry, compact
from harness.grid.cells import Cell, by_id, segment_cells
from harness.grid.known import SAME
from harness.report.runs import Case

#: The fields of a range, from what is widened first: what the payload is seldom matters, the state often does.
_FIELDS = ("payload", "seq", "ack", "tsval", "setting", "flags", "place")


def is_segment_cell(case: Case) -> bool:
    """Tell whether a case is a cell that a rule over a range can cover: calls and timers are named one by one."""
    return case.key.id in by_id()


def drafts(unexpected: Sequence[Case], others: Iterable[Case]) -> Iterator[Entry]:
    """Yield entries for cells that are not as expected; no range takes in a cell among `others`."""
    numbers = {cell.id: at for at, cell in enumerate(segment_cells())}
    shown: dict[str, dict[int, str]] = {}
    for case in unexpected:
        shown.setdefault(case.key.id, {})[case.key.ip] = str((case.finding or {}).get("observed", ""))
    groups: dict[tuple[str, str, int], int] = {}
    for name, seen in shown.items():
        for ip, observed in seen.items():
            same_on_both = len(seen) == 2 and len(set(seen.values())) == 1
            key = (*_pinned(by_id()[name], observed), 0 if same_on_both else ip)
            groups[key] = groups.get(key, 0) | 1 << numbers[name]
    forbidden: dict[int, int] = {0: 0, 4: 0, 6: 0}
    for case in others:
        if case.key.id in numbers:
            for ip in (0, case.key.ip):
                forbidden[ip] |= 1 << numbers[case.key.id]
    every = reduce(or_, groups.values(), 0)
    for (reply, following, ip), cells in groups.items():
        if reply:
            yield from _ranges(cells, forbidden[ip] | (every & ~cells), reply, following, ip, forbidden)


def _pinned(cell: Cell, observed: str) -> tuple[str, str]:
    reply, _arrow, following = observed.partition(" → ")
    return reply, SAME if following == str(
        cell.state
    ) else "not same" if following == f"not {cell.state}" else following


def _ranges(
    cells: int, outside: int, reply: str, following: str, ip: int, forbidden: dict[int, int]
) -> Iterator[Entry]:
    """Yield ranges that cover all of `cells`, disjoint, and none of those `outside`."""
    left, taken = cells, 0
    while left:
        seed = segment_cells()[(left & -left).bit_length() - 1]
        chosen = _widened(seed, left, outside | taken)
        covered = _covered(chosen)
        taken |= covered
        keys = {name: compact(sorted(values)) for name, values in chosen.items() if len(values) < len(_values(name))}
        example = segment_cells()[((covered & left) & -(covered & left)).bit_length() - 1].id
        observed = {"reply": reply, "next": following}
        about = {"ip": ip} if ip else {}
        # The same cell may have an entry of its own on the other IP version; elsewhere nothing speaks of it twice.
        for version in (ip,) if ip else (0, 4, 6):
            forbidden[version] |= covered
        yield Entry("grid", {**keys, **about, "observed": observed}, (covered & left).bit_count(), example)
        left &= ~covered


def _widened(seed: Cell, wanted: int, outside: int) -> dict[str, frozenset[str]]:
    """Return the widest range around a cell that takes in nothing from outside; only values that are wanted, or all."""
    chosen = {name: frozenset({_field(seed, name)}) for name in _FIELDS}
    for name in _FIELDS:
        whole = {**chosen, name: frozenset(_values(name))}
        # A rule must name something: the place stays.
        if name != "place" and not _covered(whole) & outside:
            chosen = whole
            continue
        for value in _values(name):
            wider = {**chosen, name: chosen[name] | {value}}
            covered = _covered(wider)
            if not covered & outside and covered & wanted & ~_covered(chosen):
                chosen = wider
    return chosen


def _covered(chosen: Mapping[str, Iterable[str]]) -> int:
    covered = -1
    for name, values in chosen.items():
        covered &= reduce(or_, (_values(name)[value] for value in values), 0)
    return covered


@cache
def _values(name: str) -> dict[str, int]:
    """Return each value of a field with the set of cells that have it."""
    found: dict[str, int] = {}
    for at, cell in enumerate(segment_cells()):
        value = _field(cell, name)
        found[value] = found.get(value, 0) | 1 << at
    return found


def _field(cell: Cell, name: str) -> str:
    if name == "flags":
        return ",".join(cell.flag_names) or "none"
    text: Any = getattr(cell, name)
    return text or "-"
