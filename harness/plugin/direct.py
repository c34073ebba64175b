"""Runs cases without pytest's protocol, which costs more than most of them do, and reports them as it would.

It is for the cases that come with the tool: they need no fixtures but ours, print nothing and log nothing. All others,
and these too where somebody watches pytest at work (``--pdb``, ``--setup-show``, a plugin with hooks of its own for
set-up or call), go the ordinary way.
"""

import time
from collections.abc import Callable
from typing import cast

import pytest
from _pytest.runner import get_reraise_exceptions

from harness.case.runner import Outcome
from harness.case.selection import Case
from harness.plugin import watching
from harness.plugin.items import CASE, OUTCOME, RUN, TIMED, OwnItem, is_bundled, what_is_offered
from harness.plugin.reports import VERDICTS, Phase, report_of

#: Options with which pytest shows or stops what it does at each phase of a test.
_WATCHING = ("usepdb", "trace", "setuponly", "setupshow", "setupplan")
OURS = frozenset({"conversation", "target", "peer", "request"})

Begin = Callable[[pytest.Item, Case], None]


class Direct:
    """Runs items of one session.

    `begin` walks to the state of a case that is a function, `outcome_of` says what an item has come to by an error.
    """

    def __init__(
        self, config: pytest.Config, begin: Begin, outcome_of: Callable[[pytest.Item, BaseException | None], Outcome]
    ) -> None:
        self._config = config
        self._begin = begin
        self._outcome_of = outcome_of
        self._reraise = get_reraise_exceptions(config)
        self._allowed: bool | None = None
        self._each_phase = False

    def takes(self, item: pytest.Item | None) -> bool:
        """Tell whether an item needs nothing of pytest's protocol."""
        if self._allowed is None:
            self._allowed = not _is_watched(self._config)
            self._each_phase = watching.each_phase_counts(self._config)
        if item is None or not self._allowed or CASE not in item.stash or not is_bundled(item.path):
            return False
        if isinstance(item, OwnItem):
            return True
        function = cast("pytest.Function", item)
        return OURS.issuperset(set(function.fixturenames).difference(function.callspec.params))

    def run(self, item: pytest.Item) -> list[pytest.TestReport]:
        """Run an item and return the reports of its phases.

        A set-up that has passed tells nobody anything, unless somebody asks how long it took: its time is the call's.
        A teardown has nothing to do, so that only JUnit's XML and strangers want to hear of it.
        """
        before = self._phase(item, "setup", lambda: self._set_up(item))
        behind = [report_of(item, "teardown")] if self._each_phase else []
        if not before.passed:
            return [before, *behind]
        call = self._phase(item, "call", lambda: _call(item))
        if self._config.getoption("durations", None) is not None:
            return [before, call, *behind]
        call.start, call.duration = before.start, call.duration + before.duration
        return [call, *behind]

    def _set_up(self, item: pytest.Item) -> None:
        if isinstance(item, OwnItem):
            item.setup()
        else:
            self._begin(item, item.stash[CASE])

    def _phase(self, item: pytest.Item, when: Phase, action: Callable[[], None]) -> pytest.TestReport:
        raised, began, since = None, time.time(), time.perf_counter()
        try:
            action()
        except self._reraise:
            raise
        except BaseException:
            raised = pytest.ExceptionInfo.from_current()
        lasted = time.perf_counter() - since
        call = pytest.CallInfo[None](
            None, raised, start=began, stop=began + lasted, duration=lasted, when=when, _ispytest=True
        )
        error = raised.value if raised is not None else None
        if error is None:
            report = report_of(item, when, call)
        elif isinstance(error, pytest.skip.Exception):
            where = (str(item.path), (item.location[1] or 0) + 1, f"Skipped: {error}")
            report = report_of(item, when, call, "skipped", where)
        elif isinstance(error, VERDICTS):
            report = report_of(item, when, call, "failed", str(error))
        else:  # a bug: pytest shows where
            report = cast("pytest.TestReport", item.ihook.pytest_runtest_makereport(item=item, call=call))
            item.ihook.pytest_exception_interact(node=item, call=call, report=report)
            return report
        if error is not None or when == "call":
            item.stash[OUTCOME] = self._outcome_of(item, error)
        return report


def _call(item: pytest.Item) -> None:
    if isinstance(item, OwnItem):
        item.runtest()
        return
    run, timed = item.stash[RUN], item.stash.get(TIMED, None)
    if timed is not None:
        with what_is_offered():
            if timed.error is not None:
                raise timed.error
        return
    function = cast("pytest.Function", item)
    body = function.obj
    ours = {"target": run.target, "peer": run.peer, "conversation": run.conversation}
    given = {**function.callspec.params, **ours}
    arguments = {name: given[name] for name in function._fixtureinfo.argnames}
    with what_is_offered():
        run.perform(lambda: body(**arguments))


def _is_watched(config: pytest.Config) -> bool:
    if any(config.getoption(name, False) for name in _WATCHING):
        return True
    return watching.others(config, watching.RUNNING)
