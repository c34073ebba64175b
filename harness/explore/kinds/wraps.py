"""Wraps: every comparison with the peer's numbers just before, at and behind 2**32 and 2**31, and TSval's wrap too."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.kinds.needs import needs_of
from harness.explore.notation import generated_from
from harness.explore.plan import Plan, moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: Initial sequence numbers of the peer: the SYN, the first octets, the FIN or the window's edge lies at the wrap.
NUMBERS = (-1, -2, -3, -5, -11, -12, -13, -21, -22, -100, -1000, -60_000, -64_000, (1 << 31) - 2, (1 << 31) - 12, 0)
#: What is sensitive to single numbers, besides ordinary conversations.
EDGES = {
    "right-edge": "listen S@i A@p,r accept A@e-1,r/1 A@e,r/1 A@p,r/10 recv:100",
    "left-edge": "listen S@i A@p,r accept A@p,r/10 A@n-1,r/1 A@n-10,r/20 recv:100",
    "gaps": "listen S@i A@p,r accept A@p+10,r/10 A@p+30,r/10 A@p,r/10 A@p,r/10 A@p+10,r/10 recv:1000",
    "reset-edges": "listen S@i A@p,r accept R@n-1 R@e R@e-1 R@n+1 A@p,r/10 R@n",
    "syn-edges": "listen S@i A@p,r accept S@n-1 S@n S@n+1 S@e-1 S@e A@p,r/10 recv:100",
    "fin-behind-a-gap": "listen S@i A@p,r accept FA@p+10,r/5 A@p,r/10 recv:100 close A@p,r",
    "older-window": "listen S@i A@p,r accept A@p,r/10%1000 A@n-10,r/10%0 send:100 A@p,r",
    "late-window": "listen S@i A@p,r accept A@p+10,r/10%1000 A@p,r/10%0 send:100 await A@p,r",
    "windows": "listen S@i A@p,r%10 accept send:100 A@p,r/10%20 await A@p,r/10%0 await A@p,r",
    "time-wait": "listen S@i A@p,r accept shutdown A@p,r FA@p,r again A@n-1,r A@n,r R@n+1 S@n-1",
    "crossed": "connect S@i SA@i,r shutdown FA@p,u A@p,r again",
    "urgent-state": "listen S@i A@p,r accept FA@p,r A@n-1,r FA@n-1,r send:10 A@p,r close A@p,r",
    "reopened": "listen S@i A@p,r accept shutdown A@p,r FA@p,r fresh S@i A@p,r/10 accept recv:100",
}
#: The same for the target's own numbers, which some let choose.
OWN = (-1, -2, -3, -11, -12, -50, -101, -102, -1000, -1461, (1 << 31) - 12)
OWN_EDGES = {
    "much": "listen S@i A@p,r accept send:3000 A@p,r send:10 A@p,r FA@p,r close A@p,r",
    "small": "listen S@i A@p,r accept send:10 A@p,r send:10 A@p,r send:10 A@p,r A@p,r%50 send:100 await A@p,r close",
    "old-acks": "listen S@i A@p,r accept send:10 A@p,r send:100 A@p,u-5/10 A@p,r/10 recv:100 A@n-10,u",
    "loss": "listen S@i A@p,r accept lose:1 send:3000 recover lose:1 close recover FA@p,r",
    "updates": "listen S@i A@p,r accept send:10 A@p,r%0 send:50 await A@p,u%0 await A@p,r%1000 send:10 A@p,r%0 send:5",
    "small-alone": "listen S@i A@p,r accept send:1 A@p,r send:1 A@p,r send:1 A@p,r send:1 A@p,r send:1 A@p,r",
    "active": "connect SA@i,r send:10 A@p,r FA@p,r close A@p,r",
    "window": "listen S@i A@p,r%0 accept send:200 await A@p,u%20 await A@p,r%0 await A@p,r",
}
#: Everything that lies at an edge, one behind the other on one connection: in order, then closed in two ways.
STRUNG = {
    "all-in": "listen S@i A@p,r accept R@n-1 S@n-1 A@n-1,r A@e-1,r/1 A@e,r/1 R@e R@e-1 R@n+1 S@n S@n+1 S@e-1 S@e"
    " A@p,r/10 A@n-5,r/10 A@n-10,r/4 A@p+10,r/10 A@p,r/10 R@n+20 A@p,r/10 recv:5 A@n-3,r/20 recv:1000 UA@p,r/3 recv:9"
    " FA@p+10,r/5 A@p,r/10 recv:100 A@n-1,r FA@n-1,r S@n+1 R@n+1 send:10 A@p,r close A@p,r",
    "all-out": "connect SA@i,r send:10 A@p,u-1 A@p,u+4 A@p,r send:3000 A@p,u+9 A@n,n+1 A@n,n+100 A@p,r lose:1 send:200"
    " recover A@p,r%30 send:100 await A@p,r%0 await A@p,u%0 A@p,r wait:3000 A@p,r%2000 send:10 A@p,r"
    " lose:1 shutdown recover A@p,r A@p,r/10 recv:100 FA@p,r again R@n+1",
    "all-kept-alive": "listen S@i A@p,r accept keep-alive:10 wait:11000 A@n,n send:1 A@p,r"
    " wait:11000 A@n,n send:1 A@p,r"
    " wait:11000 A@n,n A@p,r/1 send:9 A@p,r wait:11000 A@n,n recv:10 FA@p,r wait:11000 A@n,n close A@p,r",
}
OWN_STAMPS = (-1, -2, -3, -1001, -3001)
STAMPS = ((1 << 32) - 1, (1 << 32) - 3, (1 << 32) - 6, (1 << 31) - 3)


def generate() -> Iterator[Generated]:
    """Yield edges and usual conversations from each number, then with timestamps that wrap."""
    plans = {name: moves(text) for name, text in EDGES.items()} | bases.usual()
    for number in NUMBERS:
        for name, plan in plans.items():
            slow = any(str(move.step) == "await" for move in plan)
            yield Generated("wraps", f"{number}.{name}", _like(plan, f"iss={number}"), slow=slow)
    for stamp in STAMPS:
        for name, plan in plans.items():
            slow = any(str(move.step) == "await" for move in plan)
            like = _like(plan, f"tsval={stamp}", "offer=s.w3.t", "iss=-12")
            yield Generated("wraps", f"tsval-{stamp}.{name}", like, slow=slow)
    yield from _strung()
    yield from _own()
    yield from _clock()


#: Clocks just before their wrap, in milliseconds, and what goes on over it.
CLOCKS = ((1 << 31) - 300, (1 << 31) - 2000, (1 << 32) - 300, (1 << 32) - 30_000)
OVER = {
    "repeated": "listen S@i A@p,r accept lose:2 send:100 recover A@p,r close A@p,r FA@p,r",
    "opening": "lose:2 connect recover SA@i,r send:10 A@p,r FA@p,r close A@p,r",
    "opened": "listen lose:2 S@i recover A@p,r accept A@p,r/10 recv:100",
    "probed": "listen S@i A@p,r%0 accept send:100 await A@p,r%0 await A@p,r",
    "time-wait": "listen S@i A@p,r accept shutdown A@p,r FA@p,r wait:20000 again wait:40000 again",
    "fin": "listen S@i A@p,r accept lose:3 close recover FA@p,r",
    "text": "listen S@i A@p,r accept wait:400 A@p,r/10 recv:100 send:10 A@p,r wait:40000 A@p,r/10 send:10 A@p,r",
    "kept-alive": "listen S@i A@p,r accept keep-alive:20 wait:21000 A@p,r wait:21000 A@p,r",
    "given-up": "listen S@i A@p,r accept send:100 wait:4000000",
    "kept-alive-by-text": f"listen S@i A@p,r accept keep-alive:20 {'wait:7000 A@p,r/1 recv:9 ' * 9}wait:21000 A@p,r",
    "patient": "listen S@i A@p,r accept timeout:40000 send:100 wait:50000",
}
#: The same where ACKs are delayed: text that comes within the delay before the wrap.
DELAYED = {
    "delayed": f"1{{delay=200}}:listen S@i A@p,r accept {'wait:130 A@p,r/10 ' * 9}wait:2000",
    "delayed-and-sent": "1{delay=200}:connect SA@i,r wait:210 A@p,r/10 send:10 wait:2000 A@p,r",
}
#: A round trip that is measured over the wrap is as short as any other: what is lost behind it comes no later.
ROUND_TRIP = "[clock:{clock}] listen S@i A@p,r accept send:100 wait:500 A@p,r mark lose:1 send:100 wait:130000"
#: So many milliseconds are more than the 24 days after which a timestamp says nothing any more (RFC 7323 §5.5).
LONG_AGO = 2_200_000_000


def _clock() -> Iterator[Generated]:
    """Yield timers that run over the wraps of the target's clock, and silences of weeks."""
    needs = frozenset({Capability.VIRTUAL_TIME})
    for clock in CLOCKS:
        for what, text in OVER.items():
            for offer in ("", "s.w3.t"):
                plan = _like(moves(f"clock:{clock} {text}"), *([f"offer={offer}"] if offer else []))
                name = f"clock-{clock}.{what}.{offer}"
                yield Generated("wraps", name, plan, slow=True, needs=needs | needs_of(text))
    for clock, (what, text) in itertools.product(CLOCKS[::2], DELAYED.items()):
        like, colon, words = text.partition(":")
        plan = moves(f"{like}{colon}clock:{clock} {words}")
        yield Generated("wraps", f"clock-{clock}.{what}", plan, slow=True, needs=needs)
    for clock in CLOCKS[::2]:
        made = generated_from(ROUND_TRIP.format(clock=clock), f"clock-{clock}.round-trip", "wraps")
        yield replace(made, slow=True, needs=needs)
    for stamp in (-1, -2_000_000_000, 1, 100, 2_000_000_000):
        for opening in ("passive", "active"):
            words = f"A@p,r/10 recv:100 wait:{LONG_AGO} A@p,r/10~t{stamp:+d} recv:100 A@p,r/10 recv:100 send:10 A@p,r"
            plan = _like(moves(f"{bases.OPENINGS[opening]} {words}"), "offer=s.w3.t")
            yield Generated("wraps", f"long-ago.{stamp}.{opening}", plan, slow=True, needs=needs)


def _strung() -> Iterator[Generated]:
    """Yield what is strung together from each number of either side."""
    for trait, numbers in (("iss", NUMBERS), ("own-iss", OWN)):
        for number in numbers:
            for name, text in STRUNG.items():
                plan = _like(moves(text), f"{trait}={number}")
                name = f"{trait}{number}.{name}"
                yield Generated("wraps", name, plan, slow=True, needs=needs_of(text), strung=True)
    for number in OWN:
        yield Generated("wraps", f"own{number}.refused", _like(moves("connect RA@i,r"), f"own-iss={number}"))


def _own() -> Iterator[Generated]:
    """Yield the same from each number of the target's."""
    plans = {name: moves(text) for name, text in (EDGES | OWN_EDGES).items()} | bases.usual()
    for number in OWN:
        for name, plan in plans.items():
            yield Generated(
                "wraps", f"own{number}.{name}", _like(plan, f"own-iss={number}"), slow=bases.takes_time(plan)
            )
    for stamp in OWN_STAMPS:
        for name, plan in plans.items():
            like = _like(plan, f"own-tsval={stamp}", "offer=s.w3.t", "own-iss=-12")
            yield Generated("wraps", f"own-tsval{stamp}.{name}", like, slow=True)


def _like(plan: Plan, *traits: str) -> Plan:
    return (replace(plan[0], like=(*plan[0].like, *traits)), *plan[1:])
