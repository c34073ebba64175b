"""A finding as a case in the vocabulary of `testcases/`, ready to paste.

Up to the finding it says what the target did, which the rules allow; there it demands what the project's reference
stack does in the same conversation. So it fails on the target that it was found on, and a sound stack passes it.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence

from harness.case import __all__ as VOCABULARY
from harness.case.violation import Code, Finding
from harness.explore.findings import without_numbers
from harness.explore.playing import REFERENCE, Player, Stage
from harness.explore.run import Generated
from harness.explore.talk import Talk
from harness.explore.transcript import Block, Inexpressible, Transcript
from harness.spec import citations, requirements
from harness.spec.history.world import PERIOD
from harness.targets.registry import parse


def case_of(player: Player, generated: Generated) -> str:
    """Return the source of a module with one case; raises Inexpressible with the reason why there is none."""
    talk, finding = _played(player, generated)
    if finding is None:
        raise Inexpressible("it did not show when it was played again")
    sound = Player(Stage(parse(REFERENCE), player.stage.ip))
    try:
        reference, trouble = _played(sound, generated)
    finally:
        sound.close()
    if trouble is not None:
        raise Inexpressible("the reference stack shows a finding in it too")
    exact = finding.code in (Code.LATE, Code.EARLY)
    return _source(Transcript(talk, exact=exact), Transcript(reference, exact=exact), finding)


def _played(player: Player, generated: Generated) -> tuple[Talk, Finding | None]:
    outcome, findings = player.findings(generated, late=True)
    return outcome.talk, findings[0] if findings else None


def _source(seen: Transcript, due: Transcript, finding: Finding) -> str:
    at = _where(seen.blocks, due.blocks, headers=finding.code is Code.WRONG_HEADER)
    ours = due.blocks[at]
    lines = _tidy(line for block in seen.blocks[:at] for line in (*block.lines, *block.demands))
    # The peer's numbers may count from the target's own window; what a call has to give is what the case is about.
    lines += [*(seen.blocks[at].lines if "peer" in ours.key else ours.lines), *ours.demands]
    if not ours.demands and seen.blocks[at].demands:
        lines.append(f"{ours.side or 'target'}.must_not_send()")
    if ours.state and ours.state != seen.blocks[at].state:
        lines.append(f"{ours.side}.must_be({ours.state.replace('-', '_')})")
    return "\n".join(_module(seen.with_beginnings(lines), seen, finding))


def _where(seen: Sequence[Block], due: Sequence[Block], *, headers: bool) -> int:
    """Return the block in which the two differ in what the finding is about; `headers` are looked at in all cases."""
    marked = next((at for at, block in enumerate(seen) if block.found), len(seen) - 1)
    if headers and marked < len(due) and _alike(seen[marked], due[marked]):
        return marked
    for at in range(marked, -1, -1):
        if at < len(due) and _alike(seen[at], due[at]) and _differ(seen[at], due[at]):
            return at
    for at, (one, other) in enumerate(zip(seen, due, strict=False)):
        if _differ(one, other) and _alike(one, other):
            return at
    raise Inexpressible("what differs is nothing that a case's verbs look at")


def _alike(one: Block, other: Block) -> bool:
    """Tell whether two stimuli are the same word of the plan: its numbers may count from the target's own."""
    return without_numbers(one.key) == without_numbers(other.key)


def _differ(one: Block, other: Block) -> bool:
    state = one.state != other.state and bool(one.state and other.state)
    called = "peer" not in one.key and one.lines != other.lines
    return called or one.demands != other.demands or state


def _tidy(lines: Iterable[str]) -> list[str]:
    """Leave out what is in a case's way: looks at an empty queue that the plan has only for its own ends."""
    return [line for line in lines if not line.endswith((".must_not_deliver()", ".accept_must_block()"))]


def _module(body: Sequence[str], transcript: Transcript, finding: Finding) -> Iterator[str]:
    body = [line for line in body if "Stopwatch" not in line or f"{line.split()[0]}." in "\n".join(body)]
    timed = any(line.startswith("yield") for line in body)
    names = names_in("\n".join(body)) | {"Peer", "Target", "cites"} | ({"timer"} if timed else set())
    if any("errno." in line for line in body):
        yield from ("import errno", "")
    yield f"from harness.case import {', '.join(sorted(names))}"
    if timed:
        yield "from harness.case.timers import Stopwatch, Waits"
    if largest := max(map(int, re.findall(r"DATA\[\d+:(\d+)\]", "\n".join(body))), default=0):
        yield from ("", f"DATA = bytes(range({PERIOD})) * {math.ceil(largest / PERIOD)}")
    yield from ("", "")
    if timed:
        yield f"@timer(seconds={max(1, math.ceil(transcript.seconds))})"
    yield f"@cites({', '.join(_quoted(each) for each in _cites(finding))})"
    yield f"def test_found_by_explore(target: Target, peer: Peer) -> {'Waits' if timed else 'None'}:"
    seen = f"{finding.code}: {finding.expected}, but {finding.observed or 'nothing came'}"
    yield f"    {_quoted(_cut(seen), mark='3')}"
    yield from (f"    {line}" for line in body)


def names_in(text: str) -> set[str]:
    """Return the names of the vocabulary that some source uses."""
    return set(re.findall(r"[A-Z][A-Z_0-9]+|Absolute|NO_FLAGS", text)) & set(VOCABULARY)


def _cites(finding: Finding) -> list[str]:
    found = []
    for text in finding.cites:
        try:
            citations.Citation.parse(text)
        except (citations.BadCitation, requirements.UnknownRequirement):
            continue
        found.append(text)
    return found or ["RFC 9293 §3.10.7"]


def _cut(text: str) -> str:
    words = " ".join(text.replace('"', "'").replace("\\", "/").split())
    return words if len(words) <= 108 else words[:107] + "…"


def _quoted(text: str, mark: str = "") -> str:
    return f'"""{text}."""' if mark else f'"{text}"'
