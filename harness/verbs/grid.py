"""The verb `grid`: the grid for other tools, its page, and its power."""

import argparse
import contextlib
import sys
from pathlib import Path

from harness.verbs import USAGE_ERROR

HELP = "export the grid of states and segments, or its documentation"


def main(arguments: list[str]) -> int:
    """Export the grid, or its documentation; or show what it can find."""
    from harness.grid import docs, export

    parser = argparse.ArgumentParser(prog="tcpspec grid", description="Writes the grid for other tools, or its page.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every cell with all allowed reactions")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="how to read a cell, open questions, deviations")
    parser.add_argument("--power", action="store_true", help="what it finds: wrong rules, targets that have not moved")
    if not arguments:
        arguments = ["--help"]
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    try:
        if options.json:
            print(f"{options.json}: {export.export(options.json)} cells")
        if options.markdown:
            docs.write(options.markdown)
    except OSError as error:
        print(f"tcpspec grid: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE_ERROR
    return _grid_power() if options.power else 0


def _grid_power() -> int:
    from harness.case.rig import Rig
    from harness.grid import power
    from harness.targets.namespace.target import LinuxTarget
    from harness.targets.protocol import UnusableTarget

    try:
        rig = Rig(LinuxTarget())
    except UnusableTarget as error:
        print(f"tcpspec grid: {error}", file=sys.stderr)
        return USAGE_ERROR
    with contextlib.closing(rig):
        print(power.prove(rig))
    return 0
