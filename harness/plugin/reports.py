"""From outcomes to pytest's reports."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, cast

import pytest

from harness.case.conversation import Conversation
from harness.case.runner import Ending, Outcome, death_in, died, take_evidence, take_warnings
from harness.case.verdict import Judgement, Verdict
from harness.case.violation import Inconclusive, Unjudgeable, Violation
from harness.targets.protocol import TargetError, UnusableTarget
from harness.trace.results import as_text, inert, is_inert

#: Exceptions of which a verdict is made: its story takes the place of a traceback.
VERDICTS = (Violation, Inconclusive, Unjudgeable, TargetError, UnusableTarget)

Phase = Literal["setup", "call", "teardown"]


@dataclass(slots=True)
class Held:
    """The reports of an item that wait for the sweep."""

    item: pytest.Item
    reports: list[pytest.TestReport]
    timers: bool = False
    since: float = field(default_factory=time.monotonic)


def outcome_of(conversation: Conversation | None, error: BaseException | None) -> Outcome:
    """Return how a case ended."""
    death = death_in(error)
    if conversation is not None and death is not None:
        return died(conversation, death)
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
    if conversation is not None:
        take_warnings(conversation, outcome)
    return outcome


def with_evidence(outcome: Outcome) -> Outcome:
    """Return the outcome with the target's own text about the connections, which costs milliseconds."""
    conversation = outcome.conversation
    if conversation is not None:
        try:
            outcome.evidence = take_evidence(conversation)
        except TargetError as trouble:
            return Outcome(Ending.HARNESS_ERROR, str(trouble), conversation)
    return outcome


@contextlib.contextmanager
def in_words(call: pytest.CallInfo[None]) -> Iterator[None]:
    """Let pytest describe what a call raised by its message: it reads whole files for a traceback (0.1 s a case)."""
    raised = call.excinfo
    assert raised is not None
    words = pytest.fail.Exception(str(raised.value), pytrace=False).with_traceback(raised.tb)
    call.excinfo = pytest.ExceptionInfo.from_exception(words)
    try:
        yield
    finally:
        call.excinfo = raised


def report_of(
    item: pytest.Item,
    when: Phase,
    call: "pytest.CallInfo[None] | None" = None,
    outcome: Literal["passed", "failed", "skipped"] = "passed",
    longrepr: Any = None,
) -> pytest.TestReport:
    """Return the report of a phase."""
    # pytest 9.2 has the node's id as parts, of which it makes a text and these again.
    nodeid = getattr(item, "_id", item.nodeid)
    report = pytest.TestReport(nodeid, item.location, {item.name: 1}, outcome, longrepr, when)
    if call is not None:
        report.duration, report.start, report.stop = call.duration, call.start, call.stop
    return report


def deciding_report(held: Held, judgement: Judgement, *, surprise: bool) -> pytest.TestReport:
    """Return the report that carries the verdict; a harness error becomes an error instead of a failure."""
    by_phase = {report.when: report for report in held.reports}
    call = by_phase.get("call")
    if call is None:
        return by_phase["setup"]
    if surprise:
        return call
    if judgement.verdict in (Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE):
        if "teardown" not in by_phase:
            held.reports.append(report_of(held.item, "teardown"))
        held.reports.remove(call)
        return held.reports[-1]
    return call


def carry(report: pytest.TestReport, record: dict[str, Any]) -> None:
    """Have a report carry a case's record, as text: xdist takes plain built-in types only."""
    text = as_text(record)
    report.tcpspec = text  # type: ignore[attr-defined]
    _LAST[:] = [text, record] if is_inert(text) else []


#: What was carried last, in this process: what several plugins look at next need not be read from its text.
_LAST: list[Any] = []


def record_of(report: pytest.TestReport) -> dict[str, Any] | None:
    """Return the case record that a report carries, to be read and not changed; None where it has none."""
    text = getattr(report, "tcpspec", None)
    if text is None:
        return None
    return cast(dict[str, Any], _LAST[1]) if _LAST and _LAST[0] is text else _read(text)


@lru_cache(maxsize=1)  # several plugins look at one report, one after the other
def _read(text: str) -> dict[str, Any]:
    return cast(dict[str, Any], inert(text))


def write_verdict(report: pytest.TestReport, judgement: Judgement, story: str, expected: bool) -> None:
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
