"""``tcpspec declare``: its command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.declare import cells, scenarios
from harness.declare.entries import Entry, together
from harness.declare.update import update
from harness.expectations.entries import BrokenExpectations
from harness.report.runs import BrokenResults, Case, Column, columns, load

USAGE_ERROR = 4

_HEAD = """\
# What is known of {target}: {what}. Drafted by `tcpspec declare` from a run of {cases} cases.
# Say of each entry why it is so and where one can read it, in place of "?"; until then --drafts takes the file.
"""


def main(arguments: Sequence[str]) -> int:
    """Write or bring up to date an expectations file; return 0, 4 for what can't be done."""
    parser = argparse.ArgumentParser(
        prog="tcpspec declare",
        description="Drafts an expectations file from a run: what is not as expected, by pattern and range of cells.",
        epilog="example: tcpspec declare results -o my-stack.toml, then "
        "tcpspec run --target exec:./my-adapter --expectations my-stack.toml --drafts",
    )
    parser.add_argument("results", type=Path, metavar="RESULTS", help="a results.jsonl, or a folder with one")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--update", type=Path, metavar="FILE", help="drop entries of this file that no longer fire, add new drafts"
    )
    parser.add_argument("--target", help="of which target, where the run has several")
    try:
        options = parser.parse_args(arguments)
        if not options.output and not options.update:
            parser.error("name a file: -o FILE for a new one, --update FILE for one that is there")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        column = _chosen(columns(load([options.results])), options.target)
        return _update(column, options) if options.update else _draft(column, options.output)
    except (BrokenResults, BrokenExpectations, _Unusable) as error:
        print(f"tcpspec declare: {error}", file=sys.stderr)
    except OSError as error:
        print(f"tcpspec declare: {error.filename}: {error.strerror}", file=sys.stderr)
    return USAGE_ERROR


class _Unusable(ValueError):
    """What can't be declared; the message says what to do."""


def _chosen(found: Sequence[Column], name: str | None) -> Column:
    named = [column for column in found if name in (None, column.target)]
    if len(named) != 1:
        targets = ", ".join(column.target for column in found) or "none"
        raise _Unusable(f"name one target of the run with --target; it has {targets}")
    return named[0]


def _draft(column: Column, path: Path) -> int:
    if path.exists():
        raise _Unusable(f"{path} is there already; --update {path} keeps what people wrote in it")
    entries = entries_of(column)
    if not entries:
        raise _Unusable("everything is as expected in this run: there is nothing to declare")
    facts = column.facts
    what = f"{facts.get('implementation', '')} {facts.get('version', '')}"
    head = _HEAD.format(target=column.target, what=what, cases=len(column.cases))
    path.write_text(f"{head}\n{together(entries)}", encoding="utf-8")
    print(f"{path}: {len(entries)} entries for {_count(column)} cases; write a reason and a source for each")
    return 0


def _update(column: Column, options: argparse.Namespace) -> int:
    became = update(options.update, column)
    new = entries_of(column)
    text = became.text.rstrip("\n") + "\n"
    if added := [*became.drafts, *new]:
        text += "\n" + together(added)
    target = options.output or options.update
    target.write_text(text, encoding="utf-8")
    narrowed = f", {len(became.drafts)} narrowed" if became.drafts else ""
    print(f"{target}: {became.dropped} entries dropped{narrowed}, {len(new)} new drafts")
    return 0


def entries_of(column: Column) -> list[Entry]:
    """Return the drafts of a run: scenarios first, then ranges of cells."""
    wanted = [case for case in column.cases.values() if _wants_entry(case)]
    keys = {case.key for case in wanted}
    # An entry may cover what could not be run; everything else would be reported as gone.
    free = [case for case in column.cases.values() if case.key not in keys and case.verdict != "not applicable"]
    grid = [case for case in wanted if cells.is_segment_cell(case) and case.findings]
    in_grid = {case.key for case in grid}
    named = [case for case in wanted if case.key not in in_grid]
    return [*scenarios.drafts(named, free), *cells.drafts(grid, [*free, *named])]


def _wants_entry(case: Case) -> bool:
    """Tell whether a case shows something that is declared nowhere; a harness error is nothing to declare."""
    return case.verdict in ("violates", "inconclusive") or (case.verdict == "gone deviation" and bool(case.findings))


def _count(column: Column) -> int:
    return sum(_wants_entry(case) for case in column.cases.values())
