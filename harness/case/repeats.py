"""What a timer of the target explains: segments that repeat what was sent, when enough time lies in between."""

import itertools

from harness.case.connection import Connection
from harness.case.course import Course
from harness.case.received import Received, repeats
from harness.spec.segment import RST, SYN
from harness.trace.events import Kind

#: How often a case is run again because a timer of the target has disturbed it.
MAX_REPLAYS = 3
#: So many repetitions at least come before a connection is given up (RFC 9293 §3.8.3, R1: SHLD-10).
FEWEST_REPETITIONS = 3


def is_timer_repeat(course: Course, connection: Connection, received: Received) -> bool:
    """Tell whether a timer explains this segment: it repeats what was sent, and enough time lies in between.

    A timer that was armed in SYN-SENT, and may be short, goes on in SYN-RECEIVED: it repeats the SYN,ACK as well,
    and the time since the peer's first segment counts, which may have armed it.
    """
    before = list(itertools.takewhile(lambda earlier: earlier is not received, connection.received))
    syn_sent = bool(received.wire.flags & SYN) and any(earlier.wire.plain_flags == SYN for earlier in before)
    guard_s = course.rig.target.guard_s(syn_sent=syn_sent)
    if received.wire.flags & SYN and not syn_sent:  # what comes sooner behind text, as a loss probe, does not here
        guard_s = max(guard_s, course.rig.target.facts.syn_guard_s)
    guard_ns = guard_s * 1e9
    armed_ns = _first_sent_ns(course, connection) if syn_sent else received.event.time_ns
    ends = [earlier.wire.end for earlier in before]
    return any(
        repeats(received.wire, earlier.wire, ends)
        and received.event.time_ns - min(earlier.event.time_ns, armed_ns) >= guard_ns
        for earlier in before
    )


def is_giving_up(course: Course, connection: Connection, received: Received) -> bool:
    """Tell whether a reset ends a connection that was repeated in vain: R2 closes it, and may say so (RFC 9293 §3.8.3).

    That takes minutes, which pass for all cases of a batch when one of them waits in virtual time.
    """
    if not received.wire.flags & RST:
        return False
    before = itertools.takewhile(lambda earlier: earlier is not received, connection.received)
    return sum(is_timer_repeat(course, connection, earlier) for earlier in before) >= FEWEST_REPETITIONS


def set_aside(course: Course, connection: Connection) -> None:
    """Take what a timer explains out of the inbox."""
    for received in [item for item in connection.inbox if is_timer_repeat(course, connection, item)]:
        connection.inbox.remove(received)
        received.event.annotations.append("(repeated by a timer)")


def may_have_spoken(course: Course, before: Received | None = None) -> bool:
    """Tell whether a timer of the target has sent something in this run, so that it is to be played again.

    What came in front of a timer's segment is not the timer's: with `before`, only that one and earlier ones count.
    """
    if course.rig.guarded and course.rig.patient:  # a timer may have spoken between the last answer and the last look
        course.rig.collect(course)
    return course.rig.guarded and any(
        is_timer_repeat(course, connection, received)
        for connection in course.connections
        for received in connection.received
        if before is None or received.event.time_ns < before.event.time_ns or received is before
    )


def lasts_too_long(course: Course) -> bool:
    """Tell whether a timer has disturbed the last replay too, on a target whose steps take their time."""
    last = course.rig.patient and course.replays >= MAX_REPLAYS
    return last and not course.walking and may_have_spoken(course)


def _first_sent_ns(course: Course, connection: Connection) -> int:
    """Return when the peer first sent something to the connection; if it has not, the present time."""
    sent = (event.time_ns for event in course.events if (event.kind, event.connection) == (Kind.SENT, connection.index))
    return next(sent, course.rig.target.clock.now_ns())
