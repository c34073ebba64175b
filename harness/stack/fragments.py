"""The pieces of IP datagrams, until they are whole (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722)."""

from collections.abc import Hashable
from dataclasses import dataclass, field

from harness.stack.config import NS

#: How long the pieces of a datagram are kept (RFC 8200 §4.5; RFC 1122 §3.3.2 has 60 to 120 seconds).
LIFETIME_NS = 60 * NS
#: So many incomplete datagrams are kept, the latest ones.
KEPT = 64


@dataclass(slots=True)
class Assembly:
    """One datagram on the way. `header` is that of its first fragment, `end` the length of the payload; both come."""

    deadline: int
    header: bytes | None = None
    end: int | None = None
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    #: Fragments have contradicted each other: what is still to come of it is discarded as well (RFC 5722 §4).
    broken: bool = False

    def overlaps(self, at: int, piece: bytes) -> bool:
        """Tell whether the piece covers octets that are here already."""
        return any(start < at + len(piece) and at < start + len(old) for start, old in self.pieces)

    def whole(self) -> tuple[bytes, bytes] | None:
        """Return header and payload, None while something is missing; of octets that came twice, the later ones."""
        if self.header is None or self.end is None:
            return None
        payload, there = bytearray(self.end), bytearray(self.end)
        for at, piece in self.pieces:
            part = piece[: max(0, self.end - at)]
            payload[at : at + len(part)] = part
            there[at : at + len(part)] = b"\1" * len(part)
        return (self.header, bytes(payload)) if all(there) else None


class Fragments:
    """All datagrams that are not whole yet. Overlaps discard the datagram unless `overlap` allows them."""

    def __init__(self) -> None:
        self._assemblies: dict[Hashable, Assembly] = {}

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        """Take a fragment whose payload begins at octet `at`; return header and payload once the datagram is whole.

        All fragments but the last, which has no `more`, carry a multiple of eight octets.
        """
        self._expire(now)
        if (more and len(piece) % 8) or at + len(piece) > 0xFFFF:
            return None
        assembly = self._assemblies.setdefault(key, Assembly(now + LIFETIME_NS))
        if (at, piece) in assembly.pieces or assembly.broken:
            return None  # the same again: RFC 8200 §4.5 lets it be discarded alone
        if assembly.overlaps(at, piece) and not overlap:
            assembly.pieces, assembly.broken = [], True
            return None
        assembly.pieces.append((at, piece))
        if at == 0:
            assembly.header = header
        if not more:
            assembly.end = at + len(piece)
        whole = assembly.whole()
        if whole is not None:
            del self._assemblies[key]
        return whole

    def clear(self) -> None:
        """Forget all pieces."""
        self._assemblies.clear()

    def _expire(self, now: int) -> None:
        old = [key for key, assembly in self._assemblies.items() if assembly.deadline <= now]
        surplus = list(self._assemblies)[: max(0, len(self._assemblies) - KEPT)]
        for key in {*old, *surplus}:
            del self._assemblies[key]
