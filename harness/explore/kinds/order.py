"""Order: any conversation, with two of its words the other way round, or with something between that may come anywhere.

A generator plays most things in the order in which its author thought of them: an option is set first and text is sent
then, a connection is accepted and then its listener closed. Here a call, or what is lost, comes some words sooner or
later than it did, in conversations of all kinds; and what an application, a neighbour or the way may do at any moment
comes at one. Of some that chance has drawn the one is taken in which most words meet that have not.
"""

import random
from collections.abc import Iterator

from harness.explore import meetings, operations
from harness.explore.kinds import sources
from harness.explore.kinds.again import DRAWN, WATCHED
from harness.explore.kinds.needs import needs_of
from harness.explore.kinds.pairs import NEEDS, SLOW
from harness.explore.plan import Plan, text_of
from harness.explore.run import Generated

#: How many changes there are, how far a word moves, and how often it does rather than that something comes between.
CHANGES, FAR, MOVES = (1, 1, 2, 3), 5, 0.4
#: What may come at any moment: what the application chooses or asks for, errors, losses, time; and of a neighbour.
ANYWHERE = (
    *("timeout:20000", "timeout:60000", "timeout:9000", "keep-alive:9", "keep-alive:30", "buffer:8000", "shut-rd"),
    *("edges", "poll", "poll error", "poll edges", "recv:4", "recv:100", "peek:4", "send:10", "send:3000", "urgent:10"),
    *("unlisten", "unlisten listen", "unlisten listen:1", "accept", "shutdown", "close", "begin-recv:100"),
    *("soft@u", "quench@u", "lose:1", "lose:2", "lose:4", "again", "wait:130", "wait:4570", "wait:70000", "await"),
    *("A@p,u", "A@p,r", "A@p,u%0", "A@p,r%0", "A@p,r%300", "A@p,u/10", "A@p,r/10", "UA@p,r/10", "A@p+10,u/10"),
)
NEIGHBOURS = (
    ("90{same-port}:S@i", "90:A@p,r/10", "accept", "90:R@p"),
    ("90{same-port}:S@i 90:A@p,r accept", "90:close", "90:FA@p,r"),
    ("90{same-port}:S@i 90:A@p,r accept", "90:FA@p,r", "90:close 90:A@p,r"),
    ("90{same-port,offer=m536.t}:S@i 90:A@p,r accept", "90:send:3000", "90:A@p,r 90:abort"),
)
#: What an application chooses, of which two meet now and then, and how often.
SETTINGS = (
    "timeout:20000",
    "timeout:60000",
    "keep-alive:9",
    "keep-alive:30",
    "keep-alive:60",
    "buffer:8000",
    "shut-rd",
)
CHOSEN = 0.1
#: How often a neighbour comes.
COMPANY = 0.15


def generate(seed: int = 1, count: int = 6000) -> Iterator[Generated]:
    """Yield `count` conversations of a seed."""
    seen: meetings.Met = set()
    for number in range(count):
        rng = random.Random(f"tcpspec order {seed} {number}")
        drawn = [_made(rng) for _each in range(DRAWN)]
        plan = drawn[meetings.newest(drawn, seen)]
        text = text_of(plan)
        slow = bool(SLOW.search(text))
        if slow and (watched := rng.choice(WATCHED)):
            plan = operations.inserted(plan, len(plan), watched)
        yield Generated("order", f"{seed}.{number}", plan, None, slow, needs_of(text, NEEDS))


def _made(rng: random.Random) -> Plan:
    plan = sources.draw(rng)
    for _each in range(rng.choice(CHANGES)):
        movable = operations.calls(plan)
        if movable and rng.random() < MOVES:
            at = rng.choice(movable)
            to = at + rng.choice((-1, 1)) * rng.randint(1, FAR)
            plan = operations.moved(plan, at, max(0, min(len(plan) - 1, to)))
        else:
            plan = operations.inserted(plan, rng.randint(1, len(plan)), rng.choice(ANYWHERE))
    if rng.random() < CHOSEN:
        for setting in rng.sample(SETTINGS, 2):
            plan = operations.inserted(plan, rng.randint(1, len(plan)), setting)
        plan = operations.inserted(plan, len(plan), "wait:61000")
    if rng.random() < COMPANY and not any(move.link == 90 for move in plan):
        at = 0
        for words in rng.choice(NEIGHBOURS):
            at = rng.randint(at + 1, len(plan)) if at < len(plan) else len(plan)
            plan = operations.inserted(plan, at, words)
            at += len(words.split()) - 1
    return plan
