"""What the options of the target's segments must be, over a whole connection (RFC 7323, RFC 2018, RFC 9293 §3.7.1)."""

from dataclasses import dataclass

from harness.case.received import Received
from harness.case.violation import Code, Level
from harness.explore.link import Link
from harness.spec import options, seqno
from harness.spec.history.world import World
from harness.spec.options import KIND_MSS, KIND_SACK, KIND_SACK_PERMITTED, KIND_TIMESTAMPS, KIND_WINDOW_SCALE
from harness.spec.segment import ACK, RST, SYN, Segment

#: After so many nanoseconds a timestamp clock has moved: it ticks once a second at least (RFC 7323 §5.4).
TICKED_NS = 2_500_000_000
#: The clock behind initial sequence numbers may tick so slowly.
CLOCK_NS = 1_000_000_000
#: What a segment may hold where the peer has not said it (MUST-15), and what may be taken for the least, as Linux does.
DEFAULT_MSS = {4: 536, 6: 1220}
SMALLEST_MSS = 88
#: In less time no timestamp clock runs through half its numbers: it ticks once a millisecond at most.
HALF_WRAP_NS = (1 << 31) * 1_000_000
#: The options that bind both sides, and so must be in each copy of a SYN (RFC 7323 §2.2, §3.2; RFC 2018 §2).
_BINDING = (KIND_MSS, KIND_WINDOW_SCALE, KIND_SACK_PERMITTED, KIND_TIMESTAMPS)


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule about options that a segment breaks."""

    due: str
    seen: str
    cites: tuple[str, ...]
    code: Code = Code.WRONG_OPTIONS
    level: Level = Level.MUST


def problem(link: Link, received: Received) -> Problem | None:
    """Return what is wrong with the options of a segment; takes note of it for those that follow."""
    segment, now = received.wire, received.event.time_ns
    try:
        found = options.parse(segment.options)
    except options.MalformedOptions:
        return None  # the conversation itself refuses it
    if segment.flags & RST:
        return _of_now(link, segment, now) if link.view.stamping else None
    if segment.flags & SYN:
        stamps = options.timestamps_of(segment.options)
        link.last_stamp = (now, stamps[0]) if stamps is not None else None
        link.offered_stamps = link.offered_stamps or stamps is not None
        if link.former is not None and _is_former_number(link, received):
            due = f"another initial sequence number than {segment.seq}, which the connection before had"
            return Problem(due, str(segment.seq), ("RFC 9293 §3.4.1", "MUST-8"), Code.WRONG_SEQ)
        if segment.flags & ACK and stamps is not None and (wrong := _echo(link, stamps[1])):
            return wrong
        return _repeated_syn(link, segment, {each.kind: each.data for each in found})
    for option in found:
        if option.kind in (KIND_MSS, KIND_WINDOW_SCALE, KIND_SACK_PERMITTED):
            return Problem("options of a SYN on a SYN only", f"option {option.kind}", ("RFC 9293 §3.2",))
        if option.kind == KIND_SACK and link.view.last_syn is not None and not link.permits_blocks:
            return Problem("no SACK blocks, which the peer has not permitted", "SACK blocks", ("RFC 2018 §4",))
    return _size(link, segment) or _stamp(link, segment, now)


def _is_former_number(link: Link, received: Received) -> bool:
    """Tell whether a new connection begins where the one before on the pair did, though the clock has gone on."""
    assert link.former is not None
    number, shown_ns = link.former
    now = link.first_number[1] if link.first_number is not None else received.event.time_ns
    ours = received.segment.ack == link.view.iss + 1 and received.segment.flags & ACK
    return bool(ours) and received.wire.seq == number and now - shown_ns > CLOCK_NS


def largest_segment(link: Link) -> int:
    """Return how much the peer takes in a segment: what it has said in its SYN, or the default."""
    syn = link.view.last_syn
    said = options.mss_of(syn.options) if syn is not None else None
    return max(said or DEFAULT_MSS[link.connection.tuple4.version], SMALLEST_MSS)


def permits_blocks(segment: Segment) -> bool:
    """Tell whether a segment of the peer permits SACK; options that can't be read may."""
    try:
        return bool(segment.flags & SYN) and options.find(segment.options, KIND_SACK_PERMITTED) is not None
    except options.MalformedOptions:
        return True


def _size(link: Link, segment: Segment) -> Problem | None:
    """Text and options together are no larger than the peer's MSS, which counts text alone (RFC 6691 §2)."""
    if link.view.last_syn is None or not segment.payload:
        return None
    largest = largest_segment(link)
    size = len(segment.payload) + len(segment.options)
    if size <= largest:
        return None
    due = f"text and options of {largest} octets at most"
    return Problem(due, f"{size} octets", ("RFC 9293 §3.7.1", "MUST-15", "MUST-16"), Code.WRONG_DATA)


def _repeated_syn(link: Link, segment: Segment, found: dict[int, bytes]) -> Problem | None:
    """A SYN that is sent again says what it said before."""
    binding = tuple((kind, found[kind] if kind != KIND_TIMESTAMPS else b"") for kind in _BINDING if kind in found)
    key = repr((segment.flags & 0x10, segment.seq, binding)).encode()
    before, link.syn_options = link.syn_options, key
    if before is None or before == key:
        return None
    same_syn = before.split(b", ")[:2] == key.split(b", ")[:2]
    if not same_syn or not segment.flags & ACK:
        return None  # who opens may fall back to fewer options, as long as none has been agreed on
    return Problem("the same options as before", f"options {sorted(found)}", ("RFC 9293 §3.8.1", "RFC 7323 §2.2"))


def _stamp(link: Link, segment: Segment, now: int) -> Problem | None:
    stamping = link.view.stamping
    found = options.timestamps_of(segment.options)
    if found is None:
        if stamping and link.history.every(lambda world: world.stamping and not world.over):
            return Problem("timestamps, as agreed", "none", ("RFC 7323 §3.2",))
        return None
    if not stamping and link.history.every(lambda world: _has_none(link, world)):
        return Problem("no timestamps, as none were agreed on", "timestamps", ("RFC 7323 §3.2",))
    return _of_now(link, segment, now) or _echo(link, found[1])


def _has_none(link: Link, world: World) -> bool:
    """Tell whether no timestamps are agreed on; a SYN before the last may have offered those of the peer's SYN,ACK."""
    return not (world.stamping or world.over or world.opening or (world.peer_stamps and link.offered_stamps))


def _echo(link: Link, echo: int) -> Problem | None:
    """What is echoed is TS.Recent, on a SYN,ACK too (RFC 7323 §3.2, §4.3)."""
    worlds = [world for world in link.history.worlds if world.stamping and not world.over]
    if (
        worlds
        and not link.history.lost
        and not any(seqno.leq(world.oldest_recent, echo) and seqno.leq(echo, world.newest_recent) for world in worlds)
    ):
        return Problem(f"a TSecr of {worlds[0].newest_recent}", str(echo), ("RFC 7323 §4.3",))
    return None


def _of_now(link: Link, segment: Segment, now: int) -> Problem | None:
    """A TSval is the clock's present value, on a reset too (RFC 7323 §3.2)."""
    found = options.timestamps_of(segment.options)
    if found is None:
        return None
    value = found[0]
    if segment.flags & RST and not value:
        return None  # whoever knows no connection has no clock for it
    before, link.last_stamp = link.last_stamp, (now, value)
    if before is not None and now - before[0] < HALF_WRAP_NS:
        if seqno.lt(value, before[1]):
            return Problem(f"a TSval of {before[1]} at least", str(value), ("RFC 7323 §4.1",))
        if value == before[1] and now - before[0] > TICKED_NS:
            return Problem("a TSval of now", f"{value}, as {(now - before[0]) / 1e9:.1f} s ago", ("RFC 7323 §4.1",))
        if value == before[1]:
            link.last_stamp = before
    return None
