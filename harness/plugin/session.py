"""The running of one pytest session: cases are begun, run, and held back until they can be judged.

Reports of a batch are held back until its late sweep, which may still find a segment that a case must answer for.
"""

import contextlib
import resource
import time
from collections.abc import Generator, Iterator
from functools import cached_property
from typing import Any, cast

import pytest

from harness.case.conversation import Conversation
from harness.case.engine import Engine
from harness.case.peer_side import PeerSide
from harness.case.runner import CaseRun, Ending, Outcome
from harness.case.selection import Case
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.violation import Unjudgeable
from harness.grid import session as grid
from harness.grid.calibration import calibrate
from harness.plugin import lanes
from harness.plugin.culprit import blame, sweep_survivors
from harness.plugin.direct import Direct
from harness.plugin.items import (
    CASE,
    CELL_RUN,
    OUTCOME,
    RUN,
    SURPRISE,
    TALK_RUN,
    TIMED,
    CellItem,
    demand_capabilities,
    forget_run,
    is_bundled,
    only_selftests,
    stashed,
    timer_body,
    what_is_offered,
)
from harness.plugin.looping import Looping
from harness.plugin.options import Options
from harness.plugin.relay import Sender, sender
from harness.plugin.reports import VERDICTS, Held, in_words, outcome_of, with_evidence
from harness.plugin.settling import Settler
from harness.targets.protocol import Capability, UnusableTarget

#: Conversations per late sweep, in which nothing is done but to wait; each may hold a few descriptors until then.
MAX_BATCH = 400
#: The same where all targets are this machine's kernel, which has room for more connections than a small stack.
MAX_BATCH_OF_THE_KERNEL = 3000
#: So many with one among them that could not be judged, which tells early that no case can be.
SHORT_BATCH = 50
#: And how long the first of them waits: later the kernel would repeat (after 15 s) what no peer acknowledged.
MAX_BATCH_S = 10.0
#: The first batch is short, so that who waits sees a verdict; each further one may last four times as long.
FIRST_BATCH_S = 1.0
#: Where time is simulated each is twice as large as the one before: how fast the machine is must not matter.
FIRST_BATCH = 50
DESCRIPTORS_PER_CASE = 4


class CasePlugin:
    """Runs the cases of one session. Under xdist the workers do, and the controller only looks at the targets first."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = Options.of(config)
        self.is_worker = hasattr(config, "workerinput")
        bundled = self.options.bundled
        self.engine = Engine(self.options.specs, self.options.settings, self.options.extra, bundled=bundled)
        self.grid = grid.GridSession(self.options.grid_rules, bundled)
        self.settler = Settler(config, self.options, self.engine, self.grid)
        self.direct = Direct(config, self._begin, self._outcome_of)
        self.looping = Looping(config, self.direct.takes, self._play)
        self.held: list[Held] = []
        self._batch_s = FIRST_BATCH_S
        self._batch_size = FIRST_BATCH
        #: Whether a target has come to its end in a sweep, so that from then on each case has one of its own.
        self._one_by_one = False
        self.timers_done = False
        self.scripts_done = False
        #: Whether a script has left something behind in a target, as commands and path MTUs: the next one gets another.
        self.soiled = False
        self._places: dict[pytest.Item, int] = {}
        self._found: dict[str, bytes] = {}

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Check the targets before xdist's workers start."""
        _raise_descriptor_limit()
        if self.is_worker or self.config.option.collectonly:
            return
        if getattr(self.config.option, "numprocesses", None) and not only_selftests(session.config):
            self.preflight()
            self._found = lanes.found(self.engine)
            self.engine.close()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Hand on to a worker what was found out."""
        lanes.hand_on(self._found, node)

    def preflight(self, *, as_found: bool = False) -> None:
        """Start every target; raises pytest.UsageError for one that can't be had."""
        try:
            for spec in self.options.specs:
                self.engine.rig(spec, as_found=as_found)
        except UnusableTarget as error:
            raise pytest.UsageError(f"target {spec.text}: {error}") from None

    # --- running -----------------------------------------------------------------------------------------------------

    @pytest.fixture
    def conversation(self, request: pytest.FixtureRequest) -> Conversation:
        """Begin the case on its target and walk to its state."""
        item = cast("pytest.Item", request.node)
        self._begin(item, item.stash[CASE])
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
        timed = case.meta.timer_s is not None
        rig = self.engine.rig(case.binding.spec, timers=timed)
        demand_capabilities(case, rig.target.capabilities)
        if timed:
            self.run_timers(item.session)
            return
        conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
        item.stash[RUN] = run = self._run_of(item, case, conversation)
        with what_is_offered():
            run.prepare()

    def _run_of(self, item: pytest.Item, case: Case, conversation: Conversation) -> CaseRun:
        """Return the run of a case: one of the tool's own demands no more than the rules do, a user's what it says."""
        ours = is_bundled(item.path)
        asks = ours and not isinstance(item, CellItem)
        target, ip = conversation.rig.target, case.binding.version
        route = case.binding.route
        run = CaseRun(
            conversation, route, asks_rules=asks, declared=lambda: self.engine.declared(target, case.case_id, ip)
        )
        conversation.acks_by_rule = ours  # of a timer cell too: its walk comes to acknowledgments
        return run

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> object | None:
        """Run a case's body with replays; a timer case has run already, with all the others."""
        __tracebackhide__ = True
        run = pyfuncitem.stash.get(RUN, None)
        if run is None:
            return None
        timed = pyfuncitem.stash.get(TIMED, None)
        if timed is not None:
            with what_is_offered():
                if timed.error is not None:
                    raise timed.error
            return True
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        with what_is_offered():
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
            if case.missing(rig.target.capabilities):
                continue
            if isinstance(item, CellItem):
                if self.grid.not_applicable(rig.target, item.cell):
                    continue
                calibrate(rig, case.binding.version)  # it takes time, which all would share later
            conversation = rig.begin(case.binding.version, name=case.case_id, cites=tuple(case.meta.cites))
            item.stash[RUN] = run = self._run_of(item, case, conversation)
            item.stash[TIMED] = timed = TimerCase(run, timer_body(item))
            groups.setdefault(case.binding.spec.text, []).append(timed)
        for spec in self.options.specs:
            if spec.text in groups:
                run_together(self.engine.rig(spec, timers=True), groups[spec.text])

    def run_scripts(self, session: pytest.Session) -> None:
        """Play all scripts of this process that may wait side by side, once: where time is real."""
        if not self.scripts_done:
            from harness.plugin.pkt_batch import side_by_side

            self.scripts_done = True
            side_by_side(self, session)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note how the case ended, and take the evidence while its connections are still there."""
        if item.stash.get(CASE, None) is None:
            return (yield)
        error = call.excinfo.value if call.excinfo else None
        with in_words(call) if isinstance(error, VERDICTS) else contextlib.nullcontext():
            report = yield
        timed = item.stash.get(TIMED, None)
        if call.when == "setup" and timed is not None and not timed.prepared and timed.error is not None:
            error = timed.error
        if error is not None or call.when == "call":
            item.stash[OUTCOME] = self._outcome_of(item, error)
        if error is not None and not isinstance(error, (*VERDICTS, pytest.skip.Exception)):
            item.stash[SURPRISE] = True
        return report

    def _outcome_of(self, item: pytest.Item, error: BaseException | None) -> Outcome:
        """Return what an item has come to, with evidence if that is not as expected."""
        stash = item.stash
        run = stash.get(RUN, None) or stash.get(CELL_RUN, None) or stash.get(TALK_RUN, None)
        outcome = outcome_of(run.conversation if run is not None else None, error)
        if outcome.died or (not outcome.findings and outcome.ending is not Ending.INCONCLUSIVE):
            return outcome
        timed = item.stash[CASE].meta.timer_s is not None
        expected = self.settler.judge(item, outcome, timers=timed).as_expected(self.options.level)
        return outcome if expected else with_evidence(outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run the items, unless xdist has some of its own to run them, or pytest should."""
        if session.config.option.collectonly or not self.looping.is_ours:
            return None
        if self._interactor is not None:
            self.looping.in_worker(self._interactor)
        if self.is_worker or self.config.pluginmanager.has_plugin("dsession"):
            return None
        return self.looping.run(session)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Run a case; anything else is pytest's."""
        if stashed(item) is None:
            self.flush()
            return None
        self._play(item, nextitem)
        return True

    def _play(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Run a case, hold its reports back, and let them go when the batch is full, or at the end."""
        from _pytest.runner import runtestprotocol

        case = item.stash[CASE]
        if self.direct.takes(item):
            reports = self.direct.run(item)
        else:
            following = None if self.direct.takes(nextitem) else nextitem
            reports = runtestprotocol(item, log=False, nextitem=following)
        self.held.append(Held(item, reports, case.meta.timer_s is not None))
        outcome = item.stash.get(OUTCOME, None)
        failing = self.config.getoption("maxfail", 0) and any(report.failed for report in reports)
        failing = failing and (outcome is None or not self.settler.judge(item, outcome).as_expected(self.options.level))
        failing = failing or _needs_another_target(outcome)
        full = len(self.held) >= self._batch_limit or self._has_waited_enough()
        unjudged = outcome is not None and outcome.ending is Ending.INCONCLUSIVE
        conversation = outcome.conversation if outcome is not None else None
        alone = conversation is not None and conversation.rig.is_held_to_one_case
        alone = alone or any(rig.is_full for rig in self.engine.running())
        full = full or self._one_by_one or alone or (unjudged and len(self.held) >= SHORT_BATCH)
        self.config.hook.pytest_tcpspec_played(case=case)
        if full or nextitem is None or failing:
            self.flush()

    def _has_waited_enough(self) -> bool:
        """Tell whether the batch is to end though there is room in it."""
        if all(Capability.VIRTUAL_TIME in rig.target.capabilities for rig in self.engine.running()):
            return len(self.held) >= self._batch_size
        return time.monotonic() - self.held[0].since > self._batch_s

    def flush(self) -> None:
        """Sweep, judge and report everything that is held back."""
        held, self.held = self.held, []
        if not held:
            return
        self._batch_s = min(MAX_BATCH_S, 4 * self._batch_s)
        self._batch_size *= 2
        trouble = ""
        for rig in self.engine.running():
            try:
                rig.sweep()
                if rig.fallen is not None:
                    self._one_by_one |= Capability.VIRTUAL_TIME in rig.target.capabilities
                    blame(rig, held)
                else:
                    sweep_survivors(rig, held)
            except Unjudgeable as error:
                trouble = str(error)
        for entry in held:
            if trouble and OUTCOME in entry.item.stash:
                entry.item.stash[OUTCOME] = Outcome(
                    Ending.HARNESS_ERROR, trouble, entry.item.stash[OUTCOME].conversation
                )
            self.settler.settle(entry)
            self._tell(entry)
        if self._relay is not None:
            self._relay.send()
        if any(_broke_down(entry.item.stash.get(OUTCOME, None)) for entry in held):
            self.engine.close()  # the next case starts its target afresh
        for entry in held:
            forget_run(entry.item)

    def _tell(self, entry: Held) -> None:
        """Let go of an item's reports."""
        item = entry.item
        ends = self.config.getoption("maxfail", 0) and any(report.failed for report in entry.reports)
        if self._relay is not None and not ends and self._relay.tell(entry, self._place(item)):
            return
        hook = item.ihook
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        with self._as_current(item):
            for report in entry.reports:
                hook.pytest_runtest_logreport(report=report)
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    @cached_property
    def _relay(self) -> Sender | None:
        """What tells a controller in few messages."""
        return sender(self.config)

    @cached_property
    def _batch_limit(self) -> int:
        of_the_kernel = all(spec.kind == "linux" for spec in self.options.specs)
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = MAX_BATCH_OF_THE_KERNEL if of_the_kernel else MAX_BATCH
        return max(10, min(limit, (soft - 300) // DESCRIPTORS_PER_CASE))

    @cached_property
    def _interactor(self) -> Any:
        """xdist's plugin in a worker, None elsewhere."""
        return next((p for p in self.config.pluginmanager.get_plugins() if hasattr(p, "torun")), None)

    def _place(self, item: pytest.Item) -> int:
        """Return which of all an item is."""
        if not self._places:
            self._places = {each: at for at, each in enumerate(item.session.items)}
        return self._places[item]

    @contextlib.contextmanager
    def _as_current(self, item: pytest.Item) -> Iterator[None]:
        """Let an xdist worker send reports of an earlier item: it insists that they are the current item's."""
        interactor = self._interactor
        if interactor is None:
            yield
            return
        current = interactor.item_index
        interactor.item_index = self._place(item)
        try:
            yield
        finally:
            interactor.item_index = current

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Report what is still held back, and end the targets."""
        try:
            self.flush()
            if self.settler.scripts is not None:
                self.settler.scripts.write()
        finally:
            self.engine.close()


def _needs_another_target(outcome: Outcome | None) -> bool:
    return outcome is not None and (outcome.died or outcome.ending is Ending.HARNESS_ERROR)


def _broke_down(outcome: Outcome | None) -> bool:
    """Tell whether the target can't be trusted any more; one that has died by its own fault was begun anew."""
    return outcome is not None and outcome.ending is Ending.HARNESS_ERROR


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 65536
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, 65536), hard))
