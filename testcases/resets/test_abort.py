"""ABORT in each state (RFC 9293 §3.10.5): a reset where the other side still has a connection, else silence."""

import errno

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    PASSIVE,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)
from testcases.resets.proof import prove_gone

RULE = cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")


def _must_reset(target: Target, *, seq: int, ack: int, probed: int = 0) -> None:
    """The reset of ABORT. It may carry an ACK, as everything does once a connection is synchronized (§3.1).

    What probed a closed window (`probed` octets) is not expected to be taken: it may count as sent, or not.
    """
    target.must_answer(
        *(segment(RST, seq=start, cites="RFC 9293 §3.10.5") for start in range(seq, seq + probed + 1)),
        *(segment(RST | ACK, seq=start, ack=ack, cites="RFC 9293 §3.1") for start in range(seq, seq + probed + 1)),
    )


@RULE
@in_state(LISTEN)
def test_abort_in_listen(target: Target, peer: Peer) -> None:
    """In LISTEN nothing is sent; the port is closed at once."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)


@RULE
@in_state(SYN_SENT)
def test_abort_in_syn_sent(target: Target, peer: Peer) -> None:
    """In SYN-SENT nothing is sent: the peer may not even exist. Its SYN,ACK comes too late."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@RULE
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_abort_in_syn_received(target: Target, peer: Peer) -> None:
    """In SYN-RECEIVED the peer has seen our SYN: it gets a reset behind it."""
    target.abort()
    _must_reset(target, seq=1, ack=1)
    target.must_be(CLOSED)
    prove_gone(target, peer)


@RULE
@in_state(ESTABLISHED, CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_abort_with_the_peer_connected(target: Target, peer: Peer) -> None:
    """The peer gets a reset with the next sequence number, and no FIN; the connection is gone."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    target.abort()
    _must_reset(target, seq=snd_nxt, ack=rcv_nxt)
    target.must_be(CLOSED)
    prove_gone(target, peer, seq=rcv_nxt, ack=snd_nxt)


@RULE
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_abort_after_half_close(target: Target, peer: Peer) -> None:
    """After our FIN the reset counts it: its number is one higher."""
    target.abort()
    _must_reset(target, seq=2, ack=1)
    target.must_be(CLOSED)
    prove_gone(target, peer, ack=2)


@RULE
@in_state(CLOSING, LAST_ACK, TIME_WAIT)
def test_abort_when_both_have_closed(target: Target, peer: Peer) -> None:
    """When both FINs are out nothing is sent any more: the connection is just deleted."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer, seq=2, ack=2)


@RULE
@in_state(ESTABLISHED)
def test_abort_with_data_in_flight(target: Target, peer: Peer) -> None:
    """The number of the reset lies behind the data in flight, acknowledged or not; nothing of it is sent again."""
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, data=b"0123456789")
    target.abort()
    _must_reset(target, seq=11, ack=1)
    target.must_be(CLOSED)
    prove_gone(target, peer, ack=11)


@RULE
@in_state(ESTABLISHED)
def test_abort_with_data_waiting(target: Target, peer: Peer) -> None:
    """What waits for the peer's window is flushed: the reset takes the number at which it would have begun."""
    peer.send(ACK, window=0)
    target.send(b"0123456789")
    probed = target.must_hold_back(b"0123456789", seq=1, ack=1)
    target.abort()
    _must_reset(target, seq=1, ack=1, probed=probed)
    target.must_be(CLOSED)
    prove_gone(target, peer)


@pytest.mark.parametrize("octets", [1, 5000], ids=["little", "much"])
@RULE
@in_state(ESTABLISHED)
def test_abort_with_data_unread(target: Target, peer: Peer, octets: int) -> None:
    """Data that the application has not read makes no difference: one reset, at the next sequence number."""
    for start in range(0, octets, 1000):
        peer.send(ACK, bytes(min(1000, octets - start)))
        target.must_send(ACK, ack=peer.snd_nxt)
    target.abort()
    _must_reset(target, seq=1, ack=1 + octets)
    target.must_be(CLOSED)


@RULE
@in_state(ESTABLISHED)
def test_reset_of_an_abort_is_answered_by_silence(target: Target, peer: Peer) -> None:
    """Both sides abort at once: two resets cross, and neither draws another."""
    target.abort()
    _must_reset(target, seq=1, ack=1)
    peer.send(RST | ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(CLOSED)


@RULE
@in_state(ESTABLISHED, keep_listener=True)
def test_port_is_free_after_abort(target: Target, peer: Peer) -> None:
    """No TIME-WAIT is in the way after an abort: the same two ports connect anew at once."""
    target.abort()
    _must_reset(target, seq=1, ack=1)
    peer.renew(100_000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)


@RULE
@in_state(ESTABLISHED)
def test_send_and_receive_after_the_peers_abort(target: Target, peer: Peer) -> None:
    """The peer's abort fails an outstanding RECEIVE with a reset; SEND finds no connection afterwards."""
    peer.send(RST | ACK, seq=1, ack=1)
    target.must_report(errno.ECONNRESET)
    target.send(b"in vain", refused=errno.EPIPE)
    target.must_be(CLOSED)
