"""The user timeout of a connection (RFC 9293 §3.9.1.1, §3.10.8; R2 of §3.8.3): the application may choose it (MUST-21).

It is counted from the SEND of the oldest text that is outstanding, or from the last progress: both readings are in use.
So it has not expired before the first is over, and has when the second is, and a repetition was due behind it.
"""

from collections.abc import Iterator

from harness.spec.history.answers import Answer
from harness.spec.history.react import Step
from harness.spec.history.world import World
from harness.spec.values import replace

#: A stack may look at the clock when it sends something again: the pause doubles each time, so it takes twice as long.
LATEST = 2
#: And so much longer, in nanoseconds: the first repetition.
SLACK = 5_000_000_000
#: And behind a shut window by so many times the pause between probes.
PROBES = 8
CITES = ("RFC 9293 §3.10.8", "MUST-21")


def chosen(world: World, milliseconds: int, answer: Answer, now: int) -> Iterator[Step]:
    """The application has chosen a user timeout, or was refused."""
    patience = 0 if answer.error else milliseconds * 1_000_000
    since = world.given_since if world.outstanding else now  # it is for all that was submitted (§3.9.1.1)
    yield Step(replace(world, patience=patience, given_since=since, stuck_since=now))


def given(world: World, now: int) -> World:
    """Return the world with something new to be sent."""
    if world.outstanding:
        return world
    return replace(world, waiting_since=now, given_since=now, stuck_since=now if world.patience else 0)


def may_end(world: World, now: int) -> bool:
    """Tell whether the user timeout may be over."""
    return not world.over and world.outstanding and now >= world.given_since + world.patience


def ends_by(world: World) -> int | None:
    """Return when it is over at the latest.

    A peer that answers keeps the connection with a shut window (MUST-37), so that one probe at least has to stay
    without an answer; where others were answered, the next two may take eight times as long as the last (SHLD-30).
    """
    if world.over or not world.patience or not world.outstanding or world.opening:
        return None
    latest = world.stuck_since + LATEST * world.patience + SLACK
    if world.connection.snd_wnd:
        return latest
    return latest + PROBES * (world.interval >> world.tries) if world.tries else None
