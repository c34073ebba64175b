"""CLOSING: how it is entered, and what ends it (RFC 9293 §3.6 case 3, §3.10.7.4)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSING,
    EOF,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    NO_FLAGS,
    PASSIVE,
    SHUTDOWN,
    SIMULTANEOUS,
    TIME_WAIT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
    segment,
    silence,
)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-fin-wait", figure=13)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE, SIMULTANEOUS))
def test_simultaneous_close_of_both_directions(target: Target, peer: Peer) -> None:
    """The same when the target's application is gone with close()."""
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=2)
    target.must_not_send()
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-closing")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_data_and_fins_cross(target: Target, peer: Peer) -> None:
    """Data before both FINs: it is delivered, and CLOSING lasts until the ACK covers the FIN and not the data only."""
    target.send(b"mine")
    target.must_send(ACK, seq=1, ack=1, data=b"mine")
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=1)
    peer.send(FIN | ACK, b"yours", seq=1, ack=1)
    target.must_send(ACK, seq=6, ack=7)
    target.must_be(CLOSING)
    target.must_deliver(b"yours")
    target.must_deliver(EOF)
    for ack in (1, 3, 5):
        peer.send(ACK, seq=7, ack=ack)
        target.must_not_send()
        target.must_be(CLOSING)
    peer.send(ACK, seq=7, ack=6)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.6", "RFC9293-3.10.7.4-fin-wait")
@in_state(ESTABLISHED)
def test_fin_acknowledges_the_data_only(target: Target, peer: Peer) -> None:
    """A FIN that acknowledges the target's data but not its FIN leads to CLOSING."""
    target.send(b"mine")
    target.must_send(ACK, seq=1, ack=1, data=b"mine")
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=1)
    peer.send(FIN | ACK, seq=1, ack=5)
    target.must_send(ACK, seq=6, ack=2)
    target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=6)
    target.must_be(TIME_WAIT)


@cites("RFC9293-3.10.7.4-closing")
@in_state(CLOSING, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_an_old_ack_is_not_enough(target: Target, peer: Peer) -> None:
    """An ACK that does not cover the target's FIN is ignored in CLOSING."""
    for _ in range(2):  # a third duplicate would be the signal for a fast retransmission (RFC 5681 §3.2)
        peer.send(ACK, seq=2, ack=1)
        target.must_not_send()
        target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-unsent")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_an_ack_beyond_the_fin(target: Target, peer: Peer) -> None:
    """An ACK of something behind the target's FIN is answered with an ACK and ends nothing."""
    peer.send(ACK, seq=2, ack=3)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_the_fin_repeated(target: Target, peer: Peer) -> None:
    """The peer's FIN, repeated as it was, is acknowledged again; the target stays in CLOSING."""
    for _ in range(2):
        peer.send(FIN | ACK, seq=1, ack=1)
        target.must_send(ACK, seq=2, ack=2)
        target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 eighth", "RFC 9293 §A.2")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_the_fin_repeated_with_the_ack(target: Target, peer: Peer) -> None:
    """The peer's FIN, repeated with an ACK of the target's, is acknowledged, whether or not its own ACK counts."""
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(CLOSING, TIME_WAIT)  # it lies left of the window, which appendix A.2 lets a stack overlook
    peer.send(ACK, seq=2, ack=2)
    target.may_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_data_is_ignored(target: Target, peer: Peer) -> None:
    """Data and urgent marks behind the peer's FIN that acknowledge nothing new are ignored in CLOSING."""
    for flags, data in ((ACK, b"afterthought"), (URG | ACK, b""), (URG | ACK, b"!")):
        peer.send(flags, data, seq=2, ack=1, urgent=1)
        target.must_not_send()
        target.must_be(CLOSING)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_another_fin_changes_no_state(target: Target, peer: Peer) -> None:
    """A second FIN, numbered behind the first, leaves CLOSING as it is, acknowledged or not."""
    peer.send(FIN | ACK, seq=2, ack=1)
    target.must_answer(silence(cites="RFC 9293 §3.10.7.4 fifth"), segment(ACK, ack=2), segment(ACK, ack=3))
    target.must_be(CLOSING)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(CLOSING)
def test_segments_without_ack(target: Target, peer: Peer) -> None:
    """Without the ACK bit the acknowledgment number says nothing in CLOSING."""
    for flags in (NO_FLAGS, FIN):
        peer.send(flags, seq=2, ack=2)
        target.must_not_send()
        target.must_be(CLOSING)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_1, closed_by=(SHUTDOWN, CLOSE))
def test_the_last_ack_overtakes_the_fin(target: Target, peer: Peer) -> None:
    """The peer's two last segments come in the wrong order: its ACK leads to FIN-WAIT-2, its FIN to TIME-WAIT."""
    peer.send(ACK, seq=2, ack=2)
    target.may_send(ACK, seq=2, ack=1)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE))
def test_fin_behind_a_gap(target: Target, peer: Peer) -> None:
    """A FIN that crosses ours but overtakes data leads to CLOSING only when the data is there."""
    peer.send(FIN | ACK, b"second", seq=6, ack=1)
    target.may_send(ACK, seq=2, ack=1)
    target.must_be(FIN_WAIT_1)
    target.must_not_deliver()
    peer.send(ACK, b"first", seq=1, ack=1)
    if target.should_send(ACK, seq=2, ack=13) is None:  # nothing, or not the FIN, was kept: it comes again
        peer.send(FIN | ACK, b"second", seq=6, ack=1)
        target.must_send(ACK, seq=2, ack=13)
    target.must_be(CLOSING)
    target.must_deliver(b"firstsecond")
    target.must_deliver(EOF)
    peer.send(ACK, seq=13, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_1)
def test_gap_filled_with_the_ack(target: Target, peer: Peer) -> None:
    """Where the data that fills the gap acknowledges the target's FIN, the FIN behind it leads to TIME-WAIT at once."""
    peer.send(FIN | ACK, seq=6, ack=1)
    target.may_send(ACK, seq=2, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, b"first", seq=1, ack=2)
    target.should_send(ACK, seq=2, ack=7)
    target.should_be(TIME_WAIT)
    target.must_deliver(b"first")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.6.1", "MUST-13")
@in_state(CLOSING, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_time_wait_behind_closing(target: Target, peer: Peer) -> None:
    """TIME-WAIT behind CLOSING keeps the connection: the peer's FIN, repeated, is acknowledged and not reset."""
    peer.send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
