"""Answers that a target holds back: some acknowledge unacceptable segments once in a while only.

RFC 5961 §7 has it so for what SYNs and resets provoke. Where it can't be switched off (`Facts.throttle_s`), a missing
ACK that would repeat the one before proves nothing.
"""

from collections.abc import Iterable

from harness.case.connection import Connection
from harness.case.course import Course
from harness.case.expect import Expected
from harness.case.received import Received
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.trace.events import Event, Kind


def last_asked(events: Iterable[Event]) -> Segment | None:
    """Return the last segment that the peer sent."""
    return next((event.segment for event in reversed([*events]) if event.kind is Kind.SENT), None)


def last_spent(events: Iterable[Event], *, of_text: bool = False) -> Event | None:
    """Return the last ACK with which the target answered a segment without text and announced nothing new.

    `of_text`: or a segment with text.
    """
    spent = asked = announced = None
    for event in events:
        segment = event.segment
        if segment is None:
            continue
        if event.kind is Kind.SENT:
            asked = segment
        elif event.kind is Kind.RECEIVED:
            bare = segment.flags == ACK and not segment.payload and segment.ack == announced
            spent = event if bare and asked is not None and (of_text or not asked.payload) else spent
            announced = segment.ack if segment.flags & ACK else announced
    return spent


def is_challenged(segment: Segment) -> bool:
    """Tell whether the answer to a segment is a challenge, of which RFC 5961 §7 speaks."""
    return bool(segment.flags & (SYN | RST))


def held_back(
    course: Course, connection: Connection, answers: Iterable[Expected], *, challenges_only: bool = False
) -> Received | None:
    """Return the ACK that one of the answers would have repeated so soon that the target may hold it back."""
    facts = course.rig.target.facts
    interval_ns, every = facts.throttle_s * 1e9, facts.throttles_all
    if not interval_ns:
        return None
    told = [event for event in course.events if event.connection == connection.index]
    asked, spent = last_asked(told), last_spent(told, of_text=every)
    since_ns = course.rig.target.clock.now_ns() - interval_ns
    if asked is None or (asked.payload and not every) or spent is None or spent.time_ns < since_ns:
        return None
    if challenges_only and not every and not is_challenged(asked):
        return None
    received = next(each for each in connection.received if each.event is spent)
    fits = any(answer.mismatch(received.segment, received.wire) is None for answer in answers)
    return received if fits else None
