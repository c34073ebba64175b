"""A Mealy machine: what a stack answers to each letter in each of its states, and where that leads.

States are numbered in the order in which they are met (breadth first, in the letters' order), so that two machines over
the same letters are equal where the stacks behave alike, and only there.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

#: A word: numbers of letters.
Word = tuple[int, ...]
#: The answer to a letter that was not asked, in a machine that was cut off; the state behind it is not known.
UNASKED = "not asked → ?"


@dataclass(frozen=True)
class Machine:
    """`answers[state][letter]` and `following[state][letter]`; state 0 is where it begins."""

    letters: tuple[str, ...]
    answers: tuple[tuple[str, ...], ...]
    following: tuple[tuple[int, ...], ...]
    _words: dict[tuple[int, int], Word] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def explored(cls, letters: Sequence[str], first: Any, step: Callable[[Any, int], tuple[str, Any]]) -> "Machine":
        """Return the part of a machine that can be reached; `step` gives answer and next state, which is hashable."""
        order: dict[Any, int] = {first: 0}
        waiting = deque([first])
        answers, following = [], []
        while waiting:
            state = waiting.popleft()
            row = [step(state, letter) for letter in range(len(letters))]
            for _answer, after in row:
                if after not in order:
                    order[after] = len(order)
                    waiting.append(after)
            answers.append(tuple(answer for answer, _after in row))
            following.append(tuple(order[after] for _answer, after in row))
        return cls(tuple(letters), tuple(answers), tuple(following))

    @property
    def size(self) -> int:
        """The number of states."""
        return len(self.answers)

    @property
    def whole(self) -> bool:
        """Whether each letter was asked in each state."""
        return all(answer != UNASKED for row in self.answers for answer in row)

    def was_asked(self, state: int) -> bool:
        """Tell whether any letter was asked in a state: nothing is known of one where none was."""
        return any(answer != UNASKED for answer in self.answers[state])

    @property
    def transitions(self) -> Iterator[tuple[int, int, str, int]]:
        """Each transition: state, letter, answer, next state."""
        for state in range(self.size):
            for letter in range(len(self.letters)):
                yield state, letter, self.answers[state][letter], self.following[state][letter]

    def run(self, word: Iterable[int], state: int = 0) -> tuple[list[str], int]:
        """Return the answers to a word, and the state behind it."""
        found = []
        for letter in word:
            found.append(self.answers[state][letter])
            state = self.following[state][letter]
        return found, state

    @cached_property
    def access(self) -> tuple[Word, ...]:
        """A shortest word that leads to each state."""
        found: dict[int, Word] = {0: ()}
        waiting = deque([0])
        while waiting:
            state = waiting.popleft()
            for letter, after in enumerate(self.following[state]):
                if after not in found:
                    found[after] = (*found[state], letter)
                    waiting.append(after)
        return tuple(found[state] for state in range(self.size))

    def answering(self, answer: Callable[[str], str]) -> "Machine":
        """Return the machine that gives other answers; states that these do not tell apart are one."""
        told = Machine(self.letters, tuple(tuple(map(answer, row)) for row in self.answers), self.following)
        first = [
            next(other for other in range(state + 1) if other == state or (other, state) not in told._apart)
            for state in range(self.size)
        ]
        return Machine.explored(
            self.letters, 0, lambda state, letter: (told.answers[state][letter], first[self.following[state][letter]])
        )

    # --- telling states apart ----------------------------------------------------------------------------------------

    @cached_property
    def _apart(self) -> dict[tuple[int, int], int]:
        """For each pair of states the first letter of a shortest word that tells them apart."""
        pairs = [(one, other) for one in range(self.size) for other in range(one + 1, self.size)]
        found: dict[tuple[int, int], int] = {}
        for pair in pairs:
            rows = self.answers[pair[0]], self.answers[pair[1]]
            letter = next((at for at, both in enumerate(zip(*rows, strict=True)) if both[0] != both[1]), None)
            if letter is not None:
                found[pair] = letter
        while left := [pair for pair in pairs if pair not in found]:
            fresh = {}
            for pair in left:
                for letter in range(len(self.letters)):
                    if self._after(pair, letter) in found:
                        fresh[pair] = letter
                        break
            if not fresh:
                break
            found |= fresh
        return found

    def _after(self, pair: tuple[int, int], letter: int) -> tuple[int, int]:
        one, other = self.following[pair[0]][letter], self.following[pair[1]][letter]
        return (one, other) if one <= other else (other, one)

    @property
    def minimal(self) -> bool:
        """Whether any two states are told apart by some word."""
        return len(self._apart) == self.size * (self.size - 1) // 2

    def tells_apart(self, one: int, other: int) -> Word:
        """Return a shortest word that two different states answer differently."""
        pair = (min(one, other), max(one, other))
        if pair not in self._words:
            letter = self._apart[pair]
            differs = self.answers[pair[0]][letter] != self.answers[pair[1]][letter]
            rest: Word = () if differs else self.tells_apart(*self._after(pair, letter))
            self._words[pair] = (letter, *rest)
        return self._words[pair]

    @cached_property
    def identifiers(self) -> tuple[tuple[Word, ...], ...]:
        """For each state words that tell it from every other one: few, and short ones first."""
        return tuple(self._identifiers(state) for state in range(self.size))

    @cached_property
    def characterising(self) -> tuple[Word, ...]:
        """Words that tell any two states apart: the set W."""
        return tuple(dict.fromkeys(word for words in self.identifiers for word in words))

    def _identifiers(self, state: int) -> tuple[Word, ...]:
        chosen: list[Word] = []
        left = set(range(self.size)) - {state}
        candidates = sorted({self.tells_apart(state, other) for other in left}, key=lambda word: (len(word), word))
        apart = {word: self._told(state, word, left) for word in candidates}
        while left:
            best = max(candidates, key=lambda word: (len(apart[word] & left), -len(word)))
            chosen.append(best)
            left -= apart[best]
        return tuple(chosen)

    def _told(self, state: int, word: Word, others: Iterable[int]) -> set[int]:
        due = self.run(word, state)[0]
        return {other for other in others if self.run(word, other)[0] != due}
