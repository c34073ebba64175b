"""When text leaves: SEND's may be collected for a moment (MUST-60), and the tail of what was sent may be probed for."""

from collections.abc import Iterable, Sequence

from harness.case.expect import Expected
from harness.case.received import Received, repeats
from harness.spec import options
from harness.spec.options import KIND_SACK_PERMITTED, MalformedOptions
from harness.spec.segment import RST, SYN, Segment
from harness.trace.events import Event, Kind

#: So long text may wait with nothing under way, where all of it fits.
SEND_S = 0.3
#: A probe comes twice a round trip behind what it repeats, later where one segment is under way (RFC 8985 §7.2).
SOONEST_PROBE_S = 0.01


def is_collected(events: Sequence[Event], answers: Iterable[Expected]) -> bool:
    """Tell whether text is due that SEND has taken and nothing has carried yet: it may wait a moment for more.

    Where the peer's last word was a shut window it may wait for that, and a probe come in its place.
    """
    last = next((event.segment for event in reversed(events) if event.kind is Kind.SENT and event.segment), None)
    if not any(answer.data or answer.data is None for answer in answers) or (last is not None and not last.window):
        return False
    for event in reversed(events):
        if event.kind is Kind.RECEIVED and event.segment is not None and event.segment.payload:
            return False
        if event.kind is Kind.CALL and event.text.startswith("send("):
            return True
    return False


def is_late_text(events: Sequence[Event], received: Received) -> bool:
    """Tell whether a segment that has come by itself has the text of a SEND that was not long ago."""
    of_it = [event for event in events if event.connection == received.event.connection]
    before = of_it[: next((at for at, event in enumerate(of_it) if event is received.event), len(of_it))]
    sends = [event for event in before if event.kind is Kind.CALL and event.text.startswith("send(")]
    ends = [event.segment.seq + event.segment.length for event in _sent_by_target(before) if event.segment]
    is_new = bool(received.segment.payload) and received.segment.seq == max(ends, default=1)
    return bool(sends) and is_new and received.event.time_ns - sends[-1].time_ns <= SEND_S * 1e9


def is_loss_probe(events: Sequence[Event], received: Received, before: Sequence[Received]) -> bool:
    """Tell whether a segment may be a tail loss probe (RFC 8985 §7.3): the last of what was sent, once more.

    That takes an acknowledgment that tells what has come, so that both SYNs must have permitted SACK (§7.2).
    """
    sent = [earlier for earlier in before if earlier.wire.length and not earlier.wire.flags & (SYN | RST)]
    if not sent or received.event.time_ns - sent[-1].event.time_ns < SOONEST_PROBE_S * 1e9:
        return False
    ends = [earlier.wire.end for earlier in sent]
    is_tail = received.wire.end == ends[-1] and ends.count(ends[-1]) == 1
    of_peer = (event.segment for event in events if event.kind is Kind.SENT)
    permitted = any(map(_permits_sack, of_peer)) and any(_permits_sack(earlier.wire) for earlier in before)
    return is_tail and permitted and repeats(received.wire, sent[-1].wire, ends)


def _permits_sack(syn: Segment | None) -> bool:
    if syn is None or not syn.flags & SYN:
        return False
    try:
        return options.find(syn.options, KIND_SACK_PERMITTED) is not None
    except MalformedOptions:
        return False


def _sent_by_target(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.kind is Kind.RECEIVED and event.segment is not None]
