"""What the application is told while it closes (RFC 9293 §3.6, §3.9.1, §3.10.2 to §3.10.4)."""

import errno

from harness.case import (
    ACK,
    ACTIVE,
    CLOSED,
    CLOSING,
    EOF,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
    RST,
    TIME_WAIT,
    Peer,
    Target,
    cites,
    in_state,
)


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.2")
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSING, LAST_ACK, TIME_WAIT, opened=(PASSIVE, ACTIVE))
def test_send_after_shutdown(target: Target, peer: Peer) -> None:
    """Once the sending direction is closed SEND is refused in every state, and nothing of it reaches the wire."""
    with target.must_stay():
        for _ in range(2):
            target.send(b"too late", refused=errno.EPIPE)
            target.must_not_send()


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.3")
@in_state(CLOSING, LAST_ACK, TIME_WAIT, opened=(PASSIVE, ACTIVE))
def test_receive_after_both_have_closed(target: Target, peer: Peer) -> None:
    """RECEIVE behind the peer's FIN gives the end of the stream, and gives it again each time it is asked."""
    for _ in range(3):
        target.must_deliver(EOF)
        target.must_not_send()


@cites("RFC 9293 §3.10.4")
@in_state(CLOSING, LAST_ACK)
def test_close_when_both_have_closed(target: Target, peer: Peer) -> None:
    """CLOSE behind both FINs sends nothing, whatever it answers, and the connection ends as it would have."""
    with target.must_stay():
        target.close()
        target.must_not_send()
    peer.send(ACK, ack=2)
    target.must_be(TIME_WAIT, CLOSED)


@cites("MUST-12", "RFC 9293 §3.10.7.4 second")
@in_state(FIN_WAIT_1, FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_reset_is_no_orderly_end(target: Target, peer: Peer) -> None:
    """A reset before the peer's FIN is an error to the application, and no end of the stream."""
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)


@cites("MUST-12", "RFC 9293 §3.10.7.4 second")
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_reset_behind_data_is_no_orderly_end(target: Target, peer: Peer) -> None:
    """A reset behind data that the application has read is told as an error too."""
    peer.send(ACK, b"half of it")
    target.must_send(ACK, seq=2, ack=11)
    target.must_deliver(b"half of it")
    peer.send(RST, seq=11)
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)


@cites("RFC 9293 §3.10.2", "RFC 9293 §3.10.4")
@in_state(LAST_ACK, opened=(PASSIVE, ACTIVE))
def test_calls_when_the_connection_is_gone(target: Target, peer: Peer) -> None:
    """In CLOSED there is nothing to send on and nothing to close: both calls say so, and nothing is sent."""
    peer.send(ACK, ack=2)
    target.must_be(CLOSED)
    target.send(b"too late", refused=errno.EPIPE)
    target.shutdown(refused=errno.ENOTCONN)
    target.must_not_send()
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.3", "MUST-12")
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_receive_waits_for_the_peer(target: Target, peer: Peer) -> None:
    """With its own direction closed and nothing received RECEIVE waits; it does not take the own FIN for the end."""
    target.must_not_deliver()
    peer.send(FIN | ACK, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_deliver(EOF)
    target.must_report_pending(0)
