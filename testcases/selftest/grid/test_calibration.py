"""Habits: one deviation of a target that shows no states is not told again by every cell that leads to the state."""

from collections import Counter

import pytest

from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.grid.batch import run_cells
from harness.grid.cells import Cell, segment_cells
from harness.observe.snapshot import FourTuple
from harness.spec.segment import ACK
from harness.spec.states import ESTABLISHED
from harness.stack.defects import DEFECTS
from harness.targets.protocol import NotOffered
from harness.targets.reference.target import ReferenceTarget


class Shy(ReferenceTarget):
    """A target whose states can't be read."""

    def snapshot(self, tuple4: FourTuple) -> None:  # type: ignore[override]
        return None


def shy(defect: str) -> Rig:
    return Rig(Shy(stack_class=DEFECTS[defect].stack_class, lacks=["states"]), guarded=False)


def told(defect: str, cells: list[Cell]) -> Counter[str]:
    """Return what the cells have found, by its code."""
    rig = shy(defect)
    try:
        results = run_cells(rig, cells, 4)
    finally:
        rig.close()
    return Counter(str(result.outcome.findings[0].code) if result.outcome.findings else "" for result in results)


def in_order(state: str) -> list[Cell]:
    """Return the cells of a state in which nothing is wrong with the acknowledgment."""
    return [
        cell
        for cell in segment_cells()
        if cell.state == state and cell.flags == ACK and cell.ack in ("good", "dup") and not cell.setting
    ]


def test_who_answers_no_unacceptable_acknowledgment_is_in_established_all_the_same() -> None:
    cells = in_order(ESTABLISHED)
    assert len(cells) > 8
    assert set(told("D165", cells)) == {""}
    unsent = [
        cell
        for cell in segment_cells()
        if cell.place == cells[0].place and (cell.flags, cell.seq, cell.ack) == (ACK, "exact", "unsent")
    ]
    assert unsent
    assert set(told("D165", unsent)) == {"silent"}


def test_a_server_that_sends_nothing_is_asked_about_its_habits_without_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: TargetSide, _data: bytes, **_how: int) -> None:
        raise NotOffered("a server sends what it is asked for")

    monkeypatch.setattr(TargetSide, "send", refuse)
    opening = [cell for cell in segment_cells() if cell.id.startswith("grid/syn-received-passive/ack/exact/good/")]
    assert opening
    assert told("D165", opening) == {"": len(opening)}
