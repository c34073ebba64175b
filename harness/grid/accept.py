"""What a target may do in a cell: the rules of §3.10.7 asked, and the policies that a target has chosen."""

from collections.abc import Collection, Iterable
from functools import cache, lru_cache

from harness.grid.cells import Cell, segment_cells
from harness.grid.numbers import NOMINAL_WINDOW, connection_of, segment_of
from harness.spec.arrivals import RULES, allowed
from harness.spec.policy import DEFAULT, Policy
from harness.spec.reaction import Reaction, select
from harness.spec.rule import Rule
from harness.targets.protocol import Capability

_RFC5961 = frozenset({Policy.RFC5961_RST, Policy.RFC5961_SYN, Policy.RFC5961_ACK})
_RFC793 = frozenset({Policy.RFC793_RST, Policy.RFC793_SYN, Policy.RFC793_ACK})


def policies_of(capabilities: Collection[Capability], *, rfc1337: bool = False) -> frozenset[Policy]:
    """Return the policies that a target follows by what it claims; `rfc1337` is a setting on some."""
    chosen = set(DEFAULT)
    if Capability.RFC5961 not in capabilities:
        chosen = chosen - _RFC5961 | _RFC793
    if Capability.TIME_WAIT_REUSE in capabilities:
        chosen |= {Policy.MAY_2, Policy.RFC6191}
    if rfc1337:
        chosen.add(Policy.RFC1337)
    return frozenset(chosen)


@lru_cache(maxsize=16384)
def reactions(cell: Cell, window: int = NOMINAL_WINDOW, rules: tuple[Rule, ...] = RULES) -> tuple[Reaction, ...]:
    """Return all reactions that the specifications allow in a cell, under any policy."""
    connection = connection_of(cell, window)
    return allowed(connection, segment_of(cell, connection), rules)


def demanded(found: Iterable[Reaction], policies: Collection[Policy]) -> tuple[Reaction, ...]:
    """Return the reactions that a target with these policies should choose from."""
    return select(found, policies)


def tolerated(found: Iterable[Reaction], policies: Collection[Policy]) -> tuple[Reaction, ...]:
    """Return the reactions that break no MUST: RFC 6191 is a recommendation, even for those who follow MAY-2."""
    return select(found, set(policies) - {Policy.RFC6191})


@cache
def cites_of(cell: Cell) -> tuple[str, ...]:
    """Return what the allowed reactions of a cell cite."""
    return tuple(dict.fromkeys(cite for reaction in reactions(cell) for cite in reaction.cites))


@cache
def core() -> frozenset[str]:
    """Return the names of the cells that an ordinary run takes: one for each thing that the rules can tell apart.

    Within a place and a set of flags, cells that the same rules decide in the same way stand for each other; the first
    of them is taken. So every rule is met in every place where it can decide, with every combination of flags.
    """
    chosen: dict[object, str] = {}
    for cell in segment_cells():
        outcome = frozenset((reaction.reply, reaction.next, reaction.path) for reaction in reactions(cell))
        chosen.setdefault((cell.state, cell.route, cell.setting, cell.flags, outcome), cell.id)
    return frozenset(chosen.values())
