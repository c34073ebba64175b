"""How much text may leave before anything is acknowledged: one segment where the SYN was lost (RFC 5681 §3.1).

RFC 6928 §2 lets a stack take a single repetition for a spurious one; behind more of them the path has lost something.
"""

from collections.abc import Sequence

from harness.case.received import Received
from harness.case.violation import Code
from harness.explore.link import Link
from harness.explore.option_checks import Problem, largest_segment
from harness.spec.segment import RST, SYN
from harness.trace.events import Event, Kind

#: A SYN that was sent so often was lost for sure.
OFTEN = 3
#: A segment so soon behind a stimulus is its answer, and no timer's.
ANSWER_NS = 1_000_000
CITES = ("RFC 9293 §3.8.2", "MUST-19")


def problem(link: Link, received: Received, events: Sequence[Event]) -> Problem | None:
    """Return what is wrong with how much a segment of the target carries; takes note of its SYNs."""
    segment = received.segment
    if segment.flags & SYN:
        link.syns += link.syns == 0 or _is_by_itself(received.event, events)
        return None
    if link.syns < OFTEN or not segment.payload or segment.flags & RST:
        return None
    if not link.history.every(lambda world: world.connection.snd_una == 1 and not world.over):
        return None
    end, largest = segment.seq + len(segment.payload), largest_segment(link)
    if end <= 1 + largest:
        return None
    due = f"{largest} octets at most before any is acknowledged, as the SYN was sent {link.syns} times"
    return Problem(due, f"octets up to {end - 1}", CITES, Code.EXTRA)


def last_stimulus(events: Sequence[Event]) -> Event | None:
    """Return what the peer or the application did last."""
    return next((each for each in reversed(events) if each.kind in (Kind.SENT, Kind.CALL)), None)


def _is_by_itself(sent: Event, events: Sequence[Event]) -> bool:
    """Tell whether nothing that has just happened explains a segment."""
    last = last_stimulus(events)
    return last is None or sent.time_ns - last.time_ns > ANSWER_NS
