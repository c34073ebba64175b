"""``tcpspec learn``: what a stack really does, as a machine."""

import argparse
import errno
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.learn import alphabet, comparing, judging, learner, recording, suite, telling
from harness.learn.alphabet import SIZES, Alphabet, BadAlphabet
from harness.learn.learner import Plan
from harness.learn.limit import Limit
from harness.learn.options import ALPHABET, IP, RANDOM, ROLE, parser
from harness.learn.oracle import Effort
from harness.learn.record import BadMachine, Record, read
from harness.learn.system import Nondeterminism
from harness.targets.protocol import TargetGone, UnusableTarget
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
        return _interrupted(options)
    except (FileExistsError, NotADirectoryError):
        return _say(f"-o {options.output} is no folder, and can't be made one; name another", USAGE)
    except OSError as error:
        return _say(f"{error.filename or options.output}: {error.strerror}; -o names another folder", USAGE)
    except (UnusableTarget, BadAlphabet, BadMachine) as error:
        return _say(str(error), USAGE)
    except TargetGone as error:
        return _say(f"{error}; each time anew, and not by what it was asked", INTERNAL)
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

    if options.target and (options.diff or options.tests):
        raise UnusableTarget(
            "--target goes with --against, or alone", "leave it out: --diff and --tests have their own"
        )
    if (options.seconds or options.most) and (options.diff or options.tests or options.against):
        cut = "--for" if options.seconds else "--max-states"
        raise UnusableTarget(
            f"{cut} goes with a machine that is learned, alone", "--random and --k bound what is asked"
        )
    if options.tests:
        return _tests(read(options.tests), options.output)
    if options.diff:
        sides = _sides(options)
        _made(options.output)
        return AS_EXPECTED if comparing.diff(sides, options.output, tell) else FAILED
    golden = read(options.against) if options.against else None
    if golden is not None and not golden.machine.whole:
        raise BadMachine(f"{options.against} was cut off before each of its transitions was asked; learn it to its end")
    plan = plan_of(options, golden)
    _made(options.output)
    if golden is not None:
        return AS_EXPECTED if comparing.against(plan, golden, options.output, tell) else FAILED
    return _learn(plan, options, tell)


def _made(folder: Path) -> None:
    """Make the folder, before anything is asked; raises OSError where nothing can be written there."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def _sides(options: argparse.Namespace) -> list[Record | Plan]:
    """Return both sides of a difference: machines in files, and plans for targets, which are asked what a file was."""
    records = [read(Path(name)) if name.endswith(".json") else None for name in options.diff]
    known = next((record for record in records if record is not None), None)
    for record in records:
        if record is not None:
            _agrees(options, record)
    return [record or plan_of(options, known, name) for record, name in zip(records, options.diff, strict=True)]


def _tests(record: Record, folder: Path) -> int:
    for path, count in suite.write(record, folder).items():
        unsaid = f" ({count.unsaid} of {count.cases + count.unsaid} can't be said as cases)" if count.unsaid else ""
        print(f"{path}: {count.cases} cases{unsaid}; tcpspec run {path} --target TARGET")
    return AS_EXPECTED


def _learn(plan: Plan, options: argparse.Namespace, tell: Callable[[str], None]) -> int:
    with learner.started(plan) as subject:
        facts = subject.rig.target.facts
        print(f"{facts.name}: {facts.implementation} {facts.version}")
        limit = Limit(plan.effort.seconds, plan.effort.states)
        with limit.interruptible():
            learned, system = learner.learn(subject, plan, tell, limit=limit)
            judgement = judging.judge(subject, plan, learned.machine, limit)
        record = recording.record_of(plan, subject, learned, judgement)
    for line in (*telling.of_machine(record, learned), *telling.of_judgement(judgement, record)):
        print(line)
    if system.wavered is not None:
        for line in telling.of_two_answers(system.wavered, "it wavered"):
            print(line)
    for path in recording.write(record, options.output):
        print(path)
    if limit.interrupted:
        return _interrupted(options)
    return FAILED if any(each.verdict == judging.VIOLATES for each in judgement.found) else AS_EXPECTED


def plan_of(options: argparse.Namespace, golden: Record | None, name: str = "") -> Plan:
    """Return what the options ask for, or what an older machine was asked, of the target `name` or that of the options.

    Raises UnusableTarget, BadAlphabet, BadMachine.
    """
    if golden is not None:
        _agrees(options, golden)
        spec = parse(name or options.target or golden.target["name"])
        again = Effort(options.k, options.random, options.seed)
        return Plan(spec, golden.alphabet, golden.ip, golden.states, again, kept=False)
    random = RANDOM if options.random is None else options.random
    effort = Effort(options.k, random, options.seed, options.seconds, options.most)
    spec = parse(name or options.target or "linux")
    return Plan(spec, _alphabet(options), options.ip or IP, options.states, effort, kept=not options.anew)


def _agrees(options: argparse.Namespace, golden: Record) -> None:
    """Demand that what the options ask for is what an older machine was asked; raises BadMachine, BadAlphabet."""
    own = golden.alphabet
    asked: dict[str, tuple[object, object]] = {
        "--role": (options.role, own.role),
        "--ip": (options.ip, golden.ip),
        "--states": (options.states, golden.states),
    }
    if options.alphabet is not None:
        asked["--alphabet"] = (_alphabet(options, own.role).texts, own.texts)
    elif options.time:
        asked["--time"] = (set(options.time), set(own.times))
    for option, (wanted, had) in asked.items():
        if wanted is not None and wanted != had:
            raise BadMachine(
                f"{option} asks for something else than {golden.name} was asked ({own.role}, {own.name}, "
                f"IPv{golden.ip}); leave {option} out, or learn another machine to hold it against"
            )


def _alphabet(options: argparse.Namespace, role: str = ROLE) -> Alphabet:
    times = tuple(dict.fromkeys(options.time or ()))
    role, name = options.role or role, options.alphabet or ALPHABET
    if name in SIZES:
        return alphabet.bundled(role, name, times)
    return alphabet.load(Path(name), role, times)


def _interrupted(options: argparse.Namespace) -> int:
    anew = options.anew or options.against
    kept = "the next one begins anew" if anew else "what was asked is kept, and the same command goes on from there"
    return _say(f"interrupted; {kept}", INTERRUPTED)


def _say(text: str, code: int) -> int:
    print(f"tcpspec learn: {text}", file=sys.stderr)
    return code
