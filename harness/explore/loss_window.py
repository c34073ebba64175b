"""How much text may leave behind a timeout: one segment, whatever was under way before (RFC 5681 §3.1, MUST-19)."""

from collections.abc import Sequence

from harness.case.received import Received
from harness.case.violation import Code
from harness.explore.first_flight import last_stimulus
from harness.explore.link import Burst, Link
from harness.explore.option_checks import Problem, largest_segment
from harness.spec.segment import RST, SYN
from harness.trace.events import Event

#: What comes sooner behind a stimulus may be its answer, a probe for a loss of the tail, or what SACK has told lost
#: (RFC 8985 §6.2, §7.2); the shortest timeout of a known stack is 200 ms.
TIMEOUT_NS = 150_000_000
#: What comes within this time is one burst.
BURST_NS = 100_000_000
CITES = ("RFC 5681 §3.1", "RFC 9293 §3.8.2", "MUST-19")


def problem(link: Link, received: Received, events: Sequence[Event]) -> Problem | None:
    """Return what is wrong with how much the target sends again by itself; takes note of its text."""
    segment, now = received.segment, received.event.time_ns
    if segment.flags & (SYN | RST):
        link.text_end = 0
        return None
    if not segment.payload or link.view.last_syn is None:
        return None
    burst, last = link.burst, last_stimulus(events)
    if now - burst.at_ns > BURST_NS or last is not burst.behind:
        again = segment.seq < link.text_end and last is not None and now - last.time_ns > TIMEOUT_NS
        again = again and link.history.every(lambda world: segment.seq <= world.connection.snd_una)
        burst = link.burst = Burst(now, last, again)
    link.text_end = max(link.text_end, segment.seq + len(segment.payload))
    burst.octets += len(segment.payload)
    largest = largest_segment(link)
    if not burst.again or burst.octets <= largest:
        return None
    return Problem(f"{largest} octets at once behind a timeout", f"{burst.octets} octets", CITES, Code.EXTRA)
