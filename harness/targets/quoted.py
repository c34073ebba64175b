"""ICMP and ICMPv6 errors as TCP sees them (RFC 9293 §3.9.2.2): whose segment is quoted, and what it means."""

import errno
import ipaddress
import struct
from dataclasses import dataclass

from harness.wire.icmp import (
    IPPROTO_ICMPV6,
    PARAMETER_PROBLEM,
    PARAMETER_PROBLEM_V6,
    TIME_EXCEEDED,
    TIME_EXCEEDED_V6,
    UNREACHABLE,
    UNREACHABLE_V6,
)

IPPROTO_ICMP, IPPROTO_TCP = 1, 6
PROTOCOL_UNREACHABLE, PORT_UNREACHABLE, PORT_UNREACHABLE_V6 = 2, 3, 4
#: Code 4, "fragmentation needed", belongs to path MTU discovery (RFC 1191), which the stack leaves to others.
FRAGMENTATION_NEEDED = 4

#: Type and code of the hard errors, and the errno that stands for them.
HARD = {
    (4, UNREACHABLE, PROTOCOL_UNREACHABLE): errno.ENOPROTOOPT,
    (4, UNREACHABLE, PORT_UNREACHABLE): errno.ECONNREFUSED,
    (6, UNREACHABLE_V6, PORT_UNREACHABLE_V6): errno.ECONNREFUSED,
}
#: Types of the soft errors, and the errno of those codes that have none of their own below.
SOFT = {
    (4, UNREACHABLE): errno.EHOSTUNREACH,
    (4, TIME_EXCEEDED): errno.EHOSTUNREACH,
    (4, PARAMETER_PROBLEM): errno.EPROTO,
    (6, UNREACHABLE_V6): errno.EHOSTUNREACH,
    (6, TIME_EXCEEDED_V6): errno.EHOSTUNREACH,
    (6, PARAMETER_PROBLEM_V6): errno.EPROTO,
}
NETWORK_UNREACHABLE = {(4, UNREACHABLE, 0), (6, UNREACHABLE_V6, 0)}


@dataclass(frozen=True, slots=True)
class QuotedError:
    """An error about a segment: its addresses, ports and sequence number as they were sent."""

    source: str
    destination: str
    source_port: int
    destination_port: int
    seq: int
    errno: int
    hard: bool


def read(packet: bytes) -> QuotedError | None:
    """Return what an IP packet says about a segment; None if it is no such ICMP error (or is a source quench)."""
    version = packet[0] >> 4
    start = (packet[0] & 15) * 4 if version == 4 else 40
    protocol = packet[9] if version == 4 else packet[6]
    if protocol != (IPPROTO_ICMP if version == 4 else IPPROTO_ICMPV6) or len(packet) < start + 8:
        return None
    kind, code = packet[start], packet[start + 1]
    meaning = HARD.get((version, kind, code))
    soft = errno.ENETUNREACH if (version, kind, code) in NETWORK_UNREACHABLE else SOFT.get((version, kind))
    if (version, kind, code) == (4, UNREACHABLE, FRAGMENTATION_NEEDED) or (meaning is None and soft is None):
        return None
    return _quoted(packet[start + 8 :], meaning or soft or 0, meaning is not None)


def _quoted(inner: bytes, code: int, hard: bool) -> QuotedError | None:
    if not inner:
        return None
    version = inner[0] >> 4
    start = (inner[0] & 15) * 4 if version == 4 else 40
    if len(inner) < start + 8 or (inner[9] if version == 4 else inner[6]) != IPPROTO_TCP:
        return None
    source, destination = (inner[12:16], inner[16:20]) if version == 4 else (inner[8:24], inner[24:40])
    source_port, destination_port, seq = struct.unpack_from("!HHI", inner, start)
    return QuotedError(
        str(ipaddress.ip_address(source)),
        str(ipaddress.ip_address(destination)),
        source_port,
        destination_port,
        seq,
        code,
        hard,
    )
