"""``tcpspec coverage``: its command line, without collecting anything."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from harness.report import by_catalogue, coverage
from harness.spec.citations import Citation
from harness.trace import results

USAGE_ERROR = 4
#: Where `tcpspec run` writes unless told otherwise.
RESULTS = Path("results")

#: All cases with what they cite; an exit code that is not 0 has said why there are none.
Cited = Mapping[str, Sequence[Citation]]
Collect = Callable[[], tuple[int, Cited]]


def main(arguments: Sequence[str], console: Console, collect: Collect) -> int:
    """Print the table; exit code 1 if something that should have a case has none."""
    parser = argparse.ArgumentParser(
        prog="tcpspec coverage",
        description="Prints requirement, cases and verdict, and why the others have no case; or another suite's cases.",
        epilog="`tcpspec coverage --lines` prints which lines of lwIP's TCP the suite executes instead.",
    )
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="runs (default: results, if there)")
    parser.add_argument(
        "--by", choices=(*by_catalogue.CATALOGUES, by_catalogue.RFC), help="by another suite's cases, or by section"
    )
    parser.add_argument("--all", action="store_true", help="name all cases")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="with --by: write the table as Markdown too")
    try:
        options = parser.parse_args(arguments)
        if options.markdown and not options.by:
            parser.error("--markdown needs --by")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    paths = options.results or ([RESULTS] if (RESULTS / results.FILE_NAME).exists() else [])
    try:
        runs = [results.read(path) for path in paths]
    except results.BrokenResults as error:
        print(f"tcpspec coverage: {error}", file=sys.stderr)
        return USAGE_ERROR
    for run in runs:
        if not run.complete:
            print(f"{run.path}: an incomplete run (it has no footer)", file=sys.stderr)
    code, cited = collect()
    if code:
        return code
    if options.by:
        return _by(options, cited, runs, console)
    table = coverage.rows(
        {name: {each.requirement for each in citations if each.requirement} for name, citations in cited.items()}, runs
    )
    coverage.print_table(console, table, every=options.all)
    return 1 if any(row.is_gap for row in table) else 0


def _by(options: argparse.Namespace, cited: Cited, runs: Sequence[results.Results], console: Console) -> int:
    items = by_catalogue.of_sections(cited) if options.by == by_catalogue.RFC else by_catalogue.load(options.by)
    table = by_catalogue.lines(items, cited, runs)
    targets = list(dict.fromkeys(facts["name"] for run in runs for facts in run.targets))
    by_catalogue.print_table(console, table, targets)
    if options.markdown:
        try:
            options.markdown.write_text(by_catalogue.as_markdown(table, targets), encoding="utf-8")
        except OSError as error:
            print(f"tcpspec coverage: {options.markdown}: {error.strerror}", file=sys.stderr)
            return USAGE_ERROR
    return 1 if any(line.is_gap for line in table) else 0
