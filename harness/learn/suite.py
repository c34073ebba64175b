"""Tests from a machine: T makes every transition, T·W tells besides where each of them has led to.

On a stack whose states are not visible, T alone sees a wrong answer only; a wrong next state behind a right answer
shows in the letters that tell that state from the others. Each test is a case in the vocabulary: what the machine's
own target did is demanded of any other.
"""

from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.fuzz.steps import Probe
from harness.learn.alphabet import Time
from harness.learn.cases import Case, Scribe, case_of, module
from harness.learn.judging import conversation
from harness.learn.learner import transitions
from harness.learn.machine import UNASKED, Machine, Word
from harness.learn.oracle import wp
from harness.learn.record import SILENT, Record, parts
from harness.learn.recording import stem_of
from harness.spec.states import State

T, TW = "t", "tw"
#: A walk begins anew after about so many letters, from where some states only can be reached.
LONGEST = 60
#: What the suites are for, as the head of their modules.
HEADS = {
    T: "Every transition of {name}, {role}.",
    TW: "Every transition of {name}, {role}, and the letters that tell its next state from all others.",
}


def words(machine: Machine, kind: str) -> list[Word]:
    """Return the letters of a suite, without those that are the beginning of another test."""
    if kind == T:
        return transitions(machine)
    found = dict.fromkeys(word for word in wp(machine, 0) if UNASKED not in machine.run(word)[0])
    beginnings = {word[:length] for word in found for length in range(len(word))}
    return [word for word in found if word not in beginnings]


def tours(machine: Machine, longest: int = LONGEST) -> Iterator[Word]:
    """Yield walks from the beginning that make every transition, each as often as it has to be."""
    left = {(state, letter) for state in range(machine.size) for letter in range(len(machine.letters))}
    while left:
        state, word = 0, list[int]()
        while len(word) < longest and (way := _nearest(machine, state, left)):
            for letter in way:
                left.discard((state, letter))
                word.append(letter)
                state = machine.following[state][letter]
        yield tuple(word)


def _nearest(machine: Machine, start: int, left: Collection[tuple[int, int]]) -> Word:
    """Return the shortest way that ends with a transition that is left, () where none can be reached."""
    seen, waiting = {start}, deque[tuple[int, Word]]([(start, ())])
    while waiting:
        state, way = waiting.popleft()
        for letter, after in enumerate(machine.following[state]):
            if (state, letter) in left:
                return (*way, letter)
            if after not in seen:
                seen.add(after)
                waiting.append((after, (*way, letter)))
    return ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases a suite has, and how many of its words can't be said as a case (LEARN.md says which)."""

    cases: int
    unsaid: int


def write(record: Record, folder: Path) -> dict[Path, Count]:
    """Write both suites as modules of cases; return how many each has. Raises UnusableTarget without the target."""
    folder.mkdir(parents=True, exist_ok=True)
    scribe = Scribe(record.target["name"], record.ip)
    found = {}
    try:
        for kind in (T, TW):
            asked = words(record.machine, kind)
            cases = [case for word in asked if (case := _case(scribe, record, word))]
            stem = f"{stem_of(record)}_{kind}"
            path = folder / f"test_{''.join(sign if sign.isalnum() else '_' for sign in stem)}.py"
            head = HEADS[kind].format(name=record.name, role=record.alphabet.role)
            path.write_text(module(cases, head), encoding="utf-8")
            found[path] = Count(len(cases), len(asked) - len(cases))
    finally:
        scribe.close()
    return found


def _case(scribe: Scribe, record: Record, word: Word) -> Case | None:
    machine = record.machine
    letters = " ".join(machine.letters[letter] for letter in word)
    answers, _state = machine.run(word)
    _call, segments, state = parts(answers[-1])
    talk = scribe.play(conversation(record.alphabet, word))
    try:
        if state in set(State) and talk.conversation.main.state != state:
            return None  # the application of `explore` has let go of an ended connection, that of the machine not
        case = case_of(talk, letters, f"{letters}: {answers[-1]}", silent=segments == SILENT, state=state)
        asked = [record.alphabet.letters[letter] for letter in word]
        if case is None or not any(isinstance(each, Time) for each in asked):
            return case
        if not case.timed:
            return None  # the judge has stopped before
        if segments == SILENT and isinstance(asked[-1], Probe) and asked[-1].octets:
            return None  # its acknowledgment may come later than the case ends
        return case
    finally:
        scribe.forget()
