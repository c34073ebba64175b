"""The peer has closed its direction and goes on receiving (RFC 9293 §3.6 case 2, §3.6.1)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    CLOSED,
    EOF,
    ESTABLISHED,
    FIN,
    LAST_ACK,
    PASSIVE,
    SIMULTANEOUS,
    Peer,
    Target,
    cites,
    in_state,
)
from harness.spec.options import mss

LINES = [b"one", b"two ", b"three", b"four and a half"]
MSS = 600


@cites("RFC 9293 §3.6", "RFC 9293 §3.6.1", "RFC 9293 §3.10.2")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE, SIMULTANEOUS))
def test_target_goes_on_sending(target: Target, peer: Peer) -> None:
    """In CLOSE-WAIT the target sends segment after segment, each with the ACK of the peer's FIN, until it closes."""
    end = 1
    for line in LINES:
        target.send(line)
        target.must_send(ACK, seq=end, ack=2, data=line)
        end += len(line)
        peer.send(ACK, seq=2, ack=end)
        target.must_not_send()
        target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=end, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=end + 1)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
def test_fin_amid_the_target_data(target: Target, peer: Peer) -> None:
    """The peer's FIN arrives while data is in flight: it is acknowledged, and later ACKs count as before."""
    target.send(b"before")
    target.must_send(ACK, seq=1, ack=1, data=b"before")
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=7, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)
    peer.send(ACK, seq=2, ack=7)
    target.send(b"after")
    target.must_send(ACK, seq=7, ack=2, data=b"after")
    peer.send(ACK, seq=2, ack=12)
    target.must_be(CLOSE_WAIT)


@cites("RFC 9293 §3.6.1", "RFC9293-3.6-order")
@in_state(CLOSE_WAIT, options=mss(MSS))
def test_stream_through_a_small_window(target: Target, peer: Peer) -> None:
    """The window of a peer that has closed is obeyed as before: it opens, a segment goes, and the FIN goes last."""
    data = bytes(range(250)) * 10
    peer.send(ACK, window=0)
    target.send(data)
    sent = target.must_hold_back(data, seq=1, ack=2)
    while len(data) - sent > MSS:
        peer.send(ACK, seq=2, ack=1 + sent, window=MSS)
        target.must_send(ACK, seq=1 + sent, ack=2, data=data[sent : sent + MSS])
        target.must_be(CLOSE_WAIT)
        sent += MSS
    peer.send(ACK, seq=2, ack=1 + sent, window=MSS)
    target.must_send(ACK, seq=1 + sent, ack=2, data=data[sent:])
    target.close()
    target.must_send(FIN | ACK, seq=1 + len(data), ack=2)
    peer.send(ACK, seq=2, ack=len(data) + 2)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.6.1", "RFC 9293 §3.10.4")
@in_state(CLOSE_WAIT)
def test_close_with_data_in_flight(target: Target, peer: Peer) -> None:
    """CLOSE behind unacknowledged data: the FIN follows at once, and data and FIN are acknowledged in two steps."""
    target.send(b"response")
    target.must_send(ACK, seq=1, ack=2, data=b"response")
    target.close()
    target.must_send(FIN | ACK, seq=9, ack=2)
    peer.send(ACK, seq=2, ack=9)
    target.must_not_send()
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=10)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.3", "RFC 9293 §3.6")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_reading_after_answering(target: Target, peer: Peer) -> None:
    """Data that came before the peer's FIN waits for the application, whatever that sends first; then comes the end."""
    peer.send(FIN | ACK, b"request", seq=1)
    target.must_send(ACK, seq=1, ack=9)
    target.send(b"response")
    target.must_send(ACK, seq=1, ack=9, data=b"response")
    peer.send(ACK, seq=9, ack=9)
    target.must_deliver(b"request")
    target.must_deliver(EOF)
    target.shutdown()
    target.must_send(FIN | ACK, seq=9, ack=9)
    target.must_deliver(EOF)
    peer.send(ACK, seq=9, ack=10)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(CLOSE_WAIT)
def test_window_updates(target: Target, peer: Peer) -> None:
    """The peer closes and opens its window behind its FIN: data waits and goes accordingly."""
    sent = 0
    for text in (b"one", b"two", b"three"):
        peer.send(ACK, seq=2, ack=1 + sent, window=0)
        target.send(text)
        probed = target.must_hold_back(text, seq=1 + sent, ack=2)
        peer.send(ACK, seq=2, ack=1 + sent + probed, window=4096)
        target.must_send(ACK, seq=1 + sent + probed, ack=2, data=text[probed:])
        target.must_be(CLOSE_WAIT)
        sent += len(text)
