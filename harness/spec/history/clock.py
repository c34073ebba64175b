"""Time passes (RFC 9293 §3.10.8): the worlds that it leads to, and what must have happened by now."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.spec.history.fall import Broken, Fall
from harness.spec.history.timeout import CITES, ends_by, may_end
from harness.spec.history.world import SEVERAL, Fate, Traits, World
from harness.spec.states import CLOSED, FIN_WAIT_2, SYN_RECEIVED, TIME_WAIT
from harness.spec.values import replace

_SECOND = 1_000_000_000
#: R2, where it is counted in time and not in repetitions (§3.8.3, SHLD-11).
R2_NS = 100 * _SECOND


@dataclass(frozen=True)
class Due:
    """Something that must come by a time, in words, with the sentence that asks for it."""

    by: int
    what: str
    cites: tuple[str, ...]


def age(world: World, now: int, traits: Traits) -> Iterator[World]:
    """Yield the worlds that this one may have become by `now`; raises Fall if none: something that was due is missing.

    A timer is a window of time. Nothing that the rules do not name moves one.
    """
    due = due_by(world, traits)
    found = [world] if due is None or now <= due.by else []
    found += _by_itself(world, now, traits)
    if not found:
        assert due is not None
        raise Fall(Broken.SILENT, due.what, "", due.cites, "time")
    yield from found


def is_at_rest(world: World, now: int, traits: Traits) -> bool:
    """Tell whether nothing can have happened to a world by `now`: `age` would yield it and no other."""
    due = due_by(world, traits)
    return (due is None or now <= due.by) and next(_by_itself(world, now, traits), None) is None


def is_overdue(world: World, now: int, traits: Traits, first_s: float) -> bool:
    """Tell whether what has never been sent again should have been, by what a target was measured to do at first."""
    if world.tries or world.interval or next(_by_itself(world, now, traits), None) is not None:
        return False
    hasty = replace(traits, repeat_s=first_s, override_s=first_s, send_s=first_s)
    due = _next(world, hasty)
    return world.outstanding and due is not None and now > due.by


def _by_itself(world: World, now: int, traits: Traits) -> Iterator[World]:
    """Yield what a timer, or an end of its listener, may have made of it."""
    if world.by_cookie:
        return
    if not world.over and not world.accepted and (world.forsaken or not world.connection.listener_open):
        yield world.ended(Fate.DROPPED)
        if world.before is not None:
            yield world.before  # MAY-2 (2)
    if world.state is TIME_WAIT and now - world.time_wait_since >= traits.two_msl_s[0] * _SECOND:
        yield world.ended(Fate.ORDERLY)
    lonely = world.state is FIN_WAIT_2 and world.connection.reader_gone
    if lonely and now - world.fin_wait_2_since >= traits.fin_wait_2_s * _SECOND:
        yield world.ended(Fate.TIMED_OUT)
    if world.keep_alive and not world.opening and not world.over and _may_be_dead(world, now):
        yield world.ended(Fate.TIMED_OUT)
    if world.patience and not world.opening:
        if may_end(world, now):
            yield world.ended(Fate.TIMED_OUT)
        return
    enough = traits.tries_syn_received if world.state is SYN_RECEIVED else traits.tries
    if (world.opening or world.unacknowledged or world.unsent) and (world.tries >= enough or _passes_r2(world, now)):
        yield world.ended(Fate.FORGOTTEN if world.state is SYN_RECEIVED and not world.accepted else Fate.TIMED_OUT)
        if world.before is not None:
            yield world.before  # MAY-2 (2)


def _passes_r2(world: World, now: int) -> bool:
    """Tell whether R2 may be over, in time: the timer was backed off so far that the next repetition is behind it."""
    if world.opening or not world.tries or 3 * world.interval < R2_NS:
        return False
    return now - world.waiting_since + world.interval >= R2_NS


def _may_be_dead(world: World, now: int) -> bool:
    """Tell whether keep-alives may have given up: a peer that has answered within their time is there (MUST-37).

    So is one that has not answered a single probe (MUST-29), unless the application's own timeout is over; and whoever
    was not asked at all has not failed to answer.
    """
    silent = now - world.silent_since >= world.keep_alive * 9 // 10
    enough = 1 if world.patience else SEVERAL
    return silent and (world.asked >= enough or world.outstanding)


def due_by(world: World, traits: Traits) -> Due | None:
    """Return what must happen next, and by when."""
    next_one, end = _next(world, traits), ends_by(world)
    if end is not None and (next_one is None or end < next_one.by):
        return Due(end, "the end by user timeout", CITES)
    return next_one


def _next(world: World, traits: Traits) -> Due | None:
    if world.ack_by is not None:
        return Due(world.ack_by, "the acknowledgment that was delayed", ("RFC 9293 §3.8.6.3", "MUST-40"))
    if world.state is CLOSED or world.by_cookie:
        return None
    if world.state is TIME_WAIT:
        by = world.time_wait_since + round(traits.two_msl_s[1] * _SECOND)
        return Due(by, "the end of TIME-WAIT", ("RFC 9293 §3.10.8", "MUST-13"))
    wait = max(round(traits.repeat_s * _SECOND), world.interval * 9 // 4)
    if world.opening:
        return Due(world.waiting_since + wait, "the SYN again", ("RFC 9293 §3.8.1", "RFC 6298 §5.4"))
    if world.unsent and not world.connection.snd_wnd and not world.unacknowledged:
        by = max(world.waiting_since, world.told_shut) + wait
        return Due(by, "a probe of the closed window", ("RFC 9293 §3.8.6.1", "MUST-36"))
    if world.unacknowledged:
        return Due(world.waiting_since + wait, "what is unacknowledged, again", ("RFC 9293 §3.8.1", "RFC 6298 §5.4"))
    if world.unsent:  # nothing is under way, so that only the override timeout may hold it back
        fits = world.end_of_text - world.connection.snd_nxt <= world.connection.snd_wnd
        by = world.waiting_since + round((traits.send_s if fits else traits.override_s) * _SECOND)
        return Due(by, "what the application has sent", ("RFC 9293 §3.8.6.2.1", "RFC 9293 §3.10.2"))
    return None


def delayed(world: World, now: int, traits: Traits) -> World:
    """Return the world with an acknowledgment under way that may be delayed; one that is already is due no later."""
    if world.ack_by is not None:
        return world
    return replace(world, ack_by=now + round(traits.ack_delay_s * _SECOND))
