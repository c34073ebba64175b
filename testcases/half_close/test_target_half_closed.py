"""The target has closed its direction and goes on receiving (RFC 9293 §3.6, §3.6.1)."""

import errno

from harness.case import (
    ACK,
    ACTIVE,
    CLOSED,
    EOF,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    PASSIVE,
    RST,
    SIMULTANEOUS,
    TIME_WAIT,
    Peer,
    Target,
    cites,
    in_state,
)

LINES = [b"one", b"two ", b"three", b"four and a half"]


@cites("RFC 9293 §3.6", "RFC 9293 §3.6.1", "RFC 9293 §3.10.7.4 seventh")
@in_state(FIN_WAIT_2, opened=(PASSIVE, ACTIVE, SIMULTANEOUS))
def test_peer_goes_on_sending(target: Target, peer: Peer) -> None:
    """Segment after segment is acknowledged and delivered as it comes, until the peer closes too."""
    end = 1
    for line in LINES:
        peer.send(ACK, line, seq=end)
        end += len(line)
        target.must_send(ACK, seq=2, ack=end)
        target.must_be(FIN_WAIT_2)
        target.must_deliver(line)
    target.must_not_deliver()
    peer.send(FIN | ACK, seq=end)
    target.must_send(ACK, seq=2, ack=end + 1)
    target.must_be(TIME_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.7.4 seventh")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE))
def test_peer_goes_on_sending_without_the_ack(target: Target, peer: Peer) -> None:
    """The same while the target's FIN is unacknowledged; the ACK that comes with the last segment counts."""
    end = 1
    for line in LINES:
        peer.send(ACK, line, seq=end, ack=1)
        end += len(line)
        target.must_send(ACK, seq=2, ack=end)
        target.must_be(FIN_WAIT_1)
    peer.send(ACK, b".", seq=end, ack=2)
    target.must_send(ACK, seq=2, ack=end + 1)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(b"".join(LINES) + b".")
    target.must_not_deliver()


@cites("RFC 9293 §3.6.1", "RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_2)
def test_reordered_data(target: Target, peer: Peer) -> None:
    """Data that arrives in another order is put in order in FIN-WAIT-2 as before the half-close."""
    peer.send(ACK, b"second", seq=6)
    target.may_send(ACK, seq=2, ack=1)
    target.must_not_deliver()
    peer.send(ACK, b"first", seq=1)
    target.should_send(ACK, seq=2, ack=12)
    target.must_deliver(b"firstsecond")
    target.must_be(FIN_WAIT_2)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(FIN_WAIT_2)
def test_repeated_data(target: Target, peer: Peer) -> None:
    """Data that is sent again, as its ACK was lost, is acknowledged again and delivered once; what is new counts."""
    peer.send(ACK, b"first", seq=1)
    target.must_send(ACK, seq=2, ack=6)
    peer.send(ACK, b"first", seq=1)
    target.must_send(ACK, seq=2, ack=6)
    peer.send(ACK, b"firstsecond", seq=1)
    target.must_send(ACK, seq=2, ack=12)
    target.must_deliver(b"firstsecond")
    target.must_not_deliver()
    target.must_be(FIN_WAIT_2)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(FIN_WAIT_2)
def test_peer_asks_whether_anyone_is_there(target: Target, peer: Peer) -> None:
    """A keep-alive of the peer, one number left of the window, is answered for as long as the half-close lasts."""
    for data in (b"", b"?"):
        peer.send(ACK, data, seq=0)
        target.must_send(ACK, seq=2, ack=1)
        target.must_be(FIN_WAIT_2)
    target.must_not_deliver()


@cites("RFC 9293 §3.6", "RFC9293-3.6-order")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_request_and_response(target: Target, peer: Peer) -> None:
    """A request that ends with a half-close, and a response behind it: each direction ends with its own FIN."""
    target.send(b"request")
    target.must_send(ACK, seq=1, ack=1, data=b"request")
    target.shutdown()
    target.must_send(FIN | ACK, seq=8, ack=1)
    peer.send(ACK, b"the ", seq=1, ack=8)
    target.must_send(ACK, seq=9, ack=5)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, b"whole ", seq=5, ack=9)
    target.must_send(ACK, seq=9, ack=11)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, b"response", seq=11, ack=9)
    target.must_send(ACK, seq=9, ack=20)
    target.must_be(TIME_WAIT)
    target.must_deliver(b"the whole response")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.6", "RFC9293-3.6-order")
@in_state(ESTABLISHED)
def test_data_crosses_the_half_close(target: Target, peer: Peer) -> None:
    """While data and FIN of the target wait for the peer's window, data of the peer is taken and acknowledged."""
    peer.send(ACK, window=0)
    target.send(b"request")
    sent = target.must_hold_back(b"request", seq=1, ack=1)
    target.shutdown()
    target.must_not_send()
    peer.send(ACK, b"early", seq=1, ack=1 + sent, window=0)
    target.must_send(ACK, seq=1 + sent, ack=6)
    target.must_be(FIN_WAIT_1)
    target.must_deliver(b"early")
    peer.send(ACK, seq=6, ack=1 + sent, window=65535)
    target.must_send_stream(b"request"[sent:], seq=1 + sent, ack=6, fin=True)
    peer.send(ACK, b"late", seq=6, ack=9)
    target.must_send(ACK, seq=9, ack=10)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(b"late")


@cites("MUST-12", "RFC 9293 §3.10.7.4 second")
@in_state(FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_half_close_ends_in_a_reset(target: Target, peer: Peer) -> None:
    """A reset in the middle of the response is told as an error, in place of the end of the stream."""
    peer.send(ACK, b"half of it", seq=1)
    target.must_send(ACK, seq=2, ack=11)
    target.must_deliver(b"half of it")
    peer.send(RST, seq=11)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)
