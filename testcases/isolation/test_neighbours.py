"""A connection is named by both addresses and both ports; a connection that differs in one of them is another."""

from collections.abc import Callable

import pytest

from harness.case import ACK, CLOSE_WAIT, CLOSED, ESTABLISHED, FIN, LISTEN, RST, TIME_WAIT, Peer, Target, cites, segment
from harness.case.target_side import walking
from testcases.isolation.connections import DIFFERENCES, demand_alive, fresh_port, neighbour, open_passively

CROWD = 64


def _data(target: Target, peer: Peer) -> None:
    peer.send(ACK, b"theirs")
    target.must_send(ACK, seq=1, ack=7)
    target.must_deliver(b"theirs")


def _fin(target: Target, peer: Peer) -> None:
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)


def _reset(target: Target, peer: Peer) -> None:
    peer.send(RST, seq=1)
    target.must_be(CLOSED, LISTEN)


def _close(target: Target, peer: Peer) -> None:
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


def _abort(target: Target, _peer: Peer) -> None:
    target.abort()
    target.must_answer(segment(RST, seq=1), segment(RST | ACK, seq=1, ack=1))
    target.must_be(CLOSED, LISTEN)


EVENTS: dict[str, Callable[[Target, Peer], None]] = {
    "data": _data,
    "fin": _fin,
    "reset": _reset,
    "close": _close,
    "abort": _abort,
}


@cites("RFC 9293 §3.3.1", "RFC 9293 §3.10.7.4")
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
@pytest.mark.parametrize("difference", DIFFERENCES)
def test_neighbour(target: Target, peer: Peer, difference: str, event: Callable[[Target, Peer], None]) -> None:
    """What happens on one connection happens on that one alone, though all but one part of their names agree."""
    if difference == "ports-swapped":
        target, peer = target.beside(peer_port=fresh_port(target))
    with walking(target.conversation):
        target.listen(any_address=True)
        open_passively(target, peer)
    other, other_peer = neighbour(target, difference)
    if difference in ("port", "ports-swapped"):
        other.listen(any_address=True)
    open_passively(other, other_peer)
    event(other, other_peer)
    demand_alive(target, peer)


@cites("RFC 9293 §3.3.1", "RFC 9293 §3.10.7.4")
def test_crowd(target: Target, peer: Peer) -> None:
    """Of many connections on one port every second is reset; each of the others keeps its own stream."""
    target.listen()
    crowd = [target.beside() for _number in range(CROWD)]
    for other, other_peer in crowd:
        open_passively(other, other_peer)
    for other, other_peer in crowd[::2]:
        other_peer.send(RST, seq=1)
        other.must_be(LISTEN)
    for number, (other, other_peer) in enumerate(crowd[1::2]):
        other_peer.send(ACK, b"stream %02d" % number)
        other.must_send(ACK, seq=1, ack=10)
    for number, (other, _other_peer) in enumerate(crowd[1::2]):
        other.must_deliver(b"stream %02d" % number)
        other.must_be(ESTABLISHED)
    open_passively(target, peer)
    demand_alive(target, peer)
