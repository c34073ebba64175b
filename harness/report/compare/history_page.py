"""A history as text, as a page of Markdown, and as data."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import markdown
from harness.report.compare.history import MARKS, History, Line

#: Names of cases that stand in a line; it says how many more there are.
NAMED = 3
IN_PART = "½"
_LEGEND = f"{MARKS['has']} has it, {MARKS['lacks']} lacks it, {IN_PART} in part, {MARKS['not seen']} no case showed it"


def print_history(console: Console, history: History, *, every: bool = False) -> None:
    """Print the releases with their verdicts, the known changes, and what changed when."""
    rows = list(history.counts())
    table = Table(box=None, pad_edge=False)
    table.add_column("release")
    for name in rows[0][1]:
        table.add_column(name, justify="right")
    for release, counts in rows:
        table.add_row(release, *(str(count or "·") for count in counts.values()))
    console.print(table)
    if found := history.changes():
        console.print(Text(f"known changes ({_LEGEND}):", style="bold"))
        for change, words in found:
            marks = (
                f"{release} {MARKS.get(word, IN_PART)}" for release, word in zip(history.releases, words, strict=True)
            )
            console.print(Text(f"  {change.name}: {'  '.join(marks)}"), soft_wrap=True)
    console.print(Text("what changed, and when:", style="bold"))
    for line in history.lines:
        console.print(Text(f"  {_names(line, every=every)}"), soft_wrap=True)
        for behaviour in line.behaviours:
            console.print(Text(f"      {history.ranges(behaviour.releases)}: {behaviour.shown}"), soft_wrap=True)
    changed = sum(len(line.keys) for line in history.lines)
    console.print(
        Text(f"changed: {changed} verdicts, in {len(history.lines)} ways; unchanged: {history.same}", style="bold")
    )


def _names(line: Line, *, every: bool = False) -> str:
    names = line.names if every else line.names[:1]
    rest = len(line.names) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def render(history: History) -> str:
    """Return the page."""
    return "\n".join(_page(history)) + "\n"


def _page(history: History) -> Iterator[str]:
    implementation = history.columns[0].facts["implementation"]
    yield f"# What {implementation} changed, release by release"
    yield ""
    yield f"`tcpspec compare --history RESULTS… --markdown FILE`, of {len(history.columns)} releases."
    yield ""
    yield "## Verdicts"
    yield ""
    rows = list(history.counts())
    yield from markdown.table(
        ("release", "run", *rows[0][1]),
        (
            [release, ran, *(str(count or "·") for count in counts.values())]
            for (release, counts), ran in zip(rows, history.ran(), strict=True)
        ),
    )
    if found := history.changes():
        yield from ("", "## Known changes of behaviour", "", f"{_LEGEND}.", "")
        yield from markdown.table(
            ("change", *history.releases),
            ([markdown.code(change.name), *(MARKS.get(word, IN_PART) for word in words)] for change, words in found),
        )
        yield ""
        for change, _words in found:
            yield f"* {markdown.code(change.name)}: {change.now} Before: {change.was} Came with {change.reached}."
    yield from ("", "## What changed, and when", "")
    told = [line for line in history.lines if line.breaks_a_rule]
    for line in told:
        yield f"* {', '.join(map(markdown.code, line.names[:NAMED]))}" + (
            f" and {len(line.names) - NAMED} more" if len(line.names) > NAMED else ""
        )
        for behaviour in line.behaviours:
            yield f"  * {history.ranges(behaviour.releases)}: {markdown.code(behaviour.shown)}"
    changed, shown = (sum(len(line.keys) for line in lines) for lines in (history.lines, told))
    yield ""
    yield (
        f"Changed: {shown} verdicts, in {len(told)} ways. {changed - shown} others differ, and "
        f"conform all the same (`tcpspec compare --history` prints them). Unchanged: {history.same}."
    )


def as_data(history: History) -> dict[str, Any]:
    """Return the history as JSON-able data."""
    return {
        "releases": [{"release": release, **counts} for release, counts in history.counts()],
        "changes": [
            {"name": change.name, "was": change.was, "now": change.now, "seen": words}
            for change, words in history.changes()
        ],
        "history": [
            {
                "cases": [{"id": key.id, "ip": key.ip} for key in line.keys],
                "behaviours": [
                    {"shown": behaviour.shown, "releases": [history.releases[place] for place in behaviour.releases]}
                    for behaviour in line.behaviours
                ],
            }
            for line in history.lines
        ],
        "same": history.same,
    }
