"""CLOSE before the connection is established (RFC 9293 §3.10.4)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSED,
    EOF,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
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
    silence,
)


@cites("RFC 9293 §3.10.4", "RFC9293-3.5.2-closed")
@in_state(LISTEN)
def test_close_in_listen(target: Target, peer: Peer) -> None:
    """CLOSE of a listener sends nothing; the next SYN finds a closed port."""
    target.close_listener()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN, seq=0)
    target.must_send(RST | ACK, ack=1)


@cites("RFC 9293 §3.10.4", "RFC 9293 §3.3.2")
@in_state(ESTABLISHED, keep_listener=True)
def test_close_of_the_listener_spares_its_connections(target: Target, peer: Peer) -> None:
    """A connection lives on when the listener that it came from is closed."""
    target.close_listener()
    target.must_not_send()
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"still here")
    target.must_send(ACK, seq=1, ack=11)
    target.must_deliver(b"still here")


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-opening")
@in_state(SYN_SENT)
def test_close_in_syn_sent(target: Target, peer: Peer) -> None:
    """CLOSE in SYN-SENT drops the attempt without a FIN; the SYN,ACK that comes then draws a reset."""
    target.close()
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-opening")
@in_state(SYN_SENT)
def test_shutdown_in_syn_sent(target: Target, peer: Peer) -> None:
    """Closing the sending direction only is CLOSE as well: in SYN-SENT it drops the attempt without a FIN."""
    target.shutdown(early=True)
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-opening")
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_close_in_syn_received(target: Target, peer: Peer) -> None:
    """CLOSE in SYN-RECEIVED sends a FIN and leads to FIN-WAIT-1; from there on it is an ordinary close."""
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, seq=1, ack=2)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-opening")
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_shutdown_in_syn_received(target: Target, peer: Peer) -> None:
    """Closing the sending direction in SYN-RECEIVED sends a FIN at once too, as nothing waits to be sent."""
    target.shutdown(early=True)
    target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.4", "RFC 9293 §3.6")
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_shutdown_in_syn_received_is_not_lost(target: Target, peer: Peer) -> None:
    """A CLOSE in SYN-RECEIVED whose FIN was held back goes into force with the connection at the latest."""
    target.shutdown(early=True)
    early = target.must_answer(segment(FIN | ACK, seq=1, ack=1), silence())
    peer.send(ACK, seq=1, ack=1)
    if early is None:
        target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.4", "RFC 9293 §3.5.2")
@in_state(SYN_RECEIVED, opened=PASSIVE)
def test_close_of_the_listener_in_syn_received(target: Target, peer: Peer) -> None:
    """When the listener goes its half-open connections end: by a FIN, by a reset, or by a reset of what comes next."""
    target.close_listener()
    end = target.must_answer(
        silence(), segment(FIN | ACK, seq=1, ack=1), segment(RST, seq=1), segment(RST | ACK, seq=1)
    )
    if end is not None and end.flags & FIN:
        target.must_be(FIN_WAIT_1)
        return
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)
    target.must_be(CLOSED)
