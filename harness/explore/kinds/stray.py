"""Stray × timer: a segment that must change nothing meets a running timer, which goes on as in the twin without it."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

from harness.explore.kinds import bases
from harness.explore.notation import generated_from
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
#: What of RFC 5961 they need, and which may begin a connection where none is left.
PARTS = {"challenged-reset": Capability.RFC5961_RST, "challenged-syn": Capability.RFC5961_SYN}
SYNS = frozenset({"challenged-syn", "old-syn"})
#: Where something is under way: an acknowledgment of nothing new (RFC 6298 §5.3 restarts for new data only). A third
#: one would draw a fast retransmit.
UNDER_WAY = {
    "duplicate-ack": "A@n,u",
    "old-acknowledgment": "A@n,u-1",
    "smaller-window": "A@n,u%300",
    "larger-window": "A@n,u%2000",
}
#: Where the peer's window is small at first, so that one is larger.
SMALL = {
    "established-small": "listen S@i A@p,r%200 accept send:100",
    "fin-wait-1-small": "listen S@i A@p,r%200 accept send:100 shutdown",
    "close-wait-small": "listen S@i A@p,r%200 accept FA@p,r%200 send:100",
    "last-ack-small": "listen S@i A@p,r%200 accept FA@p,r%200 close",
    "last-ack-data-small": "listen S@i A@p,r%200 accept FA@p,r%200 send:100 close",
    "closing-small": "listen S@i A@p,r%200 accept send:100 shutdown FA@p,u%200",
}
#: Where the target has opened the connection, so that the peer's SYN,ACK may come again.
OPENED_BY_TARGET = {
    "flight-active": "connect SA@i,r send:100",
    "shut-active": "connect SA@i,r%0 send:100",
    "fin-wait-1-active": "connect SA@i,r shutdown",
    "close-wait-active": "connect SA@i,r FA@p,r send:100",
    "last-ack-active": "connect SA@i,r FA@p,r send:100 close",
    "closing-active": "connect SA@i,r send:100 shutdown FA@p,u",
}
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
TIMES = ((50,), (700,), (300, 2600), (1500, 1500, 1500), (20_000, 40_000))
#: How a peer answers, all the time, that keeps its window shut: it is there (MUST-37).
KEPT_SHUT = {"shut": "A@p,u%0", "taken": "A@p,r%0", "text": "A@p,u/1%0"}
#: Long enough for several repetitions, and for giving up.
REST_MS = 400_000
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
                if times == TIMES[-1] and (name in SYNS or state == "fin-wait-2-close"):
                    continue  # it may have been given up by then, and a SYN would begin anew
                if name in UNDER_WAY and len(times) > 2:
                    continue
                needs = frozenset({PARTS[name]} if name in PARTS else ())
                yield _made(f"{state}.{name}.{number + 1}", moves(text), moves(stray)[0], times, needs)
    for state, text in SMALL.items():
        for name, stray in UNDER_WAY.items():
            for time in (50, 700, 1500, 5000):
                yield _made(f"{state}.{name}.{time}", moves(text), moves(stray)[0], (time,), frozenset())
    yield from _one_after_the_other()
    yield from _text_in_between()
    yield from _text_beside()
    yield from _time_wait()
    yield from _kept_alive()
    yield from _sending_on()


#: How long after one another all of them come, in milliseconds; no timer of a usual stack expires at such a moment.
PACES = (130, 1170, 4570)
#: 2 MSL, of which a part lies between two of them in TIME-WAIT, so that all come within; and what is left then.
WAITS_MS = (60_000, 120_000, 240_000)
#: The longest of them, in which what is too old by its timestamp comes too.
LONGEST = 2
OLD_STAMPS = ("A@n,n~t-100", "FA@n-1,n~t-100")


def _one_after_the_other() -> Iterator[Generated]:
    """Yield each state with all that must change nothing there, one behind the other, slowly or fast."""
    for state, text in (bases.STATES | SMALL | OPENED_BY_TARGET).items():
        if state in _SYNCHRONIZED_ONLY:
            continue
        waits = state.startswith("time-wait")
        strays = dict(UNSYNCHRONIZED if state in _EARLY else STRAYS)
        if waits or state == "syn-received-passive":
            del strays["challenged-syn"]
        if waits or state == "fin-wait-2-close":
            del strays["old-syn"]
        if state in OPENED_BY_TARGET:
            strays["syn-ack-again"] = "SA@i,n"
        if state in _UNDER_WAY or state in SMALL:
            strays["old-acknowledgment"] = UNDER_WAY["old-acknowledgment"]
        needs = frozenset(part for name, part in PARTS.items() if name in strays)
        for turn in range(3):
            stamped = waits and turn == LONGEST
            words = [*strays.values(), *(OLD_STAMPS if stamped else ())]
            at = turn * len(words) // 3
            pace = WAITS_MS[turn] // (len(words) + 2) if waits else PACES[turn]
            rest = WAITS_MS[turn] + pace // 2 - pace * len(words) if waits else REST_MS
            strung = " ".join(f"wait:{pace} [{word}]" for word in (*words[at:], *words[:at]))
            like = "1{offer=t}:" if stamped else ""
            made = generated_from(f"{like}{text} {strung} wait:{rest}")
            yield replace(made, kind="stray", name=f"{state}.all.{turn + 1}", slow=True, needs=needs, strung=True)


#: Long enough for several repetitions; whoever is heard of may be given up later than in the twin (MUST-37).
HEARD_MS = 60_000
#: Where a timer runs and the peer may still send text; its window is as it was.
LISTENING = {
    "flight": ("", "send:100"),
    "shut": ("%0", "send:100"),
    "shut-fin": ("%0", "send:100 shutdown"),
    "shut-bare-fin": ("%0", "shutdown"),
    "fin-wait-1": ("", "shutdown"),
    "fin-wait-1-data": ("", "send:100 shutdown"),
}
OPENED = {"passive": "listen S@i A@p,r{0} accept", "active": "connect SA@i,r{0}"}


def _text_in_between() -> Iterator[Generated]:
    """Text of the peer that acknowledges nothing, read or not, comes at each stage of a repetition or probing."""
    for (state, (window, begun)), (opened, opening) in itertools.product(LISTENING.items(), OPENED.items()):
        for pace, times in ((730, 3), (1170, 6), (4570, 6), (9130, 4)):
            for read in ("", "[recv:100]"):
                words = f"wait:{pace} [A@p,u/10{window}] {read} " * times
                made = generated_from(f"{opening.format(window)} {begun} {words} wait:{HEARD_MS}")
                name = f"text-between.{opened}.{state}.{pace}.{'read' if read else 'unread'}"
                yield replace(made, kind="stray", name=name, slow=True, strung=True)


def _text_beside() -> Iterator[Generated]:
    """Text of the peer that acknowledges nothing leaves the timer of ours as it is, its own ACK delayed or not."""
    for opening, begun in (("passive", "listen S@i A@p,r accept"), ("active", "connect SA@i,r")):
        for sent in ("send:100", "send:100 shutdown", "shutdown", "send:3000"):
            for pause, times in ((400, 9), (700, 6), (900, 5), (1600, 3)):
                for delay in ("", "1{delay=200}:", "1{delay=400}:"):
                    words = f"wait:{pause} [A@p,u/10] " * times
                    made = generated_from(f"{delay}{begun} mark {sent} {words} wait:12000")
                    name = f"text-beside.{opening}.{sent.replace(' ', '-')}.{pause}.{delay[2:-2]}"
                    yield replace(made, kind="stray", name=name, slow=True)


def _kept_alive() -> Iterator[Generated]:
    """Keep-alives go on in no state but those in which there is a peer to keep."""
    needs = frozenset({Capability.KEEP_ALIVE})
    for closing in ("close A@p,r FA@p,r", "shutdown FA@p,u A@p,r", "FA@p,r close A@p,r", "shutdown A@p,r", "R@p", ""):
        for idle in (5, 20, 60):
            text = f"listen S@i A@p,r accept keep-alive:{idle} A@p,r/10 recv:100 {closing} wait:{idle * 1100} again"
            name = f"kept-alive.{closing.replace(' ', '-') or 'open'}.{idle}"
            plan = moves(f"{text} wait:{idle * 1100} again wait:{idle * 1100}")
            yield Generated("stray", name, plan, None, True, needs)
    for state in ("established-flight", "established-shut", "close-wait-flight", "fin-wait-2-shutdown"):
        for idle in (5, 20, 60):
            for name, answer in KEPT_SHUT.items():
                answers = f"wait:{idle * 250} {answer} " * 14
                text = f"{bases.STATES[state]} keep-alive:{idle} A@p,u%0 {answers} A@p,r"
                yield Generated("stray", f"kept-alive.{state}.{name}.{idle}", moves(text), None, True, needs)


def _sending_on() -> Iterator[Generated]:
    """An application that goes on sending has the connection given up no later."""
    for count in (1, 3, 8):
        for wait in (7_000, 30_000):
            words = f"wait:{wait} [send:10] " * count
            plan = generated_from(f"listen S@i A@p,r%0 accept send:100 {words} wait:{REST_MS}")
            yield replace(plan, kind="stray", name=f"sending-on.{count}.{wait}", slow=True)


#: The peer's FIN, alone and with the text that came before it.
FIN_AGAIN = {"fin-again": "FA@n-1,r", "fin-again-with-text": "FA@n-5,r/4"}


def _time_wait() -> Iterator[Generated]:
    """In TIME-WAIT only a FIN that comes again restarts the wait of 2 MSL, and each one does."""
    for state in ("time-wait", "time-wait-closing"):
        for name in (name for name in STRAYS if name not in SYNS):
            for wait, rest in itertools.product((7_000, 40_000, 150_000), (5_000, 30_000, 80_000, 150_000)):
                plan, stray = moves(bases.STATES[state]), moves(STRAYS[name])
                pause, more = moves(f"wait:{wait}"), moves(f"wait:{rest}")
                whole, twin = (*plan, *pause, *stray, *more), (*plan, *pause, *more)
                needs = frozenset({PARTS[name]} if name in PARTS else ())
                yield Generated("stray", f"{state}.{name}.late-{wait}-{rest}", whole, twin, True, needs)
        yield from _dropped_late(state)
        for name, fin in FIN_AGAIN.items():
            again = f"{bases.STATES[state]} {f'wait:5000 {fin} ' * 4}"
            yield Generated("stray", f"{state}.{name}", moves(f"{again} wait:5000 {fin}"), slow=True)
            for wait in (40_000, 150_000):
                again = f"{bases.STATES[state]} {f'wait:{wait} {fin} ' * 4}"
                yield Generated("stray", f"{state}.{name}-{wait}", moves(again), slow=True)


#: What TIME-WAIT drops because it is older than what has come: a SYN by its number (RFC 6191 §2), all else by its
#: timestamp (RFC 7323 §5.3).
OLD = {"old-syn": "S@i", "old-stamp": "1{offer=t}:A@n,n~t-100", "old-stamp-fin": "1{offer=t}:FA@n-1,n~t-100"}


def _dropped_late(state: str) -> Iterator[Generated]:
    """What is too old comes at some time in TIME-WAIT, which ends as if it had not; the judge knows when."""
    for name, word in OLD.items():
        like, colon, said = word.rpartition(":")
        for wait in (25_000, 50_000, 100_000, 200_000):
            text = f"{like}{colon}{bases.STATES[state]} wait:{wait} {said} wait:{wait}"
            yield Generated("stray", f"{state}.{name}.{wait}", moves(text), slow=True)


def _made(name: str, plan: Plan, stray: Move, times: tuple[int, ...], needs: frozenset[Capability]) -> Generated:
    with_strays: list[Move] = []
    without: list[Move] = []
    for milliseconds in times:
        pause = Move(Special("wait", milliseconds))
        with_strays += [pause, stray]
        without.append(pause)
    rest = (Move(Special("wait", 260_000 if "time-wait" in name else REST_MS)),)
    return Generated("stray", name, (*plan, *with_strays, *rest), (*plan, *without, *rest), True, needs)
