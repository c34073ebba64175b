"""What meets in a conversation: pairs of words of which one follows soon on the other, to choose what is new by."""

import itertools
from collections.abc import Sequence

from harness.explore.plan import Move, Plan, Special

Met = set[tuple[str, str]]
#: Words meet with at most so many between them.
NEAR = 10


def of_words(plan: Plan) -> Met:
    """Return the pairs; what a connection is like meets every word, and how much time passes is not looked at."""
    words = [str(move.step) for move in plan if not _is_pause(move)]
    found = {(word, other) for at, word in enumerate(words) for other in words[at + 1 : at + 1 + NEAR]}
    like = [trait for move in plan for trait in move.like]
    return found | set(itertools.product(like, words))


def newest(plans: Sequence[Plan], seen: Met) -> int:
    """Return the place of the plan in which most meets that has not been seen, for its length, and take note of it."""
    met = [of_words(plan) for plan in plans]
    at = max(range(len(plans)), key=lambda at: len(met[at] - seen) / max(1, len(met[at])) ** 0.5)
    seen |= met[at]
    return at


def _is_pause(move: Move) -> bool:
    return isinstance(move.step, Special) and move.step.name == "wait"
