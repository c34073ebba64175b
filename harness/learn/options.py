"""The options of `tcpspec learn`. They can be read, and printed, where AALpy is not installed."""

import argparse
import re
import sys
from pathlib import Path
from typing import NoReturn

from harness.learn.alphabet import ROLES, TIMES

DEFAULT_OUTPUT = Path("results", "learn")
ROLE, ALPHABET, IP = "server", "small", 4
#: So many random Wp tests are made besides, where nothing else is asked for.
RANDOM = 20_000
#: More letters in the middle are billions of tests, of the smallest alphabet too.
MOST_K = 4


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in a sentence."""

    def error(self, message: str) -> NoReturn:
        """Leave, with the sentence."""
        print(f"{self.prog}: {message}; {self.prog} --help has all of them", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    found = Parser(
        prog="tcpspec learn",
        description="Learns what a stack really does, as a machine: its states, and what each answers to each letter.",
    )
    add = found.add_argument
    add("--target", metavar="TARGET", help="the target (default: linux, or that of the machine)")
    add("--role", choices=ROLES, help=f"what is asked for (default: {ROLE})")
    add("--alphabet", metavar="small|usual|full|FILE", help=f"the letters (default: {ALPHABET})")
    add("--time", action="append", choices=tuple(TIMES), help="a letter that lets time pass, in virtual time only")
    add("--ip", type=int, choices=(4, 6), help="the IP version (default: 4)")
    add("--states", action=argparse.BooleanOptionalAction, help="demand visible states, or learn without them")
    add("--k", type=_few, metavar="N", help="Wp tests with N letters in the middle (default: 1, 0 if they are many)")
    add("--random", type=_number, metavar="N", help=f"random Wp tests besides (default: {RANDOM}; none with --against)")
    add("--seed", type=_number, default=1, metavar="N", help="of the tests' order and the random ones (default: 1)")
    add("--for", type=_seconds, dest="seconds", metavar="10m", help="for so long (s, m, h), and end with what there is")
    add("--max-states", type=_some, dest="most", metavar="N", help="end with what there is at more states than that")
    add("--anew", action="store_true", help="use no answers of earlier runs, and keep none")
    add = found.add_mutually_exclusive_group().add_argument
    add("--diff", nargs=2, metavar=("A", "B"), help="how two stacks differ: targets, or machines in files (.json)")
    add("--against", type=Path, metavar="FILE", help="learn again what is in a file, and fail if it is another machine")
    add("--tests", type=Path, metavar="FILE", help="write the T and T·W suites of a machine as cases")
    add = found.add_argument
    add("-o", "--output", type=Path, default=DEFAULT_OUTPUT, metavar="FOLDER", help="default: results/learn")
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text[:18])


def _some(text: str) -> int:
    if not (number := _number(text)):
        raise argparse.ArgumentTypeError("no machine has no state")
    return number


def _seconds(text: str) -> float:
    if not (found := re.fullmatch(r"(\d{1,6})([smh]?)", text)) or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: 90s, 10m, 2h")
    return float(int(found[1]) * {"m": 60, "h": 3600}.get(found[2], 1))


def _few(text: str) -> int:
    if (number := _number(text)) > MOST_K:
        raise argparse.ArgumentTypeError(f"{text} is too much: {MOST_K} letters in the middle are the most")
    return number
