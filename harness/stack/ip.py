"""What IP does with a packet before TCP sees it (RFC 791 §3, RFC 8200 §4). Nothing here looks into TCP.

`IpInput.receive` takes a packet as it came off the link and returns it *plain*: whole, without extension headers. IPv4
options stay in their place, the header's length tells; so does padding behind the datagram, its total length tells.
"""

from collections.abc import Callable

from harness.stack.fragments import Fragments

#: Protocol numbers of the extension headers that are known (RFC 8200 §4.1).
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
#: The fields of IPv4's fragment word: more fragments follow, and where this one stands, in units of eight octets.
MORE, OFFSET = 0x2000, 0x1FFF
#: Octets of IPv6's fixed header and of its fragment header.
FIXED, FRAGMENT_HEADER = 40, 8


class IpInput:
    """The receiving side of IP. Times are in nanoseconds."""

    def __init__(self) -> None:
        self.fragments = Fragments()
        self._extensions: dict[int, Callable[[bytes, int, int], bytes | None]] = {
            HOP_BY_HOP: self.hop_by_hop,
            ROUTING: self.routing,
            FRAGMENT: self.fragment,
            DESTINATION: self.destination,
        }

    def receive(self, packet: bytes, now: int) -> bytes | None:
        """Return the plain packet, None for one that is discarded or waits for the rest of its datagram."""
        if packet[:1] and packet[0] >> 4 == 6:
            return self.receive_v6(packet, now) if len(packet) >= FIXED else None
        return self.receive_v4(packet, now) if len(packet) >= 20 else None

    def clear(self) -> None:
        """Forget all pieces."""
        self.fragments.clear()

    # --- IPv4 --------------------------------------------------------------------------------------------------------

    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        """Join fragments; a packet that is none is plain."""
        place = int.from_bytes(packet[6:8], "big")
        if not place & (MORE | OFFSET):
            return packet
        length, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        if length < 20 or not length < total <= len(packet) or checksum(packet[:length]):
            return None
        key = (packet[12:20], packet[4:6], packet[9])
        at, more = (place & OFFSET) * 8, bool(place & MORE)
        whole = self.fragments.add(key, at, packet[:length], packet[length:total], now, more=more, overlap=True)
        return None if whole is None else _joined_v4(*whole)

    # --- IPv6 --------------------------------------------------------------------------------------------------------

    def receive_v6(self, packet: bytes, now: int) -> bytes | None:
        """Take off the extension headers, one after the other, in whatever order they stand (RFC 8200 §4.1)."""
        plain: bytes | None = packet
        first = True
        while plain is not None and plain[6] in self._extensions:
            if plain[6] == HOP_BY_HOP and not first:
                return None  # it stands directly behind the fixed header (§4.3)
            plain = self._extensions[plain[6]](plain, FIXED, now) if len(plain) >= FIXED + 8 else None
            first = False
        return plain

    def hop_by_hop(self, packet: bytes, at: int, now: int) -> bytes | None:
        """Options for every node on the path (§4.3)."""
        return _without(packet, at, _length(packet, at)) if self.options_allow(packet, at) else None

    def destination(self, packet: bytes, at: int, now: int) -> bytes | None:
        """Options for us (§4.6)."""
        return _without(packet, at, _length(packet, at)) if self.options_allow(packet, at) else None

    def routing(self, packet: bytes, at: int, now: int) -> bytes | None:
        """Whatever its type, a routing header that is used up is skipped (§4.4)."""
        return _without(packet, at, _length(packet, at)) if packet[at + 3] == 0 else None

    def fragment(self, packet: bytes, at: int, now: int) -> bytes | None:
        """Join fragments; overlapping ones are discarded with their datagram (RFC 5722 §4)."""
        place, end = int.from_bytes(packet[at + 2 : at + 4], "big"), FIXED + int.from_bytes(packet[4:6], "big")
        plain = _without(packet, at, FRAGMENT_HEADER)
        if not place & 0xFFF9:
            return plain  # an atomic fragment has nothing to do with others (RFC 6946 §4)
        if plain is None or end > len(packet):
            return None
        key = (packet[8:40], packet[at + 4 : at + 8], packet[at])
        piece, more = packet[at + FRAGMENT_HEADER : end], bool(place & 1)
        whole = self.fragments.add(key, place & 0xFFF8, plain[:at], piece, now, more=more, overlap=False)
        return None if whole is None else _joined_v6(*whole)

    def options_allow(self, packet: bytes, at: int) -> bool:
        """Tell whether every unknown option lets itself be skipped: the two high bits of its type are 0 (§4.2)."""
        end, place = at + _length(packet, at), at + 2
        while place < min(end, len(packet)):
            kind = packet[place]
            if kind >> 6:
                return False
            # Pad1 is a single octet.
            place += 1 if kind == 0 else 2 + (packet[place + 1] if place + 1 < len(packet) else 0)
        return place == end


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071); 0 for octets that hold their own, right one."""
    padded = octets + bytes(len(octets) % 2)
    total = sum(int.from_bytes(padded[at : at + 2], "big") for at in range(0, len(padded), 2))
    return 0xFFFF - ((total % 0xFFFF or 0xFFFF) if total else 0)


def _length(packet: bytes, at: int) -> int:
    return 8 * (packet[at + 1] + 1)


def _without(packet: bytes, at: int, octets: int) -> bytes | None:
    """Return the packet with a header of so many octets taken out; None where it is not that long."""
    left = int.from_bytes(packet[4:6], "big") - octets
    if left < 0 or len(packet) < at + octets:
        return None
    return packet[:4] + left.to_bytes(2, "big") + packet[at : at + 1] + packet[7:at] + packet[at + octets :]


def _joined_v4(header: bytes, payload: bytes) -> bytes:
    octets = bytearray(header)
    octets[2:4] = (len(header) + len(payload)).to_bytes(2, "big")
    octets[6:8] = octets[10:12] = b"\0\0"
    octets[10:12] = checksum(bytes(octets)).to_bytes(2, "big")
    return bytes(octets) + payload


def _joined_v6(header: bytes, payload: bytes) -> bytes:
    return header[:4] + len(payload).to_bytes(2, "big") + header[6:] + payload
