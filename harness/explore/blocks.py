"""What the SACK blocks of the target's segments must be (RFC 2018 §3, §4; RFC 2883 for text that came twice)."""

from collections.abc import Sequence

from harness.case.received import Received
from harness.case.violation import Level
from harness.explore.link import Link
from harness.explore.option_checks import Problem
from harness.spec import options, seqno
from harness.spec.options import KIND_SACK
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.trace.events import Event, Kind

#: Left and right edges, as they are on the wire.
Block = tuple[int, int]


def problem(link: Link, received: Received, events: Sequence[Event]) -> Problem | None:
    """Return what is wrong with the blocks of a segment of the target."""
    segment = received.wire
    if segment.flags & (SYN | RST):
        return None
    try:
        found = options.find(segment.options, KIND_SACK)
    except options.MalformedOptions:
        return None  # the conversation itself refuses it
    if found is None:
        return None
    edges = [int.from_bytes(found[at : at + 4], "big") for at in range(0, len(found) - 3, 4)]
    blocks = list(zip(edges[::2], edges[1::2], strict=False))
    return (
        _edges(link, blocks)
        or _untold(link, blocks, events)
        or _first(link, segment, blocks, events)
        or _below(link, segment, blocks)
    )


def _edges(link: Link, blocks: Sequence[Block]) -> Problem | None:
    view, iss = link.view, link.connection.peer_iss
    known = {seqno.add(edge, iss) for edge in (*view.edges, view.rcv_nxt, view.edge)}
    for left, right in blocks:
        if not seqno.lt(left, right):
            return Problem("SACK blocks with their left edge below the right", f"{left}-{right}", ("RFC 2018 §3",))
        cut = any(0 <= seqno.diff(right, seqno.add(edge, iss)) < more for edge, more in view.cuts)
        if left not in known or not (right in known or cut):
            return Problem("SACK blocks that begin and end where segments do", f"{left}-{right}", ("RFC 2018 §3",))
    return None


def _untold(link: Link, blocks: Sequence[Block], events: Sequence[Event]) -> Problem | None:
    """No block holds what the peer has never sent: it would never be sent again."""
    iss = link.connection.peer_iss
    own = (each for each in events if each.connection == link.connection.index and each.kind is Kind.SENT)
    sent = {(seqno.add(each.segment.seq, iss), seqno.add(each.segment.end, iss)) for each in own if each.segment}
    for left, right in blocks:
        reached = left
        while seqno.lt(reached, right):
            begun = [end for start, end in sent if seqno.leq(start, reached) and seqno.lt(reached, end)]
            if not begun:
                due = f"SACK blocks of received text, which {reached} is not"
                return Problem(due, f"{left}-{right}", ("RFC 2018 §3",))
            reached = seqno.add(left, max(seqno.diff(end, left) for end in begun))
    return None


def _first(link: Link, segment: Segment, blocks: Sequence[Block], events: Sequence[Event]) -> Problem | None:
    """The first block is the whole of the contiguous text that the segment lies in which is answered.

    A block in front of it may tell of what came twice (RFC 2883 §4). Where no block holds that segment it was not kept.
    """
    answered = _answered(link, segment, events)
    if answered is None or not blocks:
        return None
    start, end = answered
    main, *others = blocks
    twice = bool(others) and seqno.leq(start, main[0]) and seqno.leq(main[1], end) and _within(main, others[0])
    if twice:
        main, *others = others
    if not _holds(main, start):
        if any(_holds(each, start) for each in others):
            due = f"the SACK block first that holds {start}, which is answered"
            return Problem(due, _notation(blocks), ("RFC 2018 §4",))
        return None
    if any(seqno.leq(each[0], main[1]) and seqno.leq(main[0], each[1]) for each in others):
        return Problem("all text that lies together in the first SACK block", _notation(blocks), ("RFC 2018 §4",))
    return None


def _answered(link: Link, segment: Segment, events: Sequence[Event]) -> Block | None:
    """Return where the text begins and ends that a segment answers at once, None if it is no such answer.

    What is dropped for another reason is answered too, but not its text: a SYN, a reset, an acknowledgment that is
    none of now, an old timestamp or none.
    """
    last, iss = link.last_probe, link.connection.peer_iss
    if last is None or not last.payload or last.flags & (SYN | RST | ACK) != ACK:
        return None
    if seqno.leq(seqno.add(last.seq, iss), segment.ack):
        return None
    stimulus = next((each for each in reversed(events) if each.kind in (Kind.SENT, Kind.CALL, Kind.WAIT)), None)
    if stimulus is None or stimulus.connection != link.connection.index or stimulus.segment != last:
        return None
    stamps = options.timestamps_of(last.options)
    if (stamps[0] if stamps is not None else None) != (link.view.last_tsval if link.view.stamping else None):
        return None
    if not link.history.every(lambda world: world.connection.snd_una == last.ack):
        return None
    return seqno.add(last.seq, iss), seqno.add(last.end, iss)


def _holds(block: Block, number: int) -> bool:
    return seqno.leq(block[0], number) and seqno.lt(number, block[1])


def _within(inner: Block, outer: Block) -> bool:
    return seqno.leq(outer[0], inner[0]) and seqno.leq(inner[1], outer[1])


def _notation(blocks: Sequence[Block]) -> str:
    return ", ".join(f"{left}-{right}" for left, right in blocks)


def _below(link: Link, segment: Segment, blocks: Sequence[Block]) -> Problem | None:
    """A block tells of text above a gap: none is left of what has been acknowledged.

    No sentence forbids it, so it is no MUST. A first block may tell of what came twice (RFC 2883 §4), which lies in the
    peer's last segment.
    """
    last, iss = link.last_probe, link.connection.peer_iss
    start, end = (seqno.add(last.seq, iss), seqno.add(last.end, iss)) if last is not None else (0, 0)
    for number, (left, right) in enumerate(blocks):
        twice = not number and seqno.leq(start, left) and seqno.leq(right, end)
        if seqno.lt(left, segment.ack) and not twice:
            due = "no SACK block of text that is acknowledged"
            seen = f"{left}-{right}, behind the acknowledgment {segment.ack}"
            return Problem(due, seen, ("RFC 2018 §3",), level=Level.SHOULD)
    return None
