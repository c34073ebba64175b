"""What `tcpspec run` shows meanwhile instead of a dot per case: a bar on a terminal, a line per tenth elsewhere.

A plugin of its own (``-p harness.plugin.progress``), so that plain pytest looks as everybody knows it. There is no
thread: the bar is drawn when a case ends, because nothing may come between a segment and its answer.
"""

import time
from collections.abc import Generator
from typing import Any, cast

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from harness.plugin.items import stashed
from harness.plugin.tally import Tally

#: Times that the bar is drawn per second, at most.
DRAWS = 10
#: Fewer cases than this need no lines.
FEW = 200
STEPS = 10


class Plain:
    """A line per tenth of the cases."""

    def __init__(self, reporter: Any) -> None:
        self._reporter = reporter
        self._said = 0

    def show(self, done: int, total: int, words: str, *, now: bool = False) -> None:
        """Print how far the run is, if a tenth more is done, or `now`."""
        step = done * STEPS // total if total >= FEW else 0
        if step > self._said or now:
            self._said = step
            self._reporter.write_line(f"{done * 100 // total:3} %  {done} of {total}  {words}".rstrip())

    def close(self) -> None:
        """Nothing stays open."""


class Bar:
    """A bar that goes away at the end."""

    def __init__(self, reporter: Any) -> None:
        console = Console(file=reporter._tw._file, force_terminal=True)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
        )
        self._progress = Progress(
            *columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._task: TaskID | None = None
        self._drawn = 0.0

    def show(self, done: int, total: int, words: str, *, now: bool = False) -> None:
        """Draw the bar, unless it was just drawn."""
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task(words, total=total)
        moment = time.monotonic()
        if now or moment - self._drawn >= 1 / DRAWS:
            self._drawn = moment
            self._progress.update(self._task, completed=done, total=total, description=words)
            self._progress.refresh()

    def close(self) -> None:
        """Take the bar away and give the cursor back."""
        if self._task is not None:
            self._progress.stop()
            self._task = None


class Meanwhile:
    """Counts what has run and what was judged. Under xdist only the latter is seen, in batches."""

    def __init__(self, config: pytest.Config, reporter: Any) -> None:
        self._tally = cast("Tally", config.pluginmanager.get_plugin("tcpspec-tally"))
        self._display = Bar(reporter) if reporter.isatty else Plain(reporter)
        self._total = self._ran = self._judged = 0
        self._waiting = False
        reporter._show_progress_info = False  # pytest's own percentages stand behind dots

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn how many there are."""
        self._total = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn how many there are from a worker."""
        self._total = len(ids)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(self) -> Generator[None, tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        """Keep the category, which pytest counts, and print no letter."""
        category, _letter, _word = yield
        return category, "", ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Count what is no case; timer cases all begin with the first of them."""
        case = stashed(item)
        if case is not None and case.meta.timer_s is not None and not self._waiting:
            self._waiting = True
            self._show("timer cases, all at once", now=True)
        result = yield
        if case is None:
            self.pytest_tcpspec_played()
        return result

    def pytest_tcpspec_played(self) -> None:
        """Count a case that has run here."""
        self._ran += 1
        self._show()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a verdict."""
        if hasattr(report, "tcpspec"):
            self._judged += 1
            self._show()

    def _show(self, words: str = "", *, now: bool = False) -> None:
        if self._total:
            unexpected = len(self._tally.unexpected)
            bad = f"{unexpected} not as expected so far" if unexpected else ""  # the last batch is not judged yet
            done = max(self._ran, self._judged)
            self._display.show(done, self._total, ", ".join(filter(None, (words, bad))), now=now)

    def pytest_sessionfinish(self) -> None:
        """End the display, however the run ended."""
        self._display.close()

    def pytest_unconfigure(self) -> None:
        """End it also where the session did not come to its end."""
        self._display.close()


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Show progress, unless somebody wants to see every case, or what cases print."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    quiet = config.option.verbose <= 0 and config.getoption("capture") != "no"
    if reporter is not None and quiet and not hasattr(config, "workerinput") and not config.option.collectonly:
        config.pluginmanager.register(Meanwhile(config, reporter), "tcpspec-progress")
