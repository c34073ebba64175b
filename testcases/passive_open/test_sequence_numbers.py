"""Sequence numbers wrap around at 2**32: the handshake, data and the close behind it must not notice."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
)

#: The peer's initial sequence numbers: at the wrap-around, and where signed arithmetic changes its sign.
NUMBERS = pytest.mark.parametrize(
    "iss",
    [0, 1, 0x7FFFFFFE, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFE, 0xFFFFFFFF],
    ids=lambda iss: f"{iss:#010x}",
)


@NUMBERS
@cites("RFC 9293 §3.4", "RFC 9293 §3.5")
def test_handshake_at_any_number(target: Target, peer: Peer, iss: int) -> None:
    """A handshake, data and a FIN are acknowledged modulo 2**32, wherever the peer's numbers begin."""
    peer.choose_iss(iss)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()
    peer.send(ACK, b"a dozen more")
    target.must_send(ACK, seq=1, ack=13)
    target.must_deliver(b"a dozen more")
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=14)
    target.must_be(CLOSE_WAIT)


@NUMBERS
@cites("RFC 9293 §3.4", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.3-validity")
def test_window_at_any_number(target: Target, peer: Peer, iss: int) -> None:
    """What is below and above the window is told from what is in it, wherever the peer's numbers begin."""
    peer.choose_iss(iss)
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(RST, seq=-2)
    peer.send(RST, seq=80_000)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, b"stray", seq=-200, ack=1)
    target.should_send(ACK, seq=1, ack=1)
    peer.send(RST, seq=1)
    target.must_be(LISTEN)


@pytest.mark.parametrize("iss", [0xFFFFFFFF, 0], ids=["before-the-wrap", "behind-the-wrap"])
@cites("RFC 9293 §3.4", "RFC 9293 §3.10.7.1")
def test_refusal_at_the_wrap(target: Target, peer: Peer, iss: int) -> None:
    """The reset that refuses a SYN acknowledges SEG.SEQ+1, which may have wrapped to 0."""
    peer.choose_iss(iss)
    peer.send(SYN)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)


@cites("RFC 9293 §3.4", "RFC 9293 §3.10.7.4 first", "SHLD-31")
@in_state(LISTEN)
def test_gap_across_the_wrap_is_filled(target: Target, peer: Peer) -> None:
    """Data behind the wrap-around that arrives before data in front of it is put in order."""
    peer.choose_iss(0xFFFFFFFA)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    peer.send(ACK, b"behind", seq=7)
    target.may_send(ACK, seq=1, ack=1)
    peer.send(ACK, b"before", seq=1)
    target.should_send(ACK, seq=1, ack=13)
    target.must_deliver(b"beforebehind")
