"""The other direction stays open: data and FIN that arrive in FIN-WAIT-1 and FIN-WAIT-2 (RFC 9293 §3.10.7.4)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSING,
    EOF,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    NO_FLAGS,
    PASSIVE,
    PSH,
    SHUTDOWN,
    TIME_WAIT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
)

TEXT = b"an answer"
END = 1 + len(TEXT)


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.7.4 seventh")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE))
def test_data_in_fin_wait_1(target: Target, peer: Peer) -> None:
    """Data that does not acknowledge the target's FIN is taken and delivered in FIN-WAIT-1."""
    peer.send(ACK, TEXT, ack=1)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_1)
    target.must_deliver(TEXT)
    target.must_not_deliver()


@cites("RFC 9293 §3.6", "RFC 9293 §3.10.7.4 seventh")
@in_state(FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_data_in_fin_wait_2(target: Target, peer: Peer) -> None:
    """Data is taken and delivered in FIN-WAIT-2, and the FIN behind it ends the stream."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(TEXT)
    peer.send(FIN | ACK, seq=END)
    target.must_send(ACK, seq=2, ack=END + 1)
    target.must_be(TIME_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE))
def test_data_that_acknowledges_the_fin(target: Target, peer: Peer) -> None:
    """The acknowledgment on a data segment counts: FIN-WAIT-2, and the data is delivered."""
    peer.send(ACK, TEXT, ack=2)
    target.must_send(ACK, seq=2, ack=END)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(TEXT)


@cites("RFC 9293 §3.10.7.4 eighth", "RFC9293-3.10.7.4-fin-wait")
@in_state(FIN_WAIT_1, FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_data_ack_and_fin_in_one_segment(target: Target, peer: Peer) -> None:
    """Acknowledgment, data and FIN of one segment all count: TIME-WAIT, and the data is read before the end."""
    peer.send(FIN | ACK, TEXT, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=END + 1)
    target.must_be(TIME_WAIT)
    target.must_deliver(TEXT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 eighth", "RFC9293-3.10.7.4-fin-wait")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE))
def test_data_and_fin_without_the_ack(target: Target, peer: Peer) -> None:
    """Data and FIN that do not acknowledge the target's FIN lead to CLOSING; its ACK then to TIME-WAIT."""
    peer.send(FIN | ACK, TEXT, seq=1, ack=1)
    target.must_send(ACK, seq=2, ack=END + 1)
    target.must_be(CLOSING)
    target.must_deliver(TEXT)
    target.must_deliver(EOF)
    peer.send(ACK, seq=END + 1, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_2, opened=(PASSIVE, ACTIVE))
def test_fin_behind_a_gap(target: Target, peer: Peer) -> None:
    """A FIN that overtakes data closes nothing until the gap is filled; then it counts without being sent again."""
    peer.send(FIN | ACK, b"world", seq=6, ack=2)
    target.may_send(ACK, seq=2, ack=1)
    target.must_be(FIN_WAIT_2)
    target.must_not_deliver()
    peer.send(ACK, b"hello", seq=1, ack=2)
    if target.should_send(ACK, seq=2, ack=12) is None:  # nothing, or not the FIN, was kept: it comes again
        peer.send(FIN | ACK, b"world", seq=6, ack=2)
        target.must_send(ACK, seq=2, ack=12)
    target.must_be(TIME_WAIT)
    target.must_deliver(b"helloworld")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(FIN_WAIT_2)
def test_fin_behind_two_gaps(target: Target, peer: Peer) -> None:
    """Filling one of two gaps is not enough for the FIN behind both."""
    peer.send(FIN | ACK, b"three", seq=11)
    target.may_send(ACK, seq=2, ack=1)
    peer.send(ACK, b"seven", seq=1)
    target.must_send(ACK, seq=2, ack=6)
    target.must_be(FIN_WAIT_2)
    target.must_deliver(b"seven")
    target.must_not_deliver()
    peer.send(ACK, b"eight", seq=6)
    target.should_send(ACK, seq=2, ack=17)
    target.should_be(TIME_WAIT)
    target.must_deliver(b"eightthree")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first")
@in_state(FIN_WAIT_2)
def test_fin_on_a_repeated_segment(target: Target, peer: Peer) -> None:
    """Of data sent once more with a FIN behind it only the new part counts, and that is the FIN."""
    peer.send(ACK, TEXT)
    target.must_send(ACK, seq=2, ack=END)
    peer.send(FIN | ACK, TEXT, seq=1)
    target.must_send(ACK, seq=2, ack=END + 1)
    target.must_be(TIME_WAIT)
    target.must_deliver(TEXT)
    target.must_deliver(EOF)


@pytest.mark.parametrize("extra", [PSH, URG, PSH | URG], ids=["psh", "urg", "psh-urg"])
@cites("RFC 9293 §3.10.7.4 sixth", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_2)
def test_fin_with_psh_or_urg(target: Target, peer: Peer, extra: int) -> None:
    """PSH and URG on a segment take nothing from its FIN."""
    peer.send(FIN | ACK | extra)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(FIN_WAIT_2, closed_by=(SHUTDOWN, CLOSE))
def test_fin_without_ack(target: Target, peer: Peer) -> None:
    """A FIN without the ACK bit is dropped without an answer, and a proper one works afterwards."""
    peer.send(FIN, seq=1)
    target.must_not_send()
    peer.send(NO_FLAGS, seq=1)
    target.must_not_send()
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK, seq=1)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(FIN_WAIT_1, closed_by=(SHUTDOWN, CLOSE))
def test_acknowledgment_number_without_ack(target: Target, peer: Peer) -> None:
    """Without the ACK bit the acknowledgment field says nothing: the target's FIN stays unacknowledged."""
    peer.send(NO_FLAGS, seq=1, ack=2)
    target.must_not_send()
    peer.send(FIN, seq=1, ack=2)
    target.must_not_send()
    target.must_be(FIN_WAIT_1)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
