"""ICMP errors as words of a plan: ``soft@u``, ``hard@n``, ``quench@u`` quote a segment of the target by its number."""

from collections.abc import Iterable

from harness.explore.link import Link
from harness.fuzz.steps import Position
from harness.wire import icmp

#: Type and code for IPv4 and for IPv6, of errors that may pass by themselves (MUST-56), of one that says that nobody is
#: there (SHLD-26), and of one that must be ignored (MUST-55).
ERRORS = {
    "soft": ((icmp.UNREACHABLE, 1), (icmp.UNREACHABLE_V6, 3)),
    "hard": ((icmp.UNREACHABLE, 3), (icmp.UNREACHABLE_V6, 4)),
    "quench": ((icmp.SOURCE_QUENCH, 0), None),
}
#: How an error is named in the ladder.
PREFIX = "ICMP error: "


def packet(link: Link, name: str, position: Position) -> tuple[int, bytes] | None:
    """Return the number that is quoted and the packet; None where nothing can be quoted, or IPv6 has no such error."""
    received = link.connection.received
    kind = ERRORS[name][link.connection.tuple4.version == 6]
    if not received or kind is None:
        return None
    last = received[-1]
    seq = link.view.acknowledgment(position)
    made = icmp.error(link.connection.path, *kind, last.event.packet, seq_offset=seq - last.segment.seq)
    return seq & 0xFFFFFFFF, made


def needed(words: Iterable[str]) -> bool:
    """Tell whether a text has an ICMP error in it."""
    return any(word.strip("[]").rpartition(":")[2].partition("@")[0] in ERRORS for word in words)
