"""Simultaneous open with losses: SYN and SYN,ACK come again, before and after the connection is established."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    segment,
)


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8", "MUST-10")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_repeated_syn_is_answered_with_the_same_numbers(target: Target, peer: Peer) -> None:
    """The target's SYN,ACK was lost and the peer's SYN comes again: the answer acknowledges it again."""
    for _ in range(2):
        peer.send(SYN, seq=0)
        target.must_answer(
            segment(ACK, seq=1, ack=1, cites="RFC 9293 §3.10.7.4 first"),
            segment(SYN | ACK, seq=0, ack=1, cites="RFC 9293 §3.10.8"),
        )
        target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_repeated_syn_ack_after_establishing(target: Target, peer: Peer) -> None:
    """The peer repeats its SYN,ACK because the target's was lost: an ACK tells it, and the connection stands."""
    peer.send(SYN | ACK, seq=0, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    for _ in range(2):
        peer.send(SYN | ACK, seq=0, ack=1)
        target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"data", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")


@cites("RFC 9293 §3.5", "RFC9293-3.5.2-synchronized")
@in_state(ESTABLISHED, opened=SIMULTANEOUS)
def test_late_crossing_syn(target: Target, peer: Peer) -> None:
    """A copy of the crossing SYN that arrives after the handshake is an old duplicate: it draws an ACK."""
    peer.send(SYN, seq=0)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@requires(Capability.RFC5961_SYN)
@pytest.mark.parametrize("seq", [100, 1 << 30, -1000], ids=["in-the-window", "above", "below"])
@cites("RFC 9293 §3.10.7.4 fourth", "RFC 9293 §3.10.7.4 first", "MUST-11")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_another_syn_is_challenged(target: Target, peer: Peer, seq: int) -> None:
    """An active opener has no LISTEN to return to: another SYN draws a challenge ACK, and the attempt goes on."""
    peer.send(SYN, seq=seq)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
