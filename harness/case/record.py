"""What a results line says about a case, and the text that a person reads about a failure."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.case.conversation import SET_UP, Conversation
from harness.case.runner import Outcome
from harness.case.selection import Case
from harness.case.verdict import Judgement, Verdict
from harness.case.violation import Finding
from harness.trace import ladder

#: A rule longer than this has a line of its own.
RULE_COLUMNS = 50
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
    if judgement.deviation is not None:
        record["source"] = judgement.deviation.source
        record["declared"] = short_origin(judgement.deviation.origin)
    record["reproduce"] = reproduce
    if conversation is None:
        return record
    if conversation.replays:
        record["replays"] = conversation.replays
    if conversation.unobserved:
        record["unobserved"] = conversation.unobserved
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


def explain_failure(record: dict[str, Any], judgement: Judgement, outcome: Outcome, facts: str, folder: Path) -> str:
    """Return the whole story of a case that is not as expected: rule, difference, ladder, state, command.

    `folder` is where the results are.
    """
    lines = list(_headline(record, judgement, facts))
    if outcome.conversation is not None and outcome.conversation.events:
        lines += ["", text_ladder(outcome.conversation)]
    for text in outcome.evidence:
        lines += ["", "  ss -tanoie:", *(f"    {line.rstrip()}" for line in text.splitlines() if line.strip())]
    if capture := record.get("pcap"):
        lines += ["", f"  capture: {os.path.relpath(folder / capture)}"]
    lines += ["", f"  again: {record.get('reproduce', '')}"]
    return "\n".join(lines)


def text_ladder(conversation: Conversation, *, peer_states: bool = False) -> str:
    """Return the ladder of a conversation."""
    return ladder.render(conversation.events, peer_states=peer_states, start_ns=conversation.start_ns)


def _headline(record: dict[str, Any], judgement: Judgement, facts: str) -> list[str]:
    finding = judgement.finding
    if finding is None or judgement.verdict is Verdict.GONE:
        title = f"{judgement.verdict}: {judgement.reason}"
        cited = ", ".join(record["cites"])
        lines = [f"  {title}", f"  {cited} · {facts}"]
        if judgement.deviation is not None:
            lines.append(f"  declared at {short_origin(judgement.deviation.origin)}")
        return lines
    verb = "send" if finding.expected[:1] == "<" or finding.expected == "nothing" else "show"
    subject = "be" if finding.expected.startswith("state ") else verb
    due = finding.expected.removeprefix("state ")
    what = f"the target {finding.level} {'send nothing' if due == 'nothing' else f'{subject} {due}'}"
    rule = f"{', '.join(finding.cites)} · {facts}"
    if len(rule) > RULE_COLUMNS:
        return [f"  {what}", f"    {_but(finding)}   [{finding.code}]", f"    {rule}"]
    return [f"  {what:<66} {rule}", f"    {_but(finding)}   [{finding.code}]"]


def _but(finding: Finding) -> str:
    if not finding.observed:
        return "but it sent nothing"
    if finding.expected.startswith("state "):
        return f"but it is {finding.observed}"
    sent = finding.observed.startswith("<")
    return f"but it sent {finding.observed}" if sent else f"but {finding.observed}"
