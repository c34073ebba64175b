"""Nobody listens: whatever arrives is answered by a reset, except a reset (RFC 9293 §3.5.2 group 1, §3.10.7.1)."""

import pytest

from harness.case import ACK, CLOSED, FIN, LAST_ACK, RST, SYN, Absolute, Peer, Target, cites, in_state
from harness.spec.segment import Flags
from testcases.closed_and_listening.flag_sets import ROWS, row_name, variants

CLOSED_RULES = ("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.10.7.1")
#: An acknowledgment number far from every number of the peer, so that a mixed-up field shows.
SEG_ACK = 0x12345678


def _provoke(target: Target, peer: Peer, flags: Flags, payload: bytes, seq: int = 0) -> None:
    """Send one segment to a port without a connection and judge the answer."""
    length = len(payload) + bool(flags & SYN) + bool(flags & FIN)
    peer.send(flags, payload, seq=seq, ack=SEG_ACK, urgent=1)
    if flags & RST:
        target.must_not_send()
    elif flags & ACK:
        target.must_send(RST, seq=Absolute(SEG_ACK))
    else:
        target.must_send(RST | ACK, seq=Absolute(0), ack=seq + length)
    target.must_be(CLOSED)


@cites(*CLOSED_RULES)
@pytest.mark.parametrize("flags", ROWS, ids=row_name)
def test_closed_port_answers(target: Target, peer: Peer, flags: Flags) -> None:
    """A port without a listener answers every segment but a reset, with numbers that its sender must accept."""
    for sent, payload in variants(flags):
        _provoke(target, peer, sent, payload)


@cites(*CLOSED_RULES, "RFC 9293 §3.4")
@pytest.mark.parametrize("flags", [SYN, FIN, SYN | FIN], ids=row_name)
def test_reset_counts_across_the_wrap(target: Target, peer: Peer, flags: Flags) -> None:
    """The number that a reset acknowledges wraps to 0 at 2^32, with SYN and FIN counted like octets."""
    payload = b"abc"
    seq = -(len(payload) + bool(flags & SYN) + bool(flags & FIN))
    peer.renew(-target.connection.peer_iss)
    peer.send(flags, payload, seq=seq)
    target.must_send(RST | ACK, seq=Absolute(0), ack=Absolute(0))


@cites(*CLOSED_RULES)
@pytest.mark.parametrize("number", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
def test_reset_takes_any_acknowledgment_number(target: Target, peer: Peer, number: int) -> None:
    """The reset of an ACK-bearing segment has that segment's acknowledgment number, whatever the number."""
    peer.send(ACK, ack=number)
    target.must_send(RST, seq=Absolute(number))


@cites(*CLOSED_RULES, "MUST-45")
def test_reset_goes_back_where_the_segment_came_from(target: Target, peer: Peer) -> None:
    """The reset has the addresses and ports of the segment that caused it, exchanged, also at a second address."""
    addresses = target.conversation.rig.target.addresses(target.connection.tuple4.version)
    for address, peer_address in zip(addresses.target, addresses.peer, strict=True):
        closed, stranger = target.beside(address=address, peer_address=peer_address)
        stranger.send(SYN)
        closed.must_send(RST | ACK, seq=Absolute(0), ack=1)
        packet, tuple4 = stranger.last_packet, closed.connection.tuple4
        there = f"{packet.segment.source_port} to {packet.segment.destination_port}"
        closed.must_show("ports", there, f"{tuple4.port} to {tuple4.peer_port}")
        closed.must_show("addresses", (packet.source, packet.destination), (tuple4.address, tuple4.peer_address))


@cites(*CLOSED_RULES)
@in_state(LAST_ACK, closed_by=("shutdown", "close"))
@pytest.mark.parametrize("flags", [SYN, ACK, FIN | ACK, RST, RST | ACK], ids=row_name)
def test_port_of_a_finished_connection_is_closed(target: Target, peer: Peer, flags: Flags) -> None:
    """Once a connection has ended, its own last segments meet a closed port like anybody else's."""
    peer.send(ACK)
    target.must_not_send()
    target.must_be(CLOSED)
    iss = peer.target_iss
    peer.send(flags, seq=2, ack=2)
    if flags & RST:
        target.must_not_send()
    elif flags & ACK:
        target.must_send(RST, seq=Absolute((iss + 2) & 0xFFFFFFFF))
    else:
        target.must_send(RST | ACK, seq=Absolute(0), ack=3)
    target.must_be(CLOSED)
