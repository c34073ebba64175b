"""The options of a segment as scripts write them, in packetdrill's words and in those of its fork for FreeBSD."""

import re
from collections.abc import Callable

from harness.pkt.scanner import Scanner
from harness.pkt.tree import TcpOption

U7, U8, U16, U24, U32 = ((0, (1 << bits) - 1) for bits in (7, 8, 16, 24, 32))
#: An option that is told, and not played; its octets say what it is.
TOLD = "told"
#: A number that the script leaves open.
ANY = -1
#: The mark of an echo that is the number on the wire, whatever timestamp the target has sent.
AS_WRITTEN = "!"
#: The longest options field.
MAX_OPTIONS = 40
#: The kind of experiments, and the number of one of the fork for FreeBSD (RFC 6994; Accurate ECN and TARR by draft).
EXPERIMENT, TARR = 254, 0x00AC

_HEX = re.compile(r"(?:0x)?([0-9a-fA-F]+)")
_RAW = re.compile(r"(?:0x)?([0-9a-fA-F]{4,80})[ \t]*(?=>)")


def options(scanner: Scanner, *, inbound: bool) -> tuple[TcpOption, ...] | None:
    """Read the options; None for any. One fork says `<nocheck>` for any, where it asks for none of the peer's."""
    at = scanner.at
    scanner.demand("<")
    if scanner.take("..."):
        scanner.demand(">")
        return None
    if scanner.take("nocheck"):
        scanner.demand(">")
        return () if inbound else None
    begin = scanner.at
    if (raw := scanner.match(_RAW)) is not None and len(raw[1]) % 2 == 0:
        scanner.demand(">")
        return (TcpOption("raw", (), bytes.fromhex(raw[1])),)
    scanner.at = begin
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
    name = _OTHERWISE.get(word[0], word[0])
    if (numbered := _NUMBERED.fullmatch(name)) is not None and name not in _READERS:
        return _by_number(scanner, numbered, at)
    read = _READERS.get(name)
    if read is None:
        known = ", ".join(sorted(_READERS.keys() - set(_BEYOND)))
        raise scanner.error(f"there is no option {name[:24]!r}: expected one of {known}", at)
    return read(scanner, name)


def _told(scanner: Scanner, name: str) -> TcpOption:
    """Go over an option that no target here has: it is told, and not played."""
    scanner.match(_WORDS)
    return TcpOption(TOLD, symbol=_BEYOND[name])


def _by_number(scanner: Scanner, numbered: "re.Match[str]", at: int) -> TcpOption:
    """Read an option without a name as the fork for FreeBSD has it: ``gen-77 0102``, ``exp-0ed0 0102``."""
    number = int(numbered[2], 10 if numbered[1] == "gen" else 16) if len(numbered[2]) <= 4 else 1 << 16
    if number > (U8 if numbered[1] == "gen" else U16)[1]:
        raise scanner.error(f"the number of an option is too large: {numbered[0][:24]}", at)
    octets = _pairs(scanner, numbered[0], at)
    if numbered[1] == "gen":
        return TcpOption("kind", (number,), octets)
    return TcpOption("kind", (EXPERIMENT,), number.to_bytes(2, "big") + octets)


_NUMBERED = re.compile(r"(gen|exp)-((?<=gen-)[0-9]+|(?<=exp-)[0-9a-fA-F]+)")
_WORDS = re.compile(r"(?:[^,<>\[\]()\n]|\[[^\]\n]*\]|\([^)\n]*\)|,[ \t]*[0-9]+\*)*")
#: How else the names are written.
_OTHERWISE = {"MSS": "mss", "NOP": "nop", "EOL": "eol", "WSCALE": "wscale", "EXP-FO": "exp-FO"}
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
    echo = ANY if scanner.take("...") else scanner.integer("a timestamp", U32)
    return TcpOption(name, (value, echo), symbol=AS_WRITTEN if scanner.take(AS_WRITTEN) else "")


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


def _accurate(first: str, second: str, experiment: int | None = None) -> "Callable[[Scanner, str], TcpOption]":
    """Read Accurate ECN as the fork for FreeBSD has it: the name tells the order, ``AccECN0 ee0b 1 eceb 0 ee1b 1``."""

    def read(scanner: Scanner, _name: str) -> TcpOption:
        octets = b""
        for word in (first, "eceb", second):
            if not scanner.take(word):
                break
            octets += scanner.integer(f"the counter {word}", U24).to_bytes(3, "big")
        if experiment is None:
            return TcpOption("ECN", (ACCURATE_ECN[first == "ee1b"],), octets)
        return TcpOption("kind", (EXPERIMENT,), experiment.to_bytes(2, "big") + octets)

    return read


def _ack_rate(scanner: Scanner, _name: str) -> TcpOption:
    """Read a request of an ACK rate: R stands above the lowest bit."""
    rate = scanner.integer("a rate", U7) if scanner.looks_at(_DIGIT) else None
    octets = TARR.to_bytes(2, "big") + (b"" if rate is None else bytes((rate << 1,)))
    return TcpOption("kind", (EXPERIMENT,), octets)


_DIGIT = re.compile(r"[0-9]")
#: A number that the runner of a script defines.
_RUNNERS = re.compile(r"[A-Z][A-Z0-9_]{2,}\b")
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+")


def _octets(scanner: Scanner, name: str) -> TcpOption:
    if (defined := scanner.match(_SYMBOL)) is not None:  # by the runner: what it stands for is not said here
        return TcpOption(name, (ANY,), symbol=defined[0])
    return TcpOption(name, (), _pairs(scanner, name, scanner.at))


def _pairs(scanner: Scanner, name: str, at: int) -> bytes:
    found = scanner.match(_HEX)
    text = found[1] if found is not None else ""
    if len(text) % 2 or len(text) > 2 * MAX_OPTIONS:
        raise scanner.error(f"{name} takes pairs of hexadecimal digits, {MAX_OPTIONS} at most", at)
    return bytes.fromhex(text)


def _any_kind(scanner: Scanner, name: str) -> TcpOption:
    """Read an option that has no name: ``kind 253 f9891234``."""
    kind = scanner.integer("the kind of an option", U8)
    return TcpOption(name, (kind,), _pairs(scanner, name, scanner.at))


#: What packetdrill and its forks call the options of MPTCP.
_MPTCP = (
    *(
        "mpcapable",
        "mp_capable",
        "mp_join",
        "mp_join_syn",
        "mp_join_syn_ack",
        "mp_join_ack",
        "dss",
        "add_address",
        "remove_address",
    ),
    *("mp_prio", "mp_fail", "mp_fastclose", "mp_reset"),
)
#: Options that are told, by their names; what EDO's are numbered is told otherwise by each of two forks.
_BEYOND = {
    **dict.fromkeys(_MPTCP, "an option of MPTCP"),
    **dict.fromkeys(("edoOK", "edo"), "an option of EDO"),
}
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
    "AccECN0": _accurate("ee0b", "ee1b"),
    "AccECN1": _accurate("ee1b", "ee0b"),
    "exp-AccECN0": _accurate("ee0b", "ee1b", 0xACC0),
    "exp-AccECN1": _accurate("ee1b", "ee0b", 0xACC1),
    "exp-tarr": _ack_rate,
    **dict.fromkeys(_BEYOND, _told),
}
