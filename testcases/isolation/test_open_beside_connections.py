"""OPEN on a port that other connections use (RFC 9293 §3.9.1.1)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
)
from harness.case.target_side import walking
from harness.case.user_calls import ANY_ERROR
from testcases.isolation.connections import demand_alive, open_passively


def _serve_somebody(target: Target) -> None:
    """Open a connection from another port of the peer through the target's listener."""
    other, other_peer = target.beside()
    open_passively(other, other_peer)
    demand_alive(other, other_peer)


@cites("MUST-41", "MUST-42")
@in_state(SYN_SENT, opened=ACTIVE)
def test_listen_beside_an_active_open(target: Target, peer: Peer) -> None:
    """While an active open waits on a port, somebody can listen on it; both opens succeed."""
    target.listen()
    target.must_be(SYN_SENT)
    _serve_somebody(target)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    demand_alive(target, peer)


@cites("MUST-41", "MUST-42")
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_listen_beside_a_simultaneous_open(target: Target, peer: Peer) -> None:
    """While a simultaneous open waits in SYN-RECEIVED, somebody can listen on its port; both opens succeed."""
    target.listen()
    target.must_be(SYN_RECEIVED)
    _serve_somebody(target)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    demand_alive(target, peer)


@cites("MUST-41", "MUST-42")
@in_state(SYN_RECEIVED)
def test_listener_serves_others_beside_syn_received(target: Target, peer: Peer) -> None:
    """While one handshake hangs in SYN-RECEIVED, the listener completes others; the first can still complete."""
    _serve_somebody(target)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK)
    target.accept()
    demand_alive(target, peer)


@cites("MUST-41")
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT, opened=("passive", "active"))
def test_listen_leaves_connections_alone(target: Target, peer: Peer) -> None:
    """A passive open on the port of a connection changes neither its state nor its numbers."""
    with target.must_stay():
        target.listen()
        _serve_somebody(target)
    sent = peer.rcv_nxt
    peer.send(ACK, b"old", seq=-3, ack=sent)
    target.must_send(ACK, seq=sent, ack=peer.snd_nxt)


@cites("MUST-41")
@in_state(SYN_RECEIVED)
def test_refused_listen_beside_syn_received(target: Target, peer: Peer) -> None:
    """A second passive open of a port that is listened on fails; listener and handshake go on."""
    second, _second_peer = target.beside()
    with target.must_stay():
        second.listen(refused=ANY_ERROR)
        _serve_somebody(target)
    peer.send(ACK)
    target.accept()
    demand_alive(target, peer)


@cites("MUST-41")
@in_state(ESTABLISHED, keep_listener=True)
def test_refused_listen_beside_established(target: Target, peer: Peer) -> None:
    """A second passive open of a port that is listened on fails; listener and connection go on."""
    second, _second_peer = target.beside()
    with target.must_stay():
        second.listen(refused=ANY_ERROR)
        _serve_somebody(target)
    demand_alive(target, peer)


@cites("MUST-41", "RFC 9293 §3.10.4")
@in_state(ESTABLISHED, CLOSE_WAIT, keep_listener=True)
def test_listener_closes_beside_connections(target: Target, peer: Peer) -> None:
    """Closing the listener closes the listener only: accepted connections go on, new SYNs are reset."""
    with target.must_stay():
        target.close_listener()
    other, other_peer = target.beside()
    other_peer.send(SYN)
    other.must_send(RST | ACK, seq=Absolute(0), ack=1)
    target.send(b"still here")
    target.must_send(ACK, seq=1, data=b"still here")
    target.shutdown()
    target.must_send(FIN | ACK, seq=11)


@cites("RFC 9293 §3.10.1", "MUST-41")
@pytest.mark.parametrize("opened", ["passive", "active"])
def test_open_twice(target: Target, peer: Peer, opened: str) -> None:
    """An active open of a connection that exists is an error, and the connection goes on."""
    with walking(target.conversation):
        if opened == "passive":
            target.listen()
            open_passively(target, peer)
        else:
            target.connect()
            target.must_send(SYN, seq=0)
            peer.send(SYN | ACK, seq=0, ack=1)
            target.must_send(ACK, seq=1, ack=1)
    app = target.connection.app
    target.connect(refused=ANY_ERROR)
    target.connection.app = app
    demand_alive(target, peer)
