"""``tcpspec learn``: what a stack really does, as a machine."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.learn import alphabet, graphs, learner
from harness.learn.alphabet import SIZES, TIMES, Alphabet, BadAlphabet
from harness.learn.learner import Learned, Plan
from harness.learn.oracle import Effort, said
from harness.learn.record import BadMachine, Record
from harness.learn.subject import Subject
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
        return _learn(options)
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
        for line in told_twice(error):
            print(line)
        return FAILED


def _learn(options: argparse.Namespace) -> int:
    plan = plan_of(options)
    options.output.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:6.1f} s  {text}", flush=True)

    with learner.started(plan) as subject:
        facts = subject.rig.target.facts
        print(f"{facts.name}: {facts.implementation} {facts.version}")
        learned, _system = learner.learn(subject, plan, tell)
        record = record_of(plan, subject, learned)
    for line in graphs.ascii_lines(record):
        print(line)
    figures = learned.figures
    print(f"{learned.machine.size} states, {learned.machine.size * len(learned.machine.letters)} transitions")
    print(said(learned.stopped, learned.machine.size))
    print(f"{figures.queries:,} queries, {figures.steps:,} steps, {figures.cpu_s:.1f} CPU s, {figures.wall_s:.1f} s")
    if figures.settled or figures.disturbed:
        print(f"{figures.disturbed} queries were disturbed by timers, {figures.settled} settled by playing them again")
    for path in write(record, options.output):
        print(path)
    return AS_EXPECTED


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what the options ask for; raises UnusableTarget, BadAlphabet."""
    effort = Effort(options.k, options.random, options.seed)
    return Plan(parse(options.target), _alphabet(options), options.ip, options.states, effort, kept=not options.anew)


def record_of(plan: Plan, subject: Subject, learned: Learned) -> Record:
    """Return a learned machine with its circumstances."""
    facts = subject.rig.target.facts
    target = {"name": plan.spec.text, "implementation": facts.implementation, "version": facts.version}
    return Record(
        target, plan.alphabet, learned.machine, plan.ip, subject.states, learned.stopped, learned.figures.as_dict()
    )


def write(record: Record, folder: Path) -> list[Path]:
    """Write the machine in all its forms; return where."""
    stem = f"{record.target['name'].replace(':', '-').replace('/', '-')}-{record.alphabet.role}"
    paths = [folder / f"{stem}.json", folder / f"{stem}.dot", folder / f"{stem}.mmd"]
    record.write(paths[0])
    paths[1].write_text(graphs.dot(record), encoding="utf-8")
    paths[2].write_text(graphs.mermaid(record), encoding="utf-8")
    return paths


def told_twice(error: Nondeterminism) -> list[str]:
    """Return the report of two answers to one question: both traces, letter by letter."""
    before, now = error.traces
    lines = [f"not deterministic: {error}"]
    for at, letter in enumerate(error.word):
        one = before[at] if at < len(before) else "(not asked)"
        other = now[at] if at < len(now) else "(not asked)"
        lines.append(f"  {letter:<10} {one}" + (f"   |   {other}" if one != other else ""))
    return lines


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
    add("--target", default="linux", metavar="TARGET", help="the target (default: linux)")
    add("--role", choices=alphabet.ROLES, default="server", help="what is asked for (default: server)")
    add("--alphabet", default="small", metavar="small|usual|full|FILE", help="the letters (default: small)")
    add("--time", action="append", choices=tuple(TIMES), help="a letter that lets time pass, in virtual time only")
    add("--ip", type=int, choices=(4, 6), default=4, help="the IP version (default: 4)")
    add("--states", action=argparse.BooleanOptionalAction, help="demand visible states, or learn without them")
    add("--k", type=_number, metavar="N", help="Wp tests with N letters in the middle (default: 1, 0 if they are many)")
    add("--random", type=_number, metavar="N", help="random Wp tests besides (default: 20000 where k is 0)")
    add("--seed", type=int, default=1, metavar="N", help="of the tests' order and the random ones (default: 1)")
    add("--anew", action="store_true", help="use no answers of earlier runs, and keep none")
    add("-o", "--output", type=Path, default=DEFAULT_OUTPUT, metavar="FOLDER", help="default: results/learn")
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _say(text: str, code: int) -> int:
    print(f"tcpspec learn: {text}", file=sys.stderr)
    return code
