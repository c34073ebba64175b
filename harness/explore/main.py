"""``tcpspec explore``: generated conversations on one target after the other, judged by the rules alone."""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from harness.case.violation import Level, Unjudgeable
from harness.expectations.entries import BrokenExpectations
from harness.explore import notation, summary
from harness.explore.choice import Choice, NothingToPlay, UnknownKind
from harness.explore.findings import Tally
from harness.explore.kinds import KINDS
from harness.explore.playing import Player, Stage
from harness.explore.run import Generated
from harness.explore.work import Crew, Records, WorkerDied
from harness.fuzz.steps import BadSequence
from harness.targets.protocol import Capability, UnusableTarget
from harness.targets.registry import parse
from harness.trace.results import ResultsWriter

AS_EXPECTED, FAILED, INTERRUPTED, INTERNAL, USAGE, NOTHING_RAN = range(6)
COUNT, SEED = 2000, 1
MOST = 10_000_000
DEFAULT_RESULTS = Path("results", "explore")

_EPILOG = """kinds:
{kinds}

example:
  tcpspec explore --target linux --kind form --for 20s
"""


def main(arguments: Sequence[str]) -> int:
    """Run the verb; return the exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as leave:
        return USAGE if leave.code else AS_EXPECTED
    try:
        return _Run(options).all()
    except BrokenPipeError:
        raise  # nobody reads on: `tcpspec` itself knows what to do
    except OSError as error:
        return _refuse(f"{error.filename or 'the target'}: {error.strerror}")
    except (UnusableTarget, BrokenExpectations, BadSequence, UnknownKind, NothingToPlay) as error:
        return _refuse(str(error))
    except (Unjudgeable, WorkerDied) as error:
        print(f"tcpspec explore: {error}", file=sys.stderr)
        return INTERNAL


class _Run:
    """One call of the verb."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.level = Level.SHOULD if options.level == "should" else Level.MUST
        self.stages = [
            Stage(
                parse(text),
                options.ip or 4,
                self.level,
                results=options.results,
                again=_again(options),
                expectations=tuple(options.expectations),
                bundled=not options.no_expectations,
                drafts=options.drafts,
                both=options.ip is None,
            )
            for text in dict.fromkeys(options.target or ["linux"])
        ]
        self.choice = Choice.of(options.kind, options.seed, slow=options.slow)
        self.tally = Tally(str(self.level))
        self.interrupted = False
        self.begin = time.monotonic()

    def all(self) -> int:
        """Play on every target, print what came of it, and return the exit code."""
        if self.options.replay is not None:
            replayed = notation.generated_from(self.options.replay)
            return self._replay(replayed)
        with self._writer() as writer:
            for stage in self.stages:
                self._play(stage, writer)
                if self.interrupted:
                    break
        for line in summary.lines(self.tally, self.choice, self.stages, verbose=self.options.verbose):
            print(line)
        for stage in self.stages:
            for text in () if self.interrupted else summary.stories(stage, self.tally, self.options.seed):
                print(f"\n{text}", flush=True)
        print(f"\nresults: {writer.path}\ntook {time.monotonic() - self.begin:.1f} s", file=sys.stderr)
        return self._code()

    def _code(self) -> int:
        if self.interrupted:
            return INTERRUPTED
        if not self.tally.played:
            return NOTHING_RAN
        failed = any(self.tally.unexpected(stage.spec.text) for stage in self.stages)
        return FAILED if failed else AS_EXPECTED

    @contextmanager
    def _writer(self) -> Iterator[ResultsWriter]:
        command = ["tcpspec", *sys.argv[1:]]
        writer = ResultsWriter(self.options.results, command=command, level=str(self.level))
        complete = False
        try:
            yield writer
            complete = not self.interrupted
        finally:
            took = time.monotonic() - self.begin
            left_out = dict(self.choice.left_out)
            writer.finish(
                collected=self.tally.played,
                interrupted=not complete,
                seconds=took,
                left_out=left_out,
                came_to_nothing=True,
            )

    def _play(self, stage: Stage, writer: ResultsWriter) -> None:
        crew = Crew(stage, self.options.n)
        try:
            writer.target(crew.facts)
            if stage.ip == 6 and Capability.IPV6 not in crew.capabilities:
                raise UnusableTarget(f"target {stage.spec.text} does not claim ipv6", "without --ip 6 it is IPv4")
            chosen = self.choice.for_target(
                stage.spec.text, crew.capabilities, demand=bool(self.options.kind), ip=self.options.ip or 0
            )
            for records in crew.play(islice(chosen, self._count()), self._goes_on()):
                self._take(records, writer)
            for records in crew.play(self._examples(stage, crew)):
                self._take(records, writer)
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            crew.close()

    def _take(self, records: Records, writer: ResultsWriter) -> None:
        for record in records:
            writer.case(record)
            self.tally.add(record)

    def _examples(self, stage: Stage, crew: Crew) -> list[Generated]:
        """Return the examples of what is declared of a target and was not met: is it still so?"""
        facts = crew.facts
        known = stage.declared(facts["implementation"], facts["version"])
        examples = known.unmet(self.tally.known)
        return [each for each in examples if self.choice.fits(each, crew.capabilities)]

    def _count(self) -> int | None:
        given: int | None = self.options.count
        return given if given is not None or self.options.seconds is not None else COUNT

    def _goes_on(self) -> Callable[[], bool]:
        seconds = self.options.seconds
        end = None if seconds is None else time.monotonic() + seconds
        return lambda: end is None or time.monotonic() < end

    def _replay(self, generated: Generated) -> int:
        for stage in self.stages:
            player = Player(stage)
            try:
                (record,) = player.play([generated])
                self.tally.add(record)
                print(summary.replayed(record, player, generated))
            finally:
                player.close()
        return self._code()


def _again(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the options that a command must repeat to come to the same verdict."""
    again = ["--level=should"] if options.level == "should" else []
    again += ["--no-expectations"] if options.no_expectations else []
    again += ["--drafts"] if options.drafts else []
    return (*again, *(f"--expectations={name}" for name in options.expectations))


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    width = max(map(len, KINDS)) + 2
    kinds = "\n".join(f"  {kind.name:<{width}}{kind.about}" for kind in KINDS.values())
    made = argparse.ArgumentParser(
        prog="tcpspec explore",
        description="Plays generated conversations on a target; the rules of RFC 9293 judge them from end to end.",
        epilog=_EPILOG.format(kinds=kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--target", action="append", metavar="TARGET", help="what to test (repeatable; default: linux)")
    add("--kind", action="append", default=[], metavar="KIND", help="conversations of this kind (repeatable)")
    add(
        "--seed",
        type=int,
        default=SEED,
        metavar="N",
        help=f"of random walks, and of the order in which all come (default: {SEED})",
    )
    length = made.add_mutually_exclusive_group()
    length.add_argument("--count", type=_number(MOST), metavar="N", help=f"so many (default: {COUNT})")
    length.add_argument("--for", type=_seconds, dest="seconds", metavar="60s", help="for so long (s, m, h)")
    cores = len(os.sched_getaffinity(0))
    add("-n", type=_number(256), default=cores, metavar="N", help="processes (default: one per core)")
    add("--ip", type=int, choices=(4, 6), help="on this IP version only (default: both by turns)")
    add("--slow", action="store_true", help="in real time, too, play conversations in which minutes pass")
    add("--level", choices=("must", "should"), default="must", help="fail on MUST only (default), or on SHOULD too")
    add("--expectations", action="append", default=[], metavar="FILE", help="known deviations of your target (TOML)")
    add("--no-expectations", action="store_true", help="judge without the known deviations that come with the tool")
    add("--drafts", action="store_true", help="take expectations whose reason or source is still '?'")
    add("-v", "--verbose", action="store_true", help="list the known deviations, entry by entry")
    add("--replay", metavar="PLAN", help="play this one conversation and print its ladder")
    add("--results", type=Path, default=DEFAULT_RESULTS, metavar="DIR", help=f"default: {DEFAULT_RESULTS}")
    return made


def _number(most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
        return int(text)

    return number


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if match is None or not float(match[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 60s, 5m or 1h")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def _refuse(message: str) -> int:
    print(f"tcpspec explore: {message}", file=sys.stderr)
    return USAGE
