"""Calls that wait: whether one must have returned in a world, may have, or must go on waiting; and with what result.

POSIX says what each waits for: connect() for the end of the handshake, recv() for anything to give, send() for room,
close() with linger time for the acknowledgment of all that was sent. How much room a buffer has is open.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.spec import seqno
from harness.spec.history.answers import ENDINGS, NO_CONNECTION, Answer, errors_of
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.react import Step
from harness.spec.history.timeout import given
from harness.spec.history.world import Fate, World
from harness.spec.states import TIME_WAIT
from harness.spec.values import replace

#: Linger time is over not earlier than asked for, and at most so much later, in nanoseconds.
SLACK = 1_000_000_000
#: So long text may wait for more of it before it is sent (MUST-60), in nanoseconds.
COLLECTED = 1_000_000_000


@dataclass(frozen=True)
class Call:
    """A call under way: its name, its argument (octets, or milliseconds of linger time), and when it began."""

    name: str
    amount: int
    since: int

    @property
    def deadline(self) -> int:
        """When linger time is over, in nanoseconds."""
        return self.since + self.amount * 1_000_000


def may_wait(world: World, call: Call, now: int) -> bool:
    """Tell whether a call may still wait."""
    if call.name == "connect":
        return world.opening
    if call.name == "recv":
        return world.opening or not (world.available > 0 or world.fin_in or world.reads_no_more or world.over)
    if call.name == "send":
        held = world.unsent and (_is_held_back(world) or now - world.waiting_since <= COLLECTED)
        return not world.over and bool(world.opening or world.unacknowledged or held)
    return not _has_left(world) and now < call.deadline + SLACK


def _is_held_back(world: World) -> bool:
    """Tell whether a sender with nothing in flight may keep text back: the window is too small (§3.8.6.2.1)."""
    window = world.connection.snd_wnd
    return not window or 2 * window < world.connection.max_snd_wnd


def _has_left(world: World) -> bool:
    """Tell whether close() has nothing to wait for; who has reset the connection may keep it in TIME-WAIT (§3.5.2)."""
    return world.over or world.state is TIME_WAIT or everything_acknowledged(world)


def everything_acknowledged(world: World) -> bool:
    """Tell whether the peer has acknowledged all that was sent, our FIN too."""
    if world.over:
        return world.closing and world.fate is Fate.ORDERLY
    return _was_acknowledged(world)


def _was_acknowledged(world: World) -> bool:
    """Tell whether the peer had acknowledged all that was sent, even if the connection was reset since."""
    connection = world.connection
    return connection.fin_sent and seqno.leq(connection.snd_nxt, connection.snd_una)


def connected(world: World, _octets: int, answer: Answer, _now: int) -> Iterator[Step]:
    """connect() has returned."""
    if world.opening:
        raise _fall("connect() to wait for the handshake", answer, "RFC 9293 §3.10.1")
    if world.fate in ENDINGS:
        if answer.error not in errors_of(world):
            raise _fall(f"an error: {world.fate}", answer, "RFC 9293 §3.10.1", "MUST-12")
        # POSIX connect(): behind one that has failed the state of the socket is unspecified.
        yield Step(replace(world, told=True, fate=Fate.ABORTED))
        return
    if answer.error and not world.over:
        raise _fall("success: the connection is open", answer, "RFC 9293 §3.10.1")
    yield Step(world)


def begins_sending(world: World, octets: int, answer: Answer, now: int) -> Iterator[Step]:
    """send() has begun to wait: all that it was given may be sent from now on."""
    yield Step(replace(given(world, now), written=world.written + octets))


def sent(world: World, octets: int, answer: Answer, _now: int) -> Iterator[Step]:
    """send() has returned behind having waited."""
    if not world.over:
        if answer.error or answer.taken != octets:
            raise _fall(f"all {octets} octets to be taken", answer, "RFC 9293 §3.10.2")
        yield Step(world)
        return
    if not answer.error and answer.taken >= octets and world.fate in ENDINGS:
        raise _fall(f"an error, or fewer octets: {world.fate}", answer, "RFC 9293 §3.10.2", "MUST-12")
    if answer.error and answer.error not in errors_of(world) | NO_CONNECTION:
        raise _fall(f"an error: {world.fate}", answer, "RFC 9293 §3.10.2")
    yield Step(replace(world, told=True) if answer.error else world)


def lingered(world: World, milliseconds_left: int, answer: Answer, _now: int) -> Iterator[Step]:
    """close() has returned; what was left of its linger time decides whether it may have."""
    acknowledged = everything_acknowledged(world)
    if not _has_left(world) and milliseconds_left > 0:
        raise _fall("close() to wait for the acknowledgment of all that was sent", answer, "RFC 9293 §3.10.4")
    if answer.whole and not (acknowledged or _was_acknowledged(world)):
        raise _fall("to be told that not all was acknowledged", answer, "RFC 9293 §3.10.4")
    if answer.whole is False and acknowledged:
        raise _fall("to be told that all was acknowledged", answer, "RFC 9293 §3.10.4")
    yield Step(world)


def _fall(due: str, answer: Answer, *cites: str) -> Fall:
    return Fall(Broken.WRONG_ANSWER, due, str(answer), cites)


CALLS: dict[str, Callable[[World, int, Answer, int], Iterator[Step]]] = {
    "connected": connected,
    "begin-send": begins_sending,
    "sent": sent,
    "lingered": lingered,
}
