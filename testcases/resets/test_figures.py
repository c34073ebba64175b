"""Old duplicates and half-open connections as RFC 9293 draws them: figures 8 to 11, the target on either side."""

import errno

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
)
from testcases.resets.proof import prove_alive, prove_gone


@cites("RFC 9293 §3.5", figure=8)
@in_state(LISTEN)
def test_old_duplicate_syn_at_the_listener(target: Target, peer: Peer) -> None:
    """An old SYN is answered like any other; the reset that it earns clears the way for the present SYN."""
    peer.send(SYN, seq=-10)
    target.must_send(SYN | ACK, seq=0, ack=-9)
    target.must_be(SYN_RECEIVED)
    peer.send(RST, seq=-9)
    target.must_not_send()
    target.must_be(LISTEN)
    peer.renew(0)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
    prove_alive(target, peer)


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.3", figure=8)
@in_state(SYN_SENT)
def test_old_duplicate_syn_at_the_opener(target: Target, peer: Peer) -> None:
    """A SYN,ACK for somebody's old SYN is reset with a believable number, and the opening goes on."""
    with target.must_stay():
        peer.send(SYN | ACK, seq=300, ack=-9)
        target.must_send(RST, seq=-9)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5.1", "RFC5961-4.2-recovery", "RFC 9293 §3.10.7.4", figure=9)
@in_state(ESTABLISHED, keep_listener=True)
def test_peer_restarts_and_opens_again(target: Target, peer: Peer) -> None:
    """The SYN of a restarted peer draws an ACK, its reset ends the old connection, and its next SYN opens a new one."""
    peer.send(SYN, seq=-400)
    challenge = target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(RST, seq=challenge.ack)
    target.must_not_send()
    target.must_report(errno.ECONNRESET)
    peer.renew(-400)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
    prove_alive(target, peer)


@cites("RFC 9293 §3.5.1", "RFC 9293 §3.10.7.3", figure=9)
@in_state(SYN_SENT)
def test_target_restarts_and_opens_again(target: Target, peer: Peer) -> None:
    """An opener whose SYN is answered from an old connection resets that, stays in SYN-SENT and still gets through."""
    with target.must_stay():
        peer.send(ACK, seq=300, ack=-1000)
        target.must_send(RST, seq=-1000)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.5.1", "RFC 9293 §3.5.2", figure=10)
def test_data_for_a_connection_that_is_gone(target: Target, peer: Peer) -> None:
    """Data from before a restart draws a reset with the number that its sender expects."""
    peer.send(ACK, b"0123456789", seq=300, ack=100)
    target.must_send(RST, seq=Absolute(100))
    target.must_be(CLOSED)


@cites("RFC 9293 §3.5.1", "RFC 9293 §3.5.3", figure=10)
@in_state(ESTABLISHED)
def test_data_to_a_peer_that_is_gone(target: Target, peer: Peer) -> None:
    """The reset that the target's own data draws ends its connection, and the application is told."""
    target.send(b"0123456789")
    data = target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    peer.send(RST, seq=data.ack)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)
    target.send(b"more", refused=errno.EPIPE)
    prove_gone(target, peer, ack=11)


@cites("RFC 9293 §3.5.1", "RFC 9293 §3.10.7.2", figure=11)
@in_state(LISTEN)
def test_syn_ack_to_a_listener(target: Target, peer: Peer) -> None:
    """A listener that receives a SYN,ACK resets its sender and goes on listening."""
    with target.must_stay():
        peer.send(SYN | ACK, seq=0, ack=7001)
        target.must_send(RST, seq=Absolute(7001))
    peer.renew(5000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)


@cites("RFC 9293 §3.5.1", "RFC 9293 §3.5.3", "MUST-11", figure=11)
@in_state(LISTEN)
def test_old_duplicate_syn_between_listeners(target: Target, peer: Peer) -> None:
    """An old SYN stirs a listener; the reset of the other, which never called, returns it to LISTEN."""
    peer.send(SYN)
    answer = target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(RST, seq=answer.ack)
    target.must_not_send()
    target.must_be(LISTEN)
    target.accept_must_block()
    prove_gone(target, peer)
    target.must_be(LISTEN)
