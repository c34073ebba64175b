"""The grid in a run: which cells it takes, what they are called, what is declared about them. No pytest in here."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.case.marks import CaseMeta
from harness.case.rig import Rig
from harness.case.selection import Binding, Case
from harness.expectations.deviations import Deviation
from harness.grid import known
from harness.grid.accept import cites_of, core
from harness.grid.cells import Cell, segment_cells
from harness.grid.execute import CellRun, policies_in_force
from harness.grid.judge import signature
from harness.grid.known import GridRule
from harness.grid.routes import route_of
from harness.targets.protocol import Target
from harness.targets.registry import TargetSpec

OFF, CORE, FULL = LEVELS = ("off", "core", "full")
PREFIX = "grid/"


@dataclass(frozen=True, slots=True)
class CellGroup:
    """What a module of test cases holds where the segment cells are to be collected."""

    def cells(self, level: str, patterns: Sequence[str]) -> tuple[Cell, ...]:
        """Return the cells of a run; patterns that speak of the grid choose among all of its cells."""
        if any(pattern.startswith(PREFIX) or fnmatch.fnmatchcase(PREFIX, pattern) for pattern in patterns):
            return segment_cells()
        if level == FULL:
            return segment_cells()
        return tuple(cell for cell in segment_cells() if cell.id in core()) if level == CORE else ()


def case_of(cell: Cell, spec: TargetSpec, version: int, origin: str) -> Case:
    """Return the cell as a case of the run."""
    meta = CaseMeta(cites=list(cites_of(cell)))
    return Case(cell.id, Binding(spec, version, "", route_of(cell)), meta, summary_of(cell), origin)


def summary_of(cell: Cell) -> str:
    """Return the cell in words."""
    parts = [f"CTL={','.join(cell.flag_names) or 'none'}"]
    parts += [f"SEQ {cell.seq}"] if cell.seq else []
    parts += [f"ACK {cell.ack}"] if cell.ack else []
    parts += [f"TSval {cell.tsval}"] if cell.tsval else []
    parts += ["with text"] if cell.payload == "data" else []
    where = " ".join(filter(None, (str(cell.state), cell.route, cell.setting)))
    return f"{where}: {', '.join(parts)}"


@dataclass(slots=True)
class GridSession:
    """What a run knows of the grid: the declared deviations of each implementation, and the user's own."""

    extra: tuple[GridRule, ...] = ()

    def declared(self, target: Target, cell: Cell, version: int) -> list[Deviation]:
        """Return what is declared about a cell on this target."""
        rules = (*known.bundled(target.facts.implementation), *self.extra)
        policies = policies_in_force(target)
        return [
            rule.as_deviation(cell, signature(cell, rule.pinned(cell), policies))
            for rule in known.covering(rules, cell, version, target.facts.version)
        ]

    def start(self, rig: Rig, cell: Cell, version: int) -> CellRun:
        """Begin a cell on a rig; nothing has been sent yet."""
        return CellRun(rig, cell, version)


def own_rules(paths: Sequence[str]) -> tuple[GridRule, ...]:
    """Read the entries about the grid in the user's own expectations; raises BrokenExpectations."""
    return tuple(rule for path in paths for rule in known.load(Path(path)))
