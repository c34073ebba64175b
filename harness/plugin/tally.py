"""The tally: what the controller sees of all cases goes into the results file, and at the end onto the terminal."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.case.selection import BY_TIMERS, NOT_NAMED
from harness.plugin.choosing import NOT_REACHED
from harness.plugin.collection import Collection
from harness.plugin.options import Options
from harness.plugin.reports import record_of
from harness.report import causes, failures, github, kinds, story
from harness.report.matrix import Matrix
from harness.report.runs import Case
from harness.trace.places import refusal
from harness.trace.results import ResultsWriter, is_inert

if TYPE_CHECKING:
    from harness.plugin.pkt_findings import Count

#: Where a worker leaves what it counted, for the controller.
_LEFT_OUT, _SCRIPTS = "tcpspec_left_out", "tcpspec_scripts"
#: How a command ends that played nothing, but for a shard that got nothing: that is a whole run of its part.
_NOTHING = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED)


class Worker:
    """The other end of the tally, in each worker of xdist: all of them collect the same."""

    def __init__(self, config: Any, collection: Collection, scripts: "Count | None") -> None:
        self._collection = collection
        self._scripts = scripts
        self._output: dict[str, Any] = config.workeroutput

    def pytest_sessionfinish(self) -> None:
        """Hand over what was not chosen, and the scripts that were written of findings."""
        self._output[_LEFT_OUT] = dict(self._collection.left_out)
        if self._scripts is not None:
            self._output[_SCRIPTS] = (self._scripts.written, dict(self._scripts.unwritten), self._scripts.first)


class Tally:
    """What the controller has seen."""

    def __init__(
        self, config: pytest.Config, options: Options, collection: Collection, scripts: "Count | None"
    ) -> None:
        self.config = config
        self.options = options
        self.collection = collection
        self.scripts = scripts
        self.matrix = Matrix()
        self.unexpected: list[Case] = []
        self._told: set[kinds.Difference] = set()
        self.writer: ResultsWriter | None = None
        self._left_out: dict[str, int] | None = None
        self._judged = 0
        self._finished: set[str] = set()
        self.lost = 0
        self._started = time.monotonic()

    def pytest_sessionstart(self) -> None:
        """Open the results file, to be begun later; raises UsageError for what can't be written."""
        if self.config.option.collectonly:
            return
        junit = self.config.getoption("xmlpath", None)
        for option, name, folder in (("--junitxml", junit, False), ("--pkt", self.options.pkt_folder, True)):
            if name and (why := refusal(Path(os.path.expandvars(name)), folder=folder)):
                raise pytest.UsageError(f"{option} {name}: can't be written: {why}")
        if self.options.results is None:
            return
        try:
            self.writer = ResultsWriter(
                self.options.results,
                command=_command_line(),
                level=str(self.options.level),
                shard=self.config.getoption("shard") or "",
            )
        except OSError as error:
            raise pytest.UsageError(f"--results {self.options.results}: can't be written: {error.strerror}") from None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Begin the results, where something is to be played."""
        self._begin(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Begin the results, where a worker of xdist has something to play."""
        self._begin(ids)

    def _begin(self, found: Sequence[object]) -> None:
        if self.writer is not None and found:
            self.writer.begin()

    @pytest.hookimpl(tryfirst=True)  # what the report says is settled before JUnit's XML takes it
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the verdict and write its line."""
        record = record_of(report)
        if record is None:
            return
        facts = record.get("facts")
        if facts is not None and facts["name"] not in self.matrix.facts:
            self.matrix.facts[facts["name"]] = facts
            if self.writer is not None:
                self.writer.target(facts)
        self._judged += 1
        self.matrix.add(record)
        case = Case(record, self.options.results or Path())
        if not case.as_expected(str(self.options.level)):
            self.unexpected.append(case)
            self._shorten(report, case)
        if self.writer is None:
            return
        text: str = report.tcpspec
        if facts is None and is_inert(text):
            self.writer.case_text(text)
        else:
            self.writer.case({name: value for name, value in record.items() if name != "facts"})

    def _shorten(self, report: pytest.TestReport, case: Case) -> None:
        """Leave the whole story to the first case of each kind, and the printing of all to the summary."""
        report._pdbshown = True  # type: ignore[attr-defined]  # pytest looks up the teardown of each in all reports
        kind = kinds.difference_of(case)
        fresh = kind not in self._told and len(self._told) < failures.SHOWN
        if fresh or self.options.every_failure:
            self._told.add(kind)
        elif isinstance(report.longrepr, str):
            report.longrepr = story.brief(case, self._facts().get(case.target, case.target))

    def _facts(self) -> dict[str, str]:
        return {name: f"{name} {facts['version']}" for name, facts in self.matrix.facts.items()}

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Remember which items came to their end: a crashed worker takes held-back reports with it."""
        self._finished.add(nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take what a worker of xdist counted."""
        output = getattr(node, "workeroutput", {})
        self._left_out = output.get(_LEFT_OUT, self._left_out)
        if self.scripts is not None and _SCRIPTS in output:
            self.scripts.add(*output[_SCRIPTS])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Close the results."""
        incomplete = exitstatus in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR)
        stopped = session.shouldstop or session.shouldfail or self.config.option.collectonly
        self.lost = 0 if incomplete or stopped else session.testscollected - len(self._finished)
        if self.lost > 0 and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        if self.writer is not None:
            self.writer.finish(
                collected=session.testscollected,
                interrupted=bool(incomplete or stopped or self.lost),
                seconds=time.monotonic() - self._started,
                left_out=self.left_out,
                came_to_nothing=exitstatus in _NOTHING and not self.config.getoption("shard"),
            )

    @property
    def left_out(self) -> dict[str, int]:
        """How many cases the command line did not choose, by reason."""
        counts = dict(self.collection.left_out) if self._left_out is None else dict(self._left_out)
        if self.config.getoption("tcpspec_for") and (missing := len(self._finished) - self._judged) > 0:
            counts[NOT_REACHED] = missing
        return counts

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the matrix per target, and why nothing ran where nothing did; tell GitHub where this runs there."""
        if self.lost > 0:
            terminalreporter.write_line(f"{self.lost} tests have no verdict: a worker is lost", red=True)
        if self.collection.unmatched:
            terminalreporter.write_line(self.collection.unmatched, red=True)
        if self._judged:
            self._print_verdicts(terminalreporter)
        if not self.config.option.collectonly:
            self._print_left_out(terminalreporter)
        if self._judged:
            self._tell_github(terminalreporter)
        _print_skipped(terminalreporter)
        if self.scripts is not None and self._judged:
            declared = "; --no-expectations writes what is declared too" if self.options.bundled else ""
            none = [] if self.unexpected else [f"no script is written, since all is as expected{declared}"]
            for line in none or self.scripts.sentences():
                terminalreporter.write_line(f"--pkt: {line}")
        if self.writer is not None and self._judged:
            terminalreporter.write_line(f"results: {self.writer.path}")

    def _print_verdicts(self, terminalreporter: Any) -> None:
        """Print ladders first and the lists last: what is on the screen at the end is the whole in short."""
        width = terminalreporter._tw.fullwidth if terminalreporter.isatty else failures.WIDE
        every, detailed = self.options.every_failure, self._wants_details()
        found = kinds.grouped(self.unexpected)
        lines = [""]
        if self.config.option.tbstyle not in ("no", "line"):
            lines += failures.ladders(found, self._facts(), width=width, every=every)
        colour = terminalreporter._tw.hasmarkup
        lines += self.matrix.render(width=width, colour=colour, detailed=detailed).splitlines()
        lines += failures.listing(found, width=width, every=every or detailed)
        if not self._is_run() and (cause := causes.common(self.unexpected)) is not None:
            lines.append(f"common cause: {cause}; --set-aside '{cause.segment}' looks behind it")
        for line in lines:
            terminalreporter.write_line(line)

    def _wants_details(self) -> bool:
        """Tell whether somebody asked for more with -v: `tcpspec run` begins with -q, pytest does not."""
        return bool(self.config.option.verbose >= (0 if self._is_run() else 1))

    def _is_run(self) -> bool:
        """Tell whether this is `tcpspec run`, and not plain pytest."""
        return bool(self.config.pluginmanager.has_plugin("harness.plugin.progress"))

    def _print_left_out(self, terminalreporter: Any) -> None:
        """Print what was not chosen; who names cases knows that the others are not, but not that some take time."""
        shown = Counter(self.left_out)
        if not self._judged or NOT_NAMED in shown or self.options.selection.cases:
            shown = Counter({reason: count for reason, count in shown.items() if reason.endswith(BY_TIMERS)})
        if shown:
            reasons = ", ".join(f"{count} {reason}" for reason, count in shown.most_common())
            terminalreporter.write_line(f"not chosen: {reasons}")

    def _tell_github(self, terminalreporter: Any) -> None:
        if self.config.getoption("among") or self.config.getoption("without"):
            return  # the run that this one looks into has told it
        if os.environ.get("GITHUB_ACTIONS") == "true":
            workspace = Path(os.environ.get("GITHUB_WORKSPACE", "."))
            for line in github.annotations(self.unexpected, self.config.rootpath, workspace):
                terminalreporter.write_line(line)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            try:
                with open(summary, "a", encoding="utf-8") as file:
                    file.write(github.summary(self.matrix, self.unexpected))
            except OSError as error:
                terminalreporter.write_line(f"GITHUB_STEP_SUMMARY: {summary}: {error.strerror}", red=True)


def _print_skipped(terminalreporter: Any) -> None:
    """Say why tests that are no cases were skipped, each reason once: those of cases stand in the matrix."""
    skipped = [report for report in terminalreporter.stats.get("skipped", ()) if not hasattr(report, "tcpspec")]
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped: {count} {'test' if count == 1 else 'tests'}: {reason}", yellow=True)


def _command_line() -> list[str]:
    return ["tcpspec" if Path(sys.argv[0]).name == "tcpspec" else Path(sys.argv[0]).name, *sys.argv[1:]]
