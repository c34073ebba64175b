"""ICMP and ICMPv6 errors that quote a segment (RFC 792, RFC 4443): Scapy's headers, with the numbers put in."""

import ipaddress
import struct
from functools import cache
from importlib.metadata import version
from pathlib import Path as FilePath
from typing import cast

from harness.cache import kept
from harness.wire.codec import Path, checksum

#: Types of RFC 792 and RFC 4443.
UNREACHABLE, SOURCE_QUENCH, TIME_EXCEEDED, PARAMETER_PROBLEM = 3, 4, 11, 12
UNREACHABLE_V6, PACKET_TOO_BIG_V6, TIME_EXCEEDED_V6, PARAMETER_PROBLEM_V6 = 1, 2, 3, 4

IPPROTO_ICMPV6 = 58
#: An ICMP error has 576 octets at most (RFC 1812 §4.3.2.3), an ICMPv6 one fits into the smallest MTU (RFC 4443 §2.4).
QUOTED_OCTETS_V4, QUOTED_OCTETS_V6 = 576 - 28, 1200


def error(
    path: Path, kind: int, code: int, quoted: bytes, *, seq_offset: int = 0, port_offset: int = 0, rest: int = 0
) -> bytes:
    """Return an ICMP error along `path` about the IP packet `quoted`, which may be falsified.

    `seq_offset` is added to the quoted sequence number, `port_offset` to the quoted destination port; `rest` are the 32
    bits behind the checksum: of some messages an MTU.
    """
    header = 20 if quoted[0] >> 4 == 4 else 40
    copy = bytearray(quoted)
    _source, destination, seq = struct.unpack_from("!HHI", copy, header)
    struct.pack_into("!HI", copy, header + 2, (destination + port_offset) & 0xFFFF, (seq + seq_offset) & 0xFFFFFFFF)
    addresses = b"".join(ipaddress.ip_address(text).packed for text in path)
    write = _v4 if path.version == 4 else _v6
    return write(addresses, kind, code, bytes(copy), rest)


def _v4(addresses: bytes, kind: int, code: int, quoted: bytes, rest: int) -> bytes:
    message = struct.pack("!BBHI", kind, code, 0, rest) + quoted[:QUOTED_OCTETS_V4]
    head = bytearray.fromhex(_headers()["4"])
    struct.pack_into("!H", head, 2, len(head) + len(message))
    head[10:12], head[12:20] = bytes(2), addresses
    head[10:12] = checksum(bytes(head)).to_bytes(2, "big")
    return bytes(head) + message[:2] + checksum(message).to_bytes(2, "big") + message[4:]


def _v6(addresses: bytes, kind: int, code: int, quoted: bytes, rest: int) -> bytes:
    message = struct.pack("!BBHI", kind, code, 0, rest) + quoted[:QUOTED_OCTETS_V6]
    head = bytearray.fromhex(_headers()["6"])
    struct.pack_into("!H", head, 4, len(message))
    head[8:40] = addresses
    total = checksum(addresses + struct.pack("!II", len(message), IPPROTO_ICMPV6) + message)  # RFC 8200 §8.1
    return bytes(head) + message[:2] + total.to_bytes(2, "big") + message[4:]


def craft_headers() -> dict[str, str]:
    """Return the IP headers before an ICMP message as Scapy crafts them, in hexadecimal, without addresses."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    return {
        "4": bytes(IP(src="0.0.0.0", dst="0.0.0.0", proto=1)).hex(),
        "6": bytes(IPv6(src="::", dst="::", nh=IPPROTO_ICMPV6)).hex(),
    }


@cache
def _headers() -> dict[str, str]:
    return cast("dict[str, str]", kept("icmp", (FilePath(__file__), version("scapy")), craft_headers))
