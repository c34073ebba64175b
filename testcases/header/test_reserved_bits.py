"""The reserved bits of a segment are ignored (RFC 9293 §3.1). That the target sends zeros is checked in every case.

One of them, AE, says something on a SYN or SYN,ACK to whoever can feed back ECN accurately (RFC 9768 §3.1.2):
where it might be a request or an answer, what opens a connection here has the other bits only.
"""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSED,
    CWR,
    ECE,
    ESTABLISHED,
    FIN,
    FIN_WAIT_2,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    TIME_WAIT,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)

#: AE, which was reserved before RFC 9768.
AE = 0b0001
each_bit = pytest.mark.parametrize("bits", [0b1000, 0b0100, 0b0010, 0b0001, 0b1111], ids="{:04b}".format)


@cites("RFC9293-3.1-reserved", "RFC 9293 §3.1")
@each_bit
def test_reserved_bits_of_a_client(target: Target, peer: Peer, bits: int) -> None:
    """With reserved bits in all its segments a peer opens, sends and closes a connection as without."""
    target.listen()
    peer.send(SYN, reserved=bits & ~AE)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, reserved=bits)
    target.must_be(ESTABLISHED)
    target.accept()
    peer.send(ACK, b"data", reserved=bits)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")
    peer.send(FIN | ACK, reserved=bits)
    target.must_send(ACK, seq=1, ack=6)
    target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=6)
    peer.send(ACK, reserved=bits)
    target.must_be(CLOSED)


@cites("RFC9293-3.1-reserved", "RFC 9293 §3.1")
@each_bit
def test_reserved_bits_of_a_server(target: Target, peer: Peer, bits: int) -> None:
    """With reserved bits in its SYN,ACK, its ACK and its FIN a peer serves an active opener as without."""
    target.connect()
    asked = target.must_send(SYN, seq=0).asks_for_ecn
    peer.send(SYN | ACK, reserved=bits & ~AE if asked else bits)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1)
    peer.send(ACK, reserved=bits)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, reserved=bits)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@pytest.mark.parametrize("flags", [SYN, SYN | ECE | CWR], ids=["alone", "with-ece-and-cwr"])
@cites("RFC9293-3.1-reserved", "RFC 9293 §3.1", "RFC 9293 §3.10.7.2 third")
@in_state(LISTEN)
def test_accurate_ecn_on_a_syn(target: Target, peer: Peer, flags: int) -> None:
    """A SYN with AE is answered as without, or by who can feed back accurately with CWR; either way it is answered."""
    peer.send(flags, reserved=AE)
    target.must_answer(
        segment(SYN | ACK, seq=0, ack=1),
        segment(SYN | ACK | (ECE if flags & ECE else 0), seq=0, ack=1),
        segment(SYN | ACK | CWR, seq=0, ack=1),
    )
    target.must_be(SYN_RECEIVED)


@cites("RFC9293-3.1-reserved", "RFC 9293 §3.1")
@in_state(SYN_RECEIVED, ESTABLISHED)
@each_bit
def test_reserved_bits_of_a_reset(target: Target, peer: Peer, bits: int) -> None:
    """A reset with reserved bits resets."""
    peer.send(RST, seq=1, reserved=bits)
    target.must_not_send()
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)


@cites("RFC9293-3.1-reserved", "RFC 9293 §3.1", "RFC 9293 §3.5.2 group 1")
@each_bit
def test_reserved_bits_to_a_closed_port(target: Target, peer: Peer, bits: int) -> None:
    """A closed port answers a SYN with reserved bits like any other."""
    peer.send(SYN, reserved=bits)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)
