"""``tcpspec learn --diff`` and ``--against``: two machines, or a target and a machine that was learned before."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.fuzz.session import player_of
from harness.learn import difference, learner, telling, verdicts
from harness.learn.cases import Scribe
from harness.learn.difference import Parting
from harness.learn.judging import judge
from harness.learn.learner import Plan
from harness.learn.record import Record
from harness.learn.recording import record_of
from harness.learn.verdicts import Verdict
from harness.targets.protocol import UnusableTarget

Tell = Callable[[str], None]
#: So many kinds of differences are played; stacks that are quite others would take for ever.
MOST_SHOWN = 100


def diff(sides: Sequence[Record | Plan], folder: Path, tell: Tell) -> bool:
    """Print how two stacks differ, each a machine or a plan to learn one; tell whether all of it is explained."""
    records = [side for side in sides if isinstance(side, Record)]
    if len(records) == len(sides):
        difference.comparable(*records)
    one, other = (side if isinstance(side, Record) else _learned(side, tell) for side in sides)
    difference.comparable(one, other)
    return _told(one, other, folder)


def against(plan: Plan, golden: Record, folder: Path, tell: Tell) -> bool:
    """Learn a target again, in the hope that it is still what it was; tell whether it is."""
    begin = time.monotonic()
    with learner.started(plan) as subject:
        learned, _system = learner.learn(subject, plan, tell, golden.machine)
        now = record_of(plan, subject, learned, judge(subject, plan, learned.machine))
    difference.comparable(golden, now)
    seconds = time.monotonic() - begin
    if learned.machine == golden.machine:
        print(f"{now.name} is the machine of {golden.name}: {now.machine.size} states, in {seconds:.1f} s")
        return True
    now.write(folder / "now.json")
    print(f"{now.name} is another machine ({now.machine.size} states, {golden.machine.size} before)")
    print(f"it is kept in {folder / 'now.json'}")
    _told(golden, now, folder)
    return False


def _learned(plan: Plan, tell: Tell) -> Record:
    tell(f"learning {plan.spec.text}")
    with learner.started(plan) as subject:
        learned, _system = learner.learn(subject, plan, tell)
        return record_of(plan, subject, learned, [])


def _told(one: Record, other: Record, folder: Path) -> bool:
    found = difference.partings(one.machine, other.machine)
    names = one.target["name"], other.target["name"]
    print(f"A {one.name}: {one.machine.size} states\nB {other.name}: {other.machine.size} states")
    if not found:
        print("the two are bisimilar: nothing that these letters can ask tells them apart")
        return True
    print(f"{len(found)} kinds of differences, by their shortest letters")
    said: list[tuple[Parting, Verdict | None]] = []
    with _judge(names, one) as judged:
        for at, parting in enumerate(found):
            said.append((parting, judged(parting) if at < MOST_SHOWN else None))
            print()
            for line in telling.of_parting(parting, names, one.machine, said[-1][1]):
                print(line, flush=True)
    if len(found) > MOST_SHOWN:
        print(f"\n{len(found) - MOST_SHOWN} of {len(found)} are not held against the rules: so many are too many")
    _write(names, one, said[:MOST_SHOWN], folder)
    return all(verdict is not None and verdict.explained for _parting, verdict in said)


@contextmanager
def _judge(names: tuple[str, str], one: Record) -> Iterator[Callable[[Parting], Verdict | None]]:
    """Yield what holds a difference against the rules; nothing does where a target can't be had here."""
    try:
        with _scribes(names, one.ip) as scribes:
            if one.alphabet.times:
                yield lambda parting: verdicts.as_conversations(scribes, one.alphabet, parting)
                return
            with player_of(verdicts.plan_of(names, one.ip)) as player:
                yield lambda parting: verdicts.judged(player, scribes, names, one.alphabet, parting)
    except UnusableTarget as error:
        print(f"not held against the rules: {error.message}")
        yield lambda _parting: None


@contextmanager
def _scribes(names: Sequence[str], ip: int) -> Iterator[list[Scribe]]:
    """Yield who plays on each target, and writes down what it does; raises UnusableTarget."""
    with ExitStack() as stack:
        scribes = []
        for name in names:
            scribes.append(Scribe(name, ip))
            stack.callback(scribes[-1].close)
        yield scribes


def _write(names: tuple[str, str], one: Record, said: list[tuple[Parting, Verdict | None]], folder: Path) -> None:
    """Write each difference as a case and a script: what the first does, or the second where the first violates."""
    cases = 0
    try:
        with _scribes(names, one.ip) as scribes:
            folder.mkdir(parents=True, exist_ok=True)
            for at, (parting, verdict) in enumerate(said, 1):
                side = int(verdict is not None and verdict.blames(names[0]))
                written = verdicts.written(scribes[side], one.alphabet, parting, one.machine, side, names[1 - side])
                (folder / f"difference-{at:02}.pkt").write_text(written.script, encoding="utf-8")
                if written.case:
                    cases += 1
                    (folder / f"test_difference_{at:02}.py").write_text(written.case, encoding="utf-8")
    except UnusableTarget as error:
        print(f"\nno cases are written: {error.message}")
        return
    print(f"\n{cases} cases that one of the two passes and the other does not, {len(said)} scripts of them: {folder}")
