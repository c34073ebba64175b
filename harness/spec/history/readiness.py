"""What poll(2), epoll(7) and SO_ERROR tell of a connection: what must hold in a world, and what may.

POSIX.1-2017 names the conditions (poll(), select(): a descriptor is ready when a call would not block, whether or not
it would succeed), poll(2) adds RDHUP. Where both are silent it stays open: writable with half a buffer, and behind a
hang-up, where POSIX has POLLHUP and POLLOUT exclude each other and no system heeds it.
"""

import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.spec.history.answers import AGAIN, ENDINGS, TROUBLE, Answer, conditions, errors_of
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.react import Step
from harness.spec.history.world import Fate, World
from harness.spec.values import replace

IN, OUT, ERR, HUP, RDHUP = select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP, select.POLLRDHUP
ALL = IN | OUT | ERR | HUP | RDHUP
#: Ends about which the application's own call, or nobody, has anything to say.
_OPEN_ENDS = frozenset({Fate.ABORTED, Fate.FORGOTTEN, Fate.DROPPED})
#: Behind these a call of send() would not wait either.
_WAKES_WRITER = OUT | ERR | HUP
CITES = ("RFC 9293 §3.9.1.8",)


@dataclass(frozen=True)
class Level:
    """What must hold and what may. `writer`: a call of send() would not wait, so OUT, ERR or HUP must hold."""

    due: int
    allowed: int
    writer: bool = False

    def missing(self, mask: int) -> int:
        """Return the conditions that are due and are not told."""
        return (self.due & ~mask) | (OUT if self.writer and not mask & _WAKES_WRITER else 0)


def level(world: World) -> Level:
    """Return what holds in a world."""
    if world.over and world.fate in _OPEN_ENDS:
        return Level(0, ALL)
    if world.opening:
        return Level(0, ALL if world.closing or world.reads_no_more else 0)
    due = allowed = 0
    ends = world.fin_in or world.reads_no_more
    if world.available > 0 or ends or world.over:
        due |= IN
    if ends:
        due |= RDHUP
    if world.over:
        allowed |= RDHUP
    if world.over or (world.closing and world.fin_in):
        due |= HUP
    elif world.closing and ends:
        allowed |= HUP
    if world.fate in ENDINGS and not world.told:
        due |= ERR
    elif world.fate is Fate.SWEPT and not world.told:
        allowed |= ERR
    elif world.fate is Fate.UNREACHABLE:
        allowed |= ERR  # the message itself may be kept for whoever asks for it, behind SO_ERROR
    empty = not (world.unacknowledged or world.unsent)
    writer = world.over or world.closing or empty
    return Level(due, due | allowed | OUT, writer)


def poll(world: World, _octets: int, answer: Answer, _now: int) -> Iterator[Step]:
    """poll() has told these conditions."""
    mask, holds = answer.ready or 0, level(world)
    if missing := holds.missing(mask):
        raise _fall(f"{conditions(missing)} to be told", answer)
    if excess := mask & ~holds.allowed:
        raise _fall(f"no {conditions(excess)}", answer)
    if world.fate is Fate.SWEPT and not world.told:
        yield Step(replace(world, fate=Fate.RESET) if mask & ERR else replace(world, told=True))
        return
    yield Step(world)


def edges(world: World, _octets: int, answer: Answer, _now: int) -> Iterator[Step]:
    """An edge-triggered look has told these conditions; `Edges` knows which of them are news."""
    if excess := (answer.ready or 0) & ~level(world).allowed:
        raise _fall(f"no {conditions(excess)}", answer)
    yield Step(world)


def error(world: World, _octets: int, answer: Answer, _now: int) -> Iterator[Step]:
    """SO_ERROR has told this, or nothing, and is cleared."""
    if world.fate in ENDINGS and not world.told:
        if answer.error not in errors_of(world):
            raise _fall(f"an error: {world.fate}", answer, "RFC 9293 §3.10.7.4 second", "MUST-12")
    elif world.troubled and answer.error in TROUBLE:
        pass  # what an ICMP error has said of the way should be told (RFC 9293 §3.9.2.2, SHLD-25)
    elif answer.error and not (world.fate in _OPEN_ENDS or (world.fate is Fate.SWEPT and not world.told)):
        raise _fall("no error", answer, "RFC 9293 §3.9.1.5")
    yield Step(replace(world, told=True) if world.over else world)


def buffer(world: World, _octets: int, _answer: Answer, _now: int) -> Iterator[Step]:
    """The application has asked for another buffer, which a stack may take for advice."""
    yield Step(world)


def keep_alive(world: World, seconds: int, answer: Answer, now: int) -> Iterator[Step]:
    """The application has asked for keep-alives, which may end a connection whose peer is silent (§3.8.4).

    What nobody has accepted yet may have inherited what its listener was asked before.
    """
    silence = seconds * 1_000_000_000
    if world.keep_alive and not world.accepted:
        silence = min(silence, world.keep_alive)
    yield Step(world if answer.error else replace(world, keep_alive=silence, silent_since=now, asks_from=0))


def _fall(due: str, answer: Answer, *cites: str) -> Fall:
    return Fall(Broken.WRONG_ANSWER, due, str(answer), cites or CITES)


CALLS: dict[str, Callable[[World, int, Answer, int], Iterator[Step]]] = {
    "poll": poll,
    "edges": edges,
    "error": error,
    "buffer": buffer,
    "keep-alive": keep_alive,
}


def no_room(name: str, octets: int, answer: Answer) -> bool:
    """Tell whether a call has shown that SEND takes no more."""
    if name == "poll":
        return not (answer.ready or 0) & _WAKES_WRITER
    return name in ("send", "urgent") and (answer.error == AGAIN or (not answer.error and answer.taken < octets))


class Edges:
    """Which conditions have newly come about since an edge-triggered look, in all worlds at once.

    To be told is a condition that surely did not hold and now surely does; that more is told when something has
    happened is usual (a wake-up tells all that holds), but not when nothing has.
    """

    def __init__(self) -> None:
        self._news = ALL
        self._quiet = False

    def changed(self, before: list[World], after: list[World], denied: int = 0) -> None:
        """Something has happened; what was `denied` before surely did not hold then."""
        could, must = _could(before) & ~denied, _must(after)
        self._news |= must & ~could
        self._quiet = False

    def looked(self, mask: int, worlds: list[World]) -> None:
        """Take in what a look has told; raises Fall."""
        if self._quiet and mask:
            raise Fall(Broken.WRONG_ANSWER, "nothing: it was told", conditions(mask), CITES, "edges")
        if missing := self._news & _must(worlds) & ~mask:
            raise Fall(Broken.WRONG_ANSWER, f"{conditions(missing)} to be told", conditions(mask), CITES, "edges")
        self._news, self._quiet = 0, True


def _could(worlds: list[World]) -> int:
    found = 0
    for world in worlds:
        found |= level(world).allowed
    return found


def _must(worlds: list[World]) -> int:
    found = ALL
    for world in worlds:
        holds = level(world)
        found &= holds.due | (OUT if holds.writer and not holds.due & (ERR | HUP) else 0)
    return found
