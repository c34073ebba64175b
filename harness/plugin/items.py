"""Items: which are cases, what they are called, and the cells of the grid as items of their own."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.case.marks import CaseMeta, meta_of
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun, Outcome, capture
from harness.case.selection import Binding, Case, case_id
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase
from harness.expectations.deviations import Deviation
from harness.grid import session as grid
from harness.grid.calls import EventCell
from harness.plugin.host import Host
from harness.targets import registry
from harness.targets.protocol import Capability, NotOffered, Target

if TYPE_CHECKING:
    from harness.explore.run import Outcome as Generated

CASE = pytest.StashKey[Case]()
RUN = pytest.StashKey[CaseRun]()
CELL_RUN = pytest.StashKey[grid.AnyRun]()
TALK_RUN: "pytest.StashKey[Generated]" = pytest.StashKey()
TIMED = pytest.StashKey[TimerCase]()
OUTCOME = pytest.StashKey[Outcome]()
#: Set where a case ended by an exception that is no verdict: a bug of the case or of the harness.
SURPRISE = pytest.StashKey[bool]()


@contextlib.contextmanager
def what_is_offered() -> Iterator[None]:
    """Skip what asks for something that nothing at the target can stand for."""
    __tracebackhide__ = True
    try:
        yield
    except NotOffered as reason:
        pytest.skip(f"not applicable: {reason}")


class OwnItem(pytest.Item):
    """A case that is no function: it knows itself how to begin and how to go on.

    `as_found`: it is for a kernel with its own timers and limits.
    """

    as_found = False

    def play_again(self, rig: Rig) -> Outcome:
        """Play it once more, outside of pytest's protocol."""
        raise NotImplementedError

    def declared(self, target: Target) -> list[Deviation]:
        """Return the known deviations that only such an item can have; those of cases are found by their ids."""
        return []

    def notes(self) -> str:
        """Return what is to be said of it where it conforms."""
        return ""


class CellItem(OwnItem):
    """One cell of the grid on one target and IP version."""

    def __init__(
        self, *, plugin: Host, cell: grid.AnyCell, spec: registry.TargetSpec, version: int, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.plugin = plugin
        self.cell = cell
        self.stash[CASE] = grid.case_of(cell, spec, version, f"testcases/grid/{self.path.name}:1")

    def setup(self) -> None:
        """Begin the cell and walk to its state; the cell of a timer runs with all timer cases."""
        binding, timed = self.stash[CASE].binding, self.stash[CASE].meta.timer_s is not None
        rig = self.plugin.engine.rig(binding.spec, timers=timed)
        demand_capabilities(self.stash[CASE], rig.target.capabilities)
        if reason := self.plugin.grid.not_applicable(rig.target, self.cell):
            pytest.skip(f"not applicable: {reason}")
        if timed:
            self.plugin.run_timers(self.session)
            return
        self.stash[CELL_RUN] = run = self.plugin.grid.start(rig, self.cell, binding.version)
        with what_is_offered():
            run.prepare()

    def runtest(self) -> None:
        """Probe and judge."""
        with what_is_offered():
            if TIMED not in self.stash:
                self.stash[CELL_RUN].perform()
            elif (error := self.stash[TIMED].error) is not None:
                raise error

    def play_again(self, rig: Rig) -> Outcome:
        """Walk, probe and judge once more."""
        run = self.plugin.grid.start(rig, self.cell, self.stash[CASE].binding.version)

        def both() -> None:
            run.prepare()
            run.perform()

        return capture(run.conversation, both, evidence=False)

    def declared(self, target: Target) -> list[Deviation]:
        """Return what rules declare of whole ranges of cells."""
        return self.plugin.grid.declared(target, self.cell, self.stash[CASE].binding.version)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item comes from."""
        return self.path, None, self.name


def forget_run(item: pytest.Item) -> None:
    """Let go of what a case did: the item lives to the end of the session, and so would every segment.

    A conversation and its connections know each other: without a cut only the garbage collector would find them.
    """
    outcome = item.stash.get(OUTCOME, None)
    if outcome is not None and outcome.conversation is not None:
        for connection in outcome.conversation.connections:
            connection.conversation = None
    keys: tuple[pytest.StashKey[Any], ...] = (RUN, CELL_RUN, TALK_RUN, TIMED, OUTCOME)
    for key in keys:
        if key in item.stash:
            del item.stash[key]


def stashed(item: pytest.Item) -> Case | None:
    return item.stash.get(CASE, None)


def case_of(item: pytest.Item) -> Case | None:
    """Return the case of an item, None for other tests, and remember it."""
    if isinstance(item, OwnItem):
        return item.stash[CASE]
    callspec = getattr(item, "callspec", None)
    binding = callspec.params.get("conversation") if callspec is not None else None
    if callspec is None or not isinstance(binding, Binding):
        return None
    function = cast("pytest.Function", item)
    row = callspec.id.removesuffix(binding.suffix).rstrip("-")
    meta = meta_of(function.obj) or CaseMeta()
    summary = (function.obj.__doc__ or "").strip().partition("\n")[0]
    origin = f"{item.location[0]}:{(item.location[1] or 0) + 1}"
    name = case_id(item.path, function.originalname or item.name, row)
    item.stash[CASE] = case = Case(name, binding, meta, summary, origin)
    return case


def demand_unique(cases: Iterable[Case]) -> None:
    seen: dict[tuple[str, str], Case] = {}
    for case in cases:
        key = (case.case_id, case.binding.suffix)
        if key in seen:
            raise pytest.UsageError(f"two cases are called {case.case_id}: {seen[key].origin} and {case.origin}")
        seen[key] = case


def demand_capabilities(case: Case, capabilities: frozenset[Capability]) -> None:
    if reason := case.missing(capabilities):
        pytest.skip(f"not applicable: {reason}")


def is_whole(session: pytest.Session) -> bool:
    """Tell whether the collection is that of the whole `testcases` package, not of some of its files."""
    roots = _package_folders()
    arguments = [argument.partition("::") for argument in session.config.args]
    return any(
        not separator and (Path(path).resolve() in roots or path == "testcases") for path, separator, _rest in arguments
    )


def path_outside(item: pytest.Item) -> tuple[str, ...]:
    """Return the file of a case that does not come with the tool: the command that runs it must name it."""
    return () if is_bundled(item.path) else (str(_resolved(item.path)),)


@cache
def is_bundled(path: Path) -> bool:
    """Tell whether a file is one of the package's."""
    return any(_resolved(path).is_relative_to(folder) for folder in _package_folders())


@cache
def _resolved(path: Path) -> Path:
    return path.resolve()


@cache
def _package_folders() -> tuple[Path, ...]:
    import testcases

    return tuple(Path(path).resolve() for path in testcases.__path__)


def only_selftests(config: pytest.Config) -> bool:
    return bool(config.args) and all("selftest" in argument for argument in config.args)


def timer_body(item: pytest.Item) -> Callable[[TargetSide, PeerSide], Any]:
    if isinstance(item, CellItem):
        assert isinstance(item.cell, EventCell)
        return grid.timer_body(item.cell)
    function = cast("pytest.Function", item)
    parameters = {name: value for name, value in function.callspec.params.items() if name != "conversation"}
    return lambda target, peer: function.obj(target=target, peer=peer, **parameters)
