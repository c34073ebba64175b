"""A comparison on the terminal."""

from rich.console import Console
from rich.text import Text

from harness.report.compare.differences import Change, Comparison
from harness.report.compare.groups import conclusion, grouped
from harness.report.runs import Column

#: Groups of one kind that are printed unless all are asked for.
SHOWN = 20
STYLES = {Change.WORSE: "bold red", Change.BETTER: "green", Change.DIFFERENT: "yellow", Change.INCOMPARABLE: "dim"}


def heading(column: Column) -> str:
    """Return what a column is, in a line: label, implementation, number of cases, time, file."""
    facts = column.facts
    what = f"{facts['implementation']} {facts['version']}" if facts else "a target without facts"
    whole = ", INCOMPLETE" if column.partial else ""
    return f"{column.label}: {what}, {len(column.cases)} cases{whole}, {column.run.started}, {column.run.place}"


def print_comparison(console: Console, comparison: Comparison, *, every: bool = False) -> None:
    """Print facts first, then what got worse, better, different; `every`: all groups, and the names of all cases."""
    console.print(Text("base  ", style="bold") + Text(heading(comparison.base)))
    console.print(Text("other ", style="bold") + Text(heading(comparison.other)))
    _print_facts(console, comparison)
    for change in Change:
        _print_change(console, comparison, change, every=every)
    console.print(Text(conclusion(comparison), style="bold red" if comparison.regressions else "bold"))


def _print_facts(console: Console, comparison: Comparison) -> None:
    """Print what both know and see differently, and the names of what only one knows."""
    known = [fact for fact in comparison.facts if fact.before and fact.after]
    if comparison.facts:
        console.print(Text("facts that differ:", style="bold"))
    width = max((len(fact.name) for fact in known), default=0)
    for fact in known:
        console.print(Text(f"  {fact.name:<{width}}  {fact.before} → {fact.after}"))
    for column, names in (
        (comparison.base, [fact.name for fact in comparison.facts if not fact.after]),
        (comparison.other, [fact.name for fact in comparison.facts if not fact.before]),
    ):
        if names:
            console.print(Text(f"  only of {column.label}: {', '.join(names)}", style="dim"))


def _print_change(console: Console, comparison: Comparison, change: Change, *, every: bool) -> None:
    differences = comparison.of(change)
    if not differences:
        return
    groups = sorted(grouped(differences), key=lambda group: not group.regression)
    console.print(Text(f"{change} ({len(differences)}):", style=STYLES[change]))
    for group in groups if every else groups[:SHOWN]:
        names = group.names if every else [group.title]
        for name in names:
            console.print(Text(f"  {name}", style="bold" if group.regression else ""))
        console.print(Text(f"      was {group.before}"))
        console.print(Text(f"      now {group.after}"))
        if group.regression:
            console.print(Text(f"      rules {', '.join(group.cites)}"))
    if not every and len(groups) > SHOWN:
        rest = sum(len(group.members) for group in groups[SHOWN:])
        console.print(Text(f"  … and {rest} more in {len(groups) - SHOWN} other ways; --all prints them"))
