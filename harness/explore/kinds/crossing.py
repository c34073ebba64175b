"""Crossing SYNs (RFC 9293 §3.5, figure 7): calls, losses, options and resets at each point of a simultaneous open."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated

#: How the open goes on behind the peer's SYN, in steps between which a call may come.
COURSES = {
    "syn-ack": ("S@i", "SA@i,r"),
    "ack": ("S@i", "A@p,r"),
    "ack-with-text": ("S@i", "A@p,r/10"),
    "ack-with-fin": ("S@i", "FA@p,r/5"),
    "syn-ack-then-ack": ("S@i", "SA@i,r", "A@p,r"),
    "syn-again": ("S@i", "S@i", "SA@i,r"),
    "syn-ack-again": ("S@i", "SA@i,r", "SA@i,r"),
    "wrong-ack": ("S@i", "A@p,n+5", "SA@i,r"),
    "text-on-the-syn": ("S@i/10", "SA@i,r"),
    "both-on-the-syn": ("FS@i/10", "A@p,r"),
    "reset": ("S@i", "R@p"),
    "reset-and-ack": ("S@i", "RA@p,r"),
    "reset-and-old-ack": ("S@i", "RA@p,u"),
    "reset-elsewhere": ("S@i", "R@p+10", "A@p,r"),
    "small-window": ("S@i%50", "A@p,r%50"),
    "shut-window": ("S@i%0", "A@p,r%0"),
}
CALLS = {
    "none": "",
    "send": "send:100",
    "much": "send:3000",
    "shutdown": "shutdown",
    "close": "close",
    "abort": "abort",
}
OFFERS = ("", "s.w3.t", "w7", "m536.t")
#: What follows where the connection is open then; windows count that are a power of two apart without their scale.
TALKS = (
    "A@p,r/10 recv:100 send:100 A@p,r",
    "A@p,r%2 send:16 wait:2000 A@p,r%2 send:200 wait:2000 A@p,r A@p,r FA@p,r",
    "shutdown wait:5000 A@p,r FA@p,r",
)


def generate() -> Iterator[Generated]:
    """Yield each course with each call at each point, then with what the target sends there lost."""
    turn = itertools.cycle(itertools.product(OFFERS, TALKS))
    for (course, steps), (call, called) in itertools.product(COURSES.items(), CALLS.items()):
        for at in range(len(steps) + 1) if called else (0,):
            words = ["connect", *steps[:at], called, *steps[at:]]
            if at == 0 and called and call not in ("send", "much"):
                continue  # CLOSE and ABORT in SYN-SENT delete the connection
            for depth in (0, 1, 2):
                for lost in range(len(words)) if depth else (0,):
                    if depth and not words[lost]:
                        continue
                    offer, talk = next(turn)
                    plan = _offered(moves(" ".join([*_losing(words, lost, depth), talk])), offer)
                    name = f"{course}.{call}-{at}.{lost + 1}x{depth}.{offer}"
                    yield Generated("crossing", name, plan, slow=bases.takes_time(plan))


def _losing(words: list[str], at: int, depth: int) -> list[str]:
    """Lose what comes of one word; what was lost is waited for at once, or behind the next word."""
    if not depth:
        return words
    return [*words[:at], f"lose:{depth}", words[at], "await" if depth == 1 else "recover", *words[at + 1 :]]


def _offered(plan: Plan, offer: str) -> Plan:
    return (replace(plan[0], like=(f"offer={offer}",) if offer else ()), *plan[1:])
