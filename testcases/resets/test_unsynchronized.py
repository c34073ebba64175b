"""Acknowledgments of something never sent, before the connection is synchronized: RFC 9293 §3.5.2 group 2."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    LISTEN,
    PASSIVE,
    PSH,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    URG,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
)
from testcases.resets.proof import prove_alive

ACKNOWLEDGING = pytest.mark.parametrize(
    ("flags", "data"),
    [(ACK, b""), (ACK, b"text"), (FIN | ACK, b""), (PSH | URG | ACK, b"text")],
    ids=["ack", "data", "fin", "push-urgent"],
)


@ACKNOWLEDGING
@cites("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.2", "RFC9293-3.5.2-unsynchronized")
@in_state(LISTEN)
def test_ack_to_a_listener(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """Any acknowledgment that reaches a listener is reset with its own number; the listener goes on."""
    with target.must_stay():
        peer.send(flags, data, seq=1000, ack=2000)
        target.must_send(RST, seq=Absolute(2000))
    target.accept_must_block()
    peer.renew(50_000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)


@ACKNOWLEDGING
@pytest.mark.parametrize("ack", [-70_000, 0, 2], ids=["old", "iss", "unsent"])
@cites("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.3", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_SENT)
def test_ack_to_an_opener(target: Target, peer: Peer, flags: int, data: bytes, ack: int) -> None:
    """In SYN-SENT an ACK that does not acknowledge the SYN is reset with its own number and changes nothing."""
    with target.must_stay():
        peer.send(flags, data, seq=1000, ack=ack)
        target.must_send(RST, seq=ack)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("ack", [-70_000, 0, 2], ids=["old", "iss", "unsent"])
@cites("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.3")
@in_state(SYN_SENT)
def test_syn_ack_to_an_opener(target: Target, peer: Peer, ack: int) -> None:
    """A SYN,ACK that does not acknowledge the SYN is reset too: its SYN is not looked at."""
    with target.must_stay():
        peer.send(SYN | ACK, seq=1000, ack=ack)
        target.must_send(RST, seq=ack)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("flags", [ACK, FIN | ACK], ids=["ack", "fin"])
@pytest.mark.parametrize("ack", [-70_000, 0, 2], ids=["old", "iss", "unsent"])
@cites("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.4 fifth", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_ack_in_syn_received(target: Target, peer: Peer, flags: int, ack: int) -> None:
    """In SYN-RECEIVED an ACK of anything but the SYN is reset with its own number, and only the right one counts."""
    with target.must_stay():
        peer.send(flags, seq=1, ack=ack)
        target.must_send(RST, seq=ack)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5.2 group 2", "RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED)
def test_data_with_wrong_ack_in_syn_received(target: Target, peer: Peer) -> None:
    """Text that comes with a wrong acknowledgment is not kept for the time after the handshake."""
    with target.must_stay():
        peer.send(ACK, b"forged", seq=1, ack=2)
        target.must_send(RST, seq=2)
    peer.send(ACK, seq=1, ack=1)
    target.accept()
    target.must_not_deliver()
    prove_alive(target, peer)
