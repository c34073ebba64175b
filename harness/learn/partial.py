"""A machine of what is known when learning is cut off between two hypotheses.

Its states are those that some answer tells from each other, or that show different states of the RFC. What was not
asked in one of them, and what may have led to more than one, leads to a state of its own, of which nothing is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.learn.machine import UNASKED, Machine, Word
from harness.learn.tree import Node, Tree

#: A node, and the state of the RFC that the target showed there, "" at the beginning.
_State = tuple[Node, str]


@dataclass(frozen=True, slots=True)
class Partial:
    """A machine, and how many of its transitions were not asked, or may lead to more than one state (`open`)."""

    machine: Machine
    unasked: int
    open: int


def folded(tree: Tree, words: Sequence[Word]) -> Partial:
    """Return the machine of all answers in a tree; `words` lead to states that are known to be different."""
    states = _states(tree, words)
    nowhere = len(states)
    ways: dict[tuple[int, int], list[int]] = {}
    for at, state in enumerate(states):
        for letter in state[0]:
            after = _after(tree, state, letter)
            ways[at, letter] = [number for number, other in enumerate(states) if not _apart(after, other)]

    def step(at: int, letter: int) -> tuple[str, int]:
        if (at, letter) not in ways:
            return UNASKED, nowhere
        leads = ways[at, letter]
        return tree.answers[states[at][0][letter][0]], leads[0] if len(leads) == 1 else nowhere

    machine = Machine.explored(tree.letters, 0, step).answering(str)
    asked = [answers for state, answers in enumerate(machine.answers) if machine.was_asked(state)]
    unasked = sum(answer == UNASKED for answers in asked for answer in answers)
    return Partial(machine, unasked, sum(len(found) > 1 for found in ways.values()))


def _after(tree: Tree, state: _State, letter: int) -> _State:
    answer, node = state[0][letter]
    return node, tree.answers[answer].rpartition(" ")[2]


def _states(tree: Tree, words: Sequence[Word]) -> list[_State]:
    """Return where words lead, and all behind them that is told from each of these."""
    found: list[_State] = [(tree.root, "")]

    def add(state: _State) -> None:
        if all(_apart(state, other) for other in found):
            found.append(state)

    for word in words:
        state = found[0]
        for letter in word:
            if letter not in state[0]:
                break
            state = _after(tree, state, letter)
        else:
            add(state)
    for state in found:  # which grows
        for letter in sorted(state[0]):
            add(_after(tree, state, letter))
    return found


def _apart(one: _State, other: _State) -> bool:
    """Tell whether two states show different things, or some word was asked in both and answered differently."""
    if one[0] is other[0]:
        return False
    if one[1] and other[1] and one[1] != other[1]:
        return True
    pairs = [(one[0], other[0])]
    while pairs:
        here, there = pairs.pop()
        for letter in here if len(here) < len(there) else there:
            if letter in here and letter in there:
                if here[letter][0] != there[letter][0]:
                    return True
                pairs.append((here[letter][1], there[letter][1]))
    return False
