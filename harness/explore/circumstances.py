"""What a conversation of any kind is like besides: its IP version, numbers around their wraps, options.

Nothing of it is odd, so whatever a conversation is about must come out the same under it. A run chooses for each: then
its ten thousandth conversation still meets something that its first did not.
"""

import random
from dataclasses import replace

from harness.explore.forms import BOTH
from harness.explore.plan import Plan, with_traits
from harness.explore.run import Generated
from harness.fuzz.steps import Probe
from harness.spec.segment import FIN

#: What is chosen here.
CHOSEN = frozenset({"ip", "iss", "own-iss", "offer", "delay"})
#: Forms of packets that there are on one IP version only.
ONLY_ON = {
    4: ("ip-options", "options-in-fragments", "fragments-copied"),
    6: (
        *("hop-by-hop", "destination-header", "extension-headers", "flow-label", "hop-by-hop-and-fragments"),
        *("atomic-between", "destination-in-fragments", "routing-header"),
    ),
}
#: How often the peer's numbers wrap within the conversation, else the target's, how often options are offered, and
#: acknowledgments delayed.
WRAPS, OWN_WRAPS, OFFERED, DELAYED = 0.5, 0.25, 0.25, 0.15
#: What is meant by a wrap: 2**32 as a rule, and sometimes 2**31, where the sign of a number changes.
MIDDLES = (0, 0, 0, 1 << 31)
#: Of those where the peer's wrap, so many have an edge of a segment there.
EDGES = 0.5
OFFERS = ("s.w3.t", "s.t", "w7", "s", "t", "w2.s")
#: Windows of which the right edge may lie at the wrap, in octets: what the field holds, and as many segments as fit.
WINDOWS = (65_535, 64_240)


def under(generated: Generated, seed: int, ip: int) -> Generated:
    """Return the conversation under circumstances that its name and the seed decide; `ip` 0: the IP version too."""
    rng = random.Random(f"tcpspec circumstances {seed} {generated.id}")
    has = {trait.partition("=")[0]: trait.partition("=")[2] for move in generated.plan for trait in move.like}
    chosen: list[str] = []
    if not ip and "ip" not in has:
        chosen += _version(rng, has.get("form", ""))
    numbered = has.keys() & {"iss", "own-iss", "tsval", "own-tsval"}
    if not numbered and rng.random() < WRAPS:
        chosen.append(f"iss={rng.choice(MIDDLES) - _distance(rng, generated.plan)}")
    elif not numbered and rng.random() < OWN_WRAPS:
        chosen.append(f"own-iss={rng.choice(MIDDLES) - _own_distance(rng)}")
    if not has.keys() & {"offer", "form"} and not _tells_options(generated.plan) and rng.random() < OFFERED:
        chosen.append(f"offer={rng.choice(OFFERS)}")
    if "delay" not in has and generated.twin is None and rng.random() < DELAYED:
        chosen.append("delay=200")
    if not chosen:
        return generated
    twin = with_traits(generated.twin, chosen) if generated.twin is not None else None
    return replace(generated, plan=with_traits(generated.plan, chosen), twin=twin)


def _version(rng: random.Random, form: str) -> list[str]:
    carried = form.partition(BOTH)[0]
    only = next((version for version, forms in ONLY_ON.items() if carried in forms), rng.choice((4, 6)))
    return ["ip=6"] if only == 6 else []


def _distance(rng: random.Random, plan: Plan) -> int:
    """Return how far below the wrap the peer begins: its SYN is the last number, or text, FIN or the edge lie there.

    Every other time the first octet of a segment, its last one, or what is behind it has the number 2**32-1 or 0.
    """
    edges = _edges(plan)
    if edges and rng.random() < EDGES:
        return rng.choice(edges) + rng.choice((0, 1))
    octets = sum(move.step.octets for move in plan if move.link == 1 and isinstance(move.step, Probe))
    within = rng.randint(1, max(2, octets))
    edge = rng.choice(WINDOWS) + rng.choice((0, 1, 2, rng.randint(-20, 20)))
    return rng.choice((1, 2, within, within, 1 + octets, 2 + octets, rng.randint(3, 40), edge, edge))


def _edges(plan: Plan) -> list[int]:
    """Return where segments of the peer begin and end, the text before them counted from 1, as far as a plan tells."""
    at, found = 1, set[int]()
    for step in (move.step for move in plan if move.link == 1):
        if isinstance(step, Probe) and step.seq.base == "p":
            start = at + step.seq.offset
            found.update(each for each in (start, start + step.octets) if each > 0)
            at += (step.octets + bool(step.flags & FIN)) * (step.seq.offset == 0)
    return sorted(found)


def _own_distance(rng: random.Random) -> int:
    """Return how far below the wrap the target begins: its SYN, its text or its FIN lie there."""
    return rng.choice((1, 2, 11, 12, 101, 102, rng.randint(2, 200), rng.randint(100, 5000)))


def _tells_options(plan: Plan) -> bool:
    """Tell whether a plan has options of its own, which it may be about."""
    return any(isinstance(move.step, Probe) and move.step.options for move in plan)
