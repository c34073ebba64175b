"""Where and when a FIN counts (RFC 9293 §3.10.7, eighth check)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    EOF,
    ESTABLISHED,
    FIN,
    LAST_ACK,
    LISTEN,
    NO_FLAGS,
    PASSIVE,
    PSH,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    URG,
    Peer,
    Target,
    cites,
    in_state,
)


@cites("RFC9293-3.10.7.4-fin-early", "RFC 9293 §3.10.7.2")
@in_state(LISTEN)
def test_fin_in_listen(target: Target, peer: Peer) -> None:
    """A FIN in LISTEN closes nothing: with ACK it draws a reset, alone it is dropped, and the next SYN is welcome."""
    peer.send(FIN | ACK, seq=5, ack=77)
    target.must_send(RST)
    target.must_be(LISTEN)
    peer.send(FIN, seq=5)
    target.must_not_send()
    target.must_be(LISTEN)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)


@cites("RFC9293-3.10.7.4-fin-early", "RFC 9293 §3.10.7.3 fifth")
@in_state(SYN_SENT)
def test_fin_in_syn_sent(target: Target, peer: Peer) -> None:
    """A FIN without SYN is dropped in SYN-SENT, and what it acknowledges counts for nothing."""
    peer.send(FIN | ACK, seq=0, ack=1)
    target.must_not_send()
    peer.send(FIN, seq=0)
    target.must_not_send()
    target.must_be(SYN_SENT)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_RECEIVED)
def test_fin_completes_the_handshake(target: Target, peer: Peer) -> None:
    """A FIN on the third segment of the handshake establishes the connection and closes it: accept, read the end."""
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.accept()
    target.must_deliver(EOF)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_data_and_fin_complete_the_handshake(target: Target, peer: Peer) -> None:
    """Data and FIN on the segment that acknowledges the SYN all count."""
    peer.send(FIN | ACK, b"in a hurry", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=12)
    target.must_be(CLOSE_WAIT)
    if target.connection.app is None:
        target.accept()
    target.must_deliver(b"in a hurry")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_fin_without_ack(target: Target, peer: Peer) -> None:
    """Without the ACK bit neither FIN nor data count, and nothing answers them."""
    peer.send(FIN, seq=1)
    target.must_not_send()
    peer.send(FIN, b"data", seq=1)
    target.must_not_send()
    peer.send(NO_FLAGS, b"data", seq=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)
    target.must_not_deliver()
    peer.send(FIN | ACK, seq=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)


@pytest.mark.parametrize("extra", [PSH, URG, PSH | URG], ids=["psh", "urg", "psh-urg"])
@cites("RFC 9293 §3.10.7.4 sixth", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
def test_fin_with_psh_or_urg(target: Target, peer: Peer, extra: int) -> None:
    """PSH and URG on a segment take nothing from its FIN."""
    peer.send(FIN | ACK | extra)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_fin_behind_a_gap(target: Target, peer: Peer) -> None:
    """A FIN that overtakes data closes nothing until the gap is filled; then it counts without being sent again."""
    peer.send(FIN | ACK, seq=6)
    target.may_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.must_not_deliver()
    peer.send(ACK, b"hello", seq=1)
    if target.should_send(ACK, seq=1, ack=7) is None:  # the FIN was not kept: it comes again
        peer.send(FIN | ACK, seq=6)
        target.must_send(ACK, seq=1, ack=7)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(b"hello")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(ESTABLISHED)
def test_data_and_fin_in_reverse_order(target: Target, peer: Peer) -> None:
    """Segments that come in reverse order are put in order, and the FIN counts when the first of them is there."""
    for seq, text in ((11, b"three"), (6, b"eight")):
        peer.send(FIN | ACK if seq == 11 else ACK, text, seq=seq)
        target.may_send(ACK, seq=1, ack=1)
        target.must_not_deliver()
        target.must_be(ESTABLISHED)
    peer.send(ACK, b"seven", seq=1)
    target.should_send(ACK, seq=1, ack=17)
    target.should_be(CLOSE_WAIT)
    target.must_deliver(b"seveneightthree")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first")
@in_state(ESTABLISHED)
def test_fin_on_a_repeated_segment(target: Target, peer: Peer) -> None:
    """Of data sent once more with new data and a FIN behind it only the new part counts."""
    peer.send(ACK, b"hello")
    target.must_send(ACK, seq=1, ack=6)
    peer.send(FIN | ACK, b"hello world", seq=1)
    target.must_send(ACK, seq=1, ack=13)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(b"hello world")
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(ESTABLISHED)
def test_old_fin(target: Target, peer: Peer) -> None:
    """A FIN from left of the window, of an earlier connection perhaps, is answered with an ACK and closes nothing."""
    peer.send(FIN | ACK, seq=-50)
    target.must_send(ACK, seq=1, ack=1)
    peer.send(FIN | ACK, b"old data", seq=-50)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.must_not_deliver()


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-unsent")
@in_state(ESTABLISHED)
def test_fin_that_acknowledges_the_unsent(target: Target, peer: Peer) -> None:
    """A FIN that acknowledges something not yet sent is dropped with its acknowledgment: an ACK answers it."""
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
