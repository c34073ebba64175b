"""Again: any conversation, with a second one of the same: beside it, behind it, or of a part of it.

What holds for the first of a thing may fail with the second, the third or the ninth: two connections that wait for
2 MSL, the third challenge, a second shut window, another handshake with an MSS of its own, a former life that was like
this one. So operations (`harness.explore.operations`) are tried on conversations of all kinds: several connections play
it side by side, each some words behind the other; it is played behind itself or behind another one on the same pair; or
a part of it comes several times. Of some that chance has drawn the one is taken in which most words meet that have not.
"""

import random
from collections.abc import Iterator

from harness.explore import meetings, operations
from harness.explore.kinds import sources
from harness.explore.kinds.armed_table import ANEW
from harness.explore.kinds.needs import needs_of
from harness.explore.kinds.pairs import NEEDS, SLOW
from harness.explore.plan import Plan, text_of, with_traits
from harness.explore.run import Generated

#: Of so many the best is taken.
DRAWN = 6
#: How often connections are side by side, lives behind each other, and parts of one come again.
WAYS = ("side", "side", "lives", "lives", "part", "part", "part")
#: How many connections play the same, of which no long one is played by many; and by how many words each is behind.
COMPANY, LONG = (2, 2, 3, 9), 14
LAGS = (0, 0, 1, 2, 3, 5)
#: How often the second of two is on the other IP version.
BOTH_IPS = 0.25
#: What a further connection, or a further life, offers in its SYN, and which window it has where it names none.
OFFERS = ("", "", "offer=m536", "offer=m1400.w0", "offer=s.w7.t", "offer=w2", "offer=m200.t")
LATER_OFFERS = ((), (), ("m536",), ("w7", "s", "t+0"), ("t+0",), ("w0",))
WINDOWS = (0, 0, 0, 200, 1000, 20_000)
#: How many lives there are, and what lies between two: all is over, or the pair is asked for again as it is.
LIVES = (2, 2, 3)
BETWEEN = (
    *(ANEW, ANEW, "close fresh", "close fresh", "accept close wait:300000 fresh"),
    *("close wait:20000 fresh", "close wait:100000 fresh"),
)
#: How often listeners have little room, and for how many connections.
SMALL, BACKLOGS = 0.3, (1, 1, 2)
#: How many words a part has, how often it comes, after which pause in milliseconds, and how many words later.
PARTS, TIMES, PAUSES, LATER = (1, 1, 2, 2, 3, 4), (2, 2, 2, 3, 3, 6, 10), (0, 0, 0, 130, 730, 4570), (0, 0, 1, 3)
#: Where a part may not begin or end: it opens the connection, or lets go of it.
_ONCE = frozenset({"listen", "unlisten", "connect", "begin-connect", "fresh", "mark"})
#: What is looked at behind it, and how often: a silence in which what is pending goes on by itself.
WATCHED = ("", "", "wait:12000", "wait:25000 " * 4, "wait:50000 " * 6, "wait:100000 " * 7)


def generate(seed: int = 1, count: int = 6000) -> Iterator[Generated]:
    """Yield `count` conversations of a seed."""
    seen: meetings.Met = set()
    for number in range(count):
        rng = random.Random(f"tcpspec again {seed} {number}")
        make = _MAKERS[rng.choice(WAYS)]
        drawn = [make(rng) for _each in range(DRAWN)]
        name, plan = drawn[meetings.newest([plan for _name, plan in drawn], seen)]
        text = text_of(plan)
        yield Generated("again", f"{seed}.{number}.{name}", plan, None, bool(SLOW.search(text)), needs_of(text, NEEDS))


def _side(rng: random.Random) -> tuple[str, Plan]:
    plan, count = sources.draw(rng, alone=True), rng.choice(COMPANY)
    plan = _small(rng, plan, (*BACKLOGS, count, count))
    if not any("offer=" in like for like in plan[0].like) and (offer := rng.choice(OFFERS)):
        plan = with_traits(plan, [offer])
    count = min(count, 3) if len(plan) > LONG else count
    likes = [[offer] if (offer := rng.choice(OFFERS)) else [] for _each in range(count - 1)]
    lag, other_ip = rng.choice(LAGS), count == 2 and rng.random() < BOTH_IPS
    name = f"side.{count}.{'both-ips' if other_ip else lag}"
    return name, _watched(rng, operations.side_by_side(plan, likes, lag, other_ip=other_ip))


def _lives(rng: random.Random) -> tuple[str, Plan]:
    lives = rng.choice(LIVES)
    plan = _life(rng)
    for _each in range(lives - 1):
        same = rng.random() < 0.4
        then = plan if same and len(plan) <= sources.LONGEST else _life(rng)
        between = rng.choice(BETWEEN)
        if operations.name_of(then[0]) == "connect":
            between += " unlisten"
        plan = operations.behind(plan, between, then)
    return f"lives.{lives}", _watched(rng, plan)


def _life(rng: random.Random) -> Plan:
    plan = _small(rng, sources.draw(rng))
    if window := rng.choice(WINDOWS):
        plan = operations.each(plan, operations.windowed(window))
    if options := rng.choice(LATER_OFFERS):
        plan = operations.each(plan, operations.offering(options))
    return plan


def _small(rng: random.Random, plan: Plan, backlogs: tuple[int, ...] = BACKLOGS) -> Plan:
    """Return the plan, now and then with listeners that have little room."""
    return operations.backlogged(plan, rng.choice(backlogs)) if rng.random() < SMALL else plan


def _part(rng: random.Random) -> tuple[str, Plan]:
    while True:
        plan = sources.draw(rng)
        begin = rng.randrange(len(plan))
        end = begin + rng.choice(PARTS)
        part = plan[begin:end]
        if not any(operations.name_of(move) in _ONCE for move in part):
            break
    times = rng.choice(TIMES)
    made = operations.again(plan, begin, end, times, rng.choice(PAUSES), rng.choice(LATER))
    return f"part.{times}", _watched(rng, made)


def _watched(rng: random.Random, plan: Plan) -> Plan:
    """Return the plan with a silence behind it, in which what is pending goes on by itself."""
    watched = rng.choice(WATCHED)
    if not watched or not SLOW.search(text_of(plan)):
        return plan
    return operations.inserted(plan, len(plan), watched)


_MAKERS = {"side": _side, "lives": _lives, "part": _part}
