"""The grid in a run: which cells it takes, what they are called, what is declared about them. No pytest in here."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.case.marks import CaseMeta
from harness.case.peer_side import PeerSide
from harness.case.policies import policies_in_force
from harness.case.rig import Rig
from harness.case.selection import Binding, Case
from harness.case.target_side import TargetSide
from harness.case.timers import Waits
from harness.case.walks import Walk
from harness.expectations.deviations import Deviation
from harness.grid import call_run, known, timer_run
from harness.grid.accept import cites_of, core
from harness.grid.calibration import calibrate
from harness.grid.call_run import CallRun
from harness.grid.calls import TIMER, EventCell, call_cells, timer_cells
from harness.grid.cells import CLOSE, ZERO_WINDOW, Cell, segment_cells
from harness.grid.execute import CellRun
from harness.grid.judge import signature
from harness.grid.known import GridRule
from harness.grid.routes import route_of
from harness.grid.timer_run import TimerRun
from harness.spec.machine import Event
from harness.targets.protocol import Capability, Target
from harness.targets.registry import TargetSpec

OFF, CORE, FULL = LEVELS = ("off", "core", "full")
PREFIX = "grid/"

AnyCell = Cell | EventCell
AnyRun = CellRun | CallRun


@dataclass(frozen=True, slots=True)
class CellGroup:
    """What a module of test cases holds where cells are to be collected: all of the grid, and what a core run takes."""

    every: Callable[[], tuple[AnyCell, ...]]
    in_core: Callable[[AnyCell], bool]

    def cells(self, level: str, patterns: Sequence[str]) -> tuple[AnyCell, ...]:
        """Return the cells of a run; patterns that speak of the grid choose among all of its cells."""
        about = [pattern for pattern in patterns if pattern.startswith(PREFIX) or fnmatch.fnmatchcase(PREFIX, pattern)]
        if about and _every_id().issuperset(about):
            return tuple(cell for cell in self.every() if cell.id in about)
        if about:
            return self.every()
        if level == FULL:
            return self.every()
        return tuple(cell for cell in self.every() if self.in_core(cell)) if level == CORE else ()


def inexpressible(cell: EventCell) -> str:
    """Return why a call can't be made through sockets, or a time can't run out, "" if it can."""
    return timer_run.inexpressible(cell) if cell.kind == TIMER else call_run.inexpressible(cell)


def _is_core_event(cell: AnyCell) -> bool:
    """STATUS changes nothing, and every other cell reads the state too; what can't happen tells nobody anything."""
    return isinstance(cell, EventCell) and cell.event is not Event.STATUS and not inexpressible(cell)


SEGMENTS = CellGroup(segment_cells, lambda cell: cell.id in core())
CALLS = CellGroup(call_cells, _is_core_event)
TIMERS = CellGroup(timer_cells, _is_core_event)


@cache
def _every_id() -> frozenset[str]:
    return frozenset(cell.id for group in (SEGMENTS, CALLS, TIMERS) for cell in group.every())


def case_of(cell: AnyCell, spec: TargetSpec, version: int, origin: str) -> Case:
    """Return the cell as a case of the run."""
    route, meta, summary = _described(cell)
    return Case(cell.id, Binding(spec, version, "", route), meta, summary, origin)


@cache
def _described(cell: AnyCell) -> tuple[Walk, CaseMeta, str]:
    """Return what is the same of a cell on every target and IP version."""
    if isinstance(cell, EventCell):
        timed = cell.kind == TIMER
        route = timer_run.route_to(cell) if timed else Walk(cell.place.state)
        seconds = timer_run.SECONDS[cell.event] if timed else None
        return route, CaseMeta(cites=list(cell.cites), timer_s=seconds), summary_of(cell)
    return route_of(cell), CaseMeta(cites=list(cites_of(cell))), summary_of(cell)


def timer_body(cell: EventCell) -> Callable[[TargetSide, PeerSide], Waits]:
    """Return the generator function of a timer cell."""
    return lambda target, peer: TimerRun(cell, target, peer).body()


def summary_of(cell: AnyCell) -> str:
    """Return the cell in words."""
    if isinstance(cell, EventCell):
        return ", ".join(filter(None, (f"{cell.place}: {cell.event}", cell.stimulus)))
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
    bundled: bool = True
    _declared: dict[tuple[str, Cell, int], list[Deviation]] = field(default_factory=dict)
    _books: dict[str, known.Book] = field(default_factory=dict)

    def declared(self, target: Target, cell: AnyCell, version: int) -> list[Deviation]:
        """Return what `[[grid]]` entries declare about a cell on this target."""
        if isinstance(cell, EventCell):
            return []
        key = (target.name, cell, version)
        if key not in self._declared:
            self._declared[key] = self._read(target, cell, version)
        return self._declared[key]

    def _read(self, target: Target, cell: Cell, version: int) -> list[Deviation]:
        name = target.facts.implementation
        if name not in self._books:
            self._books[name] = known.Book((*(known.bundled(name) if self.bundled else ()), *self.extra))
        policies = policies_in_force(target)
        return [
            rule.as_deviation(cell, signature(cell, rule.pinned(cell), policies), target.facts.version)
            for rule in self._books[name].covering(cell, version, target.facts.version)
        ]

    def start(self, rig: Rig, cell: AnyCell, version: int) -> AnyRun:
        """Begin a cell on a rig; nothing has been sent yet."""
        target = rig.target
        passes_time = Capability.VIRTUAL_TIME in target.capabilities and not target.facts.throttle_s
        if passes_time or target.facts.lonely:
            # Time passes in it: none of the cell's, whose timers would speak; or it takes connections: not beside the
            # cell's. Else each state is asked in a cell of its own: a dozen in a row may be beyond a limit of answers.
            calibrate(rig, version)
        return CallRun(rig, cell, version) if isinstance(cell, EventCell) else CellRun(rig, cell, version)

    def not_applicable(self, target: Target, cell: AnyCell) -> str:
        """Return why a cell can't be run on a target at all, "" if it can."""
        if not isinstance(cell, EventCell):
            elsewhere = cell.setting == ZERO_WINDOW and target.facts.details.get("buffers") == "elsewhere"
            return "what fills the window goes on into buffers outside of the stack" if elsewhere else ""
        if cell.event is Event.STATUS and Capability.STATES not in target.capabilities:
            return f"the target does not claim {Capability.STATES}"
        if cell.event is Event.USER_TIMEOUT and not _comes_to_its_end(target, cell):
            return f"the target does not claim {Capability.GIVES_UP}"
        return inexpressible(cell)


def _comes_to_its_end(target: Target, cell: EventCell) -> bool:
    """Tell whether a connection gives up while somebody waits; while it has a socket, that can be asked for too."""
    asked_for = Capability.USER_TIMEOUT in target.capabilities and cell.route != CLOSE
    return asked_for or Capability.GIVES_UP in target.capabilities


def own_rules(paths: Sequence[str], *, drafts: bool = False) -> tuple[GridRule, ...]:
    """Read the entries about the grid in the user's own expectations; raises BrokenExpectations."""
    return tuple(rule for path in paths for rule in known.load(Path(path), drafts=drafts))
