"""When acknowledgments come, and on what: they may be delayed, and ride on what is sent again."""

from collections.abc import Iterable, Sequence

from harness.case.expect import Expected
from harness.case.received import Received
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.trace.events import Event, Kind

#: An ACK is delayed by less than half a second (RFC 9293 §3.8.6.3, MUST-40).
DELAY_S = 0.5


def is_bare(segment: Segment) -> bool:
    """Tell whether a segment is an acknowledgment and nothing else."""
    return segment.flags & ~PSH == ACK and not segment.payload


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
    if not texts or not told or not is_bare(received.segment):
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
    """Tell whether an acknowledgment behind RECEIVE tells of the window as it is then (RFC 9293 §3.8.6.2.2)."""
    asked, before, last = _cause(events, received)
    if asked is None or asked.kind is not Kind.CALL or not asked.text.startswith("recv") or before:
        return False
    earlier = [event.segment for event in events if _is_of(event, received) and event is not received.event]
    told = earlier[-1] if earlier else None
    if told is None or told.flags & SYN:
        return False
    return (told.seq + told.length, told.ack) == (last.seq, last.ack) and told.window <= last.window


def _cause(events: Sequence[Event], received: Received) -> tuple[Event | None, list[Segment], Segment]:
    """Return what a segment came of: the last call or segment before it, and what the target sent in between."""
    between: list[Segment] = []
    cause = None
    for event in events:
        if event is received.event:
            break
        if event.kind in (Kind.SENT, Kind.CALL):
            cause, between = event, []
        elif _is_of(event, received) and event.segment is not None:
            between.append(event.segment)
    return cause, between, received.segment


def _is_of(event: Event, received: Received) -> bool:
    return event.kind is Kind.RECEIVED and event.connection == received.event.connection
