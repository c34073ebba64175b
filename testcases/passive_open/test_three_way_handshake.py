"""The three-way handshake of figure 6 with the target as TCP Peer B, and what may come with its third segment."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    EOF,
    ESTABLISHED,
    FIN,
    LISTEN,
    SYN,
    SYN_RECEIVED,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.2 third", figure=6)
def test_three_way_handshake(target: Target, peer: Peer) -> None:
    """SYN, SYN and its acknowledgment, ACK: the connection is established, and data flows."""
    target.listen()
    target.must_be(LISTEN)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    peer.send(ACK, b"data")
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_nothing_to_accept_before_the_third_segment(target: Target, peer: Peer) -> None:
    """The application gets a connection when the handshake is complete, and not while it is half-open."""
    target.accept_must_block()
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    target.must_not_deliver()


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_third_segment_with_data(target: Target, peer: Peer) -> None:
    """The segment that completes the handshake may carry data, which is acknowledged and delivered."""
    peer.send(ACK, b"first")
    target.must_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)
    target.accept()
    target.must_deliver(b"first")


@pytest.mark.parametrize("data", [b"", b"only"], ids=["fin", "data-and-fin"])
@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_third_segment_with_fin(target: Target, peer: Peer, data: bytes) -> None:
    """A FIN on the segment that completes the handshake is processed too: the connection is in CLOSE-WAIT."""
    peer.send(FIN | ACK, data)
    target.must_send(ACK, seq=1, ack=2 + len(data))
    target.must_be(CLOSE_WAIT)
    target.accept()
    if data:
        target.must_deliver(data)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 fifth", "SHLD-31")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_lost_third_segment_is_made_up_for_by_data(target: Target, peer: Peer) -> None:
    """The ACK of the SYN,ACK is lost: the data behind it acknowledges the same, in whatever order it comes."""
    peer.send(ACK, b"second", seq=6)
    target.may_send(ACK, seq=1, ack=1)
    peer.send(ACK, b"first", seq=1)
    target.must_answer(segment(ACK, seq=1, ack=12, cites="SHLD-31"), segment(ACK, seq=1, ack=6, cites="SHLD-31"))
    target.must_be(ESTABLISHED)


@cites("MUST-41", "RFC 9293 §3.9.1.1", "MUST-42")
def test_listener_serves_one_peer_after_the_other(target: Target, peer: Peer) -> None:
    """One connection in SYN-RECEIVED and one ESTABLISHED don't keep the listener from serving a third."""
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    second_target, second_peer = target.beside()
    second_peer.send(SYN)
    second_target.must_send(SYN | ACK, seq=0, ack=1)
    second_peer.send(ACK)
    second_target.must_be(ESTABLISHED)
    target.must_be(SYN_RECEIVED)
    third_target, third_peer = target.beside()
    third_peer.send(SYN)
    third_target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    third_target.must_be(SYN_RECEIVED)
    third_peer.send(ACK)
    third_target.must_be(ESTABLISHED)
