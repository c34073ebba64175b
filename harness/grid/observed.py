"""What a target did in a cell, in the words of the export: a reply by name, and the next state."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.case.received import Received
from harness.spec import seqno
from harness.spec.connection import Connection
from harness.spec.reaction import Outgoing, Reaction, Reply
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment, flag_names
from harness.spec.states import CLOSING, FIN_WAIT_1, LAST_ACK, SYN_RECEIVED, SYNCHRONIZED

NOTHING = str(Reply.NONE)
#: The next state on a target that shows none and gives itself away by no follow-up.
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Observation:
    """A reply by name and the next state in the RFC's spelling."""

    reply: str
    next: str

    def __str__(self) -> str:
        return f"{self.reply} → {self.next}"


def fits(reaction: Reaction, received: Sequence[Received], connection: Connection | None = None) -> bool:
    """Tell whether the target sent exactly the segments of a reaction.

    Where `connection`, as it was before, is given, an acknowledgment may ride on what is sent again, and on the reset
    that aborts it.
    """
    if len(reaction.segments) != len(received):
        return False
    return all(
        _equal(due, each)
        or (connection is not None and (_rides(due, each, reaction, connection) or _aborts(due, each, connection)))
        for due, each in zip(reaction.segments, received, strict=True)
    )


def _rides(due: Outgoing, received: Received, reaction: Reaction, connection: Connection) -> bool:
    """Tell whether our SYN or FIN, sent again while it is unacknowledged, carries what is due.

    Retransmission is always open to a sender (RFC 9293 §3.10.8), and one segment may do for both (MUST-58).
    """
    seen = received.segment
    if due.flags != ACK or due.ack != seqno.add(seen.ack, 0) or seen.payload:
        return False
    flags, again = seen.plain_flags & ~PSH, seqno.add(seen.seq, 1) == connection.snd_nxt
    syn = connection.state is SYN_RECEIVED and reaction.next is SYN_RECEIVED and flags == SYN | ACK
    fin = connection.fin_sent and reaction.next in (FIN_WAIT_1, CLOSING, LAST_ACK) and flags == FIN | ACK
    return again and (syn or fin)


def _aborts(due: Outgoing, received: Received, connection: Connection) -> bool:
    """Tell whether this is a reset that is due at SND.NXT, with an ACK of RCV.NXT (the register's `reset-form`)."""
    at_next = due.flags == RST and due.seq == connection.snd_nxt and connection.state in SYNCHRONIZED
    sent = received.segment
    numbers = (seqno.add(sent.seq, 0), seqno.add(sent.ack, 0))
    return at_next and sent.plain_flags & ~PSH == RST | ACK and numbers == (due.seq, connection.rcv_nxt)


def _equal(due: Outgoing, received: Received) -> bool:
    seen, wire = received.segment, received.wire
    if (seen.plain_flags ^ due.flags) & ~PSH or (seen.payload and not due.flags & RST):
        return False
    # The zero of <SEQ=0><ACK=..><CTL=RST,ACK> is one on the wire.
    absolute = due.flags & RST and due.flags & ACK
    if due.seq is not None and due.seq != (wire.seq if absolute else seqno.add(seen.seq, 0)):
        return False
    return not due.flags & ACK or due.ack is None or due.ack == seqno.add(seen.ack, 0)


def name_of(received: Sequence[Received], found: Sequence[Reaction], connection: Connection, segment: Segment) -> str:
    """Return the name of what the target sent: that of the reaction it fits, else one made of its numbers."""
    for reaction in found:
        if fits(reaction, received, connection):
            return str(reaction.reply)
    return " + ".join(_name(each, connection, segment) for each in received) or NOTHING


def _name(received: Received, connection: Connection, probe: Segment) -> str:
    seen = received.segment
    flags = seen.plain_flags
    answers_ack = flags & RST and seqno.add(seen.seq, 0) == probe.ack
    if flags == RST and probe.flags & ACK and answers_ack:
        return str(Reply.RST_SEG_ACK)
    seq, ack = _symbol(seen.seq, received.wire.seq, connection, probe), _ack_symbol(seen.ack, connection, probe)
    if flags == SYN and seq != "iss":
        seq = "new"  # the target has chosen a number anew
    if flags & RST:
        # A reset may take its numbers from the segment alone, whatever the connection's are.
        seq = "seg.ack" if answers_ack and seq not in ("0", "snd.nxt") else seq
        ack = _segment_end(seen.ack, probe) or ack
    if not seen.payload:
        known: dict[tuple[int, str, str], Reply] = {
            (RST, "seg.ack", ""): Reply.RST_SEG_ACK,
            (RST, "snd.nxt", ""): Reply.RST,
            (RST | ACK, "0", "seg.end"): Reply.RST_ACK_ZERO,
            (ACK, "snd.nxt", "rcv.nxt"): Reply.ACK,
            (ACK, "snd.nxt", "seg.end"): Reply.ACK_NEW,
            (SYN | ACK, "iss", "rcv.nxt"): Reply.SYN_ACK,
        }
        reply = known.get((flags, seq, ack if flags & ACK else ""))
        if reply:
            return str(reply)
    text = f",data={len(seen.payload)}" if seen.payload else ""
    ack_part = f",ack={ack}" if flags & ACK else ""
    return f"{flag_names(flags).lower().replace(',', '-')}(seq={seq}{ack_part}{text})"


def _symbol(number: int, absolute: int, connection: Connection, probe: Segment) -> str:
    """Return a sequence number in terms of what the target knows; the ISS before SND.NXT, where they could be mixed."""
    relative = seqno.add(number, 0)
    if absolute == 0:
        return "0"
    if relative == connection.iss:
        return "iss"
    if probe.flags & ACK and relative == probe.ack and relative != connection.snd_nxt:
        return "seg.ack"
    return _offset("snd.nxt", relative, connection.snd_nxt)


def _ack_symbol(number: int, connection: Connection, probe: Segment) -> str:
    relative = seqno.add(number, 0)
    if relative == connection.rcv_nxt:
        return "rcv.nxt"
    return _segment_end(number, probe) or _offset("rcv.nxt", relative, connection.rcv_nxt)


def _segment_end(number: int, probe: Segment) -> str:
    """Return the name of what acknowledges the whole segment, or all but the FIN that came with a SYN; else ""."""
    distance = seqno.diff(number, probe.end)
    if distance == 0:
        return "seg.end"
    return "seg.end-1" if distance == -1 and probe.flags & SYN and probe.flags & FIN else ""


def _offset(name: str, number: int, base: int) -> str:
    distance = seqno.diff(number, base)
    return f"{name}{distance:+d}" if distance else name
