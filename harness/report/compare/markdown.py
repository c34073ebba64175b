"""Comparisons as Markdown, for a step summary or a comment. What comes from a run stands in code spans: it is inert."""

from collections.abc import Iterator, Sequence

from harness.report.compare.differences import Change, Comparison
from harness.report.compare.groups import Group, conclusion, grouped
from harness.report.compare.text import SHOWN, heading
from harness.report.markdown import code, table


def render(comparisons: Sequence[Comparison]) -> str:
    """Return all comparisons, one below the other."""
    return "\n".join(line for comparison in comparisons for line in _comparison(comparison)) + "\n"


def _comparison(comparison: Comparison) -> Iterator[str]:
    yield f"## {code(comparison.base.label)} → {code(comparison.other.label)}"
    yield ""
    if comparison.partial:
        yield "**Incomplete:** at least one of the two runs did not come to its end."
        yield ""
    yield conclusion(comparison)
    yield ""
    yield f"* base: {code(heading(comparison.base))}"
    yield f"* other: {code(heading(comparison.other))}"
    yield ""
    if comparison.facts:
        yield from table(
            ("fact", "base", "other"),
            (
                [code(entry) if entry else "" for entry in (fact.name, fact.before, fact.after)]
                for fact in comparison.facts
            ),
        )
        yield ""
    for change in Change:
        yield from _change(comparison, change)


def _change(comparison: Comparison, change: Change) -> Iterator[str]:
    differences = comparison.of(change)
    if not differences:
        return
    yield f"### {change}: {len(differences)}"
    yield ""
    for group in grouped(differences):
        worse = " **worse**" if group.regression else ""
        yield f"* was {code(group.before)}, now {code(group.after)}{worse}: {_names(group)}"
    yield ""


def _names(group: Group) -> str:
    """Return the names of the cases; of those that could not be compared only some, since they can be thousands."""
    if any(member.change is not Change.INCOMPARABLE for member in group.members):
        return ", ".join(map(code, group.names))
    rest = len(group.names) - SHOWN
    return ", ".join(map(code, group.names[:SHOWN])) + (f" and {rest} more" if rest > 0 else "")
