"""Resets that count, and what they do in each state: RFC 9293 §3.5.3, and RFC 5961 §3.2 where both agree."""

import errno

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    PASSIVE,
    RST,
    SHUTDOWN,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
)
from harness.case.user_calls import ANY_ERROR
from testcases.resets.proof import prove_gone

RULE = cites("RFC 9293 §3.5.3", "RFC9293-3.5.3-validity", "RFC5961-3.2-exact")
SHAPES = pytest.mark.parametrize(
    ("flags", "ack"),
    [(RST, 0), (RST | ACK, None), (RST | ACK, 99_999), (RST | URG, 0), (RST | FIN | ACK, None), (RST | SYN, 0)],
    ids=["bare", "ack", "ack-unsent", "urgent", "fin", "syn"],
)


@RULE
@cites("RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_reset_ends_the_connection(target: Target, peer: Peer) -> None:
    """A reset at the next expected number closes the connection without an answer, and the application is told."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    peer.send(RST, seq=rcv_nxt)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)
    prove_gone(target, peer, seq=rcv_nxt, ack=snd_nxt)


@RULE
@cites("RFC 9293 §3.10.7.4 second")
@in_state(CLOSE_WAIT)
def test_reset_in_close_wait(target: Target, peer: Peer) -> None:
    """In CLOSE-WAIT, too, a reset closes the connection and fails what the application sends from then on."""
    peer.send(RST, seq=2)
    target.must_not_send()
    target.must_be(CLOSED)
    target.send(b"in vain", refused=ANY_ERROR)
    prove_gone(target, peer, seq=2)


@RULE
@cites("RFC 9293 §3.10.7.4 second")
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK, TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_reset_after_the_close(target: Target, peer: Peer) -> None:
    """After the application's close a reset just deletes the connection, TIME-WAIT included."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    peer.send(RST, seq=rcv_nxt)
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer, seq=rcv_nxt, ack=snd_nxt)


@SHAPES
@RULE
@cites("RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED)
def test_reset_with_other_bits(target: Target, peer: Peer, flags: int, ack: int | None) -> None:
    """RST is checked before ACK, SYN and FIN: whatever else is set, the reset takes effect and draws no answer."""
    peer.send(flags, seq=1, ack=ack)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)


@cites("SHLD-2", "RFC 9293 §3.5.3")
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)
def test_reset_with_data(target: Target, peer: Peer) -> None:
    """A reset may carry text, which changes nothing about it."""
    peer.send(RST, b"go away", seq=peer.snd_nxt)
    target.must_not_send()
    target.should_be(CLOSED)


@cites("SHLD-2", "RFC 9293 §3.5.3", "RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED)
def test_text_of_a_reset_is_not_data(target: Target, peer: Peer) -> None:
    """The text of a reset is a diagnosis, not data: the application is told of the reset and gets none of it."""
    peer.send(RST, b"go away", seq=1)
    target.must_not_send()
    target.must_report(errno.ECONNRESET)


@RULE
@cites("RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED)
def test_reset_discards_what_was_to_be_sent(target: Target, peer: Peer) -> None:
    """A reset flushes the queues: what waited for the window is not sent, though the peer opens it."""
    peer.send(ACK, window=0)
    target.send(b"waiting")
    target.must_hold_back(b"waiting", seq=1, ack=1)
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer)


@cites("RFC 9293 §3.5.3", "RFC 9293 §3.10.7.4 second", "MUST-11", "RFC5961-3.2-exact")
@in_state(SYN_RECEIVED)
def test_reset_in_passive_syn_received(target: Target, peer: Peer) -> None:
    """A reset returns a passively opened connection to LISTEN; nobody is told, and the next SYN is answered."""
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(LISTEN)
    target.accept_must_block()
    peer.renew(100_000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@cites("RFC 9293 §3.5.3", "RFC 9293 §3.10.7.4 second", "MUST-11", "RFC5961-3.2-exact")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_reset_in_active_syn_received(target: Target, peer: Peer) -> None:
    """A reset in the SYN-RECEIVED of an active opener ends the attempt."""
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer)


@pytest.mark.parametrize("data", [b"", b"text"], ids=["bare", "data"])
@pytest.mark.parametrize("flags", [RST, RST | ACK], ids=["rst", "rst-ack"])
@cites("RFC 9293 §3.5.3", "RFC 9293 §3.10.7.2")
@in_state(LISTEN)
def test_listener_ignores_resets(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """A listener has sent nothing that a reset could answer: it ignores it and goes on."""
    with target.must_stay():
        peer.send(flags, data, seq=0, ack=1)
        target.must_not_send()
    peer.renew(100_000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)


@pytest.mark.parametrize("seq", [0, 123_456_789, -1], ids=["zero", "any", "below"])
@pytest.mark.parametrize("data", [b"", b"text"], ids=["bare", "data"])
@cites("RFC 9293 §3.5.3", "RFC9293-3.10.7.3-rst")
@in_state(SYN_SENT)
def test_refusal(target: Target, peer: Peer, seq: int, data: bytes) -> None:
    """In SYN-SENT a reset that acknowledges the SYN refuses the connection, whatever its own number."""
    peer.send(RST | ACK, data, seq=seq, ack=1)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("flags", "ack"),
    [(RST, 0), (RST, 1), (RST | ACK, 0), (RST | ACK, 2), (RST | ACK, -70_000), (RST | SYN, 0), (RST | SYN | ACK, 2)],
    ids=["no-ack", "no-ack-but-number", "iss", "unsent", "old", "syn", "syn-unsent"],
)
@cites("RFC 9293 §3.5.3", "RFC9293-3.10.7.3-rst", "RFC5961-3.2-syn-sent")
@in_state(SYN_SENT)
def test_no_refusal(target: Target, peer: Peer, flags: int, ack: int) -> None:
    """In SYN-SENT a reset that does not acknowledge the SYN is dropped in silence, and the opening goes on."""
    with target.must_stay():
        peer.send(flags, seq=0, ack=ack)
        target.must_not_send()
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
