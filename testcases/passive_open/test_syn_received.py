"""SYN-RECEIVED after a passive open: which acknowledgment establishes, and what changes nothing."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    LISTEN,
    NO_FLAGS,
    PSH,
    RST,
    SYN,
    SYN_RECEIVED,
    URG,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)

#: Acknowledgments that don't acknowledge the target's SYN, or something it has never sent.
BAD_ACKS = pytest.mark.parametrize(
    "ack",
    [0, -1, -(1 << 30), 2, 1 << 30],
    ids=["the-iss-itself", "one-below", "far-below", "one-above", "far-above"],
)


@BAD_ACKS
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-opening", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_wrong_acknowledgment_is_reset(target: Target, peer: Peer, ack: int) -> None:
    """An ACK of anything but the SYN draws a reset with its number; the half-open connection stays and can complete."""
    peer.send(ACK, ack=ack)
    target.must_send(RST, seq=ack)
    target.must_be(SYN_RECEIVED)
    target.accept_must_block()
    peer.send(ACK)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_data_with_a_wrong_acknowledgment_is_lost(target: Target, peer: Peer) -> None:
    """Data on a segment with an unacceptable ACK draws a reset and never reaches the application."""
    peer.send(ACK, b"stray", seq=1, ack=2)
    target.must_send(RST, seq=2)
    peer.send(ACK, b"truth", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=6)
    target.accept()
    target.must_deliver(b"truth")


@pytest.mark.parametrize("ack", [0, 2], ids=["below", "above"])
@cites("RFC 9293 §3.5.2 group 2", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_fin_with_a_wrong_acknowledgment_is_reset(target: Target, peer: Peer, ack: int) -> None:
    """A FIN does not count either when the segment acknowledges something else than the SYN."""
    peer.send(FIN | ACK, seq=1, ack=ack)
    target.must_send(RST, seq=ack)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize(
    ("flags", "data"),
    [(NO_FLAGS, b""), (PSH, b"data"), (FIN, b""), (URG, b"")],
    ids=["no-flags", "data", "fin", "urg"],
)
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_segment_without_ack_is_dropped(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """A segment in the window without the ACK bit is dropped in silence, with its data and its FIN."""
    peer.send(flags, data, seq=1)
    target.must_not_send()
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1)
    target.must_be(ESTABLISHED)
    target.accept()
    target.must_not_deliver()


@pytest.mark.parametrize("seq", [-(1 << 30), -100, 70_000, 1 << 30], ids=["far-old", "old", "above", "far-above"])
@cites("RFC 9293 §3.10.7.4 first")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_segment_out_of_the_window_is_answered_and_dropped(target: Target, peer: Peer, seq: int) -> None:
    """The right acknowledgment does not establish if the sequence number is wrong: it should draw an ACK."""
    peer.send(ACK, b"stray", seq=seq, ack=1)
    target.should_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    target.accept_must_block()
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_repeated_syn_is_answered_with_the_same_numbers(target: Target, peer: Peer) -> None:
    """The SYN,ACK was lost and the SYN comes again: the answer has the numbers of the first, and completes."""
    for _ in range(2):
        peer.send(SYN, seq=0)
        target.must_answer(
            segment(SYN | ACK, seq=0, ack=1, cites="RFC 9293 §3.10.8"),
            segment(ACK, seq=1, ack=1, cites="RFC 9293 §3.10.7.4 first"),
        )
        target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC9293-3.10.7.4-syn-passive", "RFC 9293 §3.10.7.4 fourth", "RFC1122-4.2.2.20-corrections")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_another_syn_in_the_window_returns_to_listen(target: Target, peer: Peer) -> None:
    """A SYN with a new number in the window takes the connection back to LISTEN, without an answer."""
    peer.send(SYN, seq=100)
    target.must_be(LISTEN)
    target.must_not_send()


@cites("RFC9293-3.10.7.4-syn-passive", "RFC 9293 §3.10.7.4 fourth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_peer_that_begins_anew_can_open(target: Target, peer: Peer) -> None:
    """After a SYN with a new number has ended the half-open connection, its repetition opens a new one."""
    peer.send(SYN, seq=100)
    target.may_send(RST | ACK, ack=101)
    peer.renew(100)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.4 first")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_another_syn_below_the_window_changes_nothing(target: Target, peer: Peer) -> None:
    """A SYN from below the window is an old duplicate: it draws an ACK of what is expected, and the rest stands."""
    peer.send(SYN, seq=-1000)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1)
    target.must_be(ESTABLISHED)
