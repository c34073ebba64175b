"""A line of a script held against what the target has sent."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from harness.case.connection import Connection
from harness.case.received import Received
from harness.case.violation import Code
from harness.pkt import options
from harness.pkt.options import Stamps
from harness.pkt.tree import IpFields, TcpSegment
from harness.spec import seqno
from harness.spec.segment import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from harness.wire import codec, forms

LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ECE, "E"), (CWR, "W"), (ACK, "."))


@dataclass(slots=True)
class Piece:
    """What is left of a segment of the target when lines have taken their octets; `seq` as the script counts."""

    received: Received
    connection: Connection
    flags: int
    seq: int
    payload: bytes

    @property
    def time_ns(self) -> int:
        """When it was captured."""
        return self.received.event.time_ns

    @property
    def ack(self) -> int:
        """The acknowledgment number as scripts count: from the peer's SYN, but with a SYN as it is on the wire."""
        wire = self.received.wire
        return wire.ack if wire.flags & SYN else (wire.ack - self.connection.peer_iss) & seqno.MASK

    @property
    def is_bare_ack(self) -> bool:
        """Whether it does nothing but acknowledge."""
        return not self.payload and self.flags & ~PSH == ACK

    def cut(self, octets: int) -> "Piece":
        """Take so many octets off the front, and return what is left."""
        return Piece(
            self.received,
            self.connection,
            self.flags,
            seqno.add(self.seq, octets),
            self.payload[octets:],
        )

    def __str__(self) -> str:
        """Return the segment as scripts write it."""
        return written(self)


def piece_of(received: Received, connection: Connection) -> Piece:
    """Return a whole segment. The number of a SYN is 0, whatever it is on the wire: all others count from it."""
    wire = received.wire
    base = connection.target_iss or 0
    seq = 0 if wire.flags & SYN else (wire.seq - base) & seqno.MASK
    if wire.flags & RST and not wire.flags & SYN and wire.seq == 0:
        seq = 0  # a reset for a segment without ACK counts from nowhere (RFC 9293 §3.5.2)
    return Piece(received, connection, int(wire.flags), seq, wire.payload)


@dataclass(slots=True)
class Mismatch:
    """What is not as a line says; `problem` is more than the segment shows."""

    code: Code
    problem: str = ""


def mismatch(
    line: TcpSegment,
    piece: Piece,
    stamps: Stamps,
    left_out: Counter[str],
    *,
    strict: bool,
    part: bool = False,
    one_of_several: bool = False,
    lacking: Collection[int] = (),
) -> Mismatch | None:
    """Return what is wrong with a segment where a line is due, None for nothing; `part`: other octets may follow it.
    `one_of_several`: others of the same line have come, or follow; which of them has PSH is not the line's affair.

    What the profile leaves out is counted, if the line says anything of it.
    """
    wire = piece.received.wire
    loose = int(PSH) if one_of_several or not strict else 0
    if part and not line.flags & RST:
        loose |= int(FIN)
    if (piece.flags ^ int(line.flags)) & ~loose or (wire.reserved ^ line.reserved) & 1:
        wrong_reset = bool(wire.flags & RST) and not line.flags & RST
        return Mismatch(Code.RESET if wrong_reset else Code.WRONG_FLAGS)
    seq = wire.seq if line.absolute else piece.seq
    if (line.absolute or not line.flags & SYN) and seq != line.seq and not line.any_seq:
        return Mismatch(Code.WRONG_SEQ)
    if line.ack is not None and line.flags & ACK and piece.ack != line.ack:
        return Mismatch(Code.WRONG_ACK)
    if line.flags & URG and wire.urgent != line.urgent:
        return Mismatch(Code.WRONG_HEADER, f"an urgent pointer of {wire.urgent}")
    if (problem := _ip_problem(line, piece)) is not None:
        return Mismatch(Code.WRONG_HEADER, problem)
    if line.window is not None:
        if strict and wire.window != line.window:
            return Mismatch(Code.WRONG_WINDOW, f"a window of {wire.window}")
        if not strict:
            left_out["window"] += 1
    if line.options is not None:
        base = piece.connection.peer_iss
        found = options.compare(line.options, wire.options, stamps, base, strict=strict, lacking=lacking)
        if found.problem:
            return Mismatch(Code.WRONG_OPTIONS, found.problem)
        left_out.update(found.left_out)
    return None


def _ip_problem(line: TcpSegment, piece: Piece) -> str | None:
    due = line.ip
    if due == IpFields():
        return None
    raw = piece.received.event.packet
    packet = codec.decode(raw)
    ecn = packet.traffic_class & 3
    if due.ecn is not None and not (ecn == due.ecn or (due.ecn == 4 and ecn in (1, 2))):
        return f"ECN {('noecn', 'ect1', 'ect0', 'ce')[ecn]}"
    if due.tos is not None and packet.traffic_class != due.tos:
        return f"a type of service of {packet.traffic_class:#x}"
    if due.dscp is not None and packet.traffic_class >> 2 != due.dscp:
        return f"a DSCP of {packet.traffic_class >> 2}"
    if due.flow_label is not None and raw[0] >> 4 == 6 and forms.flow_label(raw) != due.flow_label:
        return f"a flow label of {forms.flow_label(raw):#x}"
    if due.ttl is not None and packet.ttl != due.ttl:
        return f"a TTL of {packet.ttl}"
    return None


def flag_letters(flags: int, reserved: int = 0) -> str:
    """Return flags as scripts write them."""
    letters = "".join(letter for flag, letter in LETTERS if flags & flag)
    accurate = "A" if reserved & 1 else ""
    head, dot = (letters[:-1], ".") if letters.endswith(".") else (letters, "")
    return f"{head}{accurate}{dot}" or "-"


def written(piece: Piece) -> str:
    """Return a segment of the target as scripts write it."""
    wire = piece.received.wire
    seq, length = piece.seq, len(piece.payload)
    parts = [flag_letters(piece.flags, wire.reserved), f"{seq}:{seqno.add(seq, length)}({length})"]
    if wire.flags & ACK:
        parts.append(f"ack {piece.ack}")
    parts.append(f"win {wire.window}")
    if wire.options:
        parts.append(options.described(wire.options, piece.connection.peer_iss))
    return f"> {' '.join(parts)}"
