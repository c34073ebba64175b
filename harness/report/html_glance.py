"""The first page of the report: per target a line with a bar and a small state diagram, and what is wrong by kind."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from harness.report import diagram, kinds, ladder_svg, rungs, svg
from harness.report.compare.differences import Change, Comparison, IncomparableRuns, compare, pairs
from harness.report.compare.groups import PLURALS, grouped
from harness.report.diagram import Walked
from harness.report.html_data import LETTERS, SIGNS
from harness.report.runs import Case, Column
from harness.trace.schema import VERDICTS

#: Kinds that are told with a ladder; it says how many more there are.
TOLD = 20
#: And so many of them are open.
OPEN = 3
#: Groups of differences to a baseline that are named.
CHANGES = 3
_BAR, _HEIGHT, _LEAST = 640, 22, 3
#: From left to right: what is bad catches the eye first.
_ORDER = tuple(reversed(VERDICTS))


class Told(NamedTuple):
    """A kind with the drawing of its first case, if that began at all."""

    kind: kinds.Kind
    letter: str
    drawing: str
    first: Case
    ids: tuple[str, ...]


class Glance(NamedTuple):
    """What one target shows at a glance. `changes` are lines about what differs from a baseline."""

    label: str
    what: str
    bar: str
    small: str
    words: str
    unexpected: int
    kinds: tuple[Told, ...]
    untold: int
    changes: tuple[str, ...]


def glances(columns: Sequence[Column], walked: Sequence[Walked], baseline: Sequence[Column] = ()) -> list[Glance]:
    """Return a glance per column; raises IncomparableRuns for a baseline that has no such target."""
    return [_glance(column, walk, baseline) for column, walk in zip(columns, walked, strict=True)]


def _glance(column: Column, walk: Walked, baseline: Sequence[Column]) -> Glance:
    unexpected = [case for case in column.cases.values() if not case.as_expected(column.run.level)]
    found = kinds.grouped(unexpected)
    facts = column.facts
    counts = Counter(case.verdict for case in column.cases.values())
    words = ", ".join(f"{counts[name]:,} {SIGNS[LETTERS[name]][1]}" for name in _ORDER if counts[name])
    return Glance(
        column.label,
        f"{facts.get('implementation', '')} {facts.get('version', '')}".strip(),
        _bar(counts, words, len(unexpected)),
        diagram.small(walk, f"State diagram of {column.label}"),
        words,
        len(unexpected),
        tuple(_told(kind) for kind in found[:TOLD]),
        len(found) - min(len(found), TOLD),
        tuple(_changes(column, baseline)) if baseline else (),
    )


def _bar(counts: Counter[str], words: str, unexpected: int) -> str:
    """Return a bar whose parts are as long as their counts; what is there at all can be seen."""
    total = sum(counts.values()) or 1
    parts, x = [], 0.0
    for name in _ORDER:
        if counts[name]:
            width = max(_LEAST, counts[name] / total * _BAR)
            parts.append(f'<rect class="part-{LETTERS[name]}" x="{x:.1f}" width="{width:.1f}" height="{_HEIGHT}"/>')
            x += width
    title = f"{unexpected} not as expected: {words}" if unexpected else words
    return svg.printable(
        f'<svg class="bar" viewBox="0 0 {x:.1f} {_HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _told(kind: kinds.Kind) -> Told:
    case = kind.first
    ladder = rungs.of_record(case.record)
    title = f"{case.key.id} on {case.target}"
    drawing = ladder_svg.draw(ladder, title=title) if ladder.rungs else ""
    ids = tuple(dict.fromkeys(each.key.id for each in kind.cases))
    return Told(kind, LETTERS[kind.difference.verdict], drawing, case, ids)


def _changes(column: Column, baseline: Sequence[Column]) -> list[str]:
    (base, _other), *_rest = pairs([*baseline, column]) if len(baseline) == 1 else _of_name(column, baseline)
    comparison = compare(base, column)
    same = "1 case is the same" if comparison.same == 1 else f"{comparison.same:,} cases are the same"
    return [*_lines(comparison), same]


def _of_name(column: Column, baseline: Sequence[Column]) -> list[tuple[Column, Column]]:
    named = [base for base in baseline if base.target == column.target]
    if not named:
        raise IncomparableRuns(f"the baseline has no target {column.target}")
    return [(named[0], column)]


def _lines(comparison: Comparison) -> list[str]:
    lines = []
    for change in Change:
        differences = comparison.of(change)
        if differences:
            groups = grouped(differences)
            more = f" and {len(groups) - CHANGES} more groups" if len(groups) > CHANGES else ""
            named = "; ".join(group.title for group in groups[:CHANGES])
            lines.append(f"{len(differences)} {PLURALS[change]}: {named}{more}")
    return lines
