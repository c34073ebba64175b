"""A generated conversation as one text, and back: the plan, with ``[…]`` around words that its twin does without.

    connect wait:50 [A@i+5,n+10] wait:40000

So the text tells everything that `--replay` needs.
"""

import difflib
from collections.abc import Iterator

from harness.explore.plan import Move, Plan, moves
from harness.explore.run import Generated
from harness.fuzz.steps import BadSequence

#: The kind of a conversation that was read.
REPLAY = "replay"


def text_of(generated: Generated) -> str:
    """Return the text of a conversation."""
    return " ".join(f"[{move}]" if only_here else str(move) for move, only_here in marked(generated))


def marked(generated: Generated) -> list[tuple[Move, bool]]:
    """Return the moves, each with whether the twin does without it; without a twin it has all."""
    plan, twin = generated.plan, generated.twin
    if twin is None:
        return [(move, False) for move in plan]
    kept = {
        at
        for block in difflib.SequenceMatcher(None, plan, twin, autojunk=False).get_matching_blocks()
        for at in range(block.a, block.a + block.size)
    }
    return [(move, at not in kept) for at, move in enumerate(plan)]


def generated_from(text: str, name: str = "1", kind: str = REPLAY) -> Generated:
    """Read a conversation; raises BadSequence."""
    words = list(_words(text))
    plan = moves(" ".join(word for word, _only_here in words))
    if not any(only_here for _word, only_here in words):
        return Generated(kind, name, plan)
    twin: Plan = tuple(move for move, (_word, only_here) in zip(plan, words, strict=True) if not only_here)
    if not twin:
        raise BadSequence("a conversation has words outside of the brackets too")
    return Generated(kind, name, plan, twin)


def _words(text: str) -> Iterator[tuple[str, bool]]:
    for word in text.split():
        bracketed = word.startswith("[") and word.endswith("]")
        if not bracketed and ("[" in word or "]" in word):
            raise BadSequence(f"{word!r}: brackets stand around one word: [A@n,n]")
        yield word[1:-1] if bracketed else word, bracketed
