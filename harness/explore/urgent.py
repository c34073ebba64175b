"""The urgent pointer of the target's segments (RFC 9293 §3.8.5): text below it has URG, also when it is sent again."""

from harness.case.received import Received
from harness.case.violation import Code
from harness.explore.link import UNKNOWN, Link
from harness.explore.option_checks import Problem
from harness.spec import seqno
from harness.spec.segment import RST, SYN, URG

CITES = ("RFC 9293 §3.8.5", "MUST-30", "MUST-62")
#: The pointer's field holds no more.
LARGEST_FIELD = 0xFFFF


def problem(link: Link, received: Received) -> Problem | None:
    """Return what is wrong with the urgent pointer of a segment."""
    segment = received.segment
    if segment.flags & (SYN | RST) or not segment.payload or link.urgent_end == UNKNOWN:
        return None
    seq = seqno.add(segment.seq, 0)
    ahead = seqno.diff(link.urgent_end, seq) if link.urgent_end else 0
    if not segment.flags & URG:
        if ahead <= 0 or ahead > LARGEST_FIELD or _is_keep_alive(link, received):
            return None
        return Problem("URG on text that is urgent", "none", CITES, Code.WRONG_FLAGS)
    if link.urgent_end and segment.urgent == min(max(ahead, 0), LARGEST_FIELD):
        return None
    return Problem(f"an urgent pointer of {max(ahead, 0)}", str(segment.urgent), CITES, Code.WRONG_HEADER)


def _is_keep_alive(link: Link, received: Received) -> bool:
    """Tell whether an octet is that of a keep-alive (§3.8.4): in the place of one that the peer has acknowledged."""
    segment = received.segment
    end = seqno.add(segment.seq, 1)
    return len(segment.payload) == 1 and all(seqno.leq(end, world.connection.snd_una) for world in link.history.worlds)
