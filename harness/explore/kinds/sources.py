"""Sources: conversations of other kinds, one at a time by chance, for kinds that make others of them.

Those with a twin are played without it: what stands in brackets is a word like others there.
"""

import itertools
import random
from functools import cache

from harness.explore import operations
from harness.explore.kinds import (
    application,
    bases,
    crossing,
    icmp,
    loss,
    options,
    queue,
    reset_ack,
    residue,
    stray,
    unread,
    unsent,
    urgent,
    wraps,
)
from harness.explore.kinds.beginnings import BEGINNINGS
from harness.explore.kinds.things import THINGS, Thing
from harness.explore.plan import Plan, moves

_KINDS = (
    application,
    crossing,
    icmp,
    loss,
    options,
    queue,
    reset_ack,
    residue,
    stray,
    unread,
    unsent,
    urgent,
    wraps,
)
#: So many of a kind are made.
OF_KIND = 2000
#: Longer ones are left alone, in words.
LONGEST = 30
#: How often a source is a thing in a state, and how often one of the ordinary conversations, whole or up to a state.
THING, ORDINARY = 0.5, 0.2


@cache
def _made() -> tuple[tuple[Plan, ...], ...]:
    return tuple(
        tuple(
            tuple(move for move in made.plan if operations.name_of(move) != "mark")
            for made in itertools.islice(kind.generate(), OF_KIND)
            if len(made.plan) <= LONGEST and not any(operations.name_of(move) == "repeat" for move in made.plan)
        )
        for kind in _KINDS
    )


@cache
def _ordinary() -> tuple[Plan, ...]:
    return (*bases.whole().values(), *(moves(state) for state in bases.STATES.values()))


@cache
def _by_state() -> dict[str, tuple[Thing, ...]]:
    """Return the things of one connection by the states in which they can happen."""
    alone = [thing for thing in THINGS.values() if "*" not in thing.words and "repeat:" not in thing.words]
    states = {state for thing in alone for state in thing.leads}
    return {state: tuple(thing for thing in alone if state in thing.leads) for state in states}


def draw(rng: random.Random, *, alone: bool = False) -> Plan:
    """Return a conversation; `alone`: of one connection."""
    while True:
        plan = _draw(rng)
        if not alone or operations.is_alone(plan):
            return plan


def _draw(rng: random.Random) -> Plan:
    chosen = rng.random()
    if chosen < THING:
        return _things(rng)
    if chosen < THING + ORDINARY:
        return rng.choice(_ordinary())
    return rng.choice(rng.choice(_made()))


def _things(rng: random.Random) -> Plan:
    """Return a way to a state with one thing or two that happen there, inside each other or one behind the other."""
    state, words = rng.choice(BEGINNINGS)
    first = rng.choice(_by_state()[state])
    text = f"{words} {first.words}"
    second = rng.choice(_by_state().get(first.leads[state], (first,)))
    if second is first or rng.random() < 0.5:
        return moves(_plain(f"{text} {first.rest}"))
    inside = f"{second.words} {first.rest} {second.rest}", f"{first.rest} {second.words} {second.rest}"
    return moves(_plain(f"{text} {rng.choice(inside)}"))


def _plain(text: str) -> str:
    """Return a text without brackets: there is no twin."""
    return text.replace("[", "").replace("]", "")
