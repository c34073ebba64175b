"""Random: long seeded walks over several connections, calls, segments, losses, repetitions, reorderings, and time.

A walk is guided: of some candidates for its next word the one is taken whose pair of transitions (the word before and
this one, as kinds of words) has been seen least in all walks of the seed so far, so that few pairs are never met.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache

from harness.explore.kinds.needs import needs_of
from harness.explore.plan import Move, Special, moves, text_of
from harness.explore.run import Generated
from harness.fuzz.steps import Call, Probe

#: Words of a peer in good order, of one in disorder, of the application, of the wire and of time, with their weights.
ORDERLY = ((8, "A@p,r"), (6, "A@p,r/10"), (2, "A@p,r/1400"), (3, "FA@p,r"), (1, "FA@p,r/10"), (2, "A@p,u"))
ODD = (
    (2, "again"),
    (2, "A@n-1,n"),
    (2, "A@p+10,r/10"),
    (1, "FA@p+10,r/5"),
    (1, "A@n-4,n/10"),
    (1, "A@e-1,n/4"),
    (1, "A@e,n/4"),
    (1, "A@n+1073741824,n"),
    (1, "A@n,n+1"),
    (1, "A@n,u-1"),
    (1, "A@p,r%0"),
    (1, "A@p,r%10"),
    (1, "A@p,u%0"),
    (1, "A@p,u%10"),
    (1, "A@n-5,r/20"),
    (1, "UA@p,r/10"),
    (1, "FA@p,u"),
    (1, "R@n-1"),
    (1, "R@n+1"),
    (1, "R@e"),
    (1, "RA@n+5,u"),
    (1, "S@i"),
    (1, "S@n+100"),
    (1, "SA@i,n"),
    (1, "FA@n-1,n"),
    (1, "F@n"),
    (1, "-@n"),
)
FATAL = ((2, "R@p"), (1, "RA@p,r"), (2, "abort"))
CALLS = (
    (6, "send:10"),
    (2, "send:3000"),
    (4, "recv:1000"),
    (2, "recv:3"),
    (3, "accept"),
    (2, "shutdown"),
    (2, "close"),
    (1, "urgent:10"),
    (1, "keep-alive:9"),
    (1, "unlisten"),
    (1, "listen"),
)
#: ICMP errors that change nothing.
ERRORS = ((2, "soft@u"), (1, "soft@n"), (1, "hard@u-1"), (1, "quench@u"))
LOSSES = ((3, "lose:1"), (1, "lose:2"), (4, "recover"))
TIMES = ((4, "await"), (2, "wait:300"), (1, "wait:3000"), (1, "wait:30000"))
OPENINGS = ("listen S@i A@p,r accept", "listen S@i", "connect SA@i,r", "connect S@i", "connect", "listen S@i A@p,r")
OFFERS = (
    *("", "", "offer=s.w3.t", "offer=w7", "offer=t", "offer=s", "window=100", "window=1000"),
    *("iss=-5", "iss=-1000", "form=padded", "form=fragments", "delay=200", "own-iss=-12"),
)
_opening = cache(moves)
#: How many words a walk has, and of how many the one is taken that leads to the least met pair.
LENGTHS = (6, 10, 16, 24)
CANDIDATES = 3


def generate(seed: int = 1, count: int = 4000) -> Iterator[Generated]:
    """Yield `count` walks of a seed."""
    seen: Counter[tuple[str, str]] = Counter()
    for number in range(count):
        rng = random.Random(f"tcpspec explore {seed} {number}")
        plan = tuple(_walk(rng, seen))
        slow = any(str(move.step).partition(":")[0] in ("await", "wait", "recover") for move in plan)
        yield Generated("random", f"{seed}.{number}", plan, slow=slow, needs=needs_of(text_of(plan)))


def _walk(rng: random.Random, seen: Counter[tuple[str, str]]) -> Iterator[Move]:
    links = rng.choice((1, 1, 1, 2, 2, 3))
    timed = rng.random() < 0.5
    queues: list[list[Move]] = []
    for number in range(1, links + 1):
        like = tuple(
            each for each in (rng.choice(OFFERS), "same-port" if number > 1 and rng.random() < 0.7 else "") if each
        )
        opening = _opening(rng.choice(OPENINGS))
        first = Move(opening[0].step, number, like)
        queues.append([first, *(Move(move.step, number) for move in opening[1:])])
    left = rng.choice(LENGTHS)
    before = ""
    while left > 0 or any(queues):
        ready = [queue for queue in queues if queue]
        if ready and (left <= 0 or rng.random() < 0.6):
            yield rng.choice(ready).pop(0)
            continue
        left -= 1
        word, move = _next(rng, seen, before, links, timed)
        begun = next((queue for queue in queues if queue and queue[0].link == move.link and queue[0].like), None)
        if begun is not None:
            yield begun.pop(0)  # a connection begins with the word that says what it is like
        before = word
        yield move


def _next(rng: random.Random, seen: Counter[tuple[str, str]], before: str, links: int, timed: bool) -> tuple[str, Move]:
    choices = []
    for _each in range(CANDIDATES):
        tables = (ORDERLY, ODD, FATAL, CALLS, ERRORS, LOSSES, TIMES)
        table = rng.choices(tables, (8, 5, 0.3, 6, 0.4, 1.5 * timed, 2 * timed))[0]
        choices.append((_pick(rng, table), rng.randint(1, links)))
    word, link = min(choices, key=lambda choice: seen[before, choice[0]])
    seen[before, word] += 1
    return word, Move(_step(word), link)


@cache
def _step(word: str) -> Call | Probe | Special:
    return moves(word)[0].step


def _pick(rng: random.Random, table: Sequence[tuple[int, str]]) -> str:
    return rng.choices([word for _weight, word in table], [weight for weight, _word in table])[0]
