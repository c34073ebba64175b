"""What the selftests want of pytest besides the plugin, which comes with the package."""

import os
import signal
from collections.abc import Generator
from typing import Any

import pytest

#: Set where everything is installed, as in this project's own CI: a test that is skipped there has failed.
MUST_RUN = "TCPSPEC_ALL_MUST_RUN"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's job in the background; tests interrupt runs of theirs
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a skip, where nothing may be skipped."""
    report = yield
    if os.environ.get(MUST_RUN) and report.skipped and not hasattr(report, "wasxfail"):
        why: Any = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{MUST_RUN} is set, and this did not run. {why}"
    return report
