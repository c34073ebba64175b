"""``--tap`` and ``--ktap``: the run as TAP on standard output; what a person reads goes to standard error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.plugin.reports import record_of
from harness.report import tap
from harness.report.runs import Case

FORMATS: dict[str, Callable[[Sequence[Case], str], Iterator[str]]] = {"tap": tap.tap, "ktap": tap.ktap}


def declare(parser: pytest.Parser) -> None:
    """Declare the options."""
    add = parser.getgroup("tcpspec", "tcpspec: TCP conformance").addoption
    add("--tap", dest="tcpspec_tap", action="store_const", const="tap", help="print TAP 14 on standard output")
    add("--ktap", dest="tcpspec_tap", action="store_const", const="ktap", help="print KTAP, as kselftest does")


class Tap:
    """Keeps the verdicts, and prints them at the end."""

    def __init__(self, form: str, level: str) -> None:
        self._form = form
        self._level = level
        self._cases: list[Case] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Leave standard output to the tests' results."""
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter._tw._file = sys.stderr

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Keep a verdict."""
        record = record_of(report)
        if record is not None:
            self._cases.append(Case(record, Path()))

    def pytest_unconfigure(self) -> None:
        """Print."""
        for line in FORMATS[self._form](self._cases, self._level):
            print(line)
