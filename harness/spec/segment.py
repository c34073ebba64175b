"""A TCP segment as a value, and its notation in the RFC's figures: ``<SEQ=1><ACK=1><CTL=FIN,ACK>``."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag

from harness.spec import seqno


class Flags(IntFlag):
    """The control bits of RFC 9293 §3.1, at their place in the header."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    CWR = 0x80

    def __or__(self, other: int) -> "Flags":
        """Return the union: looked up, because enum makes it anew in microseconds."""
        value = int.__or__(self, other)
        found = _UNIONS.get(value)
        if found is None:
            found = _UNIONS[value] = Flags(value)
        return found

    # Everything that looks at a segment asks for some of its bits, which is a plain number. As they are, these are done
    # by the interpreter itself, without a call (enum's own take a microsecond).
    __and__, __rand__ = int.__and__, int.__rand__  # type: ignore[assignment]
    __xor__, __rxor__ = int.__xor__, int.__rxor__  # type: ignore[assignment]
    __invert__ = int.__invert__  # type: ignore[assignment]
    __ror__ = __or__


_UNIONS: dict[int, Flags] = {}


FIN = Flags.FIN
SYN = Flags.SYN
RST = Flags.RST
PSH = Flags.PSH
ACK = Flags.ACK
URG = Flags.URG
ECE = Flags.ECE
CWR = Flags.CWR
NO_FLAGS = Flags(0)

#: An ECN-setup SYN (RFC 3168 §6.1.1); with AE besides it asks for accurate feedback (RFC 9768 §3.1.1).
ECN_SETUP = SYN | ECE | CWR

#: Order of the names in notation, as the RFC's figures write them (SYN,ACK and FIN,ACK).
NOTATION_ORDER = (SYN, FIN, RST, PSH, URG, ACK, ECE, CWR)
_NAMES = {value: ",".join(str(flag.name) for flag in NOTATION_ORDER if value & flag) for value in range(256)}


def flag_names(flags: int) -> str:
    """Return the names of `flags` in the RFC's order, joined by commas; the empty string for none."""
    return _NAMES[flags & 0xFF]


def parse_flags(names: Iterable[str]) -> Flags:
    """Return the flags of these names; raises KeyError for an unknown name."""
    flags = NO_FLAGS
    for name in names:
        flags |= Flags[name]
    return flags


@dataclass
class Segment:
    """One segment. Numbers are as they stand on the wire unless the holder says that they are relative.

    `options` are the raw octets of the options field (see `harness.spec.options`); `reserved` the four reserved bits;
    `data_offset` in 32-bit words, None for the true one.
    """

    flags: int
    seq: int = 0
    ack: int = 0
    window: int = 65535
    payload: bytes = b""
    options: bytes = b""
    urgent: int = 0
    source_port: int = 0
    destination_port: int = 0
    reserved: int = 0
    data_offset: int | None = None

    @property
    def length(self) -> int:
        """SEG.LEN: the octets of sequence space occupied, counting SYN and FIN (RFC 9293 §3.3.1)."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def end(self) -> int:
        """The sequence number after this segment: SEG.SEQ + SEG.LEN."""
        return seqno.add(self.seq, self.length)

    @property
    def asks_for_ecn(self) -> bool:
        """Whether this is an ECN-setup SYN, which a peer may decline."""
        return self.flags & ~PSH == ECN_SETUP

    @property
    def plain_flags(self) -> int:
        """The flags without PSH; those of a SYN, too, that asks for ECN besides."""
        return SYN if self.asks_for_ecn else self.flags & ~PSH

    @property
    def is_bare_ack(self) -> bool:
        """Whether this is an acknowledgment and nothing else."""
        return self.flags & ~PSH == ACK and not self.payload

    def relative(self, seq_base: int, ack_base: int) -> "Segment":
        """Return the segment with numbers counted from the two initial sequence numbers.

        The acknowledgment field stays as it is when ACK is off. Numbers below the base come out negative.
        """
        return Segment(
            self.flags,
            seqno.diff(self.seq, seq_base),
            seqno.diff(self.ack, ack_base) if self.flags & ACK else self.ack,
            self.window,
            self.payload,
            self.options,
            self.urgent,
            self.source_port,
            self.destination_port,
            self.reserved,
            self.data_offset,
        )

    def notation(self) -> str:
        """Return the segment as the RFC's figures write it; the ACK field only when the ACK bit is on."""
        parts = [f"<SEQ={self.seq}>"]
        if self.flags & ACK:
            parts.append(f"<ACK={self.ack}>")
        if self.payload:
            parts.append(f"<DATA={len(self.payload)}>")
        parts.append(f"<CTL={flag_names(self.flags) or 'none'}>")
        return "".join(parts)
