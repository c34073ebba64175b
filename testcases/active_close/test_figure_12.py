"""The normal close sequence, begun by the target (RFC 9293 §3.6, figure 12)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    EOF,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    PASSIVE,
    SHUTDOWN,
    SIMULTANEOUS,
    TIME_WAIT,
    Peer,
    Target,
    cites,
    in_state,
)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-fin-wait", figure=12)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_four_way_close(target: Target, peer: Peer) -> None:
    """The target closes first: FIN and its ACK, then the peer's FIN and its ACK, and it waits in TIME-WAIT."""
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, seq=1, ack=2)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.6", "MUST-12", figure=12)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE, SIMULTANEOUS))
def test_four_way_close_by_shutdown(target: Target, peer: Peer) -> None:
    """An application that closed for sending only sees the end of the stream at the peer's FIN, never before."""
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    target.must_not_deliver()
    peer.send(ACK)
    target.must_be(FIN_WAIT_2)
    target.must_not_deliver()
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
    target.must_deliver(EOF)
    target.must_report_pending(0)
    target.close()
    target.must_not_send()
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-fin-wait")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_fin_and_ack_in_one_segment(target: Target, peer: Peer) -> None:
    """A FIN that acknowledges the target's FIN leads from FIN-WAIT-1 to TIME-WAIT at once."""
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-fin-wait", "MUST-59")
@in_state(FIN_WAIT_1, closed_by=(SHUTDOWN, CLOSE))
def test_ack_and_fin_back_to_back(target: Target, peer: Peer) -> None:
    """The peer's ACK and its FIN may come as close together as they like: one ACK answers them."""
    peer.inject(peer.segment(ACK, seq=1, ack=2), peer.segment(FIN | ACK, seq=1, ack=2))
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.10.7.4-fin-wait", "SHLD-31")
@in_state(FIN_WAIT_1)
def test_fin_overtakes_the_ack(target: Target, peer: Peer) -> None:
    """A FIN that acknowledges the target's FIN does all the work; the plain ACK that it overtook changes nothing."""
    peer.inject(peer.segment(FIN | ACK, seq=1, ack=2), peer.segment(ACK, seq=1, ack=2))
    target.must_send(ACK, seq=2, ack=2)
    target.must_send(ACK, seq=2, ack=2)  # the late one lies left of the window
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-one-fin")
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_close_after_shutdown(target: Target, peer: Peer) -> None:
    """CLOSE after the sending direction was closed sends no second FIN, and the close goes on as if nothing was."""
    with target.must_stay():
        target.close()
        target.must_not_send()
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.4", "RFC9293-3.10.4-one-fin")
@in_state(FIN_WAIT_1, FIN_WAIT_2)
def test_shutdown_twice(target: Target, peer: Peer) -> None:
    """Closing the sending direction a second time is tolerated and sends no second FIN."""
    with target.must_stay():
        target.shutdown()
        target.must_not_send()
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(FIN_WAIT_1, closed_by=(SHUTDOWN, CLOSE))
def test_fin_wait_1_needs_the_ack_of_its_fin(target: Target, peer: Peer) -> None:
    """An ACK that does not cover the target's FIN leaves it in FIN-WAIT-1, however often it comes."""
    for _ in range(2):  # a third duplicate would be the signal for a fast retransmission (RFC 5681 §3.2)
        peer.send(ACK, ack=1)
        target.must_not_send()
        target.must_be(FIN_WAIT_1)
    peer.send(ACK, ack=2)
    target.must_be(FIN_WAIT_2)


@pytest.mark.parametrize("flags", [ACK, FIN | ACK], ids=["ack", "fin"])
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-unsent")
@in_state(FIN_WAIT_1, FIN_WAIT_2, closed_by=(SHUTDOWN, CLOSE))
def test_ack_beyond_the_fin(target: Target, peer: Peer, flags: int) -> None:
    """An ACK of something behind the target's FIN draws an ACK; neither it nor a FIN on the same segment counts."""
    with target.must_stay():
        peer.send(flags, seq=1, ack=3)
        target.must_send(ACK, seq=2, ack=1)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
