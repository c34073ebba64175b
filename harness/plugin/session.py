"""The state of one pytest session: cases become items, findings become verdicts, verdicts become reports.

Reports of a batch are held back until its late sweep, which may still find a segment that a case must answer for.
"""

import contextlib
import gc
import json
import resource
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from harness.case import record as case_records
from harness.case.conversation import Conversation
from harness.case.engine import Engine
from harness.case.marks import CaseMeta, meta_of
from harness.case.peer_side import PeerSide
from harness.case.runner import CaseRun, Ending, Outcome
from harness.case.selection import Binding, Case, idle_deviations, in_order
from harness.case.target_side import TargetSide
from harness.case.timers import TimerCase, run_together
from harness.case.verdict import Judgement, judge
from harness.case.violation import Inconclusive, Unjudgeable, Violation
from harness.expectations import deviations
from harness.expectations.deviations import Deviation
from harness.grid import session as grid
from harness.plugin.items import (
    CASE,
    CELL_RUN,
    OUTCOME,
    RUN,
    SURPRISE,
    TIMED,
    CellItem,
    case_of,
    demand_capabilities,
    demand_unique,
    is_whole,
    only_selftests,
    path_outside,
    stashed,
    timer_body,
)
from harness.plugin.options import Options
from harness.plugin.reports import Held, Tally, deciding_report, outcome_of, write_verdict
from harness.targets.protocol import Target, TargetError, UnusableTarget
from harness.trace.capture import write_capture
from harness.trace.results import CAPTURES, ResultsWriter

#: Conversations per late sweep; each may hold a few descriptors until then.
MAX_BATCH = 400
#: And how long the first of them waits: later the kernel would repeat (after 15 s) what no peer acknowledged.
MAX_BATCH_S = 10.0
DESCRIPTORS_PER_CASE = 4


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
        cases = [case_of(item) for item in items]
        found = [case for case in cases if case is not None]
        demand_unique(found)
        if found and (is_whole(session) or self.options.selection.cases):
            self.unmatched = self.options.selection.unknown(found)
        if found and is_whole(session):
            self._demand_no_idle_deviations(found)
        order = in_order(cases)
        taken = [self.options.selection.takes(cases[at]) for at in order]
        dropped = [items[at] for at, take in zip(order, taken, strict=True) if not take]
        items[:] = [items[at] for at, take in zip(order, taken, strict=True) if take]
        if dropped:
            self.config.hook.pytest_deselected(items=dropped)
        if items and any(stashed(item) for item in items) and not self.config.option.collectonly:
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
        if getattr(self.config.option, "numprocesses", None) and not only_selftests(session.config):
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
            demand_capabilities(case, self.engine.rig(case.binding.spec, timers=True).target.capabilities)
            self.run_timers(request.session)
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
        demand_capabilities(case, rig.target.capabilities)
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

    def run_timers(self, session: pytest.Session) -> None:
        """Run the whole group of timer cases that this process has collected, once."""
        if self.timers_done:
            return
        self.timers_done = True
        groups: dict[str, list[TimerCase]] = {}
        for item in session.items:
            case = stashed(item)
            if case is None or case.meta.timer_s is None:
                continue
            rig = self.engine.rig(case.binding.spec, timers=True)
            if not rig.target.capabilities.issuperset(case.meta.requires):
                continue
            if isinstance(item, CellItem) and self.grid.not_applicable(rig.target, item.cell):
                continue
            conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
            item.stash[RUN] = run = CaseRun(conversation, case.binding.route)
            item.stash[TIMED] = timed = TimerCase(run, timer_body(item))
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
            item.stash[OUTCOME] = outcome_of(run, error, evident=isinstance(item, CellItem) and item.is_as_declared())
        expected = (Violation, Inconclusive, Unjudgeable, TargetError, UnusableTarget, pytest.skip.Exception)
        if error is not None and not isinstance(error, expected):
            item.stash[SURPRISE] = True
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a case, hold its reports back, and let them go when the batch is full, or at the end."""
        from _pytest.runner import runtestprotocol

        case = stashed(item)
        if case is None:
            self.flush()
            return None
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        self.held.append(Held(item, reports, case.meta.timer_s is not None))
        outcome = item.stash.get(OUTCOME, None)
        failing = self.config.getoption("maxfail", 0) and any(report.failed for report in reports)
        failing = failing and (outcome is None or not self._judge(item, outcome).as_expected(self.options.level))
        failing = failing or (outcome is not None and outcome.ending is Ending.HARNESS_ERROR)
        full = len(self.held) >= _batch_limit() or time.monotonic() - self.held[0].since > MAX_BATCH_S
        if full or nextitem is None or failing:
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
        judgement = self._judge(item, outcome, timers=held.timers)
        reproduce = case.reproduce(*self.options.again, *path_outside(item))
        name, ip = case.binding.spec.text, case.binding.version
        record = case_records.case_record(case.case_id, name, ip, judgement, outcome, tuple(case.meta.cites), reproduce)
        expected = judgement.as_expected(self.options.level)
        self._capture(record, outcome, expected, target.facts.as_dict())
        facts = f"{name} {target.facts.version}"
        story = (
            ""
            if expected
            else case_records.explain_failure(record, judgement, outcome, facts, self.options.results or Path())
        )
        self.config.hook.pytest_tcpspec_verdict(
            case=case, outcome=outcome, judgement=judgement, record=record, story=story
        )
        report = deciding_report(held.reports, judgement, surprise=SURPRISE in item.stash)
        if SURPRISE not in item.stash:  # a bug in the case itself keeps pytest's own traceback
            write_verdict(report, judgement, story, expected)
        if name not in self.announced:
            self.announced.add(name)
            record["facts"] = target.facts.as_dict()
        # As text: xdist carries plain built-in types only.
        report.tcpspec = json.dumps(record)  # type: ignore[attr-defined]
        properties = [("tcpspec_case", case.case_id), ("tcpspec_verdict", str(judgement.verdict))]
        if judgement.finding is not None:
            properties.append(("tcpspec_code", str(judgement.finding.code)))
        for phase in held.reports:  # JUnit's XML takes those of the teardown, other plugins those of the call
            phase.user_properties += properties

    def _judge(self, item: pytest.Item, outcome: Outcome, *, timers: bool = False) -> Judgement:
        rig = self.engine.rig(item.stash[CASE].binding.spec, timers=timers)
        return judge(outcome, self._declared(item, rig.target))

    def _declared(self, item: pytest.Item, target: Target) -> list[Deviation]:
        case = item.stash[CASE]
        ip, version = case.binding.version, target.facts.version
        found = [entry for entry in self.engine.deviations_of(target) if entry.covers(case.case_id, ip, version)]
        return found + (self.grid.declared(target, item.cell, ip) if isinstance(item, CellItem) else [])

    def _capture(self, record: dict[str, Any], outcome: Outcome, expected: bool, facts: dict[str, Any]) -> None:
        wanted = self.options.pcap == "on" or (self.options.pcap == "retain-on-failure" and not expected)
        if self.options.results is None or not wanted or outcome.conversation is None:
            return
        path = write_capture(self.options.results / CAPTURES, record, outcome.conversation.events, facts)
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
