"""CLOSE with something unsent × the peer's next step: the data and the FIN still go, in every state."""

from collections.abc import Iterator

from harness.explore.plan import moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

_PASSIVE = "listen S@i A@p,r{0} accept"
#: What keeps something from leaving before CLOSE.
REASONS = {
    "shut": (f"{_PASSIVE.format('%0')} send:100", "%0"),
    "small": (f"{_PASSIVE.format('%40')} send:100", "%0"),
    "full": (f"{_PASSIVE.format('%100')} send:100", "%0"),
    "shut-later": (f"{_PASSIVE.format('')} send:10 A@p,r%0 send:100", "%0"),
    "nagle": (f"{_PASSIVE.format('')} send:1 send:1 send:1", ""),
    "much": (f"{_PASSIVE.format('')} send:40000", ""),
    "shut-active": ("connect SA@i,r%0 send:100", "%0"),
    "shut-empty": (f"{_PASSIVE.format('%0')}", "%0"),
    "close-wait-shut": (f"{_PASSIVE.format('%0')} FA@p,r%0 send:100", "%0"),
    "close-wait-small": (f"{_PASSIVE.format('%40')} FA@p,r%40 send:100", "%0"),
    "close-wait-empty": (f"{_PASSIVE.format('%0')} FA@p,r%0", "%0"),
    "opening": ("connect send:100", ""),
    "shrunk": (f"{_PASSIVE.format('%200')} send:100 A@p,u%40 send:50", "%40"),
    "shrunk-shut": (f"{_PASSIVE.format('%200')} send:100 A@p,u%0 send:50", "%0"),
    "shut-again": (f"{_PASSIVE.format('%0')} send:100 await A@p,r%20 await A@p,r%0", "%0"),
    "urgent": (f"{_PASSIVE.format('%0')} urgent:100 send:10", "%0"),
}
CLOSES = ("close", "shutdown")
#: What the peer does next; %w is the window that it has.
NEXT = {
    "opens": "A@p,r",
    "probed": "await A@p,r%w await A@p,r",
    "fin": "FA@p,u%w await A@p,r",
    "fin-opens": "FA@p,r",
    "fin-opens-alone": "FA@p,u await await A@p,r",
    "fin-opens-late": "await FA@p,u await await A@p,r",
    "shrinks": "A@p,u%10 await A@p,r%5 await A@p,r",
    "shrinks-and-opens": "A@p,u%10 A@p,u%0 await A@p,r",
    "opens-lost": "await lose:2 A@p,r recover A@p,r",
    "opens-all-lost": "await A@p,u%w lose:4 A@p,u recover A@p,r",
    "opens-by-text": "await lose:1 A@p,u/10 recover A@p,r",
    "text": "A@p,r/10%w await A@p,r",
    "opens-a-little": "A@p,r%30 await A@p,r%30 await A@p,r",
    "fin-then-a-little": "FA@p,u%w A@p,r%30 await A@p,r",
    "silent-long": "await await await await A@p,r",
    "duplicate": "again again again await A@p,r",
    "loss": "lose:2 A@p,r recover",
    "reset": "RA@p,u",
    "reset-told": "R@p error send:1 recv:1",
    "probed-reset-told": "await R@p error recv:1",
    "kept-shut": "await " + "wait:61000 A@p,u%w " * 12 + "A@p,r",
    "text-and-kept-shut": "wait:700 A@p,r/5%w wait:3000 A@p,r/5%w wait:9000 A@p,r/5%w recv:3 await await A@p,r",
    "trouble": "soft@u A@p,r",
    "trouble-long": "await soft@u A@p,u%w await soft@n await A@p,r",
    "strays": "A@n-1,u A@n,n+100 R@n+10 S@n+10 await A@n-1,u A@n,n+100 await A@p,r",
    "read-late": "A@p,r/10%w FA@p,u%w recv:3 await recv:100 A@p,r recv:1",
}
#: What a word of them needs.
NEEDED = {
    Capability.SOCKET_OPTIONS: ("urgent",),
    Capability.READINESS: ("error",),
    Capability.ICMP: ("soft@",),
    Capability.RFC5961_RST: ("R@n+10",),
    Capability.RFC5961_SYN: ("S@n+10",),
}


def generate() -> Iterator[Generated]:
    """Yield each reason with each call and each next step."""
    for reason, (before, window) in REASONS.items():
        for call in CLOSES:
            for name, after in NEXT.items():
                if reason == "opening":
                    after = f"SA@i,r {after}"
                    if call == "close":
                        continue  # CLOSE in SYN-SENT deletes the connection
                text = f"{before} {call} {after.replace('%w', window)}"
                slow = any(word in text for word in ("await", "recover", "wait:"))
                needs = frozenset(part for part, words in NEEDED.items() if any(word in text for word in words))
                yield Generated("unsent", f"{reason}.{call}.{name}", moves(text), slow=slow, needs=needs)
