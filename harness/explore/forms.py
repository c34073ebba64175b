"""The form of a packet: what may lie around a segment without changing what it says (RFC 791, RFC 8200).

Each form takes an IP packet with a segment in it to the packets that are sent instead; a receiver must behave the same.
"""

import random
import struct
from collections.abc import Callable

from harness.wire.codec import checksum

_IPV4_HEADER, _IPV6_HEADER = 20, 40
_TCP = 6
_MORE_FRAGMENTS = 0x2000
#: Where a TCP header says how long it is.
_DATA_OFFSET = 12


def shaped(packet: bytes, form: str) -> list[bytes]:
    """Return the packets that carry this one in the given form; the form "" and one for the other IP change nothing."""
    made = FORMS[form](packet) if form else None
    return made or [packet]


def _version(packet: bytes) -> int:
    return packet[0] >> 4


def _ipv4(packet: bytes, **fields: int) -> bytes:
    """Return an IPv4 packet with other fields (by offset name) and the right header checksum."""
    header = bytearray(packet[: (packet[0] & 15) * 4])
    if "tos" in fields:
        header[1] = fields["tos"]
    if "ttl" in fields:
        header[8] = fields["ttl"]
    if "fragment" in fields:
        header[6:8] = struct.pack("!H", fields["fragment"])
    if "length" in fields:
        header[2:4] = struct.pack("!H", fields["length"])
    if "id" in fields:
        header[4:6] = struct.pack("!H", fields["id"])
    header[10:12] = b"\x00\x00"
    header[10:12] = struct.pack("!H", checksum(bytes(header)))
    return bytes(header) + packet[(packet[0] & 15) * 4 :]


def _padded(packet: bytes) -> list[bytes]:
    """Octets behind the datagram, as Ethernet pads short frames (RFC 894)."""
    return [packet + bytes(range(1, 8))]


def _ip_options(packet: bytes) -> list[bytes] | None:
    """IPv4 options that ask for nothing: no operation and end of list (RFC 791 §3.1)."""
    if _version(packet) != 4:
        return None
    longer = bytes([0x40 | 6]) + packet[1:20] + b"\x01\x01\x01\x00" + packet[20:]
    return [_ipv4(longer, length=len(longer))]


def _hop_by_hop(packet: bytes) -> list[bytes] | None:
    """An IPv6 hop-by-hop header with padding (RFC 8200 §4.3)."""
    return _extended(packet, 0)


def _destination(packet: bytes) -> list[bytes] | None:
    """An IPv6 destination header with padding (RFC 8200 §4.6)."""
    return _extended(packet, 60)


def _extended(packet: bytes, kind: int) -> list[bytes] | None:
    if _version(packet) != 6:
        return None
    header = bytes([packet[6], 0, 1, 4, 0, 0, 0, 0])
    length = struct.pack("!H", len(packet) - _IPV6_HEADER + len(header))
    return [packet[:4] + length + bytes([kind]) + packet[7:_IPV6_HEADER] + header + packet[_IPV6_HEADER:]]


def _fragments(packet: bytes) -> list[bytes]:
    """Two fragments in order (RFC 791 §3.2, RFC 8200 §4.5).

    On IPv4 the first ends within the header. On IPv6 it has to hold all headers (RFC 8200 §4.5); what is no longer than
    these comes as an atomic fragment (RFC 6946).
    """
    body_at = _IPV4_HEADER if _version(packet) == 4 else _IPV6_HEADER
    body = packet[body_at:]
    if _version(packet) == 4:
        cut = 16
        if len(body) <= cut:
            return [packet]
        identification = random.Random(body).randrange(1, 1 << 16)
        first = _ipv4(packet[:body_at] + body[:cut], length=body_at + cut, fragment=_MORE_FRAGMENTS, id=identification)
        rest = _ipv4(
            packet[:body_at] + body[cut:], length=body_at + len(body) - cut, fragment=cut // 8, id=identification
        )
        return [first, rest]
    identification = random.Random(body).randrange(1, 1 << 32)
    cut = ((body[_DATA_OFFSET] >> 4) * 4 + 7) // 8 * 8
    if len(body) <= cut:
        return [_ipv6_fragment(packet, body, 0, False, identification)]
    return [
        _ipv6_fragment(packet, body[:cut], 0, True, identification),
        _ipv6_fragment(packet, body[cut:], cut, False, identification),
    ]


def _ipv6_fragment(packet: bytes, part: bytes, offset: int, more: bool, identification: int) -> bytes:
    header = struct.pack("!BBHI", packet[6], 0, offset | more, identification)
    length = struct.pack("!H", len(header) + len(part))
    return packet[:4] + length + bytes([44]) + packet[7:_IPV6_HEADER] + header + part


def _reversed(packet: bytes) -> list[bytes]:
    """The same fragments, the last one first."""
    return _fragments(packet)[::-1]


def _other_ttl(packet: bytes) -> list[bytes]:
    """A packet that has come a long way: TTL or hop limit 1."""
    if _version(packet) == 4:
        return [_ipv4(packet, ttl=1)]
    return [packet[:7] + b"\x01" + packet[8:]]


def _other_class(packet: bytes) -> list[bytes]:
    """Another DSCP (RFC 2474), which says nothing about TCP."""
    if _version(packet) == 4:
        return [_ipv4(packet, tos=0xB8)]
    first = int.from_bytes(packet[:4], "big") & 0xF00FFFFF | 0xB8 << 20
    return [first.to_bytes(4, "big") + packet[4:]]


def _flow_label(packet: bytes) -> list[bytes] | None:
    """Another flow label in each packet (RFC 6437)."""
    if _version(packet) != 6:
        return None
    label = random.Random(packet).randrange(1 << 20)
    first = int.from_bytes(packet[:4], "big") & 0xFFF00000 | label
    return [first.to_bytes(4, "big") + packet[4:]]


FORMS: dict[str, Callable[[bytes], list[bytes] | None]] = {
    "padded": _padded,
    "ip-options": _ip_options,
    "hop-by-hop": _hop_by_hop,
    "destination-header": _destination,
    "fragments": _fragments,
    "fragments-reversed": _reversed,
    "ttl-1": _other_ttl,
    "dscp": _other_class,
    "flow-label": _flow_label,
}
