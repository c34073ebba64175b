"""The command `tcpspec report`: results in, one HTML file out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.report import badge, html, runs
from harness.report.compare.differences import IncomparableRuns

USAGE_ERROR = 4
#: Where `tcpspec run` writes unless told otherwise.
RESULTS = Path("results")


def main(arguments: Sequence[str]) -> int:
    """Write the report; return 0, or 4 if a run can't be believed or the file can't be written."""
    parser = argparse.ArgumentParser(
        prog="tcpspec report", description="Writes one HTML file of one or several runs; it needs no network."
    )
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="files or folders (default: results)")
    parser.add_argument("-o", "--output", type=Path, default=Path("report.html"), metavar="FILE")
    parser.add_argument("--baseline", type=Path, metavar="RESULTS", help="say what changed since this run")
    parser.add_argument("--partial", action="store_true", help="take incomplete runs too, and say so everywhere")
    parser.add_argument("--badge", type=Path, metavar="FILE", help="write a badge too: .svg, or .json for shields.io")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    if not options.results and not RESULTS.exists():
        print("tcpspec report: there is no folder results here; `tcpspec run` writes one", file=sys.stderr)
        return USAGE_ERROR
    try:
        shown = runs.load(options.results or [RESULTS], partial=options.partial)
        if options.badge is not None:
            badge.write(options.badge, runs.columns(shown))
        baseline = runs.load([options.baseline], partial=options.partial) if options.baseline else []
        size = html.write(options.output, shown, baseline)
    except (runs.BrokenResults, badge.UnknownBadge, IncomparableRuns) as error:
        print(f"tcpspec report: {error}", file=sys.stderr)
        return USAGE_ERROR
    except OSError as error:
        print(f"tcpspec report: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    print(f"{options.output}: {size / 1e6:.1f} MB, {sum(len(run.cases) for run in shown):,} verdicts")
    return 0
