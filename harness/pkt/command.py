"""``tcpspec pkt coverage PATH…``: what scripts use, and where they can be played."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.pkt import coverage
from harness.pkt.support import Traits, traits_of
from harness.targets import registry
from harness.targets.protocol import UnusableTarget

AS_EXPECTED, USAGE, NOTHING_RAN = 0, 4, 5
TARGETS = ("linux", "reference")


def main(arguments: Sequence[str]) -> int:
    """Run the verb; return the exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as leave:
        return USAGE if leave.code else AS_EXPECTED
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        return _refuse(f"{missing[0]}: there is no such file or folder")
    if not coverage.files_of(options.paths):
        print(f"tcpspec pkt: there is no script (*.pkt) in {options.paths[0]}", file=sys.stderr)
        return NOTHING_RAN
    try:
        targets = {text: _traits(text) for text in dict.fromkeys(options.target or TARGETS)}
    except UnusableTarget as error:
        return _refuse(str(error))
    print(coverage.text(coverage.measure(options.paths, targets), every=options.all))
    return AS_EXPECTED


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="tcpspec pkt", description="packetdrill's scripts: what they use, and where.")
    verbs = made.add_subparsers(dest="verb", required=True, metavar="VERB")
    told = verbs.add_parser("coverage", help="which constructs the scripts use, and which can be played on a target")
    told.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="scripts, and folders of them")
    told.add_argument("--target", action="append", metavar="TARGET", help=f"default: {' and '.join(TARGETS)}")
    told.add_argument("--all", action="store_true", help="print every construct, and every script that can't be read")
    return made


def _traits(text: str) -> Traits:
    target = registry.open_target(registry.parse(text), registry.Settings(), as_found=True)
    with contextlib.closing(target):
        return traits_of(target)


def _refuse(message: str) -> int:
    print(f"tcpspec pkt: {message}", file=sys.stderr)
    return USAGE
