"""What still arrives behind the peer's FIN, in CLOSE-WAIT and LAST-ACK (RFC 9293 §3.10.7.4)."""

import errno

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
    NO_FLAGS,
    PASSIVE,
    RST,
    SHUTDOWN,
    URG,
    Peer,
    Target,
    cites,
    in_state,
    segment,
    silence,
)
from harness.case.user_calls import ANY_ERROR


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 eighth", "RFC9293-3.5.2-synchronized")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_repeated_fin(target: Target, peer: Peer) -> None:
    """The peer's FIN, repeated since its ACK was lost, is acknowledged each time, in CLOSE-WAIT and in LAST-ACK."""
    for _ in range(2):
        peer.send(FIN | ACK, seq=1, ack=1)
        target.must_send(ACK, seq=1, ack=2)
        target.must_be(CLOSE_WAIT)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    for _ in range(2):
        peer.send(FIN | ACK, seq=1, ack=1)
        target.must_send(ACK, seq=2, ack=2)
        target.must_be(LAST_ACK)
    peer.send(ACK, seq=2, ack=2)
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(ESTABLISHED)
def test_repeated_data_and_fin(target: Target, peer: Peer) -> None:
    """Data and FIN of one segment, repeated whole or in part, are acknowledged, and delivered once."""
    peer.send(FIN | ACK, b"once", seq=1)
    target.must_send(ACK, seq=1, ack=6)
    for seq, data in ((1, b"once"), (3, b"ce"), (5, b"")):
        peer.send(FIN | ACK, data, seq=seq)
        target.must_send(ACK, seq=1, ack=6)
        target.must_be(CLOSE_WAIT)
    peer.send(ACK, b"once", seq=1)
    target.must_send(ACK, seq=1, ack=6)
    target.must_deliver(b"once")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 seventh")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_data_behind_the_fin(target: Target, peer: Peer) -> None:
    """Data behind the peer's FIN is ignored: not acknowledged, never delivered, and no reason to reset."""
    peer.send(ACK, b"afterthought", seq=2)
    target.must_answer(silence(cites="RFC 9293 §3.10.7.4 seventh"), segment(ACK, seq=1, ack=2))
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 seventh")
@in_state(CLOSE_WAIT)
def test_data_across_the_fin(target: Target, peer: Peer) -> None:
    """Data that begins where the FIN was and ends behind it is nothing new up to the window, and ignored from there."""
    peer.send(ACK, b"afterthought", seq=1)
    target.must_answer(silence(cites="RFC 9293 §3.10.7.4 seventh"), segment(ACK, seq=1, ack=2))
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 seventh")
@in_state(LAST_ACK, closed_by=(SHUTDOWN, CLOSE))
def test_data_in_last_ack(target: Target, peer: Peer) -> None:
    """Data behind the peer's FIN changes nothing in LAST-ACK, unless it acknowledges the target's FIN: CLOSED."""
    peer.send(ACK, b"afterthought", seq=2, ack=1)
    target.must_not_send()
    target.must_be(LAST_ACK)
    peer.send(ACK, b"afterthought", seq=2, ack=2)
    target.must_not_send()
    target.must_be(CLOSED)


@cites("RFC 9293 §3.10.7.4 eighth")
@in_state(CLOSE_WAIT, LAST_ACK)
def test_another_fin_changes_no_state(target: Target, peer: Peer) -> None:
    """A second FIN, numbered behind the first, leaves CLOSE-WAIT and LAST-ACK as they are."""
    with target.must_stay():
        peer.send(FIN | ACK, seq=2, ack=1)
        target.must_answer(silence(), segment(ACK, ack=2), segment(ACK, ack=3))  # which, is the next case
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 eighth")
@in_state(CLOSE_WAIT, LAST_ACK)
def test_another_fin_is_acknowledged(target: Target, peer: Peer) -> None:
    """A second FIN that passes all checks is acknowledged like the first, with or without counting it."""
    peer.send(FIN | ACK, seq=2, ack=1)
    target.must_answer(segment(ACK, ack=3), segment(ACK, ack=2))


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(CLOSE_WAIT, LAST_ACK)
def test_segments_without_ack(target: Target, peer: Peer) -> None:
    """Without the ACK bit nothing counts behind the peer's FIN either, the acknowledgment number least of all."""
    with target.must_stay():
        for flags in (NO_FLAGS, FIN, URG):
            peer.send(flags, seq=2, ack=2)
            target.must_not_send()


@cites("RFC 9293 §3.10.7.4 sixth")
@in_state(CLOSE_WAIT, LAST_ACK)
def test_urgent_behind_the_fin(target: Target, peer: Peer) -> None:
    """URG is ignored behind the peer's FIN: no answer, and no mark in a stream that has ended."""
    with target.must_stay():
        peer.send(URG | ACK, seq=2, ack=1, urgent=1)
        target.must_not_send()
    target.must_deliver(EOF)


@cites("MUST-12", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_fin_is_an_orderly_end(target: Target, peer: Peer) -> None:
    """A FIN ends the stream without an error, and the application may still send."""
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    target.must_deliver(EOF)
    target.must_report_pending(0)
    target.send(b"thanks")
    target.must_send(ACK, seq=1, ack=2, data=b"thanks")


@cites("MUST-12", "RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_reset_is_no_orderly_end(target: Target, peer: Peer) -> None:
    """A reset instead of the FIN is an error to the application, and no end of the stream."""
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)


@cites("MUST-12", "RFC 9293 §3.10.7.4 second")
@in_state(CLOSE_WAIT, opened=(PASSIVE, ACTIVE))
def test_reset_after_the_fin(target: Target, peer: Peer) -> None:
    """A reset behind the peer's FIN ends the other direction: SEND is refused and sends nothing."""
    peer.send(RST, seq=2)
    target.must_not_send()
    target.must_be(CLOSED)
    target.send(b"to nobody", refused=ANY_ERROR)
    target.must_not_send()
