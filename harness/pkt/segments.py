"""The packets of a script: segments with flags, numbers and options, ICMP messages, datagrams."""

import re
from collections.abc import Callable

from harness.pkt.scanner import Scanner
from harness.pkt.tree import Icmp, IpFields, Packet, TcpOption, TcpSegment, Udp
from harness.spec.segment import Flags

U8, U16, U20, U32 = ((0, (1 << bits) - 1) for bits in (8, 16, 20, 32))
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

_FLAGS = re.compile(r"[FSRPUEWCA.]*([0-7])?[FSRPUEWCA.]*(?=[ \t])|-(?=[ \t])")
_PORTS = re.compile(r"(\d{1,5})[ \t]*>[ \t]*(\d{1,5})(?=[ \t])")
_ADDRESSED = re.compile(r"(ipv4|ipv6)\b[^\n]*?:(?=[ \t])")
_WRAPPED = re.compile(r"(gre|mpls|psp)\b[^\n:]*:")
_TRANSPORTED = re.compile(r"encap[ \t]+(psp)[ \t]+spi[ \t]+\w+(?:[ \t]*,[ \t]*vc[ \t]+\w+)?(?=[ \t])")
_ENCAPSULATED = re.compile(r"\((udp)\b[^)\n]*\)|/[ \t]*(udp)\b(?:[ \t]*\([^)\n]*\))?")
_FUZZ = re.compile(r"\{[^}\n]*\}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]+)")
_HEX_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10}")
#: What of a segment is not TCP's alone, beside the protocols that it is carried in.
FUZZED, WITH_MPTCP = "a fuzz of its headers", "an option of MPTCP"
MPTCP = "mptcp"
#: A number that the script leaves open.
ANY = -1
#: The longest options field.
MAX_OPTIONS = 40


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
    ports = scanner.match(_PORTS)
    pair = (int(ports[1]), int(ports[2])) if ports is not None else None
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
    ack = scanner.integer("an acknowledgment number", U32) if scanner.take("ack") else None
    window = scanner.integer("a window", U16) if scanner.take("win") else None
    urgent = scanner.integer("an urgent pointer", U16) if scanner.take("urg") else 0
    options = _options(scanner, inbound=head.inbound) if scanner.sees("<") else ()
    around = list(head.around)
    while (found := scanner.match(_ENCAPSULATED)) is not None:
        around.append(str(found[1] or found[2]))
    if scanner.match(_FUZZ):
        around.append(FUZZED)
    if any(option.name == MPTCP for option in options or ()):
        around.append(WITH_MPTCP)
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


def _options(scanner: Scanner, *, inbound: bool) -> tuple[TcpOption, ...] | None:
    """Read the options; None for any. One fork says `<nocheck>` for any, where it asks for none of the peer's."""
    at = scanner.at
    scanner.demand("<")
    if scanner.take("..."):
        scanner.demand(">")
        return None
    if scanner.take("nocheck"):
        scanner.demand(">")
        return () if inbound else None
    found: list[TcpOption] = []
    while not scanner.sees(">"):
        found.append(_option(scanner))
        if not scanner.take(","):
            break
        if len(found) > MAX_OPTIONS:
            raise scanner.error(f"more options than {MAX_OPTIONS} octets hold", at)
    scanner.demand(">", "','")
    return tuple(found)


def _option(scanner: Scanner) -> TcpOption:
    at = scanner.at
    word = scanner.match(_OPTION_NAME)
    if word is None:
        raise scanner.expected("an option", "'>'")
    name = word[0].lower() if word[0] in ("MSS", "NOP", "EOL", "WSCALE") else word[0]
    read = _READERS.get(name)
    if read is None:
        known = ", ".join(sorted(_READERS.keys() - set(_MPTCP)))
        raise scanner.error(f"there is no option {name[:24]!r}: expected one of {known}", at)
    return read(scanner, name)


def _of_several_paths(scanner: Scanner, _name: str) -> TcpOption:
    """Go over an option of MPTCP (RFC 8684 §3): it is told, and not played."""
    scanner.match(_WORDS)
    return TcpOption(MPTCP)


_WORDS = re.compile(r"(?:[^,<>\[\]()\n]|\[[^\]\n]*\]|\([^)\n]*\))*")
_OPTION_NAME = re.compile(r"exp-FO|FOEXP|[A-Za-z_][A-Za-z0-9_-]*")


def _plain(_scanner: Scanner, name: str) -> TcpOption:
    return TcpOption(name)


def _number(limits: tuple[int, int]) -> "Callable[[Scanner, str], TcpOption]":
    def read(scanner: Scanner, name: str) -> TcpOption:
        if scanner.take("..."):
            return TcpOption(name, (ANY,))
        if (defined := scanner.match(_RUNNERS)) is not None:
            return TcpOption(name, (ANY,), symbol=defined[0])
        return TcpOption(name, (scanner.integer(f"the number of {name}", limits),))

    return read


def _blocks(scanner: Scanner, name: str) -> TcpOption:
    numbers: list[int] = []
    while (found := scanner.match(_BLOCK)) is not None and len(numbers) < MAX_OPTIONS:
        numbers += [int(found[1]) & 0xFFFFFFFF, int(found[2]) & 0xFFFFFFFF]
    if not numbers:
        raise scanner.expected("a block LEFT:RIGHT")
    return TcpOption(name, tuple(numbers))


_BLOCK = re.compile(r"(\d{1,10})[ \t]*:[ \t]*(\d{1,10})")


def _stamps(scanner: Scanner, name: str) -> TcpOption:
    scanner.demand("val")
    value = ANY if scanner.take("...") else scanner.integer("a timestamp", U32)
    scanner.demand("ecr")
    return TcpOption(name, (value, ANY if scanner.take("...") else scanner.integer("a timestamp", U32)))


def _digest(scanner: Scanner, name: str) -> TcpOption:
    """Read a digest: its octets, or that it is right or wrong, which takes a key that is not ours."""
    if (word := scanner.match(_VALIDITY)) is not None:
        return TcpOption(name, (word[0] == "valid",))
    return _octets(scanner, name)


_VALIDITY = re.compile(r"(?:in)?valid\b")


def _counters(scanner: Scanner, name: str) -> TcpOption:
    """Read the counters of Accurate ECN, whose order tells the kind (RFC 9768 §3.2.3)."""
    at, first, octets = scanner.at, "", b""
    while (found := scanner.match(_COUNTER)) is not None and len(octets) < 9:
        first = first or found[1]
        octets += (int(found[2]) & 0xFFFFFF).to_bytes(3, "big")
    if not first:
        return TcpOption(name, (ACCURATE_ECN[0],), b"")
    if first not in ("e0b", "e1b"):
        raise scanner.error("the counters of ECN begin with e0b or e1b", at)
    return TcpOption(name, (ACCURATE_ECN[first == "e1b"],), octets)


#: The kinds of the option, as it begins with the counter of ECT(0) or of ECT(1).
ACCURATE_ECN = (172, 174)
_COUNTER = re.compile(r"(e0b|e1b|ceb)[ \t]+([0-9]{1,8})")
#: A number that the runner of a script defines.
_RUNNERS = re.compile(r"[A-Z][A-Z0-9_]{2,}\b")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")


def _octets(scanner: Scanner, name: str) -> TcpOption:
    if (defined := scanner.match(_SYMBOL)) is not None:  # by the runner: what it stands for is not said here
        return TcpOption(name, (ANY,), symbol=defined[0])
    at = scanner.at
    found = scanner.match(_HEX)
    text = found[1] if found is not None else ""
    if len(text) % 2 or len(text) > 2 * MAX_OPTIONS:
        raise scanner.error(f"{name} takes pairs of hexadecimal digits, {MAX_OPTIONS} at most", at)
    return TcpOption(name, (), bytes.fromhex(text))


def _any_kind(scanner: Scanner, name: str) -> TcpOption:
    """Read an option that has no name: ``kind 253 f9891234``."""
    kind = scanner.integer("the kind of an option", U8)
    found = scanner.match(_HEX)
    return TcpOption(name, (kind,), bytes.fromhex(found[1]) if found is not None and len(found[1]) % 2 == 0 else b"")


#: What packetdrill calls the options of MPTCP.
_MPTCP = (
    *("mpcapable", "mp_join_syn", "mp_join_syn_ack", "mp_join_ack", "dss", "add_address", "remove_address"),
    *("mp_prio", "mp_fail", "mp_fastclose", "mp_reset"),
)
_READERS: "dict[str, Callable[[Scanner, str], TcpOption]]" = {
    "nop": _plain,
    "eol": _plain,
    "sackOK": _plain,
    "mss": _number(U16),
    "wscale": _number(U8),
    "sack": _blocks,
    "TS": _stamps,
    "FO": _octets,
    "FOEXP": _octets,
    "exp-FO": _octets,
    "md5": _digest,
    "kind": _any_kind,
    "ECN": _counters,
    **dict.fromkeys(_MPTCP, _of_several_paths),
}


# --- IP and ICMP ---------------------------------------------------------------------------------------------------


def _ip_fields(scanner: Scanner) -> IpFields:
    opening = next((sign for sign in "[(" if scanner.sees(sign)), "")
    if not opening or scanner.looks_at(_QUOTATION):
        return IpFields()
    scanner.demand(opening)
    found: dict[str, int] = {}
    while True:
        word = scanner.need(_WORD, "ect0, ect1, ect01, ce, noecn, tos, ttl or flowlabel")
        if word in ECN:
            found["ecn"] = ECN[word]
        elif word in ("tos", "tclass", "class"):
            found["tos"] = _hex_number(scanner, "a type of service", U8)
        elif word in ("ttl", "hlim"):
            found["ttl"] = scanner.integer("a TTL", U8)
        elif word == "flowlabel":
            found["flow_label"] = _hex_number(scanner, "a flow label", U20)
        else:
            raise scanner.error(f"there is no field {word[:24]!r}: expected ect0, ect1, ce, noecn, tos, ttl, flowlabel")
        if not scanner.take(","):
            break
    scanner.demand("]" if opening == "[" else ")", "','")
    return IpFields(**found)


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
