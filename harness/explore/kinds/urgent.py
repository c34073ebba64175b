"""Urgent text: it takes its place in the stream, and its pointer goes with it, also behind losses and shut windows."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

TALKS = {
    "plain": "urgent:10 A@p,r send:10 A@p,r",
    "between": "send:10 urgent:10 send:10 A@p,u+10 A@p,r",
    "twice": "urgent:10 urgent:10 A@p,r urgent:1 A@p,r",
    "lost": "lose:1 urgent:100 recover A@p,r",
    "lost-before": "lose:2 send:100 urgent:10 recover A@p,r",
    "lost-behind": "lose:3 urgent:10 send:100 recover A@p,r",
    "lost-thrice": "lose:3 urgent:10 await await await recover",
    "much": "lose:1 urgent:3000 recover A@p,r",
    "fast": "lose:1 urgent:6000 A@p,r A@p,r A@p,r A@p,r recover",
    "shut": "A@p,r%0 urgent:10 await await A@p,r",
    "small": "A@p,r%20 urgent:100 await A@p,r%20 await A@p,r",
    "part": "lose:2 urgent:100 A@p,u+50 recover A@p,r",
    "closing": "lose:2 urgent:10 shutdown recover A@p,r FA@p,r",
    "closing-both": "lose:2 urgent:10 shutdown FA@p,u recover",
    "half-closed": "FA@p,r lose:1 urgent:10 recover close A@p,r",
    "last-ack": "FA@p,r lose:2 urgent:10 close recover",
    "aborted": "urgent:10 abort",
    "reset": "urgent:10 R@p",
    "in": "UA@p,r/10 recv:100 A@p,r/10 recv:100",
    "in-twice": "UA@p,r/10 UA@p,r/10 recv:100 recv:100 recv:100",
    "in-gap": "UA@p+10,r/10 A@p,r/10 recv:100 recv:100",
    "in-again": "UA@p,r/10 again recv:100 again A@p,r/10 recv:100",
    "in-old": "A@p,r/10 UA@n-10,r/10 recv:100 A@p,r/10 recv:100",
    "in-fin": "FUA@p,r/10 recv:100 recv:100 close A@p,r",
    "in-closing": "shutdown A@p,r UA@p,r/10 recv:100 FA@p,r",
    "in-reset": "UA@p,r/10 R@p recv:100",
    "in-far": "UA@n+1073741824,r/10 A@p,r/10 recv:100",
    "both": "urgent:10 UA@p,u/10 recv:100 A@p,r",
}
OFFERS = ("", "s.w3.t", "m100")


def generate() -> Iterator[Generated]:
    """Yield each talk behind each opening, under each offer."""
    needs = frozenset({Capability.SOCKET_OPTIONS})
    for opening, opened in bases.OPENINGS.items():
        for name, talk in TALKS.items():
            for offer in OFFERS:
                plan = moves(f"{opened} {talk}")
                like = (f"offer={offer}",) if offer else ()
                plan = (replace(plan[0], like=like), *plan[1:])
                yield Generated("urgent", f"{opening}.{name}.{offer}", plan, None, bases.takes_time(plan), needs)
