"""ICMP messages of a script: their types and codes by name (RFC 792, RFC 1122 §3.2.2.1, RFC 4443)."""

import re
import struct
from dataclasses import dataclass

from harness.pkt.tree import Icmp
from harness.wire import icmp as wire

_UNREACHABLE = [
    "net_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "frag_needed",
    "source_route_failed",
    "net_unknown",
    "host_unknown",
    "source_host_isolated",
    "net_prohibited",
    "host_prohibited",
    "net_unreachable_for_tos",
    "host_unreachable_for_tos",
    "packet_filtered",
    "precedence_violation",
    "precedence_cutoff",
]
_UNREACHABLE_V6 = ["no_route", "admin_prohibited", "not_neighbour", "address_unreachable", "port_unreachable"]

#: RFC 792 and RFC 950: messages that are about no segment, so that TCP hears nothing of them.
_OTHERS = {
    "echo_reply": 0,
    "redirect": 5,
    "echo_request": 8,
    "timestamp_request": 13,
    "timestamp_reply": 14,
    "information_request": 15,
    "information_reply": 16,
    "address_mask_request": 17,
    "address_mask_reply": 18,
}
#: Types by IP version and name, with the names of their codes in order.
TYPES: dict[int, dict[str, tuple[int, list[str]]]] = {
    4: {
        "unreachable": (wire.UNREACHABLE, _UNREACHABLE),
        "source_quench": (wire.SOURCE_QUENCH, []),
        **{name: (kind, []) for name, kind in _OTHERS.items()},
        "time_exceeded": (wire.TIME_EXCEEDED, ["ttl_exceeded_in_transit", "frag_reass_exceeded"]),
        "parameter_problem": (wire.PARAMETER_PROBLEM, []),
    },
    6: {
        "unreachable": (wire.UNREACHABLE_V6, _UNREACHABLE_V6),
        "packet_too_big": (wire.PACKET_TOO_BIG_V6, []),
        "time_exceeded": (wire.TIME_EXCEEDED_V6, ["exceeded_hop_limit", "exceeded_frag_time"]),
        "parameter_problem": (wire.PARAMETER_PROBLEM_V6, ["header_field", "unknown_next_header", "unknown_option"]),
    },
}
_TCP = 6
_NUMBERED = re.compile(r"(?:type|code)_(\d{1,3})")


def numbers(message: Icmp, version: int) -> tuple[int, int] | None:
    """Return type and code, None where there is no such message about a segment of TCP."""
    if (found := _NUMBERED.fullmatch(message.type)) is not None:
        kind, codes = int(found[1]), list[str]()
    elif (entry := TYPES[version].get(message.type)) is not None:
        kind, codes = entry
    else:
        return None
    if not message.code:
        return kind, 0
    if (found := _NUMBERED.fullmatch(message.code)) is not None:
        return kind, int(found[1])
    return (kind, codes.index(message.code)) if message.code in codes else None


def rest_of(message: Icmp, version: int) -> int:
    """Return the 32 bits behind the checksum: the MTU, where the message tells one (RFC 1191 §4, RFC 4443 §3.2)."""
    return (message.mtu or 0) & (0xFFFF if version == 4 else 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Error:
    """An ICMP error on the wire: what it says, and the ports and the number of the segment that it quotes."""

    kind: int
    code: int
    mtu: int
    ports: tuple[int, int]
    seq: int


def decode(packet: bytes) -> Error | None:
    """Return what an ICMP error says, None for a packet that is none about a segment of TCP."""
    header, protocol, at = (20, 1, 9) if packet[0] >> 4 == 4 else (40, wire.IPPROTO_ICMPV6, 6)
    quoted = header + 8
    if len(packet) < quoted + header + 8 or packet[at] != protocol or packet[quoted + at] != _TCP:
        return None
    kind, code, rest = struct.unpack_from("!BBxxI", packet, header)
    source, destination, seq = struct.unpack_from("!HHI", packet, quoted + header)
    tells = (kind, code) == (wire.UNREACHABLE, _UNREACHABLE.index("frag_needed"))
    tells = tells if header == 20 else kind == wire.PACKET_TOO_BIG_V6
    return Error(kind, code, rest & 0xFFFF if tells else 0, (source, destination), seq)
