"""The story of a case that is not as expected, from its line in the results: rule, difference, ladder, command."""

import os
from collections.abc import Iterator

from harness.report.runs import Case
from harness.trace import ladder

#: The topic of packetdrill's scripts.
SCRIPTS = "pkt/"
#: A rule longer than this has a line of its own.
RULE_COLUMNS = 50


def tell(case: Case, facts: str) -> str:
    """Return the whole story; `facts` says what the target is, in a few words."""
    lines = list(_headline(case, facts))
    if case.ladder:
        lines += ["", ladder.render_record(case.ladder)]
    for text in case.ss:
        lines += ["", f"  {_source(case)}:", *(f"    {line.rstrip()}" for line in text.splitlines() if line.strip())]
    return "\n".join([*lines, *_references(case)])


def _source(case: Case) -> str:
    """Return where the evidence beside a ladder comes from: of a program that nobody knows there is its own output."""
    kind, _colon, rest = case.target.partition(":")
    program = kind in ("tap", "tun", "net") or (kind == "qemu" and " " in rest)
    return "what the program has written" if program else "ss -tanoie"


def brief(case: Case, facts: str) -> str:
    """Return the story without ladder and evidence, of a case whose kind was told already."""
    return "\n".join([*_headline(case, facts), *_references(case)])


def _references(case: Case) -> Iterator[str]:
    if case.pcap is not None:
        yield from ("", f"  capture: {os.path.relpath(case.pcap)}")
    yield from ("", f"  again: {case.reproduce}")


def _headline(case: Case, facts: str) -> Iterator[str]:
    finding = case.finding
    if finding is None or case.verdict in ("gone deviation", "unstable", "inconclusive", "harness error"):
        yield f"  {case.verdict}: {case.reason}"
        yield f"  {', '.join(case.record['cites'])} · {facts}"
        if case.declared:
            yield f"  declared at {case.declared}" + (f", {case.issue}" if case.issue else "")
        return
    if case.key.id.startswith(SCRIPTS):
        yield from _of_a_script(case, facts)
        return
    expected = str(finding["expected"])
    verb = "send" if expected[:1] == "<" or expected == "nothing" else "show"
    subject = "be" if expected.startswith("state ") else verb
    due = expected.removeprefix("state ")
    what = f"the target {finding['level']} {'send nothing' if due == 'nothing' else f'{subject} {due}'}"
    rule = f"{', '.join(finding['cites'])} · {facts}"
    if len(rule) > RULE_COLUMNS:
        yield from (f"  {what}", f"    {_but(case)}   [{case.code}]", f"    {rule}")
    else:
        yield from (f"  {what:<66} {rule}", f"    {_but(case)}   [{case.code}]")


def _of_a_script(case: Case, facts: str) -> Iterator[str]:
    """Say what a line of a script says, and what came instead: no rule stands behind it but the script."""
    finding = case.finding or {}
    yield f"  not as the script says: {finding['expected']}"
    yield f"    but {finding['observed'] or 'nothing came'}   [{case.code}]"
    yield f"    {', '.join(finding['cites'])} · {facts}"


def _but(case: Case) -> str:
    finding = case.finding or {}
    observed = str(finding.get("observed", ""))
    if not observed:
        return "but it sent nothing"
    if str(finding.get("expected", "")).startswith("state "):
        return f"but it is {observed}"
    return f"but it sent {observed}" if observed.startswith("<") else f"but {observed}"
