"""What a run of `tcpspec explore` prints: the table of kinds, what is known, and the story of each kind of finding."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.explore.choice import Choice
from harness.explore.findings import Found, Sort, Tally
from harness.explore.playing import Stage
from harness.report import story
from harness.report.matrix import Matrix
from harness.report.runs import Case

#: So many kinds of finding are told.
TOLD = 10


def lines(tally: Tally, choice: Choice, stages: Sequence[Stage]) -> Iterator[str]:
    """Yield the table, what is declared, and what was left out."""
    matrix = Matrix(counts=tally.counts)
    yield from matrix.render(width=shutil.get_terminal_size((100, 0)).columns, colour=sys.stdout.isatty()).splitlines()
    for origin, found in sorted(tally.known.items(), key=lambda item: -item[1].count):
        yield f"{found.count:7}  {origin}: {found.record.get('reason', '')}"
    for reason, count in choice.left_out.most_common():
        yield f"left out: {count} {reason}"
    for stage in stages:
        if unexpected := tally.unexpected(stage.spec.text):
            conversations = sum(each.count for _sort, each in unexpected)
            yield f"{stage.spec.text}: {conversations} conversations with findings of {len(unexpected)} kinds"


def stories(stage: Stage, tally: Tally, seed: int) -> Iterator[str]:
    """Yield the story of each kind of finding on a target, the shortest first."""
    found = tally.unexpected(stage.spec.text)
    for sort, each in found[:TOLD]:
        yield _story(sort, each, stage)
    if len(found) > TOLD:
        yield f"kinds of findings that are not told: {len(found) - TOLD}"


def _story(sort: Sort, found: Found, stage: Stage) -> str:
    case = Case(found.record, stage.results or Path())
    others = f"  {found.count - 1} more of its kind" if found.count > 1 else ""
    return "\n".join(filter(None, (case.key.id, story.tell(case, stage.spec.text), others)))


def replayed(record: dict[str, Any], facts: str, stage: Stage) -> str:
    """Return what came of one conversation that was asked for."""
    case = Case(record, stage.results or Path())
    if case.findings:
        return story.tell(case, facts)
    trace = "\n".join(f"  {line}" for line in case.trace)
    return f"{facts}: {case.verdict} {case.reason}\n\n{trace}\n\n  again: {case.reproduce}"
