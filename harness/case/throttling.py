"""Answers that a target holds back: some acknowledge unacceptable segments once in a while only.

RFC 5961 §7 has it so for what SYNs and resets provoke. Where it can't be switched off (`Facts.throttle_s`), a missing
ACK that would repeat the one before proves nothing.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from harness.case.connection import Connection
from harness.case.course import Course
from harness.case.expect import Expected
from harness.case.received import Received
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets.protocol import Capability, Target
from harness.trace.events import Event, Kind


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An ACK that is due, and may be held back: it would repeat `repeats`, or follow one of another connection."""

    repeats: Received | None = None


def longest_s(target: Target) -> float:
    """Return for how long one answer may keep others back, in seconds: in real time that is told, and not measured."""
    limit_s = target.facts.throttle_s
    return math.inf if limit_s and Capability.VIRTUAL_TIME not in target.capabilities else limit_s


def last_asked(events: Iterable[Event]) -> Segment | None:
    """Return the last segment that the peer sent."""
    return next((event.segment for event in reversed([*events]) if event.kind is Kind.SENT), None)


def last_spent(events: Iterable[Event], *, of_text: bool = False) -> Event | None:
    """Return the last ACK with which the target answered a segment without text and announced nothing new.

    `of_text`: or a segment with text. So it does, in any case, with text that is next in sequence: it was refused for
    its acknowledgment, which is challenged (RFC 5961 §5.2).
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
            counts = asked is not None and (of_text or not asked.payload or _is_next(asked, announced))
            spent = event if bare and counts else spent
            announced = segment.ack if segment.flags & ACK else announced
    return spent


def _is_next(segment: Segment, rcv_nxt: int | None) -> bool:
    """Tell whether a segment brings what is next in sequence."""
    return rcv_nxt is not None and segment.seq <= rcv_nxt < segment.seq + segment.length


def is_challenged(segment: Segment) -> bool:
    """Tell whether the answer to a segment is a challenge, of which RFC 5961 §7 speaks."""
    return bool(segment.flags & (SYN | RST))


def held_back(
    course: Course, connection: Connection, answers: Iterable[Expected], *, challenges_only: bool = False
) -> HeldBack | None:
    """Return what explains that one of the answers, an ACK, may be held back: another one, a moment ago."""
    facts = course.rig.target.facts
    interval_ns, every = facts.throttle_s * 1e9, facts.throttles_all
    if not interval_ns:
        return None
    told = [event for event in course.events if event.connection == connection.index]
    asked, spent = last_asked(told), last_spent(told, of_text=every)
    since_ns = course.rig.target.clock.now_ns() - interval_ns
    if asked is None or (asked.payload and not every):
        return None
    if challenges_only and not every and not is_challenged(asked):
        return None
    if spent is not None and spent.time_ns >= since_ns:
        received = next(each for each in connection.received if each.event is spent)
        if any(answer.mismatch(received.segment, received.wire) is None for answer in answers):
            return HeldBack(received)
        if not challenges_only and connection.received[-1].segment.ack < connection.peer.snd_nxt:
            return HeldBack()  # it would tell what a delayed ACK is still to tell
    elsewhere_ns = course.rig.spent_ns if facts.throttles_host else None
    may_be = elsewhere_ns is not None and elsewhere_ns >= since_ns and any(each.flags == ACK for each in answers)
    return HeldBack() if may_be else None
