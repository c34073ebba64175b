"""``tcpspec matrix``: one table over runs, groups of cases × targets, and in each field what came of them."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import markdown, stacks_page
from harness.report.matrix import VERDICTS
from harness.report.runs import BrokenResults, Column, columns, load

USAGE_ERROR = 4
_STYLES = {verdict: style for verdict, _title, style in VERDICTS}
_WORDS = {verdict: title for verdict, title, _style in VERDICTS}


def main(arguments: list[str], console: Console) -> int:
    """Print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tcpspec matrix", description="Prints one table: groups of cases × targets, over one or several runs."
    )
    parser.add_argument("results", nargs="+", type=Path, help="results.jsonl files, or folders with one")
    parser.add_argument("--partial", action="store_true", help="take runs that did not come to their end")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write a page with a row per target, and times")
    parser.add_argument("--note", default="", metavar="TEXT", help="what the page is to say of the runs besides")
    try:
        options = parser.parse_args(arguments)
        found = columns(load(options.results, partial=options.partial))
        print_table(console, found)
        if options.markdown:
            options.markdown.write_text(as_markdown(found), encoding="utf-8")
        if options.page:
            options.page.write_text(stacks_page.render(found, options.note), encoding="utf-8")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    except BrokenResults as error:
        print(f"tcpspec matrix: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"tcpspec matrix: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return 0


def counts(found: Sequence[Column]) -> dict[str, list[Counter[str]]]:
    """Return group -> for each column how many cases came to which verdict; the last group is "all"."""
    table: dict[str, list[Counter[str]]] = {}
    for at, column in enumerate(found):
        for case in column.cases.values():
            for group in (case.group, "all"):
                table.setdefault(group, [Counter() for _ in found])[at][case.verdict] += 1
    return {group: table[group] for group in (*sorted(table.keys() - {"all"}), "all") if group in table}


def words(count: Counter[str]) -> list[tuple[str, str]]:
    """Return a field in words, each with its verdict: how many conform, and of the others those there are."""
    shown = [(verdict, f"{count[verdict]} {_WORDS[verdict]}") for verdict in _WORDS if count[verdict]]
    return [(verdict, text.removesuffix(" conforms")) for verdict, text in shown]


def title(column: Column) -> str:
    """Return the heading of a column: its label, and whether the run is incomplete."""
    return column.label + (" (INCOMPLETE)" if column.partial else "")


def print_table(console: Console, found: Sequence[Column]) -> None:
    """Print the table; a number without a word counts cases that conform."""
    table = Table(box=None, pad_edge=False)
    table.add_column("topic")
    for column in found:
        table.add_column(Text(title(column)))
    for group, row in counts(found).items():
        table.add_row(group, *map(_field, row), style="bold" if group == "all" else "")
    console.print(table)
    for column in found:
        facts = column.facts
        if facts:
            console.print(Text(f"{column.label}: {facts['implementation']} {facts['version']}, {column.run.place}"))


def _field(count: Counter[str]) -> Text:
    shown = [Text(text, style=_STYLES[verdict]) for verdict, text in words(count)]
    return Text(", ").join(shown) if shown else Text("·", style="dim")


def as_markdown(found: Sequence[Column]) -> str:
    """Return the table as Markdown."""
    titles = ["topic", *(markdown.code(title(column)) for column in found)]
    rows = [
        [markdown.code(group), *(", ".join(text for _verdict, text in words(count)) or "·" for count in row)]
        for group, row in counts(found).items()
    ]
    return "\n".join(markdown.table(titles, rows)) + "\n"
