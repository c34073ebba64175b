"""``tcpspec fuzz``: the same random sequences on two targets, and every difference explained or reported."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.expectations.entries import BrokenExpectations
from harness.fuzz import defects, report, session, steps
from harness.fuzz.play import Player
from harness.fuzz.session import Plan
from harness.targets.protocol import UnusableTarget

AS_EXPECTED, FAILED, INTERNAL, USAGE = 0, 1, 3, 4
COUNT, LENGTH, SEED = 2000, 24, 1
MOST_SEQUENCES, MOST_STEPS = 1_000_000, 200
#: A run of this size meets, or tries, all that is declared: an idle entry is an error from then on.
FULL_RUN = COUNT


def main(arguments: Sequence[str]) -> int:
    """Run the verb; return the exit code."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as leave:
        return USAGE if leave.code else AS_EXPECTED
    plan = Plan(options.target, options.against, options.ip, options.seed, options.length)
    try:
        if options.defects:
            for line in defects.lines(plan, options.count):
                print(line, flush=True)
            return AS_EXPECTED
        sequence = steps.parse(options.replay) if options.replay is not None else None
        if options.json:
            options.json.touch()
        with session.player_of(plan) as player:
            _print_targets(player)
            if sequence is not None:
                return _replay(player, plan, sequence)
            return _many(player, plan, options.count, options.json)
    except BrokenPipeError:
        raise  # nobody reads on: `tcpspec` itself knows what to do
    except OSError as error:
        print(f"tcpspec fuzz: {error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    except (UnusableTarget, BrokenExpectations, steps.BadSequence) as error:
        print(f"tcpspec fuzz: {error}", file=sys.stderr)
        return USAGE
    except Unjudgeable as error:
        print(f"tcpspec fuzz: {error}", file=sys.stderr)
        return INTERNAL


def _many(player: Player, plan: Plan, count: int, path: Path | None) -> int:
    begin = time.monotonic()
    tally = session.tally_of(player, plan, count)
    idle = session.idle_entries(player) if count >= FULL_RUN else []
    print(report.summary(tally, plan.seed, plan.ip))
    print(f"took {time.monotonic() - begin:.0f} s", file=sys.stderr)
    for story in session.stories(player, plan, tally):
        print(f"\n{story}", flush=True)
    for entry in idle:
        print(f"\nidle: {entry.origin} explains nothing, not even its own example; correct or remove it")
    if path:
        path.write_text(json.dumps(tally.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return FAILED if tally.unexplained or idle else AS_EXPECTED


def _replay(player: Player, plan: Plan, sequence: steps.Sequence) -> int:
    (played,) = session.play_many(player, [sequence])
    print(report.replayed(played, plan.names))
    return AS_EXPECTED if played.unexplained is None else FAILED


def _print_targets(player: Player) -> None:
    for rig in player.rigs:
        facts = rig.target.facts
        print(f"{facts.name}: {facts.implementation} {facts.version}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tcpspec fuzz",
        description="Plays the same random calls and segments on two targets; explains or reports every difference.",
    )
    count, length = _number(MOST_SEQUENCES), _number(MOST_STEPS)
    parser.add_argument("--target", default="reference", metavar="TARGET", help="the target (default: reference)")
    parser.add_argument("--against", default="linux", metavar="TARGET", help="the other one (default: linux)")
    parser.add_argument("--count", type=count, default=COUNT, metavar="N", help=f"sequences (default: {COUNT})")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"of the sequences (default: {SEED})")
    parser.add_argument("--length", type=length, default=LENGTH, metavar="N", help=f"steps at most (default: {LENGTH})")
    parser.add_argument("--ip", type=int, choices=(4, 6), default=4, help="the IP version (default: 4)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and differences there")
    parser.add_argument("--replay", metavar="STEPS", help="play this one sequence and print both ladders")
    parser.add_argument("--defects", action="store_true", help="count the seeded defects of `reference` that show")
    return parser


def _number(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return number
