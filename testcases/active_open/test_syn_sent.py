"""SYN-SENT: what does not open the connection leaves it waiting for what does (RFC 9293 §3.10.7.3)."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    NO_FLAGS,
    PSH,
    RST,
    SYN,
    SYN_SENT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
)

#: Acknowledgments of what the target has not sent: its SYN has the number 0, so only 1 is acceptable.
BAD_ACKS = pytest.mark.parametrize(
    "ack",
    [0, -1, -(1 << 30), 2, 1 << 30],
    ids=["the-iss-itself", "one-below", "far-below", "one-above", "far-above"],
)


def _opens(target: Target, peer: Peer) -> None:
    target.must_be(SYN_SENT)
    target.must_not_deliver()
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.must_not_deliver()


@BAD_ACKS
@pytest.mark.parametrize("flags", [SYN | ACK, ACK, FIN | ACK], ids=["syn-ack", "ack", "fin-ack"])
@cites("RFC 9293 §3.10.7.3 first", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_SENT)
def test_wrong_acknowledgment_is_reset(target: Target, peer: Peer, flags: int, ack: int) -> None:
    """An acknowledgment of anything but the SYN draws a reset with its number, and the attempt goes on."""
    peer.send(flags, seq=4000, ack=ack)
    target.must_send(RST, seq=ack)
    _opens(target, peer)


@cites("RFC 9293 §3.10.7.3 first", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_SENT)
def test_data_with_a_wrong_acknowledgment_is_reset(target: Target, peer: Peer) -> None:
    """Data of an old connection draws a reset that will end it at the peer, and is not delivered."""
    peer.send(ACK, b"old news", seq=4000, ack=500)
    target.must_send(RST, seq=500)
    _opens(target, peer)


@pytest.mark.parametrize(
    ("flags", "data"),
    [(ACK, b""), (PSH | ACK, b"data"), (FIN | ACK, b""), (URG | ACK, b"")],
    ids=["ack", "data", "fin-ack", "urg-ack"],
)
@cites("RFC 9293 §3.10.7.3 fifth", "RFC9293-3.10.7.4-fin-early")
@in_state(SYN_SENT)
def test_acceptable_ack_without_syn_is_dropped(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """The right acknowledgment without a SYN opens nothing; data and FIN on it are lost, in silence."""
    peer.send(flags, data, seq=1, ack=1)
    target.must_not_send()
    _opens(target, peer)


@pytest.mark.parametrize(
    ("flags", "data"),
    [(NO_FLAGS, b""), (FIN, b""), (PSH, b"data"), (URG, b"")],
    ids=["no-flags", "fin", "data", "urg"],
)
@cites("RFC 9293 §3.10.7.3 fifth", "RFC9293-3.10.7.4-fin-early")
@in_state(SYN_SENT)
def test_segment_without_syn_and_ack_is_dropped(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """A segment with neither SYN, RST nor ACK is dropped in silence, with its data and its FIN."""
    peer.send(flags, data, seq=1)
    target.must_not_send()
    _opens(target, peer)


@cites("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.4")
@in_state(SYN_SENT)
def test_number_of_the_syn_ack_is_the_peers_choice(target: Target, peer: Peer) -> None:
    """A SYN,ACK with a wrong acknowledgment must not fix the peer's numbers: those of the right one count."""
    peer.send(SYN | ACK, seq=77_000, ack=2)
    target.must_send(RST, seq=2)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    peer.send(ACK, b"data", seq=1)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")
