"""The two sides of a difference: each a machine, and the target that it was learned of, if that is here and still so.

A machine in a file may be of a release that is not here any more: of it is known what it answered, and what the rules
said to it when it was learned.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from harness.learn import learner
from harness.learn.alphabet import BadAlphabet
from harness.learn.cases import Scribe
from harness.learn.judging import BEHIND, DECLARED, VIOLATES
from harness.learn.learner import Plan
from harness.learn.machine import Word
from harness.learn.record import Record
from harness.learn.subject import Subject
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

#: A timer may speak into what is asked, so that it is asked again.
ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What the rules say to a side's answer, in a line; `reason` is that of a known deviation, "" where it is none."""

    told: str
    reason: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of two machines. `label` tells it from the other one; without a target there is nobody to ask."""

    record: Record
    label: str
    scribe: Scribe | None = None
    subject: Subject | None = None

    def is_here(self, word: Word) -> bool:
        """Tell whether there is a target that answers these letters as the machine does."""
        return any(self._asked(word) for _attempt in range(ATTEMPTS))

    def _asked(self, word: Word) -> bool:
        subject = self.subject
        if subject is None:
            return False
        subject.begin()
        answers = [subject.ask(subject.alphabet.letters[letter]) for letter in word]
        return answers == self.record.machine.run(word)[0]

    def kept(self, word: Word) -> tuple[list[Finding], bool]:
        """Return what was found in a word's last letter when it was learned, and whether it was judged at all."""
        machine = self.record.machine
        place = machine.run(word[:-1])[1], word[-1]
        here = [each for each in self.record.judged if _place(self.record, str(each["letters"])) == place]
        found = [
            Finding(f"{each['seen']}; {each['reason'] or 'due ' + str(each['due'])}", str(each["reason"]))
            for each in here
            if each["verdict"] in (VIOLATES, DECLARED)
        ]
        return found, not any(each["verdict"] == BEHIND for each in here)

    def ladder(self, word: Word) -> Iterator[str]:
        """Yield a word with the machine's answers."""
        machine = self.record.machine
        names = [machine.letters[letter] for letter in word]
        width = max(map(len, names))
        yield from (f"{name:<{width}}  {said}" for name, said in zip(names, machine.run(word)[0], strict=True))


def _place(record: Record, letters: str) -> tuple[int, int]:
    word = [record.machine.letters.index(letter) for letter in letters.split()]
    return record.machine.run(word[:-1])[1], word[-1]


def labels(records: Sequence[Record]) -> tuple[str, str]:
    """Return names that tell two machines apart: of the target, with its version where it is the same target's."""
    one, other = (record.target["name"] for record in records)
    if one != other:
        return one, other
    versions = [record.target["version"] for record in records]
    signs = versions if versions[0] != versions[1] else ("A", "B")
    return f"{one} ({signs[0]})", f"{other} ({signs[1]})"


@contextmanager
def opened(records: Sequence[Record]) -> Iterator[tuple[Side, Side]]:
    """Yield both sides, with their targets where these can be had; what can't is told, and why."""
    with ExitStack() as stack:
        started: dict[str, tuple[Scribe, Subject] | None] = {}
        sides = []
        for record, label in zip(records, labels(records), strict=True):
            name = record.target["name"]
            if name not in started:
                try:
                    started[name] = _started(record, stack)
                except (UnusableTarget, BadAlphabet) as error:
                    started[name] = None
                    print(f"{label} can't be asked here: {getattr(error, 'message', error)}")
            sides.append(Side(record, label, *(started[name] or ())))
        yield sides[0], sides[1]


def _started(record: Record, stack: ExitStack) -> tuple[Scribe, Subject]:
    name = record.target["name"]
    scribe = Scribe(name, record.ip)
    stack.callback(scribe.close)
    plan = Plan(parse(name), record.alphabet, record.ip, record.states, kept=False)
    return scribe, stack.enter_context(learner.started(plan))
