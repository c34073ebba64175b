"""What a results line says about a case, and the text that a person reads about a failure."""

import os
from pathlib import Path
from typing import Any

from harness.case.conversation import Conversation
from harness.case.runner import Outcome
from harness.case.verdict import Judgement, Verdict
from harness.case.violation import Finding
from harness.trace import ladder

#: A rule longer than this has a line of its own.
RULE_COLUMNS = 50
#: Verdicts whose ladder is kept in the results: everything that somebody may want to look into.
_KEEP_LADDER = frozenset(Verdict) - {Verdict.CONFORMS, Verdict.NOT_APPLICABLE}


def case_record(
    case_id: str, target: str, ip: int, judgement: Judgement, outcome: Outcome, cites: tuple[str, ...], reproduce: str
) -> dict[str, Any]:
    """Return the JSON-able record of a case."""
    conversation = outcome.conversation
    record: dict[str, Any] = {
        "id": case_id,
        "target": target,
        "ip": ip,
        "verdict": str(judgement.verdict),
        "cites": list(cites),
    }
    if judgement.reason:
        record["reason"] = judgement.reason
    if outcome.findings:
        record["findings"] = [finding.as_dict() for finding in outcome.findings]
    if judgement.deviation is not None:
        record["source"] = judgement.deviation.source
        record["declared"] = judgement.deviation.origin
    if conversation is None:
        return record
    if conversation.replays:
        record["replays"] = conversation.replays
    if conversation.unobserved:
        record["unobserved"] = conversation.unobserved
    if judgement.verdict in _KEEP_LADDER:
        record["ladder"] = [event.as_dict(conversation.start_ns) for event in conversation.events]
        record["reproduce"] = reproduce
        if outcome.evidence:
            record["ss"] = outcome.evidence
    return record


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
            lines.append(f"  declared at {judgement.deviation.origin}")
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
