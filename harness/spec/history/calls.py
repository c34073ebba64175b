"""The application's calls (RFC 9293 §3.10.1 to §3.10.6): the worlds that a call and its answer lead to.

An answer is what an application of sockets sees: octets taken or given, or the name of an errno. Which errno stands for
which of the RFC's errors is the interface's choice; that a refusal is one, and that it comes when due, is not.
"""

from collections.abc import Callable, Iterator

from harness.spec import seqno
from harness.spec.connection import Connection, Origin
from harness.spec.history import readiness, timeout, waiting
from harness.spec.history.answers import AGAIN, ENDINGS, NO_CONNECTION, Answer, errors_of
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.react import Step
from harness.spec.history.timeout import given
from harness.spec.history.world import Fate, World, text
from harness.spec.reaction import Outgoing
from harness.spec.segment import ACK, RST, SYN
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
)
from harness.spec.values import replace

_OPEN = frozenset({SYN_SENT, SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT})
_ENDED = frozenset({Fate.RESET, Fate.REFUSED, Fate.TIMED_OUT, Fate.UNREACHABLE})


def call(world: World, name: str, octets: int, answer: Answer, now: int, salt: int = 0) -> Iterator[Step]:
    """Yield the steps in which the call `name` of `octets` gives this answer; raises Fall if there is none.

    `salt` belongs to the stream that RECEIVE reads.
    """
    if name == "recv":
        yield from _receive(world, octets, answer, salt)
    elif name == "peek":
        yield from _peek(world, octets, answer, salt)
    else:
        yield from _CALLS[name](world, octets, answer, now)


def _fall(due: str, answer: Answer, *cites: str) -> Fall:
    return Fall(Broken.WRONG_ANSWER, due, str(answer), cites)


def _connect(world: World, _octets: int, answer: Answer, now: int) -> Iterator[Step]:
    if world.state is not CLOSED:
        if answer.error:
            yield Step(world)
            return
        raise _fall("a refusal: the connection exists", answer, "RFC 9293 §3.10.1")
    if answer.spent:
        yield Step(world)
        return
    if answer.error == "EADDRINUSE" and world.connection.listener_open:
        yield Step(world)  # sockets may keep a port that is listened on from other uses
        return
    if answer.error:
        raise _fall("a connection request", answer, "RFC 9293 §3.10.1")
    yield _syn(world, now)


def _syn(world: World, now: int) -> Step:
    connection = Connection(
        SYN_SENT, Origin.ACTIVE, snd_nxt=1, snd_wnd=0, max_snd_wnd=0, listener_open=world.connection.listener_open
    )
    fresh = World(connection, accepted=True, waiting_since=now)
    return Step(fresh, (Outgoing(SYN, 0, None),))


def _send(world: World, octets: int, answer: Answer, now: int) -> Iterator[Step]:
    if world.fate in ENDINGS:
        if answer.error not in errors_of(world) | NO_CONNECTION:
            raise _fall(f"an error: {world.fate}", answer, "RFC 9293 §3.10.2", "MUST-12")
        yield Step(replace(world, told=True))
        return
    if world.closing or world.state not in _OPEN:
        if not answer.error:
            raise _fall("an error: the connection is closing", answer, "RFC 9293 §3.10.2")
        yield Step(world)
        return
    if answer.error:
        full = answer.error == AGAIN and (world.unacknowledged or world.unsent or world.opening)
        early = answer.error in (AGAIN, "ENOTCONN") and world.opening
        if not full and not early:
            raise _fall("the octets to be taken", answer, "RFC 9293 §3.10.2")
        yield Step(world)
        return
    if not 0 < answer.taken <= octets:
        raise _fall(f"1 to {octets} octets taken", answer, "RFC 9293 §3.10.2")
    yield Step(replace(given(world, now), written=world.written + answer.taken))


def _send_all(world: World, octets: int, answer: Answer, now: int) -> Iterator[Step]:
    """A send() that would have waited has returned at once: with everything taken, or an error."""
    if answer.error == AGAIN or (not answer.error and answer.taken < octets):
        raise _fall(f"all {octets} octets to be taken, however long that takes", answer, "RFC 9293 §3.10.2")
    yield from _send(world, octets, answer, now)


def _receive(world: World, octets: int, answer: Answer, salt: int) -> Iterator[Step]:
    if answer.error:
        yield _refused_receive(world, answer)
        return
    data = answer.data or b""
    if data:
        if len(data) > min(octets, world.available):
            raise _fall(f"{min(octets, world.available)} octets at most", answer, "RFC 9293 §3.10.3")
        first = seqno.add(world.irs, 1 + world.read)
        if data != text(first, len(data), salt):
            raise Fall(Broken.WRONG_DATA, "what the peer has sent, in order", repr(data[:16]), ("RFC 9293 §3.8",))
        yield Step(replace(world, read=world.read + len(data), unshown=world.unshown + len(data)), spare=True)
        return
    # After the peer's FIN its stream is whole, whatever ends the connection then: an error is told to SEND.
    at_end = (world.fin_in or world.reads_no_more) and world.available <= 0
    after_error = world.told and world.fate in _ENDED
    flushed = world.fin_in and world.fate is Fate.SWEPT
    if not (at_end or after_error or flushed or world.fate in (Fate.ABORTED, Fate.FORGOTTEN, Fate.DROPPED)):
        due = "the rest of the text" if world.available else "no end of the stream"
        raise _fall(due, answer, "RFC 9293 §3.10.3", *(("MUST-12",) if world.fate in _ENDED else ()))
    yield Step(world)


def _peek(world: World, octets: int, answer: Answer, salt: int) -> Iterator[Step]:
    """RECEIVE that leaves the text where it is: what it has given comes again."""
    for step in _receive(world, octets, answer, salt):
        yield replace(step, world=replace(step.world, read=world.read, unshown=world.unshown))


def _refused_receive(world: World, answer: Answer) -> Step:
    if world.fate in ENDINGS:
        if answer.error == AGAIN or (answer.error not in errors_of(world) | NO_CONNECTION):
            raise _fall(f"an error: {world.fate}", answer, "RFC 9293 §3.10.3", "MUST-12")
        return Step(replace(world, told=True, read=world.read + max(0, world.available)))
    unread = world.fate is Fate.ORDERLY and world.available > 0
    if world.fate is Fate.ORDERLY and not unread and answer.error not in NO_CONNECTION | {AGAIN}:
        raise _fall("the end of the stream", answer, "RFC 9293 §3.10.3", "MUST-56")
    if world.fate in (Fate.ABORTED, Fate.FORGOTTEN, Fate.DROPPED, Fate.SWEPT, Fate.ORDERLY) and not unread:
        return Step(world)
    if answer.error not in {AGAIN, "ENOTCONN"}:
        raise _fall("no error: the connection lives", answer, "RFC 9293 §3.10.3")
    if world.available > 0 and not world.opening:
        raise _fall(f"{world.available} octets", answer, "RFC 9293 §3.10.3", "RFC 9293 §3.10.7.4 seventh")
    if world.reads_no_more and not world.opening:
        raise _fall("the end of the stream, which SHUT_RD has brought", answer, "RFC 9293 §3.10.4")
    if world.fin_in and not world.opening:
        raise _fall("the end of the stream", answer, "RFC 9293 §3.10.3", "RFC 9293 §3.10.7.4 eighth")
    return Step(world, spare=True)


def _shutdown(world: World, _octets: int, answer: Answer, now: int) -> Iterator[Step]:
    if answer.error:
        if world.state in (ESTABLISHED, CLOSE_WAIT) and not world.closing:
            raise _fall("the sending side to be closed", answer, "RFC 9293 §3.10.4")
        yield Step(world)
        return
    for step in _close_sending(world, now):
        yield from _unread(step)


def _shutdown_reading(world: World, _octets: int, answer: Answer, now: int) -> Iterator[Step]:
    """SHUT_RD: TCP has no word for it, so that the peer hears nothing; what comes later may be read or not."""
    if answer.error:
        if world.state in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT):
            raise _fall("the receiving side to be closed", answer, "RFC 9293 §3.10.4")
        yield Step(world)
        return
    yield from _unread(Step(replace(world, reads_no_more=True)))
    if world.state is SYN_SENT:
        yield Step(world.ended(Fate.ABORTED))  # as any shutdown() of what is not connected yet


def _shutdown_both(world: World, octets: int, answer: Answer, now: int) -> Iterator[Step]:
    for step in _shutdown(world, octets, answer, now):
        yield from [step] if answer.error else _unread(replace(step, world=replace(step.world, reads_no_more=True)))


def _unread(step: Step) -> Iterator[Step]:
    """With both directions closed nobody will read what comes: that may be a CLOSE of both (MAY-1, SHLD-3)."""
    yield step
    if step.world.closing and step.world.reads_no_more:
        yield replace(step, world=step.world.with_connection(reader_gone=True))


def _close_sending(world: World, now: int) -> Iterator[Step]:
    """CLOSE as the RFC has it: SEND no more; RECEIVE goes on."""
    connection = world.connection
    if world.closing or world.state in (CLOSED, FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK, TIME_WAIT):
        yield Step(world)
        if world.closing and world.state is SYN_RECEIVED:  # where the first CLOSE was queued, this one may be sent
            yield Step(world.with_connection(state=FIN_WAIT_1))
        return
    if world.state is SYN_SENT:
        yield Step(world.ended(Fate.ABORTED))
        yield Step(replace(world, closing=True))  # sockets that know shutdown() may remember it
        return
    closing = replace(given(world, now), closing=True)
    if world.state is ESTABLISHED:
        yield Step(closing.with_connection(state=FIN_WAIT_1))
    elif world.state is SYN_RECEIVED:
        yield Step(closing)
        yield Step(closing.with_connection(state=FIN_WAIT_1))
    else:
        yield Step(replace(closing, connection=connection))  # CLOSE-WAIT until the FIN is really sent


def _close(world: World, _octets: int, answer: Answer, now: int) -> Iterator[Step]:
    """`close()` of a socket: nobody reads any more. With unread text it may reset instead (RFC 1122 §4.2.2.13)."""
    gone = replace(world.with_connection(reader_gone=True), told=True)
    if world.state is SYN_SENT:
        yield Step(gone.ended(Fate.ABORTED))
        return
    # In TIME-WAIT the peer has no connection any more that could be told, and nothing shortens it (MUST-13).
    if world.state not in (CLOSED, TIME_WAIT) and (world.available > 0 or world.held):
        yield from _reset(gone, now)
    if world.state is FIN_WAIT_2:
        gone = replace(gone, fin_wait_2_since=now)
    yield from _close_sending(gone, now)


def _abort(world: World, _octets: int, answer: Answer, now: int) -> Iterator[Step]:
    gone = replace(world.with_connection(reader_gone=True), told=True)
    if world.state in (CLOSED, SYN_SENT):
        yield Step(gone.ended(Fate.ABORTED) if world.state is SYN_SENT else gone)
        return
    yield from _reset(gone, now)
    if world.state in (CLOSING, LAST_ACK, TIME_WAIT):
        yield Step(gone.ended(Fate.ABORTED))  # §3.10.5: these respond "ok" and delete the TCB, without a reset
        if world.state is TIME_WAIT:
            yield Step(gone)


def _reset(world: World, now: int) -> Iterator[Step]:
    """The side that sends a reset should enter TIME-WAIT (§3.5.2); ABORT itself says CLOSED (§3.10.5)."""
    connection = world.connection
    reset = (Outgoing(RST, connection.snd_nxt, connection.rcv_nxt),)
    yield Step(world.ended(Fate.ABORTED), reset)
    if world.ack_by is not None:  # an acknowledgment that was delayed may leave before it
        late = Outgoing(ACK, connection.snd_nxt, connection.rcv_nxt)
        yield Step(world.ended(Fate.ABORTED), (late, *reset))
    resting = replace(world.with_connection(state=TIME_WAIT), time_wait_since=now, held=(), closing=True)
    yield Step(resting, reset)


_CALLS: dict[str, Callable[[World, int, Answer, int], Iterator[Step]]] = {
    "connect": _connect,
    "send": _send,
    "urgent": _send,
    "shutdown": _shutdown,
    "shut-rd": _shutdown_reading,
    "shut-rdwr": _shutdown_both,
    "close": _close,
    "abort": _abort,
    "begin-connect": _connect,
    "sent-at-once": _send_all,
    "begin-close": _close,
    "timeout": timeout.chosen,
    **readiness.CALLS,
    **waiting.CALLS,
}
