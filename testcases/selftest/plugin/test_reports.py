"""What pytest is told of an exception that becomes a verdict."""

import pytest

from harness.case.violation import Inconclusive
from harness.plugin.reports import in_words


def never_reached() -> None:
    raise Inconclusive("the handshake failed")


def test_a_verdict_is_described_by_its_words_and_remains_the_exception_that_it_was(
    request: pytest.FixtureRequest,
) -> None:
    call = pytest.CallInfo.from_call(never_reached, "setup")
    raised = call.excinfo
    with in_words(call):
        report = pytest.TestReport.from_item_and_call(request.node, call)
    assert str(report.longrepr) == "the handshake failed"
    assert call.excinfo is raised
