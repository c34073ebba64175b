"""Ordinary conversations, from which the generators make odd ones: ways to open, to talk, to close; and to each state.

Written for a peer in good order: ``p`` and ``r`` are where its two streams stand.
"""

from harness.explore.plan import Plan, Special, moves

#: Words with which time passes.
TIMED = ("wait", "clock", "await", "recover")

OPENINGS = {
    "passive": "listen S@i A@p,r accept",
    "passive-data": "listen S@i A@p,r/4 accept recv:100",
    "active": "connect SA@i,r",
    "simultaneous": "connect S@i SA@i,r",
    "simultaneous-ack": "connect S@i A@p,r",
}
EXCHANGES = {
    "silent": "",
    "in": "A@p,r/10 recv:100",
    "out": "send:10 A@p,r",
    "both": "A@p,r/10 send:10 A@p,r recv:100 A@p,r/10 recv:4 send:3000 A@p,r",
    "unread": "A@p,r/10 A@p,r/10",
    "gap": "A@p+10,r/10 A@p,r/10 recv:100",
    "flight": "send:100",
    "shut": "A@p,r%0 send:100",
}
CLOSINGS = {
    "target-first": "shutdown A@p,r FA@p,r",
    "target-first-close": "close A@p,r FA@p,r",
    "peer-first": "FA@p,r close A@p,r",
    "peer-first-shutdown": "FA@p,r shutdown A@p,r",
    "both-at-once": "shutdown FA@p,u A@p,r",
    "both-at-once-close": "close FA@p,u A@p,r",
    "fin-acks-fin": "shutdown FA@p,r",
    "data-and-fin": "FA@p,r/10 recv:100 shutdown A@p,r",
    "last-words": "send:100 shutdown A@p,r FA@p,r",
    "half": "shutdown A@p,r A@p,r/10 recv:100 FA@p,r",
    "reset-by-peer": "R@p",
    "reset-and-ack": "RA@p,r",
    "aborted": "abort",
}

#: Ways to the states in which something may still come, up to there and no further.
STATES = {
    "listen": "listen",
    "syn-sent": "connect",
    "syn-received-passive": "listen S@i",
    "syn-received-simultaneous": "connect S@i",
    "established-passive": "listen S@i A@p,r accept",
    "established-active": "connect SA@i,r",
    "established-flight": "listen S@i A@p,r accept send:100",
    "established-shut": "listen S@i A@p,r%0 accept send:100",
    "unaccepted": "listen S@i A@p,r",
    "unaccepted-text": "listen S@i A@p,r/10",
    "unaccepted-close-wait": "listen S@i A@p,r FA@p,r",
    "fin-wait-1-shutdown": "listen S@i A@p,r accept shutdown",
    "fin-wait-1-close": "listen S@i A@p,r accept close",
    "fin-wait-1-data": "listen S@i A@p,r accept send:100 shutdown",
    "fin-wait-2-shutdown": "listen S@i A@p,r accept shutdown A@p,r",
    "fin-wait-2-close": "listen S@i A@p,r accept close A@p,r",
    "close-wait": "listen S@i A@p,r accept FA@p,r",
    "close-wait-flight": "listen S@i A@p,r accept FA@p,r send:100",
    "last-ack": "listen S@i A@p,r accept FA@p,r close",
    "last-ack-data": "listen S@i A@p,r accept FA@p,r send:100 close",
    "closing": "listen S@i A@p,r accept shutdown FA@p,u",
    "closing-data": "listen S@i A@p,r accept send:100 shutdown FA@p,u",
    "time-wait": "listen S@i A@p,r accept shutdown A@p,r FA@p,r",
    "time-wait-closing": "listen S@i A@p,r accept shutdown FA@p,u A@p,r",
}


def whole() -> dict[str, Plan]:
    """Return all ways to open, talk and close, by name."""
    return {
        f"{opening}.{exchange}.{closing}": moves(f"{opened} {talked} {closed}")
        for opening, opened in OPENINGS.items()
        for exchange, talked in EXCHANGES.items()
        for closing, closed in CLOSINGS.items()
        if exchange not in ("shut", "flight") or closing not in ("target-first", "half")
    }


def takes_time(plan: Plan) -> bool:
    """Tell whether seconds or minutes pass in a plan."""
    return any(isinstance(move.step, Special) and move.step.name in TIMED for move in plan)


def usual() -> dict[str, Plan]:
    """Return a few that together open, talk and close in each way once."""
    exchanges, openings = list(EXCHANGES), list(OPENINGS)
    found = {}
    for index, (closing, closed) in enumerate(CLOSINGS.items()):
        opening = openings[index % len(openings)]
        for exchange in (exchanges[index % len(exchanges)], exchanges[(index + 3) % len(exchanges)]):
            text = f"{OPENINGS[opening]} {EXCHANGES[exchange]} {closed}"
            found[f"{opening}.{exchange}.{closing}"] = moves(text)
    return found
