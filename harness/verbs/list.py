"""The verb `list`: the cases as a tree."""

import sys

from harness.verbs import NOTHING_RAN, printing, starting

HELP = "print the cases as a tree, with the sections they cite"
USAGE = "tcpspec list [options of run that choose]"


def main(arguments: list[str]) -> int:
    """Print the cases as a tree."""
    code, collector = starting.collect(["--ip", "4", *arguments])
    if code:
        return code
    if not collector.items:
        print("no case is selected", file=sys.stderr)
        return NOTHING_RAN
    printing.print_tree([case for case, _item in collector.items])
    return 0
