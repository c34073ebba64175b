"""``tcpspec learn``: what a stack really does, as a machine."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.learn import alphabet, comparing, judging, learner, recording, suite, telling
from harness.learn.alphabet import SIZES, TIMES, Alphabet, BadAlphabet
from harness.learn.learner import Plan
from harness.learn.oracle import RANDOM, Effort
from harness.learn.record import BadMachine, Record, read
from harness.learn.system import Nondeterminism
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

AS_EXPECTED, FAILED, INTERRUPTED, INTERNAL, USAGE = range(5)
DEFAULT_OUTPUT = Path("results", "learn")


def main(arguments: Sequence[str]) -> int:
    """Run the verb; return the exit code."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as leave:
        return USAGE if leave.code else AS_EXPECTED
    try:
        return _run(options)
    except BrokenPipeError:
        raise  # nobody reads on: `tcpspec` itself knows what to do
    except KeyboardInterrupt:
        return _say("interrupted; what was asked is kept, and the same command goes on from there", INTERRUPTED)
    except OSError as error:
        return _say(f"{error.filename}: {error.strerror}", USAGE)
    except (UnusableTarget, BadAlphabet, BadMachine) as error:
        return _say(str(error), USAGE)
    except Unjudgeable as error:
        return _say(str(error), INTERNAL)
    except Nondeterminism as error:
        for line in telling.of_two_answers(error):
            print(line)
        return FAILED


def _run(options: argparse.Namespace) -> int:
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {text}", flush=True)

    if options.tests:
        return _tests(read(options.tests), options.output)
    golden = read(options.against) if options.against else None
    plan = plan_of(options, golden)
    options.output.mkdir(parents=True, exist_ok=True)
    if options.diff:
        return FAILED if not comparing.diff(plan, tuple(options.diff), options.output, tell) else AS_EXPECTED
    if golden is not None:
        return AS_EXPECTED if comparing.against(plan, golden, options.output, tell) else FAILED
    return _learn(plan, options.output, tell)


def _tests(record: Record, folder: Path) -> int:
    for path, count in suite.write(record, folder).items():
        print(f"{path}: {count} cases; tcpspec run {path} --target TARGET")
    return AS_EXPECTED


def _learn(plan: Plan, folder: Path, tell: Callable[[str], None]) -> int:
    with learner.started(plan) as subject:
        facts = subject.rig.target.facts
        print(f"{facts.name}: {facts.implementation} {facts.version}")
        learned, _system = learner.learn(subject, plan, tell)
        judged = judging.judge(subject, plan, learned.machine)
        record = recording.record_of(plan, subject, learned, judged)
    for line in (*telling.of_machine(record, learned), *telling.of_judgement(judged, record)):
        print(line)
    for path in recording.write(record, folder):
        print(path)
    return FAILED if any(each.verdict == judging.VIOLATES for each in judged) else AS_EXPECTED


def plan_of(options: argparse.Namespace, golden: Record | None) -> Plan:
    """Return what the options ask for, or what an older machine was asked; raises UnusableTarget, BadAlphabet."""
    if golden is not None:
        spec = parse(options.target or golden.target["name"])
        again = Effort(options.k, options.random, options.seed)
        return Plan(spec, golden.alphabet, golden.ip, golden.states, again, kept=False)
    effort = Effort(options.k, RANDOM if options.random is None else options.random, options.seed)
    spec = parse(options.target or "linux")
    return Plan(spec, _alphabet(options), options.ip, options.states, effort, kept=not options.anew)


def _alphabet(options: argparse.Namespace) -> Alphabet:
    times = tuple(dict.fromkeys(options.time or ()))
    if options.alphabet in SIZES:
        return alphabet.bundled(options.role, options.alphabet, times)
    return alphabet.load(Path(options.alphabet), options.role, times)


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    found = argparse.ArgumentParser(
        prog="tcpspec learn",
        description="Learns what a stack really does, as a machine: its states, and what each answers to each letter.",
    )
    add = found.add_argument
    add("--target", metavar="TARGET", help="the target (default: linux, or that of the machine)")
    add("--role", choices=alphabet.ROLES, default="server", help="what is asked for (default: server)")
    add("--alphabet", default="small", metavar="small|usual|full|FILE", help="the letters (default: small)")
    add("--time", action="append", choices=tuple(TIMES), help="a letter that lets time pass, in virtual time only")
    add("--ip", type=int, choices=(4, 6), default=4, help="the IP version (default: 4)")
    add("--states", action=argparse.BooleanOptionalAction, help="demand visible states, or learn without them")
    add("--k", type=_number, metavar="N", help="Wp tests with N letters in the middle (default: 1, 0 if they are many)")
    add("--random", type=_number, metavar="N", help=f"random Wp tests besides (default: {RANDOM}; none with --against)")
    add("--seed", type=int, default=1, metavar="N", help="of the tests' order and the random ones (default: 1)")
    add("--anew", action="store_true", help="use no answers of earlier runs, and keep none")
    add("--diff", nargs=2, metavar=("A", "B"), help="how two stacks differ: targets, or machines in files (.json)")
    add("--against", type=Path, metavar="FILE", help="learn again what is in a file, and fail if it is another machine")
    add("--tests", type=Path, metavar="FILE", help="write the T and T·W suites of a machine as cases")
    add("-o", "--output", type=Path, default=DEFAULT_OUTPUT, metavar="FOLDER", help="default: results/learn")
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _say(text: str, code: int) -> int:
    print(f"tcpspec learn: {text}", file=sys.stderr)
    return code
