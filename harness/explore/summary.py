"""What a run of `tcpspec explore` prints: the table of kinds, what is known, and the story of each kind of finding."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.explore import notation, pasted, shrinking
from harness.explore.choice import Choice
from harness.explore.findings import Found, Sort, Tally, sort_of
from harness.explore.playing import Player, Stage
from harness.explore.run import Generated
from harness.explore.transcript import Inexpressible
from harness.report import story
from harness.report.matrix import Matrix
from harness.report.runs import Case

#: So many kinds of finding are told.
TOLD = 10


def lines(tally: Tally, choice: Choice, stages: Sequence[Stage], *, verbose: bool) -> Iterator[str]:
    """Yield the table, what is declared (entry by entry where `verbose`), and what was left out."""
    matrix = Matrix(counts=tally.counts)
    yield from matrix.render(width=shutil.get_terminal_size((100, 0)).columns, colour=sys.stdout.isatty()).splitlines()
    if tally.known:
        yield from _known(tally) if verbose else (_known_in_brief(tally),)
    for reason, count in choice.left_out.most_common():
        yield f"left out: {count} {reason}"
    for stage in stages:
        if unexpected := tally.unexpected(stage.spec.text):
            conversations = sum(each.count for _sort, each in unexpected)
            yield f"{stage.spec.text}: {conversations} conversations with findings of {len(unexpected)} kinds"


def _known(tally: Tally) -> Iterator[str]:
    for origin, found in sorted(tally.known.items(), key=lambda item: -item[1].count):
        yield f"{found.count:7}  {origin}: {found.record.get('reason', '')}"


def _known_in_brief(tally: Tally) -> str:
    count, entries = sum(found.count for found in tally.known.values()), len(tally.known)
    deviations = "1 known deviation" if count == 1 else f"{count} known deviations"
    by = "1 entry" if entries == 1 else f"{entries} entries"
    return f"{deviations} by {by}, each as declared (-v lists them)"


def stories(stage: Stage, tally: Tally, seed: int) -> Iterator[str]:
    """Yield the story of each kind of finding on a target, each in its shortest form, the shortest first."""
    found = tally.unexpected(stage.spec.text)
    player = Player(stage)
    try:
        for sort, each in found[:TOLD]:
            yield _story(sort, each, player, seed)
    finally:
        player.close()
    if len(found) > TOLD:
        yield f"kinds of findings that are not told: {len(found) - TOLD}"


def _story(sort: Sort, found: Found, player: Player, seed: int) -> str:
    """Return ladder, rule, command, and the case to paste."""
    record, words = found.record, []
    short = None
    if sort.code and sort.verdict != "gone deviation":
        short = shrinking.shortest(player, notation.generated_from(record["title"]), sort, seed)
        again = player.play([short])[0] if short is not None else None
        if again is not None and sort_of(again).code == sort.code:
            record = again
        else:
            short = None
            words.append("  it did not show again when it was played alone")
    words += [f"  found by {found.record['id']}" + (f", and {found.count - 1} more" if found.count > 1 else "")]
    return "\n".join((told(record, player), "", *words, *(_pasted(player, short) if short is not None else ())))


def told(record: dict[str, Any], player: Player) -> str:
    """Return the story of a record."""
    stage = player.stage
    facts = f"{stage.spec.text} {player.facts['version']}".rstrip()
    return story.tell(Case(record, stage.results or Path()), facts)


def _pasted(player: Player, short: Generated) -> Iterator[str]:
    try:
        source = pasted.case_of(player, short)
    except Inexpressible as reason:
        yield f"  as a case of testcases/: none, {reason}"
        return
    yield "  as a case, to paste into testcases/:"
    yield ""
    yield from (f"    {line}".rstrip() for line in source.splitlines())


def replayed(record: dict[str, Any], player: Player, generated: Generated) -> str:
    """Return what came of one conversation that was asked for."""
    case = Case(record, Path())
    if case.findings:
        known = (f"  as declared in {case.declared}: {case.reason}", "") if case.declared else ()
        return "\n".join((told(record, player), "", *known, *_pasted(player, generated)))
    trace = "\n".join(f"  {line}" for line in case.trace)
    words = " ".join(filter(None, (f"{player.stage.spec.text} {player.facts['version']}: {case.verdict}", case.reason)))
    return f"{words}\n\n{trace}\n\n  again: {case.reproduce}"
