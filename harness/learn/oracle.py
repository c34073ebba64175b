"""Is this the whole machine? Tests of a hypothesis, until one shows something else.

Wp tests go to each state, make each letter, then `k` others, and identify the state that they come to. With k = 1 all
of them prove: no machine with one state more behaves otherwise, whatever it is. Random Wp tests go to a state, make
random letters, and identify: what is found of machines with many states more.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from aalpy.base import Oracle

from harness.learn.machine import Machine, Word
from harness.learn.options import RANDOM
from harness.learn.system import System

#: Random words in the middle of a test go on with this probability.
GOES_ON = 5 / 6
#: Where a proof with k = 1 takes more tests than this, so many random ones are made instead.
MOST_PROOF = 60_000
#: A machine with fewer states is tried with k = 1 at least.
FEW_STATES = 10
#: How often a long series of tests tells how far it is, in seconds.
TELL_S = 10.0
#: Whoever still finds new states after so many seconds may go on for long: it is said once what can be done.
GROWS_S = 120.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard a hypothesis is tried: `k` letters between each transition and the identification, and random tests.

    None leaves a number to the size of the machine. `seconds` and `states`: so many, and it ends with what there is.
    """

    k: int | None = None
    random: int | None = None
    seed: int = 1
    seconds: float | None = None
    states: int | None = None

    def for_size(self, states: int, tests: int) -> tuple[int, int]:
        """Return k and the number of random tests for a machine whose proof with k = 1 takes so many tests.

        Over few states k = 0 proves nothing: a single one has no words that identify it.
        """
        k = self.k if self.k is not None else int(tests <= MOST_PROOF)
        k = max(k, int(states < FEW_STATES))
        return k, self.random if self.random is not None else 0 if k else RANDOM


class Tests(Oracle):  # type: ignore[misc]
    """Tries hypotheses. `tell` hears how it goes; `last` says what the last series of tests was."""

    def __init__(self, system: System, effort: Effort, tell: Callable[[str], None]) -> None:
        super().__init__(list(range(len(system.alphabet.letters))), system)
        self.system = system
        self.effort = effort
        #: The tests of the last hypothesis: how many passed, and whether one did not.
        self.last: dict[str, Any] = {"k": 0, "random": 0, "seed": effort.seed, "tests": 0}
        self.refuted = False
        self.rounds = 0
        self._tell = tell
        self._random = random.Random(f"tcpspec learn {effort.seed}")
        self._begin = time.monotonic()
        self._grows = False

    def find_cex(self, hypothesis: Any) -> Word | None:
        """Return letters that the target answers otherwise than the hypothesis, None if all tests pass."""
        machine = machine_of(hypothesis, self.system.alphabet.texts)
        self.rounds += 1
        self._tell(f"hypothesis {self.rounds}: {machine.size} states, {self.system.subject.queries:,} queries")
        told = time.monotonic()
        k, count = self.effort.for_size(machine.size, proof_size(machine, 1))
        self.last = {"k": k, "random": count, "seed": self.effort.seed, "tests": 0}
        self.refuted = False
        for word in self._words(machine, k, count):
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self._tell(f"  {self.last['tests']:,} tests pass, of at most {most_tests(machine, k) + count:,}")
            failed = self._fails(machine, word)
            self.last["tests"] += 1
            if failed:
                self.refuted = True
                self._tell(f"  otherwise: {' '.join(machine.letters[letter] for letter in failed)}")
                self._warn()
                self.system.fresh(failed)  # a stack that wavers would have new states without end
                return failed
        return None

    def _warn(self) -> None:
        """Say once that it may take long, and how to end it."""
        if not self._grows and self.effort.seconds is None and time.monotonic() - self._begin >= GROWS_S:
            self._grows = True
            self._tell("new states are still found; ctrl-C ends with what there is, and all answers are kept")

    def _words(self, machine: Machine, k: int, count: int) -> Iterator[Word]:
        """Yield the tests: of the transitions themselves first, then the longer ones in a random order."""
        for middle in range(k + 1):
            words = list(dict.fromkeys((*wp(machine, middle), *covered(machine, middle))))
            self._random.shuffle(words)
            yield from words
        for _ in range(count):
            yield self._drawn(machine)

    def _drawn(self, machine: Machine) -> Word:
        draw = self._random
        word = list(machine.access[draw.randrange(machine.size)])
        word.append(draw.randrange(len(machine.letters)))
        while draw.random() < GOES_ON:
            word.append(draw.randrange(len(machine.letters)))
        words = machine.identifiers[machine.run(word)[1]]
        return (*word, *(draw.choice(words) if words else ()))

    def _fails(self, machine: Machine, word: Word) -> Word | None:
        system, state = self.system, 0
        system.pre()
        self.num_queries += 1
        for at, letter in enumerate(word):
            self.num_steps += 1
            if system.step(letter) != machine.answers[state][letter]:
                system.post()
                return word[: at + 1]
            state = machine.following[state][letter]
        system.post()
        return None


def wp(machine: Machine, middle: int) -> Iterator[Word]:
    """Yield a word per transition, `middle` letters and identifying word: the T·Wp suite, where `middle` is 0."""
    letters = range(len(machine.letters))
    for state in range(machine.size):
        for letter in letters:
            for between in product(letters, repeat=middle):
                word = (*machine.access[state], letter, *between)
                for identifying in machine.identifiers[machine.run(word)[1]] or ((),):
                    yield (*word, *identifying)


def covered(machine: Machine, middle: int) -> Iterator[Word]:
    """Yield a word per state, `middle` letters and word of the characterising set: that the states are what they are.

    The identifying words of one state tell it from the others of the machine only (Wp method, first phase).
    """
    for state in range(machine.size):
        for between in product(range(len(machine.letters)), repeat=middle):
            for word in machine.characterising:
                yield (*machine.access[state], *between, *word)


def proof_size(machine: Machine, k: int) -> int:
    """Return about how many tests a proof takes."""
    words = sum(len(each) or 1 for each in machine.identifiers) / machine.size
    return round(machine.size * int(len(machine.letters) ** (k + 1)) * words)


def most_tests(machine: Machine, k: int) -> int:
    """Return how many tests a proof takes at most: words that begin alike are made once."""
    letters, identifying = len(machine.letters), sum(len(each) or 1 for each in machine.identifiers)
    transitions = identifying * letters + machine.size * len(machine.characterising)
    return sum(int(letters**middle) * transitions for middle in range(k + 1))


def said(stopped: dict[str, Any], size: int) -> str:
    """Return what it proves that the tests found nothing more, or that they were cut off."""
    k, count = stopped["k"], stopped["random"]
    if "unasked" in stopped:
        return (
            f"cut off after {stopped['cut']:g} s, while states were found: {stopped['unasked']:,} transitions were not "
            f"asked, {stopped['open']:,} lead to a state that is not known yet, and where others lead may change"
        )
    if "cut" in stopped:
        return (
            f"cut off after {stopped['cut']:g} s, {stopped['tests']:,} tests behind the last new state: "
            "each transition was seen, but this need not be the whole machine"
        )
    proof = (
        f"every Wp test with k={k} passes: nothing with up to {size + k} states behaves otherwise"
        if k
        else "each transition leads where it should, as far as the words that identify the states can tell"
    )
    drawn = f"; {count:,} random Wp tests (seed {stopped['seed']}) found nothing more" if count else ""
    return f"{proof}{drawn}"


def machine_of(hypothesis: Any, letters: tuple[str, ...]) -> Machine:
    """Return AALpy's automaton as a machine; one that is not minimal has two states that nothing tells apart."""

    def step(state: Any, letter: int) -> tuple[str, Any]:
        return state.output_fun[letter], state.transitions[letter]

    return Machine.explored(letters, hypothesis.initial_state, step)
