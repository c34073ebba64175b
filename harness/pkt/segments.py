"""The packets of a script: segments with flags, numbers and options, ICMP messages, datagrams."""

import re
from collections.abc import Mapping

from harness.pkt import segments_options
from harness.pkt.scanner import Scanner
from harness.pkt.tree import Icmp, IpFields, Packet, TcpOption, TcpSegment, Udp
from harness.spec.segment import Flags

U2, U6, U8, U16, U20, U32 = ((0, (1 << bits) - 1) for bits in (2, 6, 8, 16, 20, 32))
#: The letters of flags; A is AE, which was the last of the reserved bits (RFC 9768 §3.1).
LETTERS = {
    "F": Flags.FIN,
    "S": Flags.SYN,
    "R": Flags.RST,
    "P": Flags.PSH,
    ".": Flags.ACK,
    "U": Flags.URG,
    "E": Flags.ECE,
    "W": Flags.CWR,
    "C": Flags.CWR,
}
AE = 0b0001
#: The ACE field as a number: AE, CWR, ECE from the highest bit on (RFC 9768 §3.2).
_ACE = {4: AE, 2: Flags.CWR, 1: Flags.ECE}
ECN = {"noecn": 0, "ect1": 1, "ect0": 2, "ce": 3, "ect01": 4}
#: Codepoints of differentiated services by name: RFC 2474 §4.2.2, RFC 2597 §6, RFC 3246, RFC 5865, RFC 8622.
DSCP = {
    **{f"cs{number}": number << 3 for number in range(8)},
    **{f"af{group}{drop}": group << 3 | drop << 1 for group in range(1, 5) for drop in range(1, 4)},
    "ef": 46,
    "voice-admit": 44,
    "le": 1,
}

_FLAGS = re.compile(r"[FSRPUEWCA.]*([0-7])?[FSRPUEWCA.]*(?=[ \t])|-(?=[ \t])")
#: The largest port (RFC 9293 §3.1).
LARGEST_PORT = 65535
_PORTS = re.compile(r"(\d{1,5})[ \t]*>[ \t]*(\d{1,5})(?=[ \t])")
_ADDRESSED = re.compile(r"(ipv4|ipv6)\b[^\n]*?:(?=[ \t])")
_WRAPPED = re.compile(r"(gre|mpls|psp)\b[^\n:]*:")
_TRANSPORTED = re.compile(r"encap[ \t]+(psp)[ \t]+spi[ \t]+\w+(?:[ \t]*,[ \t]*vc[ \t]+\w+)?(?=[ \t])")
_ENCAPSULATED = re.compile(r"\((udp)\b[^)\n]*\)|/[ \t]*(udp)\b(?:[ \t]*\([^)\n]*\))?")
_SOCK = re.compile(r"sock\([ \t]*(\d{1,9})[ \t]*\)")
_FUZZ = re.compile(r"\{[^}\n]*\}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEX_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}")
#: What of a segment is not TCP's alone, beside the protocols that it is carried in.
FUZZED = "a fuzz of its headers"


def packet(scanner: Scanner) -> TcpSegment | Icmp | Udp:
    """Read a packet from its direction on."""
    inbound = scanner.sees("<")
    if not (scanner.take("<") or scanner.take(">")):
        raise scanner.expected("'<'", "'>'")
    around: list[str] = []
    while (found := _any_of(scanner, _ADDRESSED, _WRAPPED, _TRANSPORTED)) is not None:
        around.append(found[1])
    ip = _ip_fields(scanner)
    before = _quoted_before(scanner, around)
    at = scanner.at
    ports = scanner.match(_PORTS)
    pair = (int(ports[1]), int(ports[2])) if ports is not None else None
    if pair is not None and max(pair) > LARGEST_PORT:
        raise scanner.error(f"a port is from 0 to {LARGEST_PORT}, not {max(pair)}", at)
    head = Packet(inbound, ip, pair, tuple(around))
    if scanner.match(re.compile(r"icmp\b")):
        return _icmp(scanner, Packet(inbound, ip, pair, tuple(around)), before)
    if scanner.match(re.compile(r"udp(?:lite)?\b")):
        if (later := scanner.match(_PORTS)) is not None:
            head = Packet(inbound, ip, (int(later[1]), int(later[2])), tuple(around))
        scanner.demand("(")
        length = scanner.integer("the octets of a datagram", U16)
        scanner.demand(")")
        return Udp(head.inbound, head.ip, head.ports, head.around, length)
    if scanner.sees("sctp"):
        raise scanner.error("SCTP: this is a harness for TCP")
    return _segment(scanner, head)


def _any_of(scanner: Scanner, *patterns: "re.Pattern[str]") -> "re.Match[str] | None":
    return next((found for pattern in patterns if (found := scanner.match(pattern)) is not None), None)


# --- TCP -----------------------------------------------------------------------------------------------------------


def _segment(scanner: Scanner, head: Packet) -> TcpSegment:
    flags, reserved = _flags(scanner)
    at = scanner.at
    any_seq = not head.inbound and scanner.take("...")
    seq = end = 0
    if not any_seq:
        seq = scanner.integer("a sequence number", U32)
        scanner.demand(":")
        end = scanner.integer("a sequence number", U32)
    scanner.demand("(")
    length = scanner.integer("the octets of a segment", U16)
    scanner.demand(")")
    absolute = scanner.take("!")
    if (seq + length) & 0xFFFFFFFF != end and not any_seq:
        raise scanner.error(f"{seq}:{end}({length}): {seq} and {length} octets are {seq + length}, not {end}", at)
    ack = scanner.integer("an acknowledgment number", U32) if scanner.could_take("ack") else None
    window = scanner.integer("a window", U16) if scanner.could_take("win") else None
    urgent = scanner.integer("an urgent pointer", U16) if scanner.could_take("urg") else 0
    options: tuple[TcpOption, ...] | None = ()
    if scanner.sees("<"):
        options = segments_options.options(scanner, inbound=head.inbound)
    else:
        scanner.could_be("options in <>")
    around = list(head.around)
    while (found := scanner.match(_ENCAPSULATED)) is not None:
        around.append(str(found[1] or found[2]))
    about = scanner.match(_SOCK)
    if scanner.match(_FUZZ):
        around.append(FUZZED)
    around += dict.fromkeys(option.symbol for option in options or () if option.name == segments_options.TOLD)
    if head.inbound and head.ip.ecn == ECN["ect01"]:
        raise scanner.error("ect01 can stand in what the target sends only: the peer must know what it writes", at)
    if options is None and head.inbound:
        raise scanner.error("<...> can stand in what the target sends only: the peer must know what it writes")
    return TcpSegment(
        head.inbound,
        head.ip,
        head.ports,
        tuple(around),
        flags,
        reserved,
        seq,
        length,
        ack,
        window,
        urgent,
        options,
        absolute,
        any_seq,
        int(about[1]) if about is not None else None,
    )


def _flags(scanner: Scanner) -> tuple[Flags, int]:
    found = scanner.match(_FLAGS)
    if found is None or not found[0]:
        raise scanner.expected("flags (of FSRPUEWA and '.', or '-' for none)", "icmp", "udp")
    flags, reserved = Flags(0), 0
    for letter in found[0]:
        flags |= LETTERS.get(letter, Flags(0))
        reserved |= AE if letter == "A" else 0
    for bit, flag in _ACE.items():
        if int(found[1] or 0) & bit:
            reserved |= AE if bit == 4 else 0
            flags |= flag if bit != 4 else Flags(0)
    return flags, reserved


# --- IP and ICMP ---------------------------------------------------------------------------------------------------


def _ip_fields(scanner: Scanner) -> IpFields:
    opening = next((sign for sign in "[(" if scanner.sees(sign)), "")
    if not opening or scanner.looks_at(_QUOTATION):
        return IpFields()
    scanner.demand(opening)
    found: dict[str, int] = {}
    while True:
        word = scanner.need(_WORD, "ect0, ect1, ect01, ce, noecn, dscp, tos, ttl or flowlabel")
        if word == "ecn":
            found["ecn"] = _named(scanner, ECN, "an ECN codepoint", U2)
        elif word in ECN:
            found["ecn"] = ECN[word]
        elif word == "dscp":
            found["dscp"] = _named(scanner, DSCP, "a DSCP", U6)
        elif word in ("tos", "tclass", "class"):
            found["tos"] = _hex_number(scanner, "a type of service", U8)
        elif word in ("ttl", "hlim"):
            found["ttl"] = scanner.integer("a TTL", U8)
        elif word == "flowlabel":
            found["flow_label"] = _hex_number(scanner, "a flow label", U20)
        else:
            fields = "ect0, ect1, ce, noecn, dscp, tos, ttl, flowlabel"
            raise scanner.error(f"there is no field {word[:24]!r}: expected {fields}")
        if not scanner.take(","):
            break
    scanner.demand("]" if opening == "[" else ")", "','")
    return IpFields(**found)


def _named(scanner: Scanner, names: Mapping[str, int], what: str, limits: tuple[int, int]) -> int:
    at = scanner.at
    if (word := scanner.match(_CODEPOINT)) is None:
        return _hex_number(scanner, what, limits)
    if word[0] not in names:
        raise scanner.error(f"there is no {word[0][:24]!r}: expected one of {', '.join(names)}", at)
    return names[word[0]]


_CODEPOINT = re.compile(r"[a-z][a-z0-9-]*")


def _hex_number(scanner: Scanner, what: str, limits: tuple[int, int]) -> int:
    at = scanner.at
    value = int(scanner.need(_HEX_NUMBER, what), 0)
    if not limits[0] <= value <= limits[1]:
        raise scanner.error(f"{what} is at most {limits[1]:#x}", at)
    return value


_QUOTATION = re.compile(r"\[[ \t]*(?:[0-9]+[ \t]*:|udp\b|raw\b|[FSRPUEWCA.]+[ \t]+[0-9]+:)")
_SOME_FLAGS = re.compile(r"[FSRPUEWCA.]+(?=[ \t])")


def _quoted_before(scanner: Scanner, around: list[str]) -> tuple[int, int]:
    """Read what an ICMP message quotes where that stands before it, as the dialect of FreeBSD has it."""
    if not scanner.looks_at(_QUOTATION):
        return 0, 0
    scanner.demand("[")
    scanner.match(_SOME_FLAGS)
    quoted = _quoted(scanner, around)
    scanner.demand("]")
    return quoted


def _icmp(scanner: Scanner, head: Packet, quoted: tuple[int, int]) -> Icmp:
    kind = scanner.need(_WORD, "a type of ICMP")
    code, mtu = "", None
    around = list(head.around)
    if not scanner.sees("mtu") and not scanner.sees("id") and (found := _same_line(scanner, _WORD)):
        code = found
    if scanner.take("mtu"):
        mtu = scanner.integer("an MTU", U32)
    if scanner.take("id"):
        scanner.integer("an identifier", U16)
    if scanner.take("["):
        quoted = _quoted(scanner, around)
        scanner.demand("]")
    return Icmp(head.inbound, head.ip, head.ports, tuple(around), kind, code, mtu, quoted)


def _same_line(scanner: Scanner, pattern: "re.Pattern[str]") -> str:
    """Read a word, unless the next event begins with it."""
    found = scanner.match(pattern)
    return found[0] if found is not None else ""


def _quoted(scanner: Scanner, around: list[str]) -> tuple[int, int]:
    if (found := scanner.match(re.compile(r"(udp|raw)[ \t]*\([0-9]+\)"))) is not None:
        around.append(f"a quoted {found[1]} packet")
        return 0, 0
    seq = scanner.integer("a sequence number", U32)
    scanner.demand(":")
    scanner.integer("a sequence number", U32)
    scanner.demand("(")
    length = scanner.integer("the octets of a segment", U16)
    scanner.demand(")")
    return seq, length
