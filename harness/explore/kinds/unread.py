"""Unread data × FIN, RST, close: nothing is lost, told twice, or told after the error."""

import itertools
from collections.abc import Iterator

from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

OPENED = {"passive": "listen S@i A@p,r accept", "active": "connect SA@i,r", "queued": "listen S@i A@p,r"}
TEXT = {
    "some": "A@p,r/10",
    "two": "A@p,r/10 A@p,r/10",
    "partly-read": "A@p,r/10 recv:3",
    "peeked-gap": "A@p+10,r/10",
    "around-a-gap": "A@p,r/10 A@p+10,r/10",
    "much": "A@p,r/1400 A@p,r/1400 A@p,r/1400",
}
ENDS = {
    "fin": "FA@p,r",
    "fin-with-text": "FA@p,r/10",
    "fin-twice": "FA@p,r again",
    "fin-above-a-gap": "FA@p+10,r/10 A@p,r/10",
    "reset": "R@p",
    "reset-and-ack": "RA@p,r",
    "fin-reset": "FA@p,r RA@p,r",
    "close": "close",
    "close-fin": "close FA@p,r",
    "shutdown-fin": "shutdown FA@p,r",
    "shutdown-text-fin": "shutdown A@p,r A@p,r/10 FA@p,r",
    "abort": "abort",
    "fin-behind-text-again": "FA@p-10,r/10",
    "reset-with-text": "R@p/5",
    "closed-by-both": "FA@p,r shutdown A@p,r",
    "closed-by-both-long-ago": "shutdown A@p,r FA@p,r wait:300000",
    "text-again": "again FA@p,r",
    "fin-then-close": "FA@p,r close",
    "fin-shutdown-close": "FA@p,r shutdown close",
    "closing-then-close": "shutdown FA@p,u close A@p,r",
    "time-wait-then-close": "shutdown A@p,r FA@p,r close",
    "given-up": "send:10 wait:4000000",
    "given-up-closing": "send:10 shutdown wait:4000000",
    "given-up-half-closed": "FA@p,r send:10 wait:4000000",
    "overlap": "A@n-5,r/10 FA@p,r",
    "overlap-fin": "FA@n-5,r/10",
    "garbage": "garbage",
    "unacceptable": "A@n-1,r R@p+10 S@p FA@p,r",
}
READS = {
    "whole": "recv:100000 recv:1 recv:1",
    "bit-by-bit": "recv:4 recv:4 recv:4 recv:4 recv:100000 recv:1 send:1 recv:1",
    "first-send": "send:10 recv:100000 recv:1",
    "asked": "recv:100000 recv:1 error recv:1 error",
    "peeked": "peek:4 peek:100000 recv:4 peek:100000 recv:100000 peek:1 recv:1",
}


def generate() -> Iterator[Generated]:
    """Yield each text with each end, read in each way."""
    for opened, opening in OPENED.items():
        for text, data in TEXT.items():
            for end, ending in ENDS.items():
                if opened == "queued" and any(word in ending for word in ("close", "shutdown", "abort")):
                    continue
                for way, reads in READS.items():
                    if opened == "queued":
                        plan = moves(f"{opening} {data.replace('recv:3', '')} {ending} accept {reads}")
                    else:
                        plan = moves(f"{opening} {data} {ending} {reads}")
                    needs = frozenset({Capability.READINESS} if "peek" in reads else ())
                    yield Generated("unread", f"{opened}.{text}.{end}.{way}", plan, slow="wait" in ending, needs=needs)
    yield from _reopened()


#: How TIME-WAIT is reached with something left to read, and what the new connection of the pair goes through.
CLOSED = {
    "first": "shutdown A@p,r {} FA@p,r",
    "at-once": "shutdown {} FA@p,u A@p,r",
    "with-text": "shutdown {} FA@p,r/10",
}
REOPENED = {
    "open": "S@i A@p,r accept A@p,r/10 recv:100",
    "opening": "S@i",
    "unaccepted": "S@i A@p,r/10",
    "reset": "S@i R@p",
    "ended": "S@i A@p,r accept FA@p,r close A@p,r",
    "twice": "S@i A@p,r accept shutdown A@p,r FA@p,r/10 fresh S@i A@p,r accept",
}


def _reopened() -> Iterator[Generated]:
    """What is unread outlives TIME-WAIT, also one that a SYN ends for a new connection."""
    for (text, data), (way, closed), (name, life) in itertools.product(TEXT.items(), CLOSED.items(), REOPENED.items()):
        plan = moves(f"listen S@i A@p,r accept {closed.format(data)} fresh {life}")
        yield Generated("unread", f"reopened.{text}.{way}.{name}", plan)
