"""Unacceptable segments in synchronized states: an empty ACK, never a reset (RFC 9293 §3.5.2 group 3)."""

import pytest

from harness.case import (
    ACK,
    CLOSE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SHUTDOWN,
    TIME_WAIT,
    Peer,
    Target,
    cites,
    in_state,
)
from testcases.resets.proof import prove_alive, right_edge

CONNECTED = (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)


@pytest.mark.parametrize("offset", [-1, -1000, -(2**31)], ids=["just-below", "below", "half-way"])
@cites("RFC 9293 §3.5.2 group 3", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(*CONNECTED)
def test_empty_segment_below_the_window(target: Target, peer: Peer, offset: int) -> None:
    """An empty segment from before the window draws an ACK with the present numbers."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    with target.must_stay():
        peer.send(ACK, seq=rcv_nxt + offset)
        target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)


@pytest.mark.parametrize("offset", [0, 1, 1000], ids=["at-the-edge", "just-above", "above"])
@cites("RFC 9293 §3.5.2 group 3", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(*CONNECTED)
def test_empty_segment_above_the_window(target: Target, peer: Peer, offset: int) -> None:
    """An empty segment from behind the window draws an ACK with the present numbers."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    with target.must_stay():
        peer.send(ACK, seq=right_edge(peer) + offset)
        target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)


@pytest.mark.parametrize("place", ["below", "edge", "above"])
@cites("RFC 9293 §3.5.2 group 3", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_segment_outside_the_window_in_time_wait(target: Target, peer: Peer, place: str) -> None:
    """In TIME-WAIT, too, a segment outside the window draws an ACK with the present numbers."""
    seq = {"below": 1, "edge": right_edge(peer), "above": right_edge(peer) + 500}[place]
    with target.must_stay():
        peer.send(ACK, seq=seq)
        target.must_send(ACK, seq=2, ack=2)


@pytest.mark.parametrize("flags", [ACK, FIN | ACK], ids=["data", "data-fin"])
@pytest.mark.parametrize("place", ["below", "touching", "edge", "above"])
@cites("RFC 9293 §3.5.2 group 3", "RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)
def test_data_outside_the_window(target: Target, peer: Peer, flags: int, place: str) -> None:
    """Text, FIN and ACK of a segment outside the window have no effect; it draws an ACK with the present numbers."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    edge = right_edge(peer)
    touching = rcv_nxt - len(b"outside") - bool(flags & FIN)
    seq = {"below": rcv_nxt - 500, "touching": touching, "edge": edge, "above": edge + 500}[place]
    with target.must_stay():
        peer.send(flags, b"outside", seq=seq)
        target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)
    target.must_not_deliver()
    prove_alive(target, peer, seq=rcv_nxt, ack=snd_nxt)


@pytest.mark.parametrize("place", ["below", "edge", "above"])
@cites("RFC 9293 §3.5.2 group 3", "RFC 9293 §3.10.7.4 first")
@in_state(FIN_WAIT_2, closed_by=(SHUTDOWN, CLOSE))
def test_fin_outside_the_window(target: Target, peer: Peer, place: str) -> None:
    """A FIN outside the window does not move FIN-WAIT-2, whether or not an application is left; the true one does."""
    seq = {"below": -500, "edge": right_edge(peer), "above": right_edge(peer) + 500}[place]
    with target.must_stay():
        peer.send(FIN | ACK, seq=seq)
        target.must_send(ACK, seq=2, ack=1)
    peer.send(FIN | ACK, seq=1)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
