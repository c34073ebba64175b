"""ICMP and ICMPv6 errors that quote a segment (RFC 792, RFC 4443), crafted by Scapy: they are rare enough."""

import struct

from harness.wire.codec import Path

#: Types of RFC 792 and RFC 4443.
UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM = 3, 4, 11, 12
UNREACHABLE_V6, PACKET_TOO_BIG_V6, TIME_EXCEEDED_V6, PARAMETER_PROBLEM_V6 = 1, 2, 3, 4

IPPROTO_ICMPV6 = 58


def error(path: Path, kind: int, code: int, quoted: bytes, *, seq_offset: int = 0, port_offset: int = 0) -> bytes:
    """Return an ICMP error along `path` about the IP packet `quoted`, which may be falsified.

    `seq_offset` is added to the quoted sequence number, `port_offset` to the quoted destination port.
    """
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.inet6 import IPv6
    from scapy.packet import Raw
    from scapy.utils import checksum

    header = 20 if quoted[0] >> 4 == 4 else 40
    copy = bytearray(quoted)
    _source, destination, seq = struct.unpack_from("!HHI", copy, header)
    struct.pack_into("!HI", copy, header + 2, (destination + port_offset) & 0xFFFF, (seq + seq_offset) & 0xFFFFFFFF)
    if path.version == 4:
        return bytes(IP(src=path.source, dst=path.destination) / ICMP(type=kind, code=code) / Raw(bytes(copy)))
    # Scapy has a class per ICMPv6 type and none for the general form, whose checksum covers a pseudo-header (RFC 8200).
    body = struct.pack("!BBHI", kind, code, 0, 0) + bytes(copy[:1200])
    header6 = bytes(IPv6(src=path.source, dst=path.destination, nh=IPPROTO_ICMPV6) / Raw(body))
    total = checksum(header6[8:40] + struct.pack("!II", len(body), IPPROTO_ICMPV6) + body)
    return header6[:40] + body[:2] + struct.pack("!H", total) + body[4:]
