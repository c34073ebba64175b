"""The three-way handshake of figure 6 with the target as TCP Peer A, and what may come with the SYN,ACK."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    ECE,
    EOF,
    ESTABLISHED,
    FIN,
    PSH,
    SYN,
    SYN_SENT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)
from harness.spec import options


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.3 fourth", figure=6)
def test_handshake_of_the_active_opener(target: Target, peer: Peer) -> None:
    """SYN; the SYN,ACK is acknowledged and establishes the connection; data flows."""
    target.connect()
    target.must_send(SYN, seq=0)
    target.must_be(SYN_SENT)
    peer.send(SYN | ACK)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.must_report_pending(0)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")


@cites("RFC 9293 §3.5", "RFC 9293 §3.1", "MUST-14", "MUST-65")
def test_first_segment_is_a_plain_syn(target: Target, peer: Peer) -> None:
    """The first segment has SYN alone, or asks for ECN, and no data; it should announce a maximum segment size."""
    target.connect()
    syn = target.must_send(SYN, seq=0)
    target.should_show("an MSS option", options.mss_of(syn.options) is not None, True)
    target.should_show(
        "the unused acknowledgment number and urgent pointer", (peer.last_packet.segment.ack, syn.urgent), (0, 0)
    )
    target.must_be(SYN_SENT)


@cites("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.4 seventh")
@in_state(SYN_SENT)
def test_data_with_the_syn_ack_is_delivered_once(target: Target, peer: Peer) -> None:
    """Data on a SYN,ACK is taken, or comes again; either way it reaches the application once and in order."""
    peer.send(SYN | ACK, b"hello", ack=1)
    target.must_answer(segment(ACK, seq=1, ack=6), segment(ACK, seq=1, ack=1))
    target.may_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"hello world", seq=1)
    target.must_send(ACK, seq=1, ack=12)
    target.must_deliver(b"hello world")
    target.must_not_deliver()


@cites("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.4 seventh")
@in_state(SYN_SENT)
def test_data_with_the_syn_ack_is_taken(target: Target, peer: Peer) -> None:
    """Data on a SYN,ACK should be processed at once, for the connection is established before the text is looked at."""
    peer.send(SYN | ACK, b"hello", ack=1)
    target.may_send(ACK, seq=1, ack=1)
    target.should_send(ACK, seq=1, ack=6)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_SENT)
def test_fin_with_the_syn_ack_closes(target: Target, peer: Peer) -> None:
    """A FIN on the SYN,ACK counts: the connection is established and, in the same breath, in CLOSE-WAIT."""
    peer.send(SYN | FIN | ACK, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.3 fourth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_SENT)
def test_fin_right_behind_the_syn_ack(target: Target, peer: Peer) -> None:
    """A FIN that follows the SYN,ACK back to back closes the connection that has just been established."""
    peer.inject(peer.segment(SYN | ACK, seq=0, ack=1), peer.segment(FIN | ACK, seq=1, ack=1))
    target.may_send(ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)


@pytest.mark.parametrize("flags", [PSH, URG, ECE], ids=["psh", "urg", "ece-unasked"])
@cites("RFC 9293 §3.10.7.3 fourth")
@in_state(SYN_SENT)
def test_harmless_flags_on_the_syn_ack(target: Target, peer: Peer, flags: int) -> None:
    """PSH, URG, and the ECE that nobody asked for don't keep a SYN,ACK from establishing the connection."""
    peer.send(SYN | ACK | flags)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5.2 group 3", "RFC9293-3.5.2-synchronized", "RFC 9293 §3.10.7.4 first")
@in_state(ESTABLISHED, opened=ACTIVE)
def test_repeated_syn_ack_is_acknowledged_again(target: Target, peer: Peer) -> None:
    """The ACK of the SYN,ACK was lost and the SYN,ACK comes again: so does the ACK, and the connection goes on."""
    for _ in range(2):
        peer.send(SYN | ACK, seq=0, ack=1)
        target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"data", seq=1)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")
