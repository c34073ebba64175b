"""CLOSE while received data is lost shows as a reset (RFC 9293 §3.6.1 SHLD-3, RFC 2525 §2.16 and §2.17)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
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
    segment,
)

TEXT = b"who reads this"
END = 1 + len(TEXT)


def _should_reset(target: Target, *, seq: int) -> None:
    """Expect a reset the peer will accept; with or without an acknowledgment, since the RFC gives no form."""
    target.should_answer(segment(RST, seq=seq, cites="SHLD-3"), segment(RST | ACK, seq=seq, cites="SHLD-3"))
    target.should_be(CLOSED)


@cites("SHLD-3", "MAY-1", "RFC2525-2.17-pending")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_close_with_unread_data(target: Target, peer: Peer) -> None:
    """CLOSE while received data is unread tells the peer by a reset, and the connection is gone."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END)
    target.close()
    _should_reset(target, seq=1)
    peer.send(ACK, seq=END, ack=1)
    target.should_send(RST, seq=1)


@cites("SHLD-3", "MAY-1", "RFC2525-2.17-pending")
@in_state(ESTABLISHED)
def test_close_with_the_rest_unread(target: Target, peer: Peer) -> None:
    """One octet left unread is lost data too."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END)
    target.recv(len(TEXT) - 1)
    target.close()
    _should_reset(target, seq=1)


@cites("RFC 9293 §3.6", "RFC2525-2.17-pending")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_close_with_everything_read(target: Target, peer: Peer) -> None:
    """Where the application has read all that came, CLOSE is an ordinary close."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END)
    target.must_deliver(TEXT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=END)
    target.must_be(FIN_WAIT_1)
    peer.send(FIN | ACK, seq=END, ack=2)
    target.must_send(ACK, seq=2, ack=END + 1)
    target.must_be(TIME_WAIT)


@cites("SHLD-3", "MAY-1", "RFC2525-2.17-pending")
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_close_with_unread_data_after_shutdown(target: Target, peer: Peer) -> None:
    """Unread data that came after the own FIN is lost by CLOSE just as well."""
    peer.send(ACK, TEXT, ack=2)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_2)
    target.close()
    _should_reset(target, seq=2)


@cites("SHLD-3", "MAY-1", "RFC2525-2.17-pending")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_close_with_data_and_fin_unread(target: Target, peer: Peer) -> None:
    """In CLOSE-WAIT unread data is lost by CLOSE too."""
    peer.send(FIN | ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END + 1)
    target.must_be(CLOSE_WAIT)
    target.close()
    _should_reset(target, seq=1)


@cites("RFC 9293 §3.6", "RFC2525-2.17-pending")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_close_with_the_end_unread(target: Target, peer: Peer) -> None:
    """The peer's FIN alone is not data: CLOSE without having read the end of the stream is an ordinary close."""
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, ack=2)
    target.must_be(CLOSED)


@cites("SHLD-3", "MAY-1", "RFC2525-2.16-half-duplex")
@in_state(FIN_WAIT_1, FIN_WAIT_2, opened=(PASSIVE, ACTIVE), closed_by=CLOSE)
def test_data_after_close(target: Target, peer: Peer) -> None:
    """Data that arrives when the application is gone draws a reset; the port then knows nothing of the connection."""
    peer.send(ACK, TEXT, seq=1, ack=2)
    _should_reset(target, seq=2)
    peer.send(ACK, TEXT, seq=1, ack=2)
    target.should_send(RST, seq=2)


@cites("SHLD-3", "MAY-1", "RFC2525-2.16-half-duplex")
@in_state(FIN_WAIT_1, closed_by=CLOSE)
def test_data_that_crosses_the_fin_of_close(target: Target, peer: Peer) -> None:
    """Data that was under way when the target closed, and does not acknowledge its FIN, draws a reset too."""
    peer.send(ACK, TEXT, seq=1, ack=1)
    target.should_answer(segment(RST), segment(RST | ACK))
    target.should_be(CLOSED)


@cites("SHLD-3", "MAY-1", "RFC2525-2.16-half-duplex")
@in_state(FIN_WAIT_1, FIN_WAIT_2, closed_by=CLOSE)
def test_data_and_fin_after_close(target: Target, peer: Peer) -> None:
    """A FIN behind the data makes the loss no better: a reset."""
    peer.send(FIN | ACK, TEXT, seq=1, ack=2)
    _should_reset(target, seq=2)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-sparing")
@in_state(ESTABLISHED)
def test_old_data_after_close(target: Target, peer: Peer) -> None:
    """Data that was read long ago and arrives once more after CLOSE is no loss: it draws an ACK, no reset."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END)
    target.must_deliver(TEXT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=END)
    peer.send(ACK, TEXT, seq=1, ack=1)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, seq=END, ack=2)
    target.must_be(FIN_WAIT_2)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-sparing")
@in_state(ESTABLISHED)
def test_old_data_in_fin_wait_2_after_close(target: Target, peer: Peer) -> None:
    """The same in FIN-WAIT-2: data from left of the window draws an ACK."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=1, ack=END)
    target.must_deliver(TEXT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=END)
    peer.send(ACK, seq=END, ack=2)
    target.must_be(FIN_WAIT_2)
    peer.send(ACK, TEXT, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_2)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.5.2-sparing")
@in_state(FIN_WAIT_2, closed_by=CLOSE)
def test_acks_after_close(target: Target, peer: Peer) -> None:
    """ACKs without data, such as updates of the window, disturb nobody after CLOSE."""
    for window in (1000, 0, 65535):
        peer.send(ACK, window=window)
        target.must_not_send()
        target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-sparing", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_1, FIN_WAIT_2, closed_by=CLOSE)
def test_fin_behind_a_gap_after_close(target: Target, peer: Peer) -> None:
    """A FIN behind a gap is no data: whatever is missing may be old or may never come, and there is no reset."""
    peer.send(FIN | ACK, seq=6, ack=2)
    target.may_send(ACK, seq=2, ack=1)
    target.must_not_send()
    target.must_be(FIN_WAIT_2, FIN_WAIT_1)  # its ACK may wait for the gap as the FIN does


@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_close_with_a_linger_time_of_zero(target: Target, peer: Peer) -> None:
    """SO_LINGER with a time of 0 turns close() into ABORT: a reset and no FIN, in the middle of everything."""
    target.send(b"in flight")
    target.must_send(ACK, seq=1, data=b"in flight")
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=10, ack=END)
    target.abort()
    bare = segment(RST, seq=10, cites="RFC 9293 §3.10.5")
    target.must_answer(bare, segment(RST | ACK, seq=10, ack=END, cites="RFC 9293 §3.1"))
    target.must_be(CLOSED)
    peer.send(ACK, seq=END, ack=10)
    target.must_send(RST, seq=10)
