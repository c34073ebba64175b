"""The normal close sequence, begun by the peer (RFC 9293 §3.6, figure 12, TCP peer B)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    EOF,
    ESTABLISHED,
    FIN,
    LAST_ACK,
    PASSIVE,
    RST,
    SHUTDOWN,
    SIMULTANEOUS,
    SYN,
    Peer,
    Target,
    cites,
    in_state,
)

closing = pytest.mark.parametrize("call", [SHUTDOWN, CLOSE])


def _close(target: Target, call: str) -> None:
    target.close() if call == CLOSE else target.shutdown()


@closing
@cites("RFC 9293 §3.6", "RFC 9293 §3.10.7.4 eighth", figure=12)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE, SIMULTANEOUS))
def test_four_way_close(target: Target, peer: Peer, call: str) -> None:
    """The peer closes first: its FIN is acknowledged, the target's own FIN follows CLOSE, and its ACK ends it all."""
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)
    _close(target, call)
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=2)
    target.must_not_send()
    target.must_be(CLOSED)


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_no_fin_before_close(target: Target, peer: Peer) -> None:
    """The target's FIN waits for CLOSE: neither the peer's FIN nor reading the end nor more ACKs bring it forth."""
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    for _ in range(3):
        target.must_deliver(EOF)
        peer.send(ACK)
        target.must_not_send()
        target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-closing", "RFC9293-3.5.2-closed")
@in_state(LAST_ACK, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_the_port_knows_nothing_afterwards(target: Target, peer: Peer) -> None:
    """After the last ACK no trace is left: whatever comes on the old connection draws the reset of a closed port."""
    peer.send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)
    peer.send(ACK, seq=2, ack=2)
    target.must_send(RST, seq=2)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(RST, seq=2)
    peer.send(FIN, seq=1)
    target.must_send(RST | ACK, ack=2)
    peer.send(RST, seq=2)
    target.must_not_send()


@cites("RFC 9293 §3.10.7.4 seventh", "RFC 9293 §3.10.7.4 eighth", "RFC 9293 §3.10.3")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_fin_with_data(target: Target, peer: Peer) -> None:
    """A FIN that comes with data counts behind it: the data is delivered, and then the end, again and again."""
    peer.send(FIN | ACK, b"goodbye", seq=1)
    target.must_send(ACK, seq=1, ack=9)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(b"goodbye")
    for _ in range(3):
        target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
def test_fin_that_acknowledges_data(target: Target, peer: Peer) -> None:
    """The acknowledgment on a FIN counts: data that waited for it goes out, with the ACK of the FIN or behind it."""
    target.send(b"first")
    target.must_send(ACK, seq=1, ack=1, data=b"first")
    target.send(b"second")
    waits = not target.may_send(ACK, seq=6, ack=1, data=b"second")  # the Nagle algorithm is a SHOULD
    peer.send(FIN | ACK, seq=1, ack=6)
    if waits:
        target.may_send(ACK, seq=6, ack=2)
        target.must_send(ACK, seq=6, ack=2, data=b"second")
    else:
        target.must_send(ACK, seq=12, ack=2)
    target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=12, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=13)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
def test_fin_with_an_old_acknowledgment(target: Target, peer: Peer) -> None:
    """A FIN that acknowledges nothing new is taken as well; the data in flight stays unacknowledged."""
    target.send(b"in flight")
    target.must_send(ACK, seq=1, ack=1, data=b"in flight")
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=10, ack=2)
    target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=10, ack=2)
    peer.send(ACK, seq=2, ack=10)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=11)
    target.must_be(CLOSED)


@closing
@cites("RFC 9293 §3.10.4", "RFC9293-3.6-order")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_data_goes_before_the_fin(target: Target, peer: Peer, call: str) -> None:
    """What is sent in CLOSE-WAIT goes out before the FIN of CLOSE, and both are acknowledged together."""
    target.send(b"last words")
    target.must_send(ACK, seq=1, ack=2, data=b"last words")
    _close(target, call)
    target.must_send(FIN | ACK, seq=11, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=12)
    target.must_be(CLOSED)


@closing
@cites("RFC 9293 §3.10.4", "RFC9293-3.6-order")
@in_state(CLOSE_WAIT)
def test_closed_window_holds_data_and_fin(target: Target, peer: Peer, call: str) -> None:
    """In CLOSE-WAIT too, data and FIN wait for the peer's window, and go in this order when it opens."""
    peer.send(ACK, window=0)
    target.send(b"last words")
    probed = target.must_hold_back(b"last words", seq=1, ack=2)
    _close(target, call)
    target.must_not_send()
    peer.send(ACK, window=65535)
    target.must_send_stream(b"last words"[probed:], seq=1 + probed, ack=2, fin=True)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=12)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.4", "RFC 9293 §3.10.2")
@in_state(CLOSE_WAIT)
def test_second_close(target: Target, peer: Peer) -> None:
    """CLOSE after the sending direction was closed sends no second FIN, and the last ACK still ends the connection."""
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.shutdown()
    target.must_not_send()
    target.close()
    target.must_not_send()
    target.must_be(LAST_ACK)
    peer.send(ACK, ack=2)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.5", "RFC 9293 §3.10.4")
@in_state(LAST_ACK, keep_listener=True)
def test_the_same_ports_again(target: Target, peer: Peer) -> None:
    """The side that closes second does not wait: the same pair of sockets opens again at once."""
    peer.send(ACK, seq=2, ack=2)
    peer.renew(100_000)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
