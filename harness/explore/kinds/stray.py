"""Stray × timer: a segment that must change nothing meets a running timer, which goes on as in the twin without it."""

from collections.abc import Iterator

from harness.explore.kinds import bases
from harness.explore.plan import Move, Plan, Special, moves
from harness.explore.run import Generated
from harness.targets.protocol import Capability

#: Segments outside the window or unbelievable: answered or ignored, by §3.10.7, and then dropped.
STRAYS = {
    "old-ack": "A@n-70000,n",
    "far-data": "A@n+1073741824,n/4",
    "old-data": "A@n-4,n/4",
    "ack-of-the-unsent": "A@n,n+1000",
    "far-reset": "R@n-1",
    "reset-right-of-the-window": "R@e+1",
    "challenged-reset": "R@n+10",
    "challenged-syn": "S@n+10",
    "old-syn": "S@i",
    "no-ack": "F@n",
    "nothing": "-@n",
}
#: Where something is under way: an acknowledgment of nothing new (RFC 6298 §5.3 restarts for new data only). A third
#: one would draw a fast retransmit.
UNDER_WAY = {"duplicate-ack": "A@n,u", "old-acknowledgment": "A@n,u-1"}
#: Where nothing is synchronized, what each state answers with a reset or not at all.
UNSYNCHRONIZED = {
    "ack-of-nothing": "A@i+5,n+10",
    "reset-without-ack": "R@i",
    "reset-of-nothing": "RA@i,n+10",
    "fin-only": "F@i",
    "nothing": "-@i",
    "syn-ack-of-nothing": "SA@i,n+10",
}
#: How many strays, and how long after the state was reached each of them comes, in milliseconds.
TIMES = ((50,), (700,), (300, 2600), (1500, 1500, 1500))
_SYNCHRONIZED_ONLY = frozenset({"listen"})
_EARLY = ("syn-sent",)
_UNDER_WAY = ("established-flight", "fin-wait-1-data", "close-wait-flight", "last-ack", "last-ack-data", "closing-data")


def generate() -> Iterator[Generated]:
    """Yield each state with a timer, each stray, at each time."""
    for state, text in bases.STATES.items():
        if state in _SYNCHRONIZED_ONLY:
            continue
        strays = UNSYNCHRONIZED if state in _EARLY else STRAYS
        if state in _UNDER_WAY:
            strays = strays | UNDER_WAY
        for name, stray in strays.items():
            if name == "challenged-syn" and state.startswith("time-wait"):
                continue  # it may begin a new connection (MAY-2)
            if name == "challenged-syn" and state == "syn-received-passive":
                continue  # it returns to LISTEN (§3.10.7.4 fourth)
            for number, times in enumerate(TIMES):
                if name in UNDER_WAY and len(times) > 2:
                    continue
                needs = frozenset({Capability.RFC5961} if name.startswith("challenged") else ())
                yield _made(f"{state}.{name}.{number + 1}", moves(text), moves(stray)[0], times, needs)
    yield from _time_wait()


def _time_wait() -> Iterator[Generated]:
    """In TIME-WAIT only a FIN that comes again restarts the wait of 2 MSL, and each one does."""
    for state in ("time-wait", "time-wait-closing"):
        for name in ("far-reset", "old-ack", "nothing", "no-ack", "reset-right-of-the-window"):
            for wait in (7_000, 40_000, 150_000):
                plan, stray = moves(bases.STATES[state]), moves(STRAYS[name])
                pause = moves(f"wait:{wait}")
                rest = moves(f"wait:{wait * 3 // 4}")
                whole = (*plan, *pause, *stray, *rest)
                yield Generated("stray", f"{state}.{name}.late-{wait}", whole, (*plan, *pause, *rest), slow=True)
        again = f"{bases.STATES[state]} {'wait:5000 FA@n-1,r ' * 4}"
        yield Generated("stray", f"{state}.fin-again", moves(f"{again} wait:5000 FA@n-1,r"), slow=True)
        for wait in (40_000, 150_000):
            again = f"{bases.STATES[state]} {f'wait:{wait} FA@n-1,r ' * 4}"
            yield Generated("stray", f"{state}.fin-again-{wait}", moves(again), slow=True)


def _made(name: str, plan: Plan, stray: Move, times: tuple[int, ...], needs: frozenset[Capability]) -> Generated:
    with_strays: list[Move] = []
    without: list[Move] = []
    for milliseconds in times:
        pause = Move(Special("wait", milliseconds))
        with_strays += [pause, stray]
        without.append(pause)
    # Long enough for several repetitions, and for the end of a TIME-WAIT.
    rest = (Move(Special("wait", 260_000 if "time-wait" in name else 40_000)),)
    return Generated("stray", name, (*plan, *with_strays, *rest), (*plan, *without, *rest), True, needs)
