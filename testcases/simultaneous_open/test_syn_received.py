"""SYN-RECEIVED of an active opener: wrong acknowledgments, resets, and segments that don't count."""

import errno

import pytest

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    FIN,
    LISTEN,
    NO_FLAGS,
    PSH,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Absolute,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)

BAD_ACKS = pytest.mark.parametrize(
    "ack",
    [0, -1, -(1 << 30), 2, 1 << 30],
    ids=["the-iss-itself", "one-below", "far-below", "one-above", "far-above"],
)


@BAD_ACKS
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-ack-opening", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_wrong_acknowledgment_is_reset(target: Target, peer: Peer, ack: int) -> None:
    """An ACK of anything but the SYN draws a reset with its number; the attempt stays and can complete."""
    peer.send(ACK, seq=1, ack=ack)
    target.must_send(RST, seq=ack)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("ack", [-1, 2], ids=["below", "above"])
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.5.2-unsynchronized")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_data_with_a_wrong_acknowledgment_is_lost(target: Target, peer: Peer, ack: int) -> None:
    """Data on a segment with an unacceptable ACK draws a reset and never reaches the application."""
    peer.send(ACK, b"stray", seq=1, ack=ack)
    target.must_send(RST, seq=ack)
    peer.send(ACK, b"truth", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=6)
    target.must_deliver(b"truth")


@pytest.mark.parametrize(
    ("flags", "ack", "data"),
    [(RST, 0, b""), (RST | ACK, 1, b""), (RST | ACK, 0, b""), (RST, 0, b"why")],
    ids=["rst", "rst-ack", "rst-ack-below", "rst-with-data"],
)
@cites("RFC 9293 §3.10.7.4 second", "MUST-11", "RFC9293-3.5.3-validity")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_reset_closes(target: Target, peer: Peer, flags: int, ack: int, data: bytes) -> None:
    """A reset at the expected number ends the attempt in CLOSED, not in LISTEN: a new SYN is refused."""
    peer.send(flags, data, seq=1, ack=ack)
    target.must_not_send()
    target.must_be(CLOSED)
    peer.renew(5000)
    peer.send(SYN, seq=0)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)


@cites("RFC 9293 §3.10.7.4 second", "MUST-11")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_reset_is_told_as_refused(target: Target, peer: Peer) -> None:
    """The application that asked for the connection is told that it was refused."""
    peer.send(RST, seq=1)
    target.must_be(CLOSED)
    target.must_report(errno.ECONNREFUSED)


@cites("MUST-11", "MUST-42", "RFC 9293 §3.10.7.4 second", "RFC 9293 §3.9.1.1")
@in_state(SYN_SENT)
def test_reset_beside_a_listener_on_the_same_port(target: Target, peer: Peer) -> None:
    """Somebody listens on the port too: crossing SYN and reset belong to the active open, and only that ends."""
    target.listen()
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(RST, seq=1)
    target.must_be(LISTEN)
    target.accept_must_block()
    target.must_report(errno.ECONNREFUSED, errno.ECONNRESET)


@cites("RFC 9293 §3.10.7.4 second", "MUST-11", "MUST-12")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_attempt_after_a_reset(target: Target, peer: Peer) -> None:
    """After the reset the same sockets can open a connection, simultaneously or not."""
    peer.send(RST, seq=1)
    target.must_be(CLOSED)
    target.close()
    peer.renew(5000)
    target.connect()
    target.must_send(SYN, seq=0)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("seq", [0, -1, -(1 << 30), 1 << 30], ids=["irs", "one-below", "far-below", "far-above"])
@cites("RFC9293-3.5.3-validity", "RFC 9293 §3.10.7.4 first")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_reset_out_of_the_window_is_dropped(target: Target, peer: Peer, seq: int) -> None:
    """A reset whose number is not in the window changes nothing and is not answered."""
    peer.send(RST, seq=seq)
    target.must_not_send()
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@requires(Capability.RFC5961_RST)
@cites("RFC9293-3.10.7.4-rst", "RFC 9293 §3.10.7.4 second", "RFC5961-3.2-challenge")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_reset_in_the_window_is_challenged(target: Target, peer: Peer) -> None:
    """A reset in the window but not at the expected number draws a challenge ACK; the answer to it closes."""
    peer.send(RST, seq=100)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(RST, seq=1)
    target.must_not_send()
    target.must_be(CLOSED)


@pytest.mark.parametrize(
    ("flags", "data"), [(NO_FLAGS, b""), (PSH, b"data"), (FIN, b"")], ids=["no-flags", "data", "fin"]
)
@cites("RFC 9293 §3.10.7.4 fifth", "RFC9293-3.10.7.4-no-ack")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_segment_without_ack_is_dropped(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """A segment in the window without the ACK bit is dropped in silence, with its data and its FIN."""
    peer.send(flags, data, seq=1)
    target.must_not_send()
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.must_not_deliver()


@pytest.mark.parametrize("seq", [-(1 << 30), -100, 1 << 30], ids=["far-old", "old", "far-above"])
@cites("RFC 9293 §3.10.7.4 first")
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_segment_out_of_the_window_is_answered_and_dropped(target: Target, peer: Peer, seq: int) -> None:
    """The right acknowledgment does not establish if the sequence number is wrong: it should draw an ACK."""
    peer.send(ACK, b"stray", seq=seq, ack=1)
    target.should_send(ACK, seq=1, ack=1)
    target.must_be(SYN_RECEIVED)
    target.must_not_deliver()
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
