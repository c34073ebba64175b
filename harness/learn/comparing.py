"""``tcpspec learn --diff`` and ``--against``: two machines, or a target and a machine that was learned before."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.fuzz.play import Player
from harness.fuzz.session import player_of
from harness.learn import difference, learner, sides, telling, verdicts
from harness.learn.difference import Parting
from harness.learn.judging import judge
from harness.learn.learner import Plan
from harness.learn.oracle import said as said_of
from harness.learn.record import Record
from harness.learn.recording import record_of
from harness.learn.sides import Side
from harness.learn.verdicts import Verdict

Tell = Callable[[str], None]
#: So many kinds of differences are played; stacks that are quite others would take for ever.
MOST_SHOWN = 300


def diff(asked: Sequence[Record | Plan], folder: Path, tell: Tell) -> bool:
    """Print how two stacks differ, each a machine or a plan to learn one; tell whether all of it is explained."""
    records = [side for side in asked if isinstance(side, Record)]
    if len(records) == len(asked):
        difference.comparable(*records)
    one, other = (side if isinstance(side, Record) else _learned(side, tell) for side in asked)
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
        return record_of(plan, subject, learned)


def _told(one: Record, other: Record, folder: Path) -> bool:
    found = difference.partings(one.machine, other.machine)
    names = sides.labels((one, other))
    print(f"A {one.name}: {one.machine.size} states\nB {other.name}: {other.machine.size} states")
    for name, record in zip(names, (one, other), strict=True):
        if "cut" in record.stopped:
            print(f"{name} was {said_of(dict(record.stopped), record.machine.size)}: a difference may be what it lacks")
    if not found and not (one.machine.whole and other.machine.whole):
        print("nothing tells the two apart, as far as both were asked")
        return True
    if not found:
        print("the two are bisimilar: nothing that these letters can ask tells them apart")
        return True
    print(f"{len(found)} kinds of differences, by their shortest letters")
    with sides.opened((one, other)) as both, _player(both) as player:
        said: list[tuple[Parting, Verdict]] = []
        for parting in found[:MOST_SHOWN]:
            said.append((parting, verdicts.judged(player, both, one.alphabet, parting)))
            print()
            for line in telling.of_parting(parting, names, one.machine, said[-1][1]):
                print(line, flush=True)
        if len(found) > MOST_SHOWN:
            print(f"\n{len(found) - MOST_SHOWN} of {len(found)} are not held against the rules: so many are too many")
        _write(both, said, folder)
    return len(said) == len(found) and all(verdict.explained for _parting, verdict in said)


@contextmanager
def _player(both: Sequence[Side]) -> Iterator[Player | None]:
    """Yield who plays on both side by side, as `fuzz` does: nobody where one is not here, or time is a letter."""
    one, other = both
    names = one.record.target["name"], other.record.target["name"]
    if one.scribe is None or other.scribe is None or names[0] == names[1] or one.record.alphabet.times:
        yield None
        return
    with player_of(verdicts.plan_of(names, one.record.ip)) as player:
        yield player


def _write(both: Sequence[Side], said: Sequence[tuple[Parting, Verdict]], folder: Path) -> None:
    """Write each difference as a case and a script; those of an earlier comparison go."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*folder.glob("difference-*.pkt"), *folder.glob("test_difference_*.py")):
        file.unlink()
    cases = scripts = unsaid = 0
    for at, (parting, verdict) in enumerate(said, 1):
        written = verdicts.written(both, parting, verdict)
        if written is None:
            continue
        unsaid += not (written.case or written.script)
        for name, text in ((f"difference-{at:02}.pkt", written.script), (f"test_difference_{at:02}.py", written.case)):
            if text:
                (folder / name).write_text(text, encoding="utf-8")
        cases, scripts = cases + bool(written.case), scripts + bool(written.script)
    print(f"\n{cases} cases that one of the two passes and the other does not, {scripts} scripts of them: {folder}")
    if unsaid:
        print(f"{unsaid} kinds have none: windows and options are demanded by neither")
