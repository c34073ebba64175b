"""Seeded random sequences: a way to open, a way to close, and anything in between.

A blind storm of segments dies in LISTEN. So each sequence is a skeleton that leads through the states of figure 5, as a
peer in good order would go, with calls and odd segments strewn in at every place; a step that the target is not in the
state for is just another odd one.
"""

import random
from dataclasses import replace
from typing import TypeVar

from harness.fuzz.steps import USUAL_WINDOW, Call, Position, Probe, Sequence, Step, parse
from harness.spec.segment import ACK, FIN, NO_FLAGS, RST, SYN, Flags

_T = TypeVar("_T")

#: Ways to open, with a weight. The options that the peer offers are added to its SYNs.
OPENINGS = (
    (8, "listen S@i A@n,n accept"),
    (2, "listen S@i A@n,n/4 accept recv:100"),
    (1, "listen S@i FA@n,n accept"),
    (6, "connect SA@i,n"),
    (3, "connect S@i SA@i,n"),
    (2, "connect S@i A@n,n"),
    (1, "listen"),
    (1, ""),
)
#: What happens while the connection is open.
EXCHANGES = (
    (5, ""),
    (3, "A@n,n/4 recv:100"),
    (3, "send:4 A@n,n"),
    (2, "send:3000 A@n,u+1460 A@n,n"),
    (2, "A@n+4,n/4 A@n,n/4 recv:100"),
    (1, "A@n,n%0 send:4 A@n,n"),
    (1, "send:100 A@n,n/100 send:100 A@n,n recv:1000"),
    (1, "send:4000 A@n,u+1460 A@n,n"),
)
#: Ways to close: figures 12 and 13, either side first, one side only, by reset, not at all.
CLOSINGS = (
    (4, "shutdown A@n,n FA@n,n"),
    (4, "close A@n,n FA@n,n"),
    (2, "close FA@n,n"),
    (4, "FA@n,n shutdown A@n,n"),
    (4, "FA@n,n close A@n,n"),
    (3, "shutdown FA@n,u A@n,n"),
    (3, "close FA@n,u A@n,n"),
    (2, "send:100 close FA@n,u A@n,n"),
    (2, "shutdown A@n,n A@n,n/4 recv:100 FA@n,n"),
    (1, "A@n,n/4 close"),
    (1, "shutdown"),
    (1, "close A@n,n"),
    (1, "FA@n,n"),
    (1, "abort"),
    (1, "R@n"),
    (1, ""),
)
#: What comes behind: the same ports once more.
AGAIN = ((6, ""), (2, "S@n+1000 A@n,n"), (1, "S@n+1000 A@n,n accept FA@n,n close A@n,n"), (1, "connect SA@n+1000,n"))

_FLAGS: tuple[tuple[int, Flags], ...] = (
    (40, ACK),
    (12, FIN | ACK),
    (8, RST),
    (4, RST | ACK),
    (9, SYN),
    (6, SYN | ACK),
    (2, FIN),
    (2, NO_FLAGS),
    (1, SYN | FIN),
    (1, SYN | FIN | ACK),
    (1, SYN | RST),
    (1, FIN | RST | ACK),
)
_SEQ = (
    (40, "n"),
    (8, "n-1"),
    (3, "n+1"),
    (3, "n+4"),
    (3, "n-4"),
    (8, "n+100"),
    (4, "e-1"),
    (5, "e"),
    (3, "e+1"),
    (3, "n-70000"),
    (3, "n+1073741824"),
    (4, "i"),
)
#: A reset is most interesting where it does not end everything.
_RESET_SEQ = ((2, "n"), (5, "n-1"), (4, "n+1"), (5, "n+100"), (5, "e-1"), (5, "e"), (3, "e+1"), (2, "n+1073741824"))
_ACK = (
    (50, "n"),
    (12, "u"),
    (6, "n+1"),
    (4, "n-1"),
    (5, "u-1"),
    (2, "u+1"),
    (3, "u-70000"),
    (2, "n+1073741824"),
    (2, "u-1073741824"),
    (2, "i"),
)
_OCTETS = ((60, 0), (20, 4), (8, 1), (6, 100), (2, 1400))
#: What the peer offers in all of a sequence, and how often an odd segment closes the window.
_WINDOWS = ((8, USUAL_WINDOW), (1, 1000), (1, 5000))
CLOSED_SHARE = 0.05
#: Calls that a sequence survives, and a few that it may not.
_CALLS = (
    (6, "send:4"),
    (3, "send:100"),
    (2, "send:3000"),
    (5, "recv:1000"),
    (2, "recv:2"),
    (3, "accept"),
    (3, "shutdown"),
    (2, "close"),
    (1, "unlisten"),
    (1, "abort"),
    (1, "listen"),
)
#: What the peer offers on its SYNs, and how often.
OFFERS = (("s", 0.3), ("w3", 0.3), ("t+0", 0.35))
#: Stacks that repeat their own SYN's options when two SYNs cross are like others if the peer has offered all of them.
CROSSING = "connect S@i"
_STAMPS = ((82, "t+1"), (10, "t+0"), (8, "t-100"))
#: One odd step in so many is a call.
CALL_SHARE = 0.22


def sequence(seed: int, number: int, length: int) -> Sequence:
    """Return the `number`th sequence of a seed, of at most `length` steps."""
    rng = random.Random(f"tcpspec fuzz {seed} {number}")
    opening = _pick(rng, OPENINGS)
    likely = 0.85 if CROSSING in opening else 0.0
    offers = [token for token, share in OFFERS if rng.random() < max(share, likely)]
    window = _pick(rng, _WINDOWS)
    if window != USUAL_WINDOW and "w3" in offers:
        offers.remove("w3")  # it would be eight times as large
    parts = (opening, _pick(rng, EXCHANGES), _pick(rng, CLOSINGS), _pick(rng, AGAIN))
    skeleton = [_dressed(step, offers, window) for part in parts if part for step in parse(part)]
    skeleton = skeleton[:length]
    for _ in range(rng.randint(0, max(0, length - len(skeleton)))):
        odd = _odd_call(rng) if rng.random() < CALL_SHARE else _odd_segment(rng, offers, window)
        skeleton.insert(rng.randint(0, len(skeleton)), odd)
        if rng.random() < 0.08 and len(skeleton) < length:
            skeleton.insert(rng.randint(0, len(skeleton)), rng.choice(skeleton))  # a repeat
    return tuple(skeleton[:length]) or (_odd_segment(rng, offers, window),)


def _pick(rng: random.Random, choices: tuple[tuple[int, _T], ...]) -> _T:
    return rng.choices([choice for _weight, choice in choices], [weight for weight, _choice in choices])[0]


def _dressed(step: Step, offers: list[str], window: int) -> Step:
    """Return a step of the skeleton as a peer that offers this would send it: options, timestamps, window."""
    if isinstance(step, Call):
        return step
    options = tuple(offers) if step.flags & SYN else ("t+1",) if "t+0" in offers else ()
    return replace(step, window=step.window and window, options=options)


def _odd_call(rng: random.Random) -> Step:
    return parse(_pick(rng, _CALLS))[0]


def _odd_segment(rng: random.Random, offers: list[str], window: int) -> Step:
    flags = _pick(rng, _FLAGS)
    seq = _position(_pick(rng, _RESET_SEQ if flags & RST else _SEQ))
    ack = _position(_pick(rng, _ACK)) if flags & ACK else None
    octets = _pick(rng, _OCTETS)
    if flags & SYN and rng.random() < 0.8:
        octets = 0
    stamp = _pick(rng, _STAMPS) if "t+0" in offers else ""
    window = 0 if rng.random() < CLOSED_SHARE else window
    return Probe(flags, seq, ack, octets, window, (stamp,) if stamp else ())


def _position(text: str) -> Position:
    return Position(text[0], int(text[1:] or 0))
