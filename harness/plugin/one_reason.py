"""Stops a run in which hardly anything can be judged any more: most cases are inconclusive, or errors, for one reason.

Something behind the cases is wrong then: an adapter whose reset forgets nothing until its tables are full, a link that
is down. A stack that merely lacks something makes only those cases inconclusive that begin there, so it must show in
several places: topics, and states of the grid. Violations by the same difference count too: there a case asks for it.
"""

import re
from collections import Counter, defaultdict, deque
from pathlib import Path

import pytest

from harness.case.verdict import Verdict
from harness.plugin.reports import record_of
from harness.report import kinds
from harness.report.runs import Case

#: Of so many judged cases of a target so many have one reason, with so many in each of two places.
LAST, ALIKE, IN_A_PLACE = 100, 75, 20
_UNJUDGED = frozenset({str(Verdict.INCONCLUSIVE), str(Verdict.HARNESS_ERROR)})
_BAD = _UNJUDGED | {str(Verdict.VIOLATES)}
_SAYS_NOTHING = str(Verdict.NOT_APPLICABLE)
#: Where a walk broke off, in front of what was due there.
_WHERE = re.compile(r"^in [A-Z0-9-]+, ")


def reason_of(case: Case) -> str:
    """Return why a case could not be judged, or what it violates, without where that was; "" if neither."""
    if case.verdict not in _BAD:
        return ""
    difference = kinds.difference_of(case)
    return f"{_WHERE.sub('', difference.due)}, but {difference.came}" if difference.came else difference.due


def place_of(case_id: str) -> str:
    """Return the topic of a case, of a cell with its state: ``header``, ``grid/listen``."""
    topic, _separator, rest = case_id.partition("/")
    return f"{topic}/{rest.partition('/')[0]}" if topic == "grid" else topic


def common_reason(last: "deque[tuple[str, str, bool]]") -> str:
    """Return the reason that most of the last cases share, "" if none does; of each its place, and whether judged."""
    unjudged = Counter(reason for reason, _place, judged in last if not judged)
    if not unjudged:
        return ""
    reason = unjudged.most_common(1)[0][0]
    places = Counter(place for each, place, _judged in last if each == reason)
    spread = sum(count >= IN_A_PLACE for count in places.values()) > 1
    return reason if places.total() >= ALIKE and spread else ""


class OneReason:
    """Watches what is judged, on the side that hears of all of it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._last: dict[str, deque[tuple[str, str, bool]]] = defaultdict(lambda: deque(maxlen=LAST))
        self._session: pytest.Session | None = None
        self.message = ""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember whom to stop."""
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at a verdict, and stop the run where too many are alike."""
        record = record_of(report)
        if record is None or self.message:
            return
        case = Case(record, Path())
        if case.verdict == _SAYS_NOTHING:
            return
        last = self._last[case.target]
        last.append((reason_of(case), place_of(case.key.id), case.verdict not in _UNJUDGED))
        if case.verdict in _UNJUDGED and (reason := common_reason(last)):
            self._stop(case.target, reason)

    def _stop(self, target: str, reason: str) -> None:
        alike = sum(each == reason for each, _place, _judged in self._last[target])
        self.message = f"{alike} of the last {LAST} cases can't be judged on {target}, for one reason: {reason}"
        # xdist has a loop of its own, which looks at a flag of its own.
        runner = self._config.pluginmanager.get_plugin("dsession") or self._session
        if runner is not None:
            runner.shouldstop = "hardly anything can be judged any more (--keep-going)"

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say why, above everything else."""
        if self.message:
            terminalreporter.write_line(f"stopped: {self.message}; --keep-going goes on all the same")
