"""ABORT, which sockets spell SO_LINGER with a time of 0 and then close (RFC 9293 §3.10.5)."""

from harness.case import (
    ACK,
    ACTIVE,
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
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)


def _must_reset(target: Target, *, seq: int, ack: int) -> None:
    """Demand the reset of ABORT. The RFC's form has no ACK, but §3.1 wants that bit on all segments once it is open."""
    bare = segment(RST, seq=seq, cites="RFC 9293 §3.10.5")
    target.must_answer(bare, segment(RST | ACK, seq=seq, ack=ack, cites="RFC 9293 §3.1"))
    target.must_be(CLOSED)


def _is_gone(target: Target, peer: Peer, *, seq: int, ack: int) -> None:
    """Prove CLOSED from outside: the peer's next segment draws the reset of a port that knows no connection."""
    peer.send(ACK, seq=seq, ack=ack)
    target.must_send(RST, seq=ack)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_abort(target: Target, peer: Peer) -> None:
    """ABORT sends a reset instead of a FIN, and nothing is left of the connection."""
    target.abort()
    _must_reset(target, seq=1, ack=1)
    _is_gone(target, peer, seq=1, ack=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(FIN_WAIT_1, FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_abort_behind_the_own_fin(target: Target, peer: Peer) -> None:
    """In FIN-WAIT-1 and FIN-WAIT-2 the reset has the number behind the FIN."""
    target.abort()
    _must_reset(target, seq=2, ack=1)
    _is_gone(target, peer, seq=1, ack=2)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_abort_behind_the_fin_of_the_peer(target: Target, peer: Peer) -> None:
    """In CLOSE-WAIT ABORT sends a reset instead of the own FIN."""
    target.abort()
    _must_reset(target, seq=1, ack=2)
    _is_gone(target, peer, seq=2, ack=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(CLOSING, LAST_ACK, TIME_WAIT, opened=(PASSIVE, ACTIVE))
def test_abort_when_both_have_closed(target: Target, peer: Peer) -> None:
    """When both FINs have been sent ABORT just forgets the connection, without a segment."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    _is_gone(target, peer, seq=2, ack=2)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(SYN_SENT)
def test_abort_in_syn_sent(target: Target, peer: Peer) -> None:
    """ABORT in SYN-SENT sends nothing; the SYN,ACK that comes then draws a reset."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_abort_in_syn_received(target: Target, peer: Peer) -> None:
    """ABORT in SYN-RECEIVED sends a reset with the next send number."""
    target.abort()
    _must_reset(target, seq=1, ack=1)
    _is_gone(target, peer, seq=1, ack=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(LISTEN)
def test_abort_in_listen(target: Target, peer: Peer) -> None:
    """ABORT of a listener sends nothing; the next SYN finds a closed port."""
    target.abort()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN, seq=0)
    target.must_send(RST | ACK, ack=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_abort_flushes_the_send_queue(target: Target, peer: Peer) -> None:
    """What waits for the peer's window is thrown away; the reset has the next send number, not the one behind it."""
    peer.send(ACK, window=0)
    target.send(b"never sent")
    target.must_not_send()
    target.abort()
    _must_reset(target, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1, window=65535)
    target.must_send(RST, seq=1)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED)
def test_abort_with_data_in_flight(target: Target, peer: Peer) -> None:
    """Behind data that was sent and not yet acknowledged the reset has the number that comes next."""
    target.send(b"in flight")
    target.must_send(ACK, seq=1, data=b"in flight")
    target.abort()
    _must_reset(target, seq=10, ack=1)
    _is_gone(target, peer, seq=1, ack=10)


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED)
def test_abort_with_unread_data(target: Target, peer: Peer) -> None:
    """Unread data is thrown away; the reset acknowledges no more than was received."""
    peer.send(ACK, b"unread")
    target.must_send(ACK, seq=1, ack=7)
    target.abort()
    _must_reset(target, seq=1, ack=7)
    peer.send(FIN | ACK, seq=7, ack=1)
    target.must_send(RST, seq=1)
