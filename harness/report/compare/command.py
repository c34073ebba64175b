"""``tcpspec compare``: its command line, without running anything."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from harness.report.compare import data, history, history_page, markdown, page, text
from harness.report.compare.differences import Comparison, IncomparableRuns, compare, pairs
from harness.report.runs import BrokenResults, columns, load

USAGE_ERROR = 4
NOTHING_COMPARED = 5
FAIL_ON = ("regressions", "any", "never")

_WRITERS: dict[str, Callable[[Sequence[Comparison]], str]] = {
    "json": lambda comparisons: json.dumps(data.render(comparisons), indent=1, ensure_ascii=False) + "\n",
    "markdown": markdown.render,
    "html": page.render,
}


def parse(arguments: list[str]) -> argparse.Namespace | int:
    """Return the options, or an exit code. `results` are files, or `targets` and `rest` what to run first."""
    parser = _parser()
    try:
        options, rest = parser.parse_known_args(arguments)
        files = [] if options.target else [Path(word) for word in rest if not word.startswith("-")]
        unknown = [] if options.target else [word for word in rest if word.startswith("-")]
        if unknown:
            parser.error(f"unrecognized argument {unknown[0]} (options of the run need --target)")
        if options.target and len(set(options.target)) < 2:
            parser.error("name two targets or more: --target linux --target docker:linux")
        if not options.target and not files:
            parser.error("name results to compare, or targets: --target linux --target docker:linux")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    options.files, options.rest = files, rest
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpspec compare",
        usage="tcpspec compare [options] RESULTS…\n"
        "       tcpspec compare [options] --target A --target B [options of run]",
        description="Prints what differs between runs. The first is the base; exit code 1 if something got worse.",
        epilog="RESULTS are results.jsonl files, or folders with one.",
        allow_abbrev=False,
    )
    parser.add_argument("--target", action="append", default=[], help="run the cases on these first (repeatable)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where that run writes")
    parser.add_argument("--partial", action="store_true", help="take runs that did not come to their end")
    parser.add_argument("--fail-on", choices=FAIL_ON, default=FAIL_ON[0], help="exit code 1 on (default: %(default)s)")
    parser.add_argument(
        "--history", action="store_true", help="RESULTS are of many releases: print which behaviour began with which"
    )
    parser.add_argument("--all", action="store_true", help="print all differences, with the names of all cases")
    for name in _WRITERS:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"write the comparison as {name} too")
    return parser


def report(options: argparse.Namespace, console: Console) -> int:
    """Compare the files that the options name, print and write; return the exit code."""
    if options.history:
        return _report_history(options, console)
    try:
        comparisons = [compare(*pair) for pair in pairs(columns(load(options.files, partial=options.partial)))]
    except (BrokenResults, IncomparableRuns) as error:
        print(f"tcpspec compare: {error}", file=sys.stderr)
        return USAGE_ERROR
    for comparison in comparisons:
        text.print_comparison(console, comparison, every=options.all)
    for name, writer in _WRITERS.items():
        path: Path | None = getattr(options, name)
        if path is not None:
            try:
                path.write_text(writer(comparisons), encoding="utf-8")
            except OSError as error:
                print(f"tcpspec compare: {path}: {error.strerror}", file=sys.stderr)
                return USAGE_ERROR
    return exit_code(comparisons, options.fail_on)


def _report_history(options: argparse.Namespace, console: Console) -> int:
    if options.html is not None:
        print("tcpspec compare: --history writes --markdown and --json, no --html", file=sys.stderr)
        return USAGE_ERROR
    try:
        found = history.trace(columns(load(options.files, partial=options.partial)))
        history_page.print_history(console, found, every=options.all)
        if options.markdown is not None:
            options.markdown.write_text(history_page.render(found), encoding="utf-8")
        if options.json is not None:
            options.json.write_text(json.dumps(history_page.as_data(found), indent=1, ensure_ascii=False) + "\n")
    except (BrokenResults, IncomparableRuns) as error:
        print(f"tcpspec compare: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"tcpspec compare: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return 0


def exit_code(comparisons: Sequence[Comparison], fail_on: str) -> int:
    """Return 1 if there is what the run is to fail on, 5 if two runs have no case in common, else 0."""
    if not all(comparison.common for comparison in comparisons):
        print("tcpspec compare: the runs have no case in common", file=sys.stderr)
        return NOTHING_COMPARED
    failing = {
        "never": False,
        "any": any(comparison.differences for comparison in comparisons),
        "regressions": any(comparison.regressions for comparison in comparisons),
    }
    return 1 if failing[fail_on] else 0
