"""Simultaneous open, figure 7: two SYNs cross, and the ways from there to ESTABLISHED."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    EOF,
    ESTABLISHED,
    FIN,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Peer,
    Target,
    cites,
    in_state,
    segment,
    silence,
)


def _data_flows(target: Target, peer: Peer) -> None:
    target.must_be(ESTABLISHED)
    target.send(b"to you")
    target.must_send(ACK, seq=1, ack=1, data=b"to you")
    peer.send(ACK, b"to me", seq=1, ack=7)
    target.must_send(ACK, seq=7, ack=6)
    target.must_deliver(b"to me")


@cites("RFC 9293 §3.5", "MUST-10", "RFC 9293 §3.10.7.3 fourth", figure=7)
def test_figure_7_simultaneous_open(target: Target, peer: Peer) -> None:
    """Two SYNs cross; each side answers with SYN,ACK, and the other's SYN,ACK establishes the connection."""
    target.connect()
    target.must_send(SYN, seq=0)
    target.must_be(SYN_SENT)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_answer(silence(cites="RFC 9293 §3.5"), segment(ACK, seq=1, ack=1, cites="RFC 9293 §3.10.7.4 first"))
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5", "MUST-10")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_data_flows_after_crossing_syn_acks(target: Target, peer: Peer) -> None:
    """The connection that crossing SYN,ACKs have opened carries data in both directions."""
    peer.send(SYN | ACK, seq=0, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    _data_flows(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth", "MUST-10")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_bare_ack_establishes(target: Target, peer: Peer) -> None:
    """The peer's SYN,ACK is lost, but any ACK of the target's SYN establishes the connection as well."""
    target.must_report_pending(0)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    _data_flows(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_data_establishes_and_is_delivered(target: Target, peer: Peer) -> None:
    """The first acknowledgment may come with data, which is acknowledged and delivered."""
    target.must_not_deliver()
    peer.send(ACK, b"first", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)
    target.must_deliver(b"first")


@pytest.mark.parametrize("data", [b"", b"only"], ids=["fin", "data-and-fin"])
@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_fin_establishes_and_closes(target: Target, peer: Peer, data: bytes) -> None:
    """A FIN on the first acknowledgment is processed too: the connection is in CLOSE-WAIT."""
    peer.send(FIN | ACK, data, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2 + len(data))
    target.must_be(CLOSE_WAIT)
    if data:
        target.must_deliver(data)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.5", "RFC9293-3.5-early-data", "RFC 9293 §3.10.7.3 fourth")
@in_state(SYN_SENT)
def test_data_on_the_crossing_syn_is_not_delivered_early(target: Target, peer: Peer) -> None:
    """Data on a crossing SYN waits for the handshake; repeated behind it, it reaches the application once."""
    peer.send(SYN, b"early", seq=0)
    target.must_answer(segment(SYN | ACK, seq=0, ack=1), segment(SYN | ACK, seq=0, ack=6))
    target.must_be(SYN_RECEIVED)
    target.must_not_deliver()
    peer.send(ACK, b"early bird", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=11)
    target.must_be(ESTABLISHED)
    target.must_deliver(b"early bird")
    target.must_not_deliver()


@cites("RFC 9293 §3.10.7.3 fourth")
@in_state(SYN_SENT)
def test_fin_on_the_crossing_syn_closes_nothing_early(target: Target, peer: Peer) -> None:
    """A FIN on a crossing SYN waits for the handshake: the SYN is answered, and no end of the stream is told."""
    peer.send(SYN | FIN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    target.must_not_deliver()
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)


@pytest.mark.parametrize("iss", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF], ids=lambda iss: f"{iss:#010x}")
@cites("RFC 9293 §3.4", "MUST-10")
def test_peer_begins_at_any_number(target: Target, peer: Peer, iss: int) -> None:
    """Crossing SYNs open a connection wherever the peer's numbers begin, the wrap-around at 2**32 included."""
    peer.choose_iss(iss)
    target.connect()
    target.must_send(SYN, seq=0)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    _data_flows(target, peer)


@cites("MUST-10", "MUST-41")
@in_state(SYN_SENT)
def test_peer_answers_and_opens_at_once(target: Target, peer: Peer) -> None:
    """The peer's SYN and its SYN,ACK arrive back to back: one connection comes of it."""
    peer.inject(peer.segment(SYN, seq=0), peer.segment(SYN | ACK, seq=0, ack=1))
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    _data_flows(target, peer)


@cites("MUST-10", "RFC 9293 §3.10.7.3 first", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_SENT)
def test_crossing_syn_after_a_stray_syn_ack(target: Target, peer: Peer) -> None:
    """A SYN,ACK of an old connection is reset; the SYN that crosses next is answered as if nothing had been."""
    peer.send(SYN | ACK, seq=5000, ack=-3)
    target.must_send(RST, seq=-3)
    target.must_be(SYN_SENT)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1)
    _data_flows(target, peer)
