"""Late: a segment is so long on its way that another connection between the same two ports gets it, or its own end.

RFC 9293 §3.4.1 and §3.6.1 are about these: quiet time, TIME-WAIT and the choice of initial numbers keep old duplicates
apart from what is new, and the acceptability tests (§3.10.7.4 first) turn away the rest.
"""

import itertools
from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.kinds.needs import needs_of
from harness.explore.plan import moves
from harness.explore.run import Generated

#: What opens the former connection. Where it stays half open, what ends it is of its own.
OPENINGS = {
    "passive": "listen S@i A@p,r accept",
    "passive-scaled": "listen S@i~s.w7.t+0 A@p,r accept",
    "active": "connect SA@i,r",
    "active-stamped": "connect SA@i,r~s.t+0",
}
#: What is long on its way.
SEGMENTS = {
    "text": "A@p,r/10",
    "fin": "FA@p,r",
    "reset": "R@p",
    "reset-and-ack": "RA@p,r",
    "ack": "A@p,r",
    "shut": "A@p,r%0",
    "syn": "S@i",
    "syn-ack": "SA@i,r",
    "urgent": "UA@p,r/5",
    "above-a-gap": "A@p+10,r/10",
}
ENDINGS = {
    "time-wait": "shutdown A@p,r FA@p,r close",
    "reset": "send:10 R@p close",
    "by-peer": "FA@p,r close A@p,r",
    "aborted": "send:100 abort",
    "crossed": "close FA@p,u A@p,r",
}
#: Where the next connection is by then.
AGAIN = {
    "before": "late listen S@i A@p,r accept send:10 A@p,r A@p,r/10 recv:10",
    "half-open": "listen S@i late A@p,r accept A@p,r/10 recv:10 send:10 A@p,r",
    "open": "listen S@i A@p,r accept late A@p,r/10 recv:10 send:10 A@p,r FA@p,r close A@p,r",
    "closing": "listen S@i A@p,r accept send:10 shutdown late A@p,r FA@p,r",
    "in-flight": "listen S@i A@p,r accept lose:1 send:100 late recover A@p,r close",
    "asking": "unlisten connect late SA@i,r send:10 A@p,r A@p,r/10 recv:10",
    "asking-in-vain": "unlisten lose:1 connect late await SA@i,r send:10 A@p,r",
    "crossing": "unlisten connect S@i late SA@i,r send:10 A@p,r",
}
#: There an old SYN is taken for a crossing one, and the peer would have to undeceive the target (§3.5, figure 8).
ASKING = ("asking", "asking-in-vain", "crossing")
#: Attempts that come to nothing, and what of them comes when the next is made.
ATTEMPTS = {
    "syn-ack": "connect hold SA@i,r close",
    "syn-ack-of-a-repetition": "lose:1 connect await hold SA@i,r close",
    "refusal": "connect hold RA@i,r close",
    "crossing-syn": "connect hold S@i close",
    "third-segment": "listen S@i hold A@p,r R@p",
    "third-segment-with-text": "listen S@i hold A@p,r/10 R@p",
    "reset-of-the-attempt": "listen S@i hold R@p unlisten",
}


def generate() -> Iterator[Generated]:
    """Yield what is late behind each end, on the next connection at each point, by turns; then attempts."""
    for attempt, before in ATTEMPTS.items():
        for place in AGAIN if attempt != "crossing-syn" else sorted(AGAIN.keys() - ASKING):
            yield _made(f"{attempt}.{place}", f"{before} fresh {AGAIN[place]}")
    places = itertools.cycle(AGAIN)
    for (segment, held), (ending, end), (opening, begin), pause in itertools.product(
        SEGMENTS.items(), ENDINGS.items(), OPENINGS.items(), ("", "wait:300000")
    ):
        place = next(each for each in places if segment != "syn" or each not in ASKING)
        words = f"{begin} hold {held} {end} {pause} fresh {AGAIN[place]}"
        yield _made(f"{segment}.{opening}.{ending}.{place}{'.later' if pause else ''}", words)
    for (segment, held), (opening, begin) in itertools.product(SEGMENTS.items(), OPENINGS.items()):
        if segment in ("ack", "syn", "syn-ack"):  # of the same connection these are duplicates, whenever they come
            for ending, end in ENDINGS.items():
                yield _made(f"own.{segment}.{opening}.{ending}", f"{begin} hold {held} {end} late wait:200000")


def _made(name: str, text: str) -> Generated:
    plan = moves(text)
    return Generated("late", name, plan, slow=bases.takes_time(plan), needs=needs_of(text))
