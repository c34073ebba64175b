"""LAST-ACK ends with the acknowledgment of the target's FIN and with nothing less (RFC 9293 §3.10.7.4, fifth check)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    FIN,
    LAST_ACK,
    PASSIVE,
    SHUTDOWN,
    Peer,
    Target,
    cites,
    in_state,
)


@cites("RFC9293-3.10.7.4-closing")
@in_state(LAST_ACK, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_an_old_ack_is_not_enough(target: Target, peer: Peer) -> None:
    """An ACK that does not cover the target's FIN leaves it in LAST-ACK, however often it comes."""
    for _ in range(2):  # a third duplicate would be the signal for a fast retransmission (RFC 5681 §3.2)
        peer.send(ACK, seq=2, ack=1)
        target.must_not_send()
        target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)


@cites("RFC9293-3.10.7.4-closing")
@in_state(CLOSE_WAIT)
def test_an_ack_of_the_data_is_not_enough(target: Target, peer: Peer) -> None:
    """With data before the FIN an ACK of the data, in part or whole, leaves the target in LAST-ACK."""
    target.send(b"data")
    target.must_send(ACK, seq=1, data=b"data")
    target.close()
    target.must_send(FIN | ACK, seq=5, ack=2)
    for ack in (2, 4, 5):
        peer.send(ACK, seq=2, ack=ack)
        target.must_not_send()
        target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=6)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-unsent")
@in_state(LAST_ACK, closed_by=(SHUTDOWN, CLOSE))
def test_an_ack_beyond_the_fin(target: Target, peer: Peer) -> None:
    """An ACK of something behind the target's FIN is answered with an ACK and ends nothing."""
    peer.send(ACK, seq=2, ack=3)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-unsent")
@in_state(CLOSE_WAIT)
def test_an_ack_beyond_what_was_sent(target: Target, peer: Peer) -> None:
    """In CLOSE-WAIT an ACK of the FIN that was not sent yet is answered with an ACK, and does not count later."""
    peer.send(ACK, seq=2, ack=2)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(LAST_ACK, closed_by=(SHUTDOWN, CLOSE))
def test_an_ack_out_of_the_window(target: Target, peer: Peer) -> None:
    """An ACK of the FIN with a number outside the window draws an ACK and ends nothing: it may be forged or old."""
    beyond = 2 + peer.target_window + 1
    for seq in (1, -1000, beyond, beyond + 1000):
        peer.send(ACK, seq=seq, ack=2)
        target.must_send(ACK, seq=2, ack=2)
        target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(LAST_ACK, closed_by=(SHUTDOWN, CLOSE))
def test_an_ack_at_the_right_edge(target: Target, peer: Peer) -> None:
    """The number behind the last one of the window is outside: the same."""
    peer.send(ACK, seq=2 + peer.target_window, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(LAST_ACK)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(LAST_ACK, closed_by=(SHUTDOWN, CLOSE))
def test_a_repeated_fin_ends_nothing(target: Target, peer: Peer) -> None:
    """The peer's FIN, repeated, lies left of the window: an ACK answers it, and its acknowledgment does not count."""
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(LAST_ACK)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(LAST_ACK)
def test_a_higher_segment_may_end_it(target: Target, peer: Peer) -> None:
    """An ACK of the FIN that is in the window, though not at its left edge, ends the connection."""
    peer.send(ACK, seq=3, ack=2)
    target.may_send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)
