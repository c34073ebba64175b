"""The pytest plugin: cases become items, findings become verdicts, verdicts become reports.

Reports of a batch are held back until its late sweep, which may still find a segment that a case must answer for.
"""

import contextlib
import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from harness import hooks
from harness.case import record as case_records
from harness.case.conversation import Conversation
from harness.case.engine import Engine
from harness.case.marks import CaseMeta, meta_of
from harness.case.peer_side import PeerSide
from harness.case.runner import CaseRun, Ending, Outcome, take_evidence
from harness.case.selection import Binding, Case, Selection, case_id, idle_deviations, in_order
from harness.case.target_side import TargetSide
from harness.case.timers import TimerCase, run_together
from harness.case.verdict import Judgement, Verdict, judge
from harness.case.violation import Inconclusive, Level, Unjudgeable, Violation
from harness.expectations import deviations
from harness.expectations.deviations import BrokenExpectations, Deviation
from harness.grid import session as grid
from harness.grid.known import GridRule
from harness.report.matrix import Matrix
from harness.spec import citations, requirements
from harness.targets import registry
from harness.targets.protocol import Target, TargetError, UnusableTarget
from harness.trace.capture import write_capture
from harness.trace.results import ResultsWriter

CASE = pytest.StashKey[Case]()
RUN = pytest.StashKey[CaseRun]()
CELL_RUN = pytest.StashKey[grid.AnyRun]()
OUTCOME = pytest.StashKey[Outcome]()
SURPRISE = pytest.StashKey[bool]()

#: Conversations per late sweep; each may hold a few descriptors until then.
MAX_BATCH = 400
DESCRIPTORS_PER_CASE = 4


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the harness."""
    group = parser.getgroup("tcpspec", "tcpspec: TCP conformance")
    add = group.addoption
    add("--target", action="append", metavar="KIND[:ID][,KEY=VALUE]", help="what to test (repeatable; default: linux)")
    add("--case", action="append", default=[], metavar="ID", help="run the cases of this id or pattern (repeatable)")
    add("--rfc", action="append", default=[], metavar="9293/3.6", help="run the cases that cite this section")
    add("--requirement", action="append", default=[], metavar="MUST-13", help="run the cases that cite this rule")
    add("--ip", action="append", type=int, choices=(4, 6), help="run on this IP version only (default: both)")
    add("--level", choices=("must", "should"), default="must", help="fail on MUST only (default), or on SHOULD too")
    add("--timers", nargs="?", const=90.0, default=0.0, type=float, metavar="SECONDS", help=_TIMERS_HELP)
    add("--grid", choices=grid.LEVELS, default=grid.CORE, help="how much of the grid of states and segments to run")
    add("--expectations", action="append", default=[], metavar="FILE", help="known deviations of your target (TOML)")
    add("--results", metavar="DIR", help="write results.jsonl and captures into this folder")
    add("--pcap", choices=("off", "on", "retain-on-failure"), default="retain-on-failure", help=_PCAP_HELP)
    add("--observer", choices=("sockdiag", "ss"), default="sockdiag", help="who reads the states at each step")
    add("--set", action="append", default=[], metavar="SYSCTL=VALUE", dest="tcpspec_set", help="override a pin")
    add("--time-scale", type=float, default=1.0, metavar="FACTOR", help="stretch the upper bounds of timer cases")


_TIMERS_HELP = "also run timer cases that take at most so long (default with the option: 90)"
_PCAP_HELP = "pcapng captures with --results (default: of what is not as expected)"


@dataclass(slots=True)
class Held:
    """The reports of an item that wait for the sweep."""

    item: pytest.Item
    reports: list[pytest.TestReport]
    timers: bool = False


@dataclass(slots=True)
class Options:
    """The parsed command line."""

    specs: list[registry.TargetSpec]
    settings: registry.Settings
    selection: Selection
    level: Level
    extra: tuple[Deviation, ...]
    expectations: tuple[str, ...]
    grid: str
    grid_rules: tuple[GridRule, ...]
    results: Path | None
    pcap: str

    @property
    def again(self) -> list[str]:
        """The options that a command must repeat to come to the same verdict."""
        options = [f"--set={name}={value}" for name, value in self.settings.sysctls.items()]
        options += ["--observer=ss"] if self.settings.observer == "ss" else []
        options += ["--level=should"] if self.level is Level.SHOULD else []
        options += ["--grid=full"] if self.grid == "full" else []
        return options + [f"--expectations={name}" for name in self.expectations]

    @classmethod
    def of(cls, config: pytest.Config) -> "Options":
        """Read the options; raises pytest.UsageError with one clear message."""
        get = config.getoption
        sysctls = {}
        for item in get("tcpspec_set"):
            name, equals, value = item.partition("=")
            if not equals or not name or not value:
                raise pytest.UsageError(f"--set {item}: write SYSCTL=VALUE, such as --set tcp_rfc1337=1")
            sysctls[name] = value
        if get("time_scale") < 1:
            raise pytest.UsageError("--time-scale must be 1 or more: it only stretches")
        try:
            return cls(
                specs=[registry.parse(text) for text in dict.fromkeys(get("target") or ["linux"])],
                settings=registry.Settings(sysctls, get("observer"), get("time_scale")),
                selection=Selection(
                    tuple(get("case")),
                    tuple(citations.parse_selector(text) for text in get("rfc")),
                    tuple(requirements.by_id(name).id for name in get("requirement")),
                    tuple(dict.fromkeys(get("ip") or (4, 6))),
                    get("timers"),
                ),
                level=Level.SHOULD if get("level") == "should" else Level.MUST,
                extra=tuple(entry for name in get("expectations") for entry in deviations.load(Path(name))),
                expectations=tuple(get("expectations")),
                grid=get("grid"),
                grid_rules=grid.own_rules(get("expectations")),
                results=Path(get("results")).resolve() if get("results") else None,
                pcap=get("pcap"),
            )
        except (UnusableTarget, BrokenExpectations, citations.BadCitation, requirements.UnknownRequirement) as error:
            raise pytest.UsageError(str(error)) from None


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our own hooks to other plugins."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Set the session's plugin up."""
    config.pluginmanager.register(CasePlugin(config), "tcpspec-session")


@dataclass(slots=True)
class Tally:
    """What the controller has seen: judged cases and the results file."""

    matrix: Matrix = field(default_factory=Matrix)
    writer: ResultsWriter | None = None
    known_targets: set[str] = field(default_factory=set)
    judged: int = 0
    finished: set[str] = field(default_factory=set)
    lost: int = 0


class CasePlugin:
    """The state of one pytest session. Under xdist the workers judge, and the controller tallies and writes."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = Options.of(config)
        self.is_worker = hasattr(config, "workerinput")
        self.engine = Engine(self.options.specs, self.options.settings, self.options.extra)
        self.tally = Tally()
        self.held: list[Held] = []
        self.announced: set[str] = set()
        self.timers_done = False
        self.started = time.monotonic()
        self.unmatched = ""
        self.grid = grid.GridSession(self.options.grid_rules)

    # --- collection --------------------------------------------------------------------------------------------------

    @pytest.hookimpl(trylast=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Bind each case to every target, IP version and row."""
        if "target" not in metafunc.fixturenames:
            return
        meta = meta_of(metafunc.function) or CaseMeta()
        bindings = [
            Binding(spec, version, row, route)
            for spec in self.options.specs
            for version in meta.versions
            for row, route in meta.rows
        ]
        ids = ["-".join(filter(None, (binding.row, binding.suffix))) for binding in bindings]
        metafunc.parametrize("conversation", bindings, ids=ids, indirect=True)

    def pytest_pycollect_makeitem(self, collector: pytest.Module, name: str, obj: object) -> list[pytest.Item] | None:
        """Make an item of each cell that the run takes of a module's `CELLS`, on every target and IP version."""
        if name != "CELLS" or not isinstance(obj, grid.CellGroup):
            return None
        cells = obj.cells(self.options.grid, self.options.selection.cases)
        return [
            CellItem.from_parent(
                collector,
                name=f"{cell.id}-{spec.text}-ipv{version}",
                plugin=self,
                cell=cell,
                spec=spec,
                version=version,
            )
            for spec in self.options.specs
            for version in self.options.selection.versions
            for cell in cells
        ]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Name the cases, select, and put the sanity cases where they belong."""
        cases = [_case_of(item) for item in items]
        found = [case for case in cases if case is not None]
        _demand_unique(found)
        if found and (_is_whole(session) or self.options.selection.cases):
            self.unmatched = self.options.selection.unknown(found)
        if found and _is_whole(session):
            self._demand_no_idle_deviations(found)
        order = in_order(cases)
        taken = [(case := cases[at]) is None or self.options.selection.takes(case) for at in order]
        dropped = [items[at] for at, take in zip(order, taken, strict=True) if not take]
        items[:] = [items[at] for at, take in zip(order, taken, strict=True) if take]
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)
        if items and any(_stashed(item) for item in items) and not self.config.option.collectonly:
            self._preflight()

    def pytest_collection_finish(self) -> None:
        """Keep the garbage collector off the items: they live to the end, and a grid has thousands."""
        gc.freeze()

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Check the targets before xdist's workers start, and open the results file."""
        _raise_descriptor_limit()
        if self.is_worker or self.config.option.collectonly:
            return
        if self.options.results is not None:
            try:
                self.tally.writer = ResultsWriter(self.options.results, command=_command_line())
            except OSError as error:
                raise pytest.UsageError(
                    f"--results {self.options.results}: can't be written: {error.strerror}"
                ) from None
        if getattr(self.config.option, "numprocesses", None) and not _only_selftests(session.config):
            self._preflight()
            self.engine.close()

    def _preflight(self) -> None:
        try:
            for spec in self.options.specs:
                self.engine.rig(spec)
        except UnusableTarget as error:
            raise pytest.UsageError(f"target {spec.text}: {error}") from None

    def _demand_no_idle_deviations(self, found: list[Case]) -> None:
        declared = (*self.options.extra, *deviations.all_bundled())
        if self.options.grid == grid.OFF:
            declared = tuple(entry for entry in declared if not entry.case.startswith(grid.PREFIX))
        for entry in idle_deviations(declared, found):
            raise pytest.UsageError(f"{entry.origin}: no case is called {entry.case!r}; remove or correct the entry")

    # --- running -----------------------------------------------------------------------------------------------------

    @pytest.fixture
    def conversation(self, request: pytest.FixtureRequest) -> Conversation:
        """Begin the case on its target and walk to its state."""
        item = cast("pytest.Item", request.node)
        case = item.stash[CASE]
        if case.meta.timer_s is not None:
            _demand_capabilities(case, self.engine.rig(case.binding.spec, timers=True).target.capabilities)
            self._run_timers(request.session)
        else:
            self._begin(item, case)
        return item.stash[RUN].conversation

    @pytest.fixture
    def target(self, conversation: Conversation, request: pytest.FixtureRequest) -> TargetSide:
        """The target's end of the case's connection."""
        return cast("pytest.Item", request.node).stash[RUN].target

    @pytest.fixture
    def peer(self, conversation: Conversation, request: pytest.FixtureRequest) -> PeerSide:
        """The tester's end of the case's connection."""
        return cast("pytest.Item", request.node).stash[RUN].peer

    def _begin(self, item: pytest.Item, case: Case) -> None:
        rig = self.engine.rig(case.binding.spec)
        _demand_capabilities(case, rig.target.capabilities)
        conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
        item.stash[RUN] = run = CaseRun(conversation, case.binding.route)
        run.prepare()

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object | None:
        """Run a case's body with replays; a timer case has run already, with all the others."""
        __tracebackhide__ = True
        run = pyfuncitem.stash.get(RUN, None)
        if run is None:
            return None
        timed = pyfuncitem.stash.get(TIMED, None)
        if timed is not None:
            if timed.error is not None:
                raise timed.error
            return True
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        run.perform(lambda: pyfuncitem.obj(**arguments))
        return True

    def _run_timers(self, session: pytest.Session) -> None:
        """Run the whole group of timer cases that this process has collected, once."""
        if self.timers_done:
            return
        self.timers_done = True
        groups: dict[str, list[TimerCase]] = {}
        for item in session.items:
            case = _stashed(item)
            if case is None or case.meta.timer_s is None:
                continue
            rig = self.engine.rig(case.binding.spec, timers=True)
            if not rig.target.capabilities.issuperset(case.meta.requires):
                continue
            conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
            item.stash[RUN] = run = CaseRun(conversation, case.binding.route)
            item.stash[TIMED] = timed = TimerCase(run, _timer_body(cast("pytest.Function", item)))
            groups.setdefault(case.binding.spec.text, []).append(timed)
        for spec in self.options.specs:
            if spec.text in groups:
                run_together(self.engine.rig(spec, timers=True), groups[spec.text])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how the case ended, and take the evidence while its connections are still there."""
        report = yield
        if item.stash.get(CASE, None) is None:
            return report
        timed = item.stash.get(TIMED, None)
        error = call.excinfo.value if call.excinfo else None
        if call.when == "setup" and timed is not None and not timed.prepared and timed.error is not None:
            error = timed.error
        if error is not None or call.when == "call":
            run = item.stash.get(RUN, None) or item.stash.get(CELL_RUN, None)
            item.stash[OUTCOME] = _outcome(run, error, evident=isinstance(item, CellItem) and item.is_as_declared())
        expected = (Violation, Inconclusive, Unjudgeable, TargetError, UnusableTarget, pytest.skip.Exception)
        if error is not None and not isinstance(error, expected):
            item.stash[SURPRISE] = True
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a case, hold its reports back, and let them go when the batch is full, or at the end."""
        from _pytest.runner import runtestprotocol

        case = _stashed(item)
        if case is None:
            self.flush()
            return None
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        self.held.append(Held(item, reports, case.meta.timer_s is not None))
        outcome = item.stash.get(OUTCOME, None)
        failing = any(report.failed for report in reports) and self.config.getoption("maxfail", 0)
        failing = failing or (outcome is not None and outcome.ending is Ending.HARNESS_ERROR)
        if len(self.held) >= _batch_limit() or nextitem is None or failing:
            self.flush()
        return True

    def flush(self) -> None:
        """Sweep, judge and report everything that is held back."""
        held, self.held = self.held, []
        if not held:
            return
        trouble = ""
        for rig in self.engine.running():
            try:
                rig.sweep()
            except Unjudgeable as error:
                trouble = str(error)
        for entry in held:
            if trouble and OUTCOME in entry.item.stash:
                entry.item.stash[OUTCOME] = Outcome(
                    Ending.HARNESS_ERROR, trouble, entry.item.stash[OUTCOME].conversation
                )
            self._settle(entry)
            hook = entry.item.ihook
            hook.pytest_runtest_logstart(nodeid=entry.item.nodeid, location=entry.item.location)
            with self._as_current(entry.item):
                for report in entry.reports:
                    hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=entry.item.nodeid, location=entry.item.location)
        outcomes = [entry.item.stash.get(OUTCOME, None) for entry in held]
        if any(outcome is not None and outcome.ending is Ending.HARNESS_ERROR for outcome in outcomes):
            self.engine.close()  # the next case starts its target afresh

    @contextlib.contextmanager
    def _as_current(self, item: pytest.Item) -> Iterator[None]:
        """Let an xdist worker send reports of an earlier item: it insists that they are the current item's."""
        interactor = next((p for p in self.config.pluginmanager.get_plugins() if hasattr(p, "item_index")), None)
        if interactor is None:
            yield
            return
        current = interactor.item_index
        interactor.item_index = item.session.items.index(item)
        try:
            yield
        finally:
            interactor.item_index = current

    def _settle(self, held: Held) -> None:
        """Turn the outcome of a case into its verdict and write it into its reports."""
        item = held.item
        case = item.stash[CASE]
        outcome = item.stash.get(OUTCOME, None)
        if outcome is None:
            return
        rig = self.engine.rig(case.binding.spec, timers=held.timers)
        target = rig.target
        declared = self._declared(item, target)
        judgement = judge(outcome, declared)
        reproduce = case.reproduce(*self.options.again)
        name, ip = case.binding.spec.text, case.binding.version
        record = case_records.case_record(case.case_id, name, ip, judgement, outcome, tuple(case.meta.cites), reproduce)
        expected = judgement.as_expected(self.options.level)
        self._capture(record, outcome, expected, target.facts.as_dict())
        facts = f"{name} {target.facts.version}"
        story = "" if expected else case_records.explain_failure(record, judgement, outcome, facts)
        self.config.hook.pytest_tcpspec_verdict(
            case=case, outcome=outcome, judgement=judgement, record=record, story=story
        )
        report = _deciding_report(held.reports, judgement, surprise=SURPRISE in item.stash)
        if SURPRISE not in item.stash:  # a bug in the case itself keeps pytest's own traceback
            _write_verdict(report, judgement, story, expected)
        if name not in self.announced:
            self.announced.add(name)
            record["facts"] = target.facts.as_dict()
        # As text: xdist carries plain built-in types only.
        report.tcpspec = json.dumps(record)  # type: ignore[attr-defined]
        report.user_properties += [("tcpspec_case", case.case_id), ("tcpspec_verdict", str(judgement.verdict))]
        if judgement.finding is not None:
            report.user_properties.append(("tcpspec_code", str(judgement.finding.code)))

    def _declared(self, item: pytest.Item, target: Target) -> list[Deviation]:
        case = item.stash[CASE]
        ip, version = case.binding.version, target.facts.version
        found = [entry for entry in self.engine.deviations_of(target) if entry.covers(case.case_id, ip, version)]
        return found + (self.grid.declared(target, item.cell, ip) if isinstance(item, CellItem) else [])

    def _capture(self, record: dict[str, Any], outcome: Outcome, expected: bool, facts: dict[str, Any]) -> None:
        wanted = self.options.pcap == "on" or (self.options.pcap == "retain-on-failure" and not expected)
        if self.options.results is None or not wanted or outcome.conversation is None:
            return
        path = write_capture(self.options.results / "pcap", record, outcome.conversation.events, facts)
        record["pcap"] = str(path.relative_to(self.options.results))

    # --- tally -------------------------------------------------------------------------------------------------------

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the verdict and write its line (not in a worker: the controller sees all reports)."""
        text = getattr(report, "tcpspec", None)
        if text is None or self.is_worker:
            return
        record = json.loads(text)
        facts = record.pop("facts", None)
        tally = self.tally
        if facts is not None and facts["name"] not in tally.known_targets:
            tally.known_targets.add(facts["name"])
            tally.matrix.facts[facts["name"]] = facts
            if tally.writer is not None:
                tally.writer.target(facts)
        tally.judged += 1
        tally.matrix.add(record)
        if tally.writer is not None:
            tally.writer.case(record)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Report what is still held back, end the targets, close the results."""
        try:
            self.flush()
        finally:
            self.engine.close()
        if self.is_worker:
            return
        incomplete = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        stopped = session.shouldstop or session.shouldfail or self.config.option.collectonly
        self.tally.lost = 0 if incomplete or stopped else session.testscollected - len(self.tally.finished)
        if self.tally.lost > 0 and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        if self.tally.writer is not None:
            self.tally.writer.finish(
                collected=session.testscollected,
                interrupted=bool(incomplete or stopped or self.tally.lost),
                seconds=time.monotonic() - self.started,
            )

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Remember which items came to their end: a crashed worker takes held-back reports with it."""
        self.tally.finished.add(nodeid)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the matrix, and why nothing ran where nothing did."""
        if self.tally.lost > 0:
            terminalreporter.write_line(f"{self.tally.lost} tests have no verdict: a worker is lost", red=True)
        if self.unmatched:
            terminalreporter.write_line(self.unmatched, red=True)
        if self.tally.judged:
            width = terminalreporter._tw.fullwidth
            text = self.tally.matrix.render(width=width, colour=terminalreporter._tw.hasmarkup)
            terminalreporter.write_line("")
            for line in text.splitlines():
                terminalreporter.write_line(line)
        if self.tally.writer is not None and self.tally.judged:
            terminalreporter.write_line(f"results: {self.tally.writer.path}")


class CellItem(pytest.Item):
    """One cell of the grid on one target and IP version."""

    def __init__(
        self, *, plugin: CasePlugin, cell: grid.AnyCell, spec: registry.TargetSpec, version: int, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.plugin = plugin
        self.cell = cell
        self.stash[CASE] = grid.case_of(cell, spec, version, f"{self.path.name}:1")

    def setup(self) -> None:
        """Begin the cell and walk to its state."""
        binding = self.stash[CASE].binding
        rig = self.plugin.engine.rig(binding.spec)
        if reason := self.plugin.grid.not_applicable(rig.target, self.cell):
            pytest.skip(f"not applicable: {reason}")
        self.stash[CELL_RUN] = run = self.plugin.grid.start(rig, self.cell, binding.version)
        run.prepare()

    def runtest(self) -> None:
        """Probe and judge."""
        self.stash[CELL_RUN].perform()

    def is_as_declared(self) -> bool:
        """Tell whether the cell shows exactly what is declared about it."""
        run, binding = self.stash.get(CELL_RUN, None), self.stash[CASE].binding
        if run is None or not run.conversation.findings:
            return False
        declared = self.plugin.grid.declared(run.conversation.rig.target, self.cell, binding.version)
        return any(entry.observed == (run.conversation.findings[0].signature,) for entry in declared)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the message alone where the case tells the story; a defect of the harness keeps its traceback."""
        expected = (Violation, Inconclusive, Unjudgeable, TargetError)
        return str(excinfo.value) if isinstance(excinfo.value, expected) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where the item comes from."""
        return self.path, None, self.name


TIMED = pytest.StashKey[TimerCase]()


def _stashed(item: pytest.Item) -> Case | None:
    return item.stash.get(CASE, None)


def _case_of(item: pytest.Item) -> Case | None:
    """Return the case of an item, None for other tests, and remember it."""
    if isinstance(item, CellItem):
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


def _demand_unique(cases: Iterable[Case]) -> None:
    seen: dict[tuple[str, str], Case] = {}
    for case in cases:
        key = (case.case_id, case.binding.suffix)
        if key in seen:
            raise pytest.UsageError(f"two cases are called {case.case_id}: {seen[key].origin} and {case.origin}")
        seen[key] = case


def _demand_capabilities(case: Case, capabilities: frozenset[Any]) -> None:
    missing = [need for need in case.meta.requires if need not in capabilities]
    if missing:
        pytest.skip(f"not applicable: the target does not claim {', '.join(missing)}")


def _is_whole(session: pytest.Session) -> bool:
    """Tell whether the collection is that of the whole `testcases` package, not of some of its files."""
    import testcases

    roots = [Path(path).resolve() for path in testcases.__path__]
    arguments = [argument.partition("::") for argument in session.config.args]
    return any(
        not separator and (Path(path).resolve() in roots or path == "testcases") for path, separator, _rest in arguments
    )


def _only_selftests(config: pytest.Config) -> bool:
    return bool(config.args) and all("selftest" in argument for argument in config.args)


def _timer_body(item: pytest.Function) -> Callable[[TargetSide, PeerSide], Any]:
    parameters = {name: value for name, value in item.callspec.params.items() if name != "conversation"}
    return lambda target, peer: item.obj(target=target, peer=peer, **parameters)


def _outcome(run: CaseRun | grid.AnyRun | None, error: BaseException | None, *, evident: bool = False) -> Outcome:
    """Return how a case ended; `evident` spares the evidence, which costs milliseconds, where nothing is new."""
    conversation = run.conversation if run else None
    ending = Ending.COMPLETED
    if isinstance(error, Violation):
        ending = Ending.VIOLATION
    elif isinstance(error, Inconclusive):
        ending = Ending.INCONCLUSIVE
    elif isinstance(error, pytest.skip.Exception):
        ending = Ending.NOT_APPLICABLE
    elif error is not None:
        ending = Ending.HARNESS_ERROR
    outcome = Outcome(ending, str(error) if error else "", conversation)
    if conversation is not None and not evident and (conversation.findings or ending is Ending.INCONCLUSIVE):
        try:
            outcome.evidence = take_evidence(conversation)
        except TargetError as trouble:
            return Outcome(Ending.HARNESS_ERROR, str(trouble), conversation)
    return outcome


def _deciding_report(reports: list[pytest.TestReport], judgement: Judgement, *, surprise: bool) -> pytest.TestReport:
    """Return the report that carries the verdict; a harness error becomes an error instead of a failure."""
    by_phase = {report.when: report for report in reports}
    call = by_phase.get("call")
    if call is None:
        return by_phase["setup"]
    if surprise:
        return call
    if judgement.verdict in (Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE):
        reports.remove(call)
        return by_phase["teardown"]
    return call


def _write_verdict(report: pytest.TestReport, judgement: Judgement, story: str, expected: bool) -> None:
    if not expected:
        report.outcome = "failed"
        report.longrepr = story
    elif judgement.verdict is Verdict.KNOWN:
        report.outcome = "skipped"
        report.wasxfail = judgement.reason
        report.longrepr = None
    elif judgement.verdict is not Verdict.NOT_APPLICABLE:
        report.outcome = "passed"
        report.longrepr = None


def _batch_limit() -> int:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(10, min(MAX_BATCH, (soft - 300) // DESCRIPTORS_PER_CASE))


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 65536), hard))


def _command_line() -> list[str]:
    return ["tcpspec" if Path(sys.argv[0]).name == "tcpspec" else Path(sys.argv[0]).name, *sys.argv[1:]]
