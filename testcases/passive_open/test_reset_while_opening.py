"""A reset in SYN-RECEIVED after a passive open: the connection returns to LISTEN, and nobody needs to be told."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)


def _opens_again(target: Target, peer: Peer) -> None:
    peer.renew(5000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()


@pytest.mark.parametrize(
    ("flags", "ack", "data"),
    [(RST, 0, b""), (RST | ACK, 1, b""), (RST | ACK, 0, b""), (RST | ACK, 2, b""), (RST, 0, b"why")],
    ids=["rst", "rst-ack", "rst-ack-below", "rst-ack-above", "rst-with-data"],
)
@cites("RFC 9293 §3.10.7.4 second", "MUST-11", "RFC9293-3.5.3-validity", "SHLD-2")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_reset_returns_to_listen(target: Target, peer: Peer, flags: int, ack: int, data: bytes) -> None:
    """A reset at the expected number, whatever it acknowledges, ends the attempt in silence; the port still listens."""
    peer.send(flags, data, seq=1, ack=ack)
    target.must_not_send()
    target.must_be(LISTEN)
    target.accept_must_block()
    _opens_again(target, peer)


@cites("RFC 9293 §3.10.7.4 second", "MUST-11", "RFC 9293 §3.10.7.2 second")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_third_segment_after_a_reset_is_refused(target: Target, peer: Peer) -> None:
    """Nothing of the connection is left after the reset: the ACK that would have completed it draws a reset."""
    peer.send(RST, seq=1)
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)
    target.must_be(LISTEN)
    target.accept_must_block()


@pytest.mark.parametrize("seq", [0, -1, -(1 << 30), 70_000], ids=["irs", "one-below", "far-below", "above"])
@cites("RFC9293-3.5.3-validity", "RFC 9293 §3.10.7.4 first")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_reset_out_of_the_window_is_dropped(target: Target, peer: Peer, seq: int) -> None:
    """A reset whose number is not in the window changes nothing and is not answered."""
    peer.send(RST, seq=seq)
    target.must_not_send()
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("seq", [2, 30_000], ids=["next", "deep"])
@requires(Capability.RFC5961_RST)
@cites("RFC9293-3.10.7.4-rst", "RFC 9293 §3.10.7.4 second", "RFC5961-3.2-challenge")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_reset_in_the_window_is_challenged(target: Target, peer: Peer, seq: int) -> None:
    """A reset in the window but not at the expected number draws a challenge ACK; the peer's answer to it resets."""
    peer.send(RST, seq=seq)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(RST, seq=1)
    target.must_be(LISTEN)
    _opens_again(target, peer)


@cites("MUST-11", "MUST-41")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_reset_of_one_attempt_leaves_the_others(target: Target, peer: Peer) -> None:
    """Two peers are half-open on one port: the reset of the one does not touch the other."""
    other_target, other_peer = target.beside()
    other_peer.send(SYN)
    other_target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(RST, seq=1)
    target.must_be(LISTEN)
    other_target.must_be(SYN_RECEIVED)
    other_peer.send(ACK)
    other_target.must_be(ESTABLISHED)
