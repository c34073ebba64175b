"""Holds what was seen in a cell against what is allowed there."""

from collections.abc import Collection, Sequence

from harness.case.violation import Code, Finding, Level
from harness.grid import observed
from harness.grid.accept import demanded, reactions, tolerated
from harness.grid.cells import Cell
from harness.grid.observed import Observation
from harness.spec.policy import Policy
from harness.spec.reaction import Level as Strength
from harness.spec.reaction import Reaction


def judge(cell: Cell, seen: Observation, found: Sequence[Reaction], policies: Collection[Policy]) -> Finding | None:
    """Hold an observation against the allowed reactions; None if it is one of those that are demanded."""
    due = demanded(found, policies)
    if _allows(due, seen):
        return None
    fallback = tolerated(found, policies)
    strongest = max((reaction.level for reaction in fallback), default=Strength.MUST)
    must = not _allows(fallback, seen) and strongest is Strength.MUST
    expected = " or ".join(dict.fromkeys(f"{reaction.reply} → {reaction.next}" for reaction in due))
    cites = tuple(dict.fromkeys(cite for reaction in due for cite in reaction.cites))
    return Finding(
        code_of(seen.reply, due), Level.MUST if must else Level.SHOULD, expected, str(seen), str(cell.state), cites
    )


def _allows(allowed: Sequence[Reaction], seen: Observation) -> bool:
    return any(seen.reply == reaction.reply and seen.next in (reaction.next, observed.UNKNOWN) for reaction in allowed)


def code_of(reply: str, due: Sequence[Reaction]) -> Code:
    """Return the kind of difference between a reply and what was due."""
    replies = {str(reaction.reply) for reaction in due}
    if reply in replies:
        return Code.WRONG_STATE
    if reply == observed.NOTHING:
        return Code.SILENT
    if replies == {observed.NOTHING}:
        return Code.EXTRA
    if reply.startswith("rst") and not any(name.startswith("rst") for name in replies):
        return Code.RESET
    kind = reply.partition("(")[0]
    if kind in ("ack", "ack-new") and replies & {"ack", "ack-new"}:
        return Code.WRONG_ACK
    if kind in {name.partition("(")[0] for name in replies}:
        return Code.WRONG_SEQ
    return Code.WRONG_FLAGS


def signature(cell: Cell, pinned: Observation, policies: Collection[Policy]) -> str:
    """Return the signature of the finding that a declared deviation of this cell must show."""
    return f"{code_of(pinned.reply, demanded(reactions(cell), policies))}: {pinned}"
