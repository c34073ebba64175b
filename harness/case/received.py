"""A segment that the target has sent, and whether it only repeats one."""

from dataclasses import dataclass

from harness.spec import seqno
from harness.spec.segment import FIN, RST, Segment
from harness.trace.events import Event


@dataclass(slots=True)
class Received:
    """A segment in the inbox: its event, and the segment as it was on the wire. A `stray` is on nobody's 4-tuple."""

    event: Event
    wire: Segment
    stray: bool = False

    @property
    def segment(self) -> Segment:
        """The segment with relative numbers."""
        assert self.event.segment is not None
        return self.event.segment


def repeats(segment: Segment, earlier: Segment, ends: list[int]) -> bool:
    """Tell whether a segment is one that was sent before, or some of what was, cut or joined in another way.

    `ends` are where the segments before it ended: what lies behind all of them is new. A bare acknowledgment repeats
    nothing; only a probe does, whose number lies below what was sent (RFC 9293 §3.8.4, §3.8.6.1). No timer sends a
    reset again. A SYN may ask for ECN the first time only (RFC 3168 §6.1.1.1).
    """
    if segment.flags & RST:
        return False
    if not segment.length:
        same = (segment.seq, segment.ack, segment.flags) == (earlier.seq, earlier.ack, earlier.flags)
        return same and not earlier.length and any(seqno.lt(segment.seq, end) for end in ends)
    offset = seqno.diff(segment.seq, earlier.seq)
    if not 0 <= offset < earlier.length or (segment.plain_flags ^ earlier.plain_flags) & ~FIN:
        return False
    common = zip(segment.payload, earlier.payload[offset:], strict=False)
    return all(now == then for now, then in common) and any(seqno.leq(segment.end, end) for end in ends)
