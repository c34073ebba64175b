"""Options and scale together: timestamps, window scale and SACK at once, under losses, gaps, small and shut windows."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.kinds.loss import losing
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated

OFFERS = ("s.w3.t", "w3", "t", "s", "w0.t", "w14.t.s", "s.t", "w15")
#: Conversations in which windows and timestamps count.
TALKS = {
    "scaled-window": "A@p,r%2 send:100 A@p,r%2 send:3000 await A@p,r%4 await A@p,r",
    "shut-scaled": "A@p,r%0 send:100 await A@p,r%1 await A@p,r",
    "much": "send:40000 A@p,r%100 A@p,r%5000 A@p,r",
    "old-stamp": "A@p,r/10 A@p,r/10~t-100 recv:100 A@p,r/10",
    "old-stamp-far": "A@n+1000,r/10~t-100 A@p,r/10",
    "same-stamp": "A@p,r/10~t+0 A@p,r/10~t+0 recv:100",
    "no-stamp-reset": "R@p+10 R@p-1 A@p,r/10 recv:100",
    "stamp-outside": "A@e+10,r/10~t+50 A@p,r/10~t-20 A@p,r/10 recv:100",
    "stamp-above-a-gap": "A@p+10,r/10~t+50 A@p,r/10~t-10 recv:100",
    "syn-again": "S@i~w9 A@p,r%2 send:100 A@p,r",
    "idle": "A@p,r/10 wait:5000 send:10 A@p,r wait:5000 recv:100",
    "two-gaps": "A@p+20,r/10 A@p+40,r/10 A@p,r/10 A@p,r/10 A@p+10,r/10 recv:1000",
}
CLOSED = ("close wait:3000 A@p,r FA@p,r", "FA@p,r wait:3000 close A@p,r", "wait:3000 abort")


def generate() -> Iterator[Generated]:
    """Yield each talk under each offer and closed in each way, and the usual conversations with a loss each."""
    for offer in OFFERS:
        for opening in ("passive", "active", "simultaneous"):
            for name, talk in TALKS.items():
                if opening == "simultaneous" and name != "much":
                    continue
                for number, closing in enumerate(CLOSED):
                    plan = _offered(moves(f"{bases.OPENINGS[opening]} {talk} {closing}"), offer)
                    yield Generated("options", f"{offer}.{opening}.{name}.{number + 1}", plan, slow=True)
    for name, plan in bases.usual().items():
        for at in range(1, len(plan)):
            yield Generated("options", f"s.w3.t.{name}.{at}", _offered(losing(plan, at, 1), "s.w3.t"), slow=True)


def _offered(plan: Plan, offer: str) -> Plan:
    return (replace(plan[0], like=(*plan[0].like, f"offer={offer}")), *plan[1:])
