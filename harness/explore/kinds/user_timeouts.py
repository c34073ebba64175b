"""The user timeout that an application has chosen, and what it does then: it holds, neither longer nor shorter."""

import itertools
from collections.abc import Iterator

from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

OPENED = {
    "active": "connect SA@i,r",
    "passive": "listen S@i A@p,r accept",
    "half-closed": "connect SA@i,r FA@p,r",
}
#: Shorter and longer than what stacks take by themselves, and the time that is waited, in milliseconds.
CHOSEN = {"short": (20_000, 200_000), "middle": (90_000, 300_000), "long": (1_800_000, 1_200_000)}
#: What is left to be acknowledged.
LEFT = {
    "text": "send:10",
    "text-close": "send:10 close",
    "text-shutdown": "send:10 shutdown",
    "close": "close",
    "shutdown": "shutdown",
    "much": "send:5000 close",
    "text-of-two": "send:10 A@p,r send:10",
    "text-of-two-close": "send:10 A@p,r send:10 close",
    "acknowledged-in-part": "send:100 A@p,u+50 close",
    "later": "send:10 wait:5000 send:10 close",
    "again-and-again": "send:10 wait:15000 send:10 wait:15000 send:10 wait:15000 send:10 wait:15000 send:10",
    "nothing": "send:10 A@p,r",
}
#: What the peer says behind the wait, and the application then.
BEHIND = {"silence": "error recv:1 send:1", "acknowledgment": "A@p,r recv:1", "text": "A@p,u/10 error recv:100"}
_NEEDS = frozenset({Capability.USER_TIMEOUT})


def generate() -> Iterator[Generated]:
    """Yield each timeout with each thing that is outstanding while it passes, and what comes behind."""
    for (opened, opening), (length, (chosen, wait)), (what, left), (behind, then) in itertools.product(
        OPENED.items(), CHOSEN.items(), LEFT.items(), BEHIND.items()
    ):
        text = f"{opening} timeout:{chosen} {left} wait:{wait} {then}"
        yield Generated(
            "application", f"timeout-{length}.{opened}.{what}.{behind}", moves(text), slow=True, needs=_NEEDS
        )
