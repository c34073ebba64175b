"""What a results line says about a case."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.case.conversation import SET_UP, Conversation
from harness.case.runner import Outcome
from harness.case.selection import Case
from harness.case.verdict import Judgement, Verdict
from harness.case.violation import Finding, Level
from harness.trace import ladder

#: Verdicts whose ladder is kept in the results: everything that somebody may want to look into. Of timer cases it
#: always is, for the times in it.
_KEEP_LADDER = frozenset(Verdict) - {Verdict.CONFORMS, Verdict.NOT_APPLICABLE}


def case_record(case: Case, judgement: Judgement, outcome: Outcome, reproduce: str) -> dict[str, Any]:
    """Return the JSON-able record of a case; `harness.trace.schema` has its fields."""
    conversation = outcome.conversation
    record: dict[str, Any] = {
        "id": case.case_id,
        "target": case.binding.spec.text,
        "ip": case.binding.version,
        "verdict": str(judgement.verdict),
        "cites": list(case.meta.cites),
        "title": case.summary,
        "at": case.origin,
    }
    if case.meta.figure is not None:
        record["figure"] = case.meta.figure
    if case.meta.timer_s is not None:
        record["timer_s"] = case.meta.timer_s
    if judgement.reason:
        record["reason"] = judgement.reason
    if outcome.findings:
        record["findings"] = [finding.as_dict() for finding in outcome.findings]
        if judgement.finding in outcome.findings and judgement.finding is not _usual(outcome.findings):
            record["decides"] = outcome.findings.index(judgement.finding)
    if judgement.deviation is not None:
        record["source"] = judgement.deviation.source
        if judgement.deviation.issue:
            record["issue"] = judgement.deviation.issue
        record["declared"] = short_origin(judgement.deviation.origin)
    if judgement.changes:
        record["changes"] = {name: "has" if has else "lacks" for name, has in judgement.changes.items()}
    record["reproduce"] = reproduce
    if conversation is None:
        return record
    if conversation.replays:
        record["replays"] = conversation.replays
    if conversation.unobserved:
        record["unobserved"] = conversation.unobserved
    if conversation.other_course:
        record["other_course"] = conversation.other_course
    kept = judgement.verdict in _KEEP_LADDER
    events = conversation.events if kept else conversation.events[: conversation.told]
    if kept or case.meta.timer_s is not None:
        record["ladder"] = [event.as_dict(conversation.start_ns) for event in events]
    else:
        record["trace"] = [event.brief() for event in events]
        record["set_up"] = sum(event.step == SET_UP for event in events)
    if kept and outcome.evidence:
        record["ss"] = outcome.evidence
    return record


@lru_cache(maxsize=1024)
def short_origin(origin: str) -> str:
    """Return file and line of a declaration; the path from the package on where the file comes with the tool."""
    package = f"{Path(__file__).parents[2]}/"
    return origin.removeprefix(package)


def _usual(findings: Sequence[Finding]) -> Finding:
    """Return the finding that decides unless something is declared."""
    return next((finding for finding in findings if finding.level is Level.MUST), findings[0])


def text_ladder(conversation: Conversation, *, peer_states: bool = False) -> str:
    """Return the ladder of a conversation."""
    return ladder.render(conversation.events, peer_states=peer_states, start_ns=conversation.start_ns)
