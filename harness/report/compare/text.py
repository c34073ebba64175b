"""A comparison on the terminal."""

import textwrap

from rich.console import Console
from rich.text import Text

from harness.report.compare.differences import Change, Comparison
from harness.report.compare.groups import conclusion, grouped
from harness.report.runs import Column

#: Groups of one kind that are printed unless all are asked for.
SHOWN = 20
#: How much further in a line begins that continues the one above.
HANGING = 4
STYLES = {Change.WORSE: "bold red", Change.BETTER: "green", Change.DIFFERENT: "yellow", Change.INCOMPARABLE: "dim"}


def heading(column: Column) -> str:
    """Return what a column is, in a line: label, implementation, number of cases, time, file."""
    facts = column.facts
    what = f"{facts['implementation']} {facts['version']}" if facts else "a target without facts"
    whole = ", INCOMPLETE" if column.partial else ""
    return f"{column.label}: {what}, {len(column.cases)} cases{whole}, {column.run.started}, {column.run.place}"


def print_comparison(console: Console, comparison: Comparison, *, every: bool = False) -> None:
    """Print facts first, then what got worse, better, different; `every`: all groups, and the names of all cases."""
    _say(console, f"base  {heading(comparison.base)}")
    _say(console, f"other {heading(comparison.other)}")
    _print_facts(console, comparison)
    for change in Change:
        _print_change(console, comparison, change, every=every)
    _say(console, conclusion(comparison), style="bold red" if comparison.regressions else "bold")


def _say(console: Console, text: str, *, indent: int = 0, style: str = "") -> None:
    """Print a text in as many lines as it needs; those behind the first begin further in, so that one sees the next."""
    lines = textwrap.wrap(
        text,
        console.width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + HANGING),
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _print_facts(console: Console, comparison: Comparison) -> None:
    """Print what both know and see differently, and the names of what only one knows."""
    known = [fact for fact in comparison.facts if fact.before and fact.after]
    if comparison.facts:
        console.print(Text("facts that differ:", style="bold"))
    width = max((len(fact.name) for fact in known), default=0)
    for fact in known:
        _say(console, f"{fact.name:<{width}}  {fact.before} → {fact.after}", indent=2)
    for column, names in (
        (comparison.base, [fact.name for fact in comparison.facts if not fact.after]),
        (comparison.other, [fact.name for fact in comparison.facts if not fact.before]),
    ):
        if names:
            _say(console, f"only of {column.label}: {', '.join(names)}", indent=2, style="dim")


def _print_change(console: Console, comparison: Comparison, change: Change, *, every: bool) -> None:
    differences = comparison.of(change)
    if not differences:
        return
    groups = sorted(grouped(differences), key=lambda group: not group.regression)
    console.print(Text(f"{change} ({len(differences)}):", style=STYLES[change]))
    for group in groups if every else groups[:SHOWN]:
        names = group.names if every else [group.title]
        for name in names:
            _say(console, name, indent=2, style="bold" if group.regression else "")
        _say(console, f"was {group.before}", indent=6)
        _say(console, f"now {group.after}", indent=6)
        if group.regression and group.cites:
            _say(console, f"rules {', '.join(group.cites)}", indent=6)
    if not every and len(groups) > SHOWN:
        rest = sum(len(group.members) for group in groups[SHOWN:])
        console.print(Text(f"  … and {rest} more in {len(groups) - SHOWN} other ways; --all prints them"))
