"""What breaks a recommendation and leaves open how it goes on."""

from collections.abc import Iterable, Sequence

from harness.spec import seqno
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.world import World
from harness.spec.segment import SYN, Segment


def behind_a_window_taken_back(
    former: Sequence[World], worlds: Sequence[World], segments: Iterable[Segment]
) -> Fall | None:
    """Return a fall where new text goes beyond a window that the peer has made smaller, in every world (SHLD-15).

    An octet may ask for a window that is shut, and a FIN may go along behind it.
    """
    for segment in segments:
        octets = len(segment.payload)
        end = seqno.add(segment.seq, octets)
        if octets < 2 or segment.flags & SYN:
            continue
        new = all(seqno.lt(world.connection.snd_nxt, end) for world in former)
        if new and all(_is_beyond(world, end) for world in worlds):
            cites = ("RFC 9293 §3.8.6", "SHLD-15")
            return Fall(Broken.EXTRA, "no new text beyond the window", segment.notation(), cites, "shrunk", must=False)
    return None


def _is_beyond(world: World, end: int) -> bool:
    connection = world.connection
    edge = seqno.add(connection.snd_una, connection.snd_wnd)
    return not world.over and seqno.lt(edge, end) and seqno.leq(end, world.send_edge)
