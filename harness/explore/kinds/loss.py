"""Loss × state: each segment that the target sends is lost once, and once twice in a row; what was lost comes again."""

from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.notation import generated_from
from harness.explore.plan import Move, Plan, Special, moves
from harness.explore.run import Generated
from harness.fuzz.steps import Call, Probe

#: How many segments are lost: one; a pair, or one and its repetition; more, so that repetitions add up.
DEPTHS = (1, 2, 4)
OFFERS = ("", "s.w3.t", "t", "w7", "s")
#: Losses in places that no ordinary conversation has one after the other.
ODD = {
    "data-and-fin-in-last-ack": "listen S@i A@p,r accept FA@p,r lose:2 send:100 close recover",
    "data-and-fin-in-last-ack-twice": "listen S@i A@p,r accept FA@p,r lose:4 send:100 close recover",
    "data-and-fin-in-closing": "listen S@i A@p,r accept lose:2 send:100 shutdown FA@p,u recover",
    "fin-behind-data": "listen S@i A@p,r accept send:100 lose:1 shutdown A@p,u+100 recover FA@p,r",
    "fin-behind-data-last-ack": "listen S@i A@p,r accept FA@p,r send:100 lose:1 close A@p,u+100 recover",
    "again-and-again": "listen S@i A@p,r accept " + "lose:1 send:10 recover A@p,r " * 9 + "FA@p,r close A@p,r",
    "again-and-again-active": "connect SA@i,r " + "lose:1 send:10 recover A@p,r " * 9 + "close A@p,r FA@p,r",
    "long-after": "listen S@i A@p,r accept lose:1 send:10 recover A@p,r wait:900000 lose:2 send:10 recover A@p,r close",
    "fast-retransmit": "listen S@i A@p,r accept lose:1 send:6000 lose:1 A@p,r A@p,r A@p,r A@p,r recover A@p,r close",
    "syn-ack-again": "connect SA@i,r send:100 SA@i,u A@p,r FA@p,r close",
    "syn-again": "listen lose:2 S@i await await S@i recover A@p,r accept FA@p,r close A@p,r",
    "syn-ack-long-lost": "listen lose:3 S@i await await await A@p,r accept send:9000 A@p,r A@p,r FA@p,r close",
    "syn-long-lost": "lose:3 connect await await await SA@i,r send:9000 A@p,r A@p,r close A@p,r FA@p,r",
    "syn-long-lost-parts": "lose:4 connect await await await await SA@i,r send:9 send:9 send:9000 A@p,r FA@p,r close",
    "crossing-text": "listen S@i A@p,r accept lose:1 send:100 A@p,u/10 A@p,u/10 recv:100 recover A@p,r close",
    "acknowledged-since": "listen S@i A@p,r accept lose:3 send:100 A@p,u/10 recv:100 A@p,u/10 recv:100 recover A@p,r",
    "acknowledged-since-fin": "listen S@i A@p,r accept lose:3 send:100 shutdown A@p,u/10 recv:100 FA@p,u recover",
    "twice-fast": "listen S@i A@p,r accept lose:1 send:9000 lose:2 A@p,r A@p,r A@p,r A@p,r wait:8000 recover close",
    "opened-by-a-probe": "listen S@i A@p,r%0 accept send:100 await A@p,u%0 await lose:3 A@p,r recover A@p,r FA@p,r",
    "opened-a-little": "connect SA@i,r%0 send:100 await lose:2 A@p,u%30 recover A@p,r%0 await lose:1 A@p,r recover",
    "opened-for-a-fin": "listen S@i A@p,r%0 accept close await lose:2 A@p,u recover A@p,r FA@p,r",
    "opened-behind-a-fin": "listen S@i FA@p,r%0 accept send:100 close await lose:2 A@p,u recover A@p,r",
    "last-ack-of-all": "listen S@i A@p,r accept shutdown A@p,r lose:3 FA@p,r again again again",
}
#: Calls that make a target send nothing.
_MUTE = frozenset({"listen", "accept", "recv", "unlisten"})


def generate() -> Iterator[Generated]:
    """Yield each base with a loss at each of its moves, and with one at each move of all."""
    for number, (name, plan) in enumerate(bases.whole().items()):
        offered = _offered(plan, OFFERS[number % len(OFFERS)])
        yield Generated("loss", f"{name}.all", _losing_all(offered), slow=True)
        at = number % len(plan)
        if not _is_mute(plan[at]):
            depth = DEPTHS[number % len(DEPTHS)]
            yield Generated("loss", f"{name}.{at + 1}x{depth}", losing(offered, at, depth), slow=True)
    for number, (name, plan) in enumerate(bases.usual().items()):
        offered = _offered(plan, OFFERS[number % len(OFFERS)])
        for at, move in enumerate(plan):
            for depth in () if _is_mute(move) else DEPTHS:
                yield Generated("loss", f"usual.{name}.{at + 1}x{depth}", losing(offered, at, depth), slow=True)
    yield from _healed()
    for name, text in ODD.items():
        for offer in OFFERS:
            yield Generated("loss", f"odd.{name}.{offer}", _offered(moves(text), offer), slow=True)


#: Losses that are over (in brackets: the twin has none), and what is compared behind some exchanges that went well.
HEALED = {
    "text": "[lose:3] send:100 [recover] A@p,r",
    "text-twice": "[lose:2] send:100 [recover] A@p,r [lose:3] send:100 [recover] A@p,r",
    "much": "[lose:1] send:9000 [recover] A@p,r",
    "shut": "[A@p,r%0] send:100 [await] [await] [await] [A@p,r] A@p,r",
    "duplicates": "[lose:1] send:9000 [A@p,r] [A@p,r] [A@p,r] [A@p,r] [recover] A@p,r",
}
WELL = "send:10 A@p,r send:10 A@p,r send:10 A@p,r send:10 A@p,r"
LATER = {
    "text": "mark lose:4 send:100 wait:12000",
    "fin": "mark lose:4 close wait:12000",
    "shut": "A@p,r%0 mark send:100 wait:12000",
    "last-ack": "FA@p,r mark lose:4 send:100 close wait:12000",
}


def _healed() -> Iterator[Generated]:
    """Yield losses that were made good, behind which timeouts are as without them (RFC 6298 §5)."""
    for opening in ("passive", "active"):
        for before, lost in HEALED.items():
            for after, later in LATER.items():
                for offer in ("", "s.w3.t"):
                    text = f"{bases.OPENINGS[opening]} {lost} {WELL} {later}"
                    made = generated_from(text, f"healed.{opening}.{before}.{after}.{offer}", "loss")
                    assert made.twin is not None
                    twin = _offered(made.twin, offer)
                    yield replace(made, plan=_offered(made.plan, offer), twin=twin, slow=True)


def _is_mute(move: Move) -> bool:
    return isinstance(move.step, Call) and move.step.name in _MUTE


def _offered(plan: Plan, offer: str) -> Plan:
    like = (f"offer={offer}",) if offer else ()
    return (replace(plan[0], like=(*plan[0].like, *like)), *plan[1:])


def losing(plan: Plan, at: int, depth: int) -> Plan:
    """Return the plan with what the target sends because of one move lost, and made good before the next one."""
    link = plan[at].link
    lose, recover = Move(Special("lose", depth), link), Move(Special("recover"), link)
    if plan[at].like:  # what a connection is like stands with its first word
        lose, plan = replace(lose, like=plan[at].like), (*plan[:at], replace(plan[at], like=()), *plan[at + 1 :])
    return (*plan[:at], lose, plan[at], recover, *plan[at + 1 :])


def _losing_all(plan: Plan) -> Plan:
    found: list[Move] = []
    for move in plan:
        speaks = isinstance(move.step, Probe) or (isinstance(move.step, Call) and move.step.name not in _MUTE)
        if speaks:
            lose = Move(Special("lose", 1), move.link, move.like)
            found += [lose, replace(move, like=()), Move(Special("recover"), move.link)]
        else:
            found.append(move)
    return tuple(found)
