"""When acknowledgments come, and on what: they may be delayed, and ride on what is sent again."""

import math
from collections.abc import Iterable, Sequence
from itertools import takewhile

from harness.case.expect import Expected
from harness.case.received import Received
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.trace.events import Event, Kind

#: An ACK is delayed by less than half a second (RFC 9293 §3.8.6.3, MUST-40).
DELAY_S = 0.5
_CAUSES = (Kind.SENT, Kind.CALL)


def may_wait(events: Sequence[Event], answers: Iterable[Expected]) -> bool:
    """Tell whether one of the answers is an acknowledgment that may be delayed: of the peer's last text, or its FIN."""
    asked = next((event.segment for event in reversed(events) if event.kind is Kind.SENT), None)
    if asked is None or not asked.length or asked.flags & (SYN | RST):
        return False
    return any(answer.flags == ACK and not answer.data for answer in answers)


def is_delayed(events: Sequence[Event], received: Received) -> bool:
    """Tell whether an acknowledgment that has come by itself is one of text that was delayed no longer than it may."""
    before = [event for event in events if event.connection == received.event.connection and event.segment is not None]
    before = before[: next((at for at, event in enumerate(before) if event is received.event), len(before))]
    texts = [event for event in before if event.kind is Kind.SENT and event.segment and event.segment.payload]
    told = [event.segment.ack for event in before if event.kind is Kind.RECEIVED and event.segment]
    if not texts or not told or not received.segment.is_bare_ack:
        return False
    in_time = received.event.time_ns - texts[-1].time_ns <= DELAY_S * 1e9
    return in_time and max(told) < received.segment.ack


def carries(segment: Segment, due: Expected) -> bool:
    """Tell whether text or a FIN that was sent before carries the bare acknowledgment that is due."""
    if due.flags != ACK or due.data or not isinstance(due.ack, int) or not isinstance(due.seq, int):
        return False
    again = segment.flags & ~(PSH | FIN) == ACK and segment.length and segment.seq + segment.length == due.seq
    return bool(again) and segment.ack == due.ack


def updates_window(events: Sequence[Event], received: Received) -> bool:
    """Tell whether an acknowledgment tells of a window that has grown: by RECEIVE, or by itself behind a closed one.

    RFC 9293 §3.8.6.2.2 leaves open when that is told; a SYN,ACK may show no window at all (§3.8.6), and the one that it
    shows has no scale.
    """
    before = list(takewhile(lambda event: event is not received.event, events))
    told = next((event.segment for event in reversed(before) if _is_of(event, received)), None)
    last = received.segment
    if told is None or (told.seq + told.length, told.ack) != (last.seq, last.ack):
        return False
    if told.flags & SYN and not told.window:
        return last.window > 0
    cause = next((event for event in reversed(before) if event.kind in _CAUSES or _is_of(event, received)), None)
    by_receive = cause is not None and cause.kind is Kind.CALL and cause.text.startswith("recv")
    return by_receive and (bool(told.flags & SYN) or told.window <= last.window)


def is_late_update(events: Sequence[Event], received: Received) -> bool:
    """Tell whether an acknowledgment tells of a window no later behind RECEIVE than any ACK may come (MUST-40)."""
    calls = (event.time_ns for event in reversed(events) if event.kind is Kind.CALL and event.text.startswith("recv"))
    by_receive = received.event.time_ns - next(calls, -math.inf) <= DELAY_S * 1e9
    return by_receive and received.segment.is_bare_ack and updates_window(events, received)


def _is_of(event: Event, received: Received) -> bool:
    return event.kind is Kind.RECEIVED and event.connection == received.event.connection
