"""Segments to IP packets and back, fast.

Scapy takes about a millisecond to build one packet and the target microseconds to answer it. So Scapy crafts one packet
per *shape* (IP version and length of the options field), and the hot path patches addresses, numbers, lengths and
checksums into a copy of it. Received packets are read with `struct`. A selftest holds both directions against Scapy,
octet by octet.
"""

import ipaddress
import struct
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import NamedTuple, cast

from harness.cache import kept
from harness.spec.segment import Segment

IPPROTO_TCP = 6

_TCP = struct.Struct("!HHIIBBHHH")
_IPV4_LENGTH_ID = struct.Struct("!HH")
#: The bit "more fragments" and the fragment offset (RFC 791 §3.1); any of them set means a fragment.
_MORE_OR_OFFSET = 0x3FFF


class Path(NamedTuple):
    """A pair of IP addresses of one family, in text: where a packet comes from and where it goes."""

    source: str
    destination: str

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.source else 4

    def reversed(self) -> "Path":
        """Return the path of the answers."""
        return Path(self.destination, self.source)


class MalformedPacket(ValueError):
    """Octets that are not a complete TCP segment in an IP packet."""


@dataclass(slots=True)
class Packet:
    """A received segment with what its IP header tells. `checksums_ok` covers TCP and, for IPv4, the IP header."""

    source: str
    destination: str
    segment: Segment
    checksums_ok: bool
    ttl: int
    traffic_class: int
    ip_id: int
    raw: bytes


def ones_complement_sum(data: bytes) -> int:
    """Return the 16-bit ones' complement sum of `data` (RFC 1071), 0xFFFF for a sum of minus zero.

    65536 is 1 modulo 65535, so the sum of the 16-bit words is the whole number's remainder; Python does that in C.
    """
    if len(data) & 1:
        data += b"\0"
    number = int.from_bytes(data, "big")
    return (number % 0xFFFF or 0xFFFF) if number else 0


def checksum(data: bytes) -> int:
    """Return the Internet checksum of `data`."""
    return 0xFFFF - ones_complement_sum(data)


@lru_cache(maxsize=4096)
def _pseudo_header(source: bytes, destination: bytes) -> int:
    """Return the sum of the pseudo-header without the TCP length (RFC 9293 §3.1; RFC 8200 §8.1)."""
    return ones_complement_sum(source + destination + bytes((0, IPPROTO_TCP)))


def craft_shapes() -> dict[str, str]:
    """Return the headers of each shape as Scapy crafts them, in hexadecimal: addresses and options field are zeros."""
    from scapy.layers.inet import IP, TCP
    from scapy.layers.inet6 import IPv6
    from scapy.packet import Raw

    shapes = {}
    for octets in range(0, 41, 4):
        tcp = TCP(dataofs=5 + octets // 4) / Raw(bytes(octets))
        shapes[f"4/{octets}"] = bytes(IP(src="0.0.0.0", dst="0.0.0.0", flags="DF", id=0) / tcp).hex()
        shapes[f"6/{octets}"] = bytes(IPv6(src="::", dst="::") / tcp).hex()
    return shapes


@cache
def _shapes() -> dict[str, str]:
    """Return what `craft_shapes` does; importing Scapy takes longer than most runs of one case."""
    return cast("dict[str, str]", kept("shapes", (FilePath(__file__), version("scapy")), craft_shapes))


@lru_cache(maxsize=256)
def _crafted(path: Path, option_octets: int, ttl: int, traffic_class: int) -> bytes:
    """Return the headers of a packet along a path; its options field is zeros."""
    frame = bytearray.fromhex(_shapes()[f"{path.version}/{option_octets}"])
    source, destination = (ipaddress.ip_address(text).packed for text in (path.source, path.destination))
    if path.version == 4:
        frame[1], frame[8] = traffic_class, ttl
        frame[12:20] = source + destination
    else:
        frame[:2] = (0x6000 | traffic_class << 4).to_bytes(2, "big")
        frame[7] = ttl
        frame[8:40] = source + destination
    return bytes(frame)


def padded(options: bytes) -> bytes:
    """Return the options field filled with EOL up to a multiple of four octets."""
    return options + bytes(-len(options) % 4)


def encode(
    path: Path, segment: Segment, *, checksum_error: int = 0, ttl: int = 64, traffic_class: int = 0, ip_id: int = 0
) -> bytes:
    """Return the IP packet that carries `segment` (numbers as on the wire) along `path`.

    `checksum_error` is XORed into the right checksum. The options field is at most 40 octets (ValueError).
    """
    options = padded(segment.options) if segment.options else b""
    if len(options) > 40:
        raise ValueError(f"the options field holds 40 octets, not {len(options)}")
    frame = bytearray(_crafted(path, len(options), ttl, traffic_class))
    tcp_octets = 20 + len(options) + len(segment.payload)
    ipv4 = frame[0] >> 4 == 4
    at = 20 if ipv4 else 40
    if ipv4:
        _IPV4_LENGTH_ID.pack_into(frame, 2, 20 + tcp_octets, ip_id)
        frame[10:12] = b"\0\0"
        frame[10:12] = checksum(bytes(frame[:20])).to_bytes(2, "big")
        base = _pseudo_header(bytes(frame[12:16]), bytes(frame[16:20]))
    else:
        frame[4:6] = tcp_octets.to_bytes(2, "big")
        base = _pseudo_header(bytes(frame[8:24]), bytes(frame[24:40]))
    words = segment.data_offset if segment.data_offset is not None else 5 + len(options) // 4
    _TCP.pack_into(
        frame,
        at,
        segment.source_port,
        segment.destination_port,
        segment.seq,
        segment.ack,
        (words << 4) | segment.reserved,
        segment.flags,
        segment.window,
        0,
        segment.urgent,
    )
    if options:
        frame[at + 20 : at + 20 + len(options)] = options
    frame += segment.payload
    total = base + tcp_octets + ones_complement_sum(bytes(frame[at:]))
    value = (0xFFFF - (total % 0xFFFF or 0xFFFF)) ^ checksum_error
    frame[at + 16 : at + 18] = value.to_bytes(2, "big")
    return bytes(frame)


def is_tcp(packet: bytes) -> bool:
    """Tell whether the IP packet carries TCP directly behind its header."""
    if not packet:
        return False
    version = packet[0] >> 4
    return (version == 4 and len(packet) >= 20 and packet[9] == IPPROTO_TCP) or (
        version == 6 and len(packet) >= 40 and packet[6] == IPPROTO_TCP
    )


def decode(packet: bytes) -> Packet:
    """Read one IP packet; raises MalformedPacket if it is not a whole TCP segment."""
    if not is_tcp(packet):
        raise MalformedPacket("not a TCP segment in an IP packet")
    if packet[0] >> 4 == 4:
        at = (packet[0] & 15) * 4
        end = int.from_bytes(packet[2:4], "big")
        source, destination = packet[12:16], packet[16:20]
        ttl, traffic_class, ip_id = packet[8], packet[1], int.from_bytes(packet[4:6], "big")
        if at < 20:
            raise MalformedPacket(f"an IP header of {at} octets")
        if int.from_bytes(packet[6:8], "big") & _MORE_OR_OFFSET:
            raise MalformedPacket("a fragment of an IP packet")
        header_ok = ones_complement_sum(packet[:at]) == 0xFFFF
    else:
        at, end = 40, 40 + int.from_bytes(packet[4:6], "big")
        source, destination = packet[8:24], packet[24:40]
        ttl, traffic_class, ip_id = packet[7], ((packet[0] & 15) << 4) | (packet[1] >> 4), 0
        header_ok = True
    if len(packet) < end or end < at + 20:
        raise MalformedPacket(f"an IP packet of {len(packet)} octets is too short for its TCP segment")
    sport, dport, seq, ack, offset, flags, window, _sum, urgent = _TCP.unpack_from(packet, at)
    words = offset >> 4
    data = at + words * 4
    if words < 5 or data > end:
        raise MalformedPacket(f"data offset {words} in a TCP segment of {end - at} octets")
    total = _pseudo_header(source, destination) + (end - at) + ones_complement_sum(packet[at:end])
    segment = Segment(
        flags,
        seq,
        ack,
        window,
        packet[data:end],
        packet[at + 20 : data],
        urgent,
        sport,
        dport,
        offset & 15,
    )
    return Packet(
        _address_text(source),
        _address_text(destination),
        segment,
        header_ok and total % 0xFFFF == 0,
        ttl,
        traffic_class,
        ip_id,
        packet[:end],
    )


@lru_cache(maxsize=4096)
def _address_text(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets))
