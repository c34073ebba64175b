"""A reset in SYN-SENT: refused if it acknowledges the SYN, ignored if not (RFC 9293 §3.10.7.3, second check)."""

import errno

import pytest

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    RST,
    SYN,
    SYN_SENT,
    Peer,
    Target,
    cites,
    in_state,
)

#: RFC 9293 calls the signal "connection reset", interfaces with sockets "connection refused".
REFUSED = (errno.ECONNREFUSED, errno.ECONNRESET)


@pytest.mark.parametrize("seq", [0, 1, 4_000_000, 1 << 31], ids=["zero", "one", "any", "far"])
@cites("RFC 9293 §3.10.7.3 second", "RFC9293-3.10.7.3-rst", "RFC9293-3.5.3-validity", "RFC5961-3.2-syn-sent")
@in_state(SYN_SENT)
def test_refused(target: Target, peer: Peer, seq: int) -> None:
    """A reset that acknowledges the SYN, whatever its own number, ends the attempt, and the application is told."""
    peer.send(RST | ACK, seq=seq, ack=1)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(*REFUSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@pytest.mark.parametrize(
    ("flags", "data"), [(RST | ACK, b"no such port"), (SYN | RST | ACK, b"")], ids=["with-data", "with-syn"]
)
@cites("RFC 9293 §3.10.7.3 second", "RFC9293-3.10.7.3-rst", "SHLD-2")
@in_state(SYN_SENT)
def test_refused_by_a_reset_with_more(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """Data or a SYN on the reset don't change that it refuses the connection."""
    peer.send(flags, data, seq=0, ack=1)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(*REFUSED)


@pytest.mark.parametrize("ack", [0, -1, 2, 1 << 30], ids=["the-iss-itself", "below", "above", "far-above"])
@cites("RFC 9293 §3.10.7.3 first", "RFC5961-3.2-syn-sent", "RFC9293-3.5.3-validity", "RFC9293-3.5.2-sparing")
@in_state(SYN_SENT)
def test_reset_with_a_wrong_acknowledgment_is_dropped(target: Target, peer: Peer, ack: int) -> None:
    """A reset that acknowledges something else is dropped in silence, and the connection can still open."""
    peer.send(RST | ACK, seq=0, ack=ack)
    target.must_not_send()
    target.must_be(SYN_SENT)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("flags", [RST, SYN | RST], ids=["rst", "syn-rst"])
@cites("RFC 9293 §3.10.7.3 second", "RFC5961-3.2-syn-sent", "RFC9293-3.5.3-validity")
@in_state(SYN_SENT)
def test_reset_without_acknowledgment_is_dropped(target: Target, peer: Peer, flags: int) -> None:
    """A reset without ACK can't be told from a forged one: it is dropped in silence."""
    peer.send(flags, seq=0)
    target.must_not_send()
    target.must_be(SYN_SENT)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.3 second", "RFC6528-3-incarnation", "RFC 9293 §3.4.1")
@in_state(SYN_SENT)
def test_next_attempt_after_a_refusal(target: Target, peer: Peer) -> None:
    """A refusal is for one attempt only: the next one from the same port can be established."""
    peer.send(RST | ACK, seq=0, ack=1)
    target.must_report(*REFUSED)
    target.close()
    peer.renew(9000)
    target.connect()
    target.must_send(SYN, seq=0)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC9293-3.5.2-sparing", "RFC 9293 §3.10.7.3 second")
@in_state(SYN_SENT)
def test_refusal_of_one_attempt_leaves_the_other(target: Target, peer: Peer) -> None:
    """Two attempts from one port to two peers: the refusal of the one does not touch the other."""
    other_target, other_peer = target.beside()
    other_target.connect()
    other_target.must_send(SYN, seq=0)
    peer.send(RST | ACK, seq=0, ack=1)
    target.must_be(CLOSED)
    other_target.must_be(SYN_SENT)
    other_peer.send(SYN | ACK, seq=0, ack=1)
    other_target.must_send(ACK, seq=1, ack=1)
    other_target.must_be(ESTABLISHED)
