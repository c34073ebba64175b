"""Full: unread text keeps the target's window shut, in each state in which text comes, and whatever meets it there."""

import itertools
from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

STATES = {
    "established": "listen S@i A@p,r accept",
    "active": "connect SA@i,r",
    "queued": "listen S@i A@p,r",
    "flight": "connect SA@i,r send:100",
    "fin-wait-1": "listen S@i A@p,r accept shutdown",
    "fin-wait-2": "listen S@i A@p,r accept shutdown A@p,r",
    "both-shut": "connect SA@i,r%0 send:100",
}
#: What comes then: a probe, what counts in a shut window all the same (MUST-66), what does not.
EVENTS = {
    "probe": "A@n,u/1",
    "probe-twice": "A@n,u/1 again wait:3000 again",
    "text": "A@n,u/1400",
    "bare": "A@n,r",
    "acknowledgment": "A@n,r/1",
    "keep-alive": "A@n-1,r",
    "fin": "FA@n,u",
    "fin-behind-text": "FA@n,u/10",
    "reset": "R@n",
    "reset-and-ack": "RA@n,u",
    "reset-old-ack": "RA@n,u-1",
    "reset-elsewhere": "R@n+1 R@n-1",
    "syn": "S@n",
    "urgent": "UA@n,u/1",
    "far": "A@n+10,u/10",
    "ack-of-the-unsent": "A@n,n+10",
    "send": "send:100 A@n,r",
    "shutdown": "shutdown A@n,r A@n,r/1",
    "abort": "abort",
    "window": "A@n,r%0 send:10 A@n,r",
}
#: How the text is read then.
READS = {
    "all": "recv:1000000 recv:1000000 A@p,r/10 recv:100 FA@p,r recv:1",
    "a-little": "recv:100 A@n,r/1 recv:2000 A@p,r/1 recv:100000 A@p,r/10",
    "again": "recv:1000000 recv:1000000 fill recv:1000000 recv:1000000 A@e-1,r/1 fill recv:1000000 A@p,r/10",
    "late": "wait:5000 recv:1000000 recv:1000000 A@p,r/10",
}
#: Behind a FIN the peer sends no more text.
ENDED = "recv:100 A@n,r recv:1000000 recv:1000000 A@n,r again recv:1"
OFFERS = ("", "s.w3.t")


def generate() -> Iterator[Generated]:
    """Yield each state with each event, and what follows."""
    turn = itertools.cycle(itertools.product(OFFERS, READS.items()))
    for (state, opening), (event, happens) in itertools.product(STATES.items(), EVENTS.items()):
        for _each in range(2):
            offer, (way, reads) = next(turn)
            accepts = "accept" if state == "queued" else ""
            like = f"1{{offer={offer}}}:" if offer else ""
            reads = ENDED if happens.startswith("F") else reads
            plan = moves(f"{like}{opening} fill {happens} {accepts} {reads}")
            needs = frozenset({Capability.SOCKET_OPTIONS} if event == "urgent" else ())
            yield Generated("full", f"{state}.{event}.{way}.{offer}", plan, None, bases.takes_time(plan), needs)
