"""Seeded defects, told apart from the reference stack by its golden machines.

Walks make every transition of each machine; the first one that is answered otherwise tells the defect apart, as
`tcpspec learn --against` would. Where only the state is another one, the machine is asked as if no state could be seen:
only the wire and what calls give count then, and behind a transition come the letters that tell its next state from all
others (T·W).
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.case.violation import Unjudgeable
from harness.learn import learner, record, suite
from harness.learn.alphabet import ROLES
from harness.learn.learner import Plan
from harness.learn.machine import Machine, Word
from harness.learn.record import Record, parts
from harness.learn.subject import Subject
from harness.mutate.script import TooLong, limited_to
from harness.targets.protocol import TargetError
from harness.targets.registry import parse

FOLDER = Path(record.__file__).with_name("golden")
#: What one machine may take of a processor, in seconds.
CPU_S = 300.0


@dataclass(frozen=True, slots=True)
class Golden:
    """A machine of the reference stack, its walks, and what is asked of it without visible states."""

    record: Record
    walks: tuple[Word, ...]
    unseen: Machine
    words: tuple[Word, ...]

    @classmethod
    def of(cls, kept: Record) -> "Golden":
        """Return a machine as it is asked."""
        unseen = kept.machine.answering(without_state)
        words = sorted(suite.words(unseen, suite.TW), key=lambda word: (len(word), word))
        return cls(kept, tuple(suite.tours(kept.machine)), unseen, tuple(words))

    @property
    def name(self) -> str:
        """The role and the alphabet."""
        return f"{self.record.alphabet.role}, {self.record.alphabet.name}"


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one defect: the machine and the letters that tell it apart, "" where none do, and what it took.

    `unseen` are letters that tell it apart by the wire alone; they are looked for where only the state is another.
    """

    name: str
    machine: str = ""
    letters: str = ""
    due: str = ""
    seen: str = ""
    unseen: str = ""
    steps: int = 0
    cpu_s: float = 0.0
    trouble: str = ""

    @property
    def by_state(self) -> bool:
        """Tell whether the answer is right, and only the state another one."""
        return bool(self.letters) and without_state(self.due) == without_state(self.seen)


@dataclass(frozen=True, slots=True)
class _Otherwise:
    word: Word
    due: str
    seen: str


def goldens() -> list[Golden]:
    """Return the reference stack's machines over the most letters, by their roles."""
    kept = [[record.read(file) for file in FOLDER.glob(f"reference-{role}*.json")] for role in ROLES]
    return [Golden.of(max(each, key=lambda one: len(one.alphabet.letters))) for each in kept]


def without_state(answer: str) -> str:
    """Return an answer as it is where no state can be seen."""
    call, segments, _state = parts(answer)
    return f"{f'{call}; ' if call else ''}{segments} → ?"


def examine(target: str, name: str, machines: Sequence[Golden]) -> Told:
    """Ask a target, which is `reference` with a defect, until it answers otherwise."""
    begin, steps = time.process_time(), 0

    def told(**found: str) -> Told:
        return Told(name, steps=steps, cpu_s=time.process_time() - begin, **found)

    for each in machines:
        letters = each.record.machine.letters
        try:
            with limited_to(CPU_S), learner.started(_plan(target, each, states=True)) as subject:
                found = _first(subject, each)
                steps += subject.steps
        except TooLong:
            return told(trouble=f"{each.name}: it did not end within {CPU_S:g} s")
        except (Unjudgeable, TargetError) as error:
            return told(trouble=f"{each.name}: {error}")
        if found is None:
            continue
        answers = {"machine": each.name, "due": found.due, "seen": found.seen}
        known = told(letters=_text(letters, found.word), **answers)
        if not known.by_state:
            return known
        with learner.started(_plan(target, each, states=False)) as subject:
            behind = _unseen(subject, each, found.word)
        return told(letters=known.letters, unseen=_text(letters, behind.word) if behind else "", **answers)
    return told()


def _plan(target: str, golden: Golden, *, states: bool) -> Plan:
    return Plan(parse(target), golden.record.alphabet, golden.record.ip, states, kept=False)


def _first(subject: Subject, golden: Golden) -> _Otherwise | None:
    """Return a transition that is answered otherwise: the nearest one with the letter of which a walk shows that."""
    machine = golden.record.machine
    found = _otherwise(subject, machine, golden.walks)
    if found is None:
        return None
    letter = found.word[-1]
    return _otherwise(subject, machine, [(*access, letter) for access in machine.access]) or found


def _unseen(subject: Subject, golden: Golden, word: Word) -> _Otherwise | None:
    """Return what tells a stack apart without visible states; words through this transition first."""
    through = [each for each in golden.words if each[: len(word)] == word]
    return _otherwise(subject, golden.unseen, (*through, *golden.words))


def _otherwise(subject: Subject, machine: Machine, words: Iterable[Word]) -> _Otherwise | None:
    letters = subject.alphabet.letters
    for word in words:
        subject.begin()
        for at, due in enumerate(machine.run(word)[0]):
            seen = subject.ask(letters[word[at]])
            if seen != due:
                return _Otherwise(word[: at + 1], due, seen)
    return None


def _text(letters: Sequence[str], word: Word) -> str:
    return " ".join(letters[letter] for letter in word)
