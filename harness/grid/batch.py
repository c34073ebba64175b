"""Runs many cells without pytest: for measurements, and for proving what the grid can find."""

import contextlib
import gc
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.case.rig import Rig
from harness.case.runner import Outcome, capture
from harness.grid.cells import Cell
from harness.grid.execute import CellRun, Seen

#: Conversations per late sweep; each holds up to two descriptors until then.
BATCH = 400
DESCRIPTORS = 4 * BATCH


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a cell; `seen` is None if it was not reached."""

    cell: Cell
    outcome: Outcome
    seen: Seen | None


def run_cells(rig: Rig, cells: Iterable[Cell], version: int, *, evidence: bool = False) -> list[Result]:
    """Run cells in batches and return what came of each; `evidence` also takes the target's own text (slow)."""
    _make_room()
    results: list[Result] = []
    with _rare_collections():
        for cell in cells:
            run = CellRun(rig, cell, version)
            outcome = capture(run.conversation, run.perform_all, evidence=evidence)
            results.append(Result(cell, outcome, run.seen))
            if rig.batch_size >= BATCH:
                rig.sweep()
        rig.sweep()
    return results


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely: a batch is freed as a whole, and until then every look at it is in vain."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _make_room() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < DESCRIPTORS:
        wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
