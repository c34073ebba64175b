"""Other forms of the same packet: padding, IPv4 options, IPv6 extension headers, fragments, fields of the IP header.

Each function takes a packet as `codec.encode` makes it, and returns packets that carry the same segment: whoever
reads them behaves as if the plain one had come. `fragmented` cuts last, `trailed` works on every piece.
"""

import itertools
import struct
from collections.abc import Sequence

from harness.wire.codec import checksum

#: Protocol numbers of extension headers (RFC 8200 §4.1).
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
#: IPv4 options (RFC 791 §3.1): padding, and a router alert (RFC 2113), which changes nothing for a host.
NOPS = b"\1\1\1\1"
ROUTER_ALERT = b"\x94\x04\x00\x00"
#: An option of IPv6 for nobody: PadN with four octets of zeros (RFC 8200 §4.2).
PAD6 = b"\1\4" + bytes(4)
#: A routing header of a kind for experiments (RFC 4727 §3.3) with no segment left.
USED_UP = bytes((253, 0)) + bytes(4)
_MORE = 0x2000


def trailed(packet: bytes, padding: bytes) -> bytes:
    """Return the packet with octets behind it, as a link pads short frames (RFC 894)."""
    return packet + padding


def with_ipv4_options(packet: bytes, options: bytes) -> bytes:
    """Return the IPv4 packet with these options, a multiple of four octets and at most 40 of them (ValueError)."""
    length = (packet[0] & 15) * 4
    if packet[0] >> 4 != 4 or len(options) % 4 or length + len(options) > 60:
        raise ValueError(f"{len(options)} octets of options don't fit the header of {length} octets")
    header = bytearray(packet[:length] + options)
    header[0] = 0x40 | len(header) // 4
    return _summed(header, len(packet) - length) + packet[length:]


def with_extension(packet: bytes, kind: int, body: bytes = PAD6) -> bytes:
    """Return the IPv6 packet with an extension header directly behind the fixed one; `body` fills 8n+6 octets."""
    if packet[0] >> 4 != 6 or len(body) % 8 != 6:
        raise ValueError(f"an extension header holds 6, 14, 22, ... octets behind its first two, not {len(body)}")
    header = bytes((packet[6], len(body) // 8)) + body
    length = int.from_bytes(packet[4:6], "big") + len(header)
    return packet[:4] + struct.pack("!HB", length, kind) + packet[7:40] + header + packet[40:]


def flow_label(packet: bytes) -> int:
    """Return the flow label of an IPv6 packet (RFC 8200 §3)."""
    return int.from_bytes(packet[1:4], "big") & 0xFFFFF


def with_flow_label(packet: bytes, label: int) -> bytes:
    """Return the IPv6 packet with this flow label, 20 bits (RFC 6437)."""
    head = int.from_bytes(packet[:4], "big") & ~0xFFFFF | label & 0xFFFFF
    return head.to_bytes(4, "big") + packet[4:]


def with_hops(packet: bytes, left: int) -> bytes:
    """Return the packet with so many hops left: TTL (RFC 791), or hop limit (RFC 8200 §3)."""
    if packet[0] >> 4 == 6:
        return packet[:7] + bytes([left]) + packet[8:]
    return _rewritten(packet, 8, left)


def with_class(packet: bytes, octet: int) -> bytes:
    """Return the packet with this traffic class: DSCP and ECN (RFC 2474, RFC 3168)."""
    if packet[0] >> 4 == 6:
        head = int.from_bytes(packet[:4], "big") & 0xF00FFFFF | octet << 20
        return head.to_bytes(4, "big") + packet[4:]
    return _rewritten(packet, 1, octet)


def _rewritten(packet: bytes, at: int, octet: int) -> bytes:
    length = (packet[0] & 15) * 4
    header = bytearray(packet[:length])
    header[at] = octet
    return _summed(header, int.from_bytes(packet[2:4], "big") - length) + packet[length:]


def fragmented(packet: bytes, at: Sequence[int], identity: int) -> list[bytes]:
    """Return the packet cut at these octets of its payload, multiples of eight; the pieces in order.

    `identity` is the number that tells the fragments of one datagram from others. No cut gives one fragment, an atomic
    one for IPv6 (RFC 6946).
    """
    length = (packet[0] & 15) * 4 if packet[0] >> 4 == 4 else 40
    payload = packet[length:]
    places = [0, *at, len(payload)]
    if any(place % 8 for place in at) or places != sorted(set(places)):
        raise ValueError(f"{list(at)} are no places to cut {len(payload)} octets: multiples of eight, in order")
    return [
        fragment(packet, start, payload[start:end], identity, more=end < len(payload))
        for start, end in itertools.pairwise(places)
    ]


def fragment(packet: bytes, start: int, piece: bytes, identity: int, *, more: bool) -> bytes:
    """Return one fragment of the packet with these octets of payload, which need not be those of the packet."""
    if packet[0] >> 4 == 4:
        header = bytearray(packet[: (packet[0] & 15) * 4])
        struct.pack_into("!HH", header, 4, identity & 0xFFFF, start // 8 | (_MORE if more else 0))
        return _summed(header, len(piece)) + piece
    extension = struct.pack("!BBHI", packet[6], 0, start | more, identity)
    return packet[:4] + struct.pack("!HB", len(piece) + 8, FRAGMENT) + packet[7:40] + extension + piece


def _summed(header: bytearray, payload: int) -> bytes:
    struct.pack_into("!H", header, 2, len(header) + payload)
    header[10:12] = b"\0\0"
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header)
