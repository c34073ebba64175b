"""``tcpspec learn``: what a stack really does, as a machine."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.learn import alphabet, comparing, judging, learner, recording, suite, telling
from harness.learn.alphabet import SIZES, Alphabet, BadAlphabet
from harness.learn.learner import Plan
from harness.learn.options import RANDOM, parser
from harness.learn.oracle import Effort
from harness.learn.record import BadMachine, Record, read
from harness.learn.system import Nondeterminism
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

AS_EXPECTED, FAILED, INTERRUPTED, INTERNAL, USAGE = range(5)


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


def _say(text: str, code: int) -> int:
    print(f"tcpspec learn: {text}", file=sys.stderr)
    return code
