"""The ways from CLOSED to each state. A walk is set-up: where it fails, the case is inconclusive, nobody violates."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from harness.case.peer_side import PeerSide
from harness.case.target_side import TargetSide, walking
from harness.spec.segment import ACK, FIN, SYN
from harness.spec.states import State
from harness.targets.protocol import Capability

PASSIVE, ACTIVE, SIMULTANEOUS = "passive", "active", "simultaneous"
SHUTDOWN, CLOSE = "shutdown", "close"


@dataclass(frozen=True, slots=True)
class Walk:
    """Where to and on which route.

    `opened`: who opens (from the target's point of view). `closed_by`: the call by which the target closes, where it
    does: `close()` and `shutdown()` differ, as a socket without an application is another machine on Linux.
    `options` go into the peer's SYN or SYN,ACK. `keep_listener`: a passive opener's listener is closed behind the
    accept otherwise, so that CLOSED can be told from LISTEN. `octets`: so much data the target sends once it is
    established, and has it acknowledged. `window`: what the peer offers in each segment. `receive_buffer`: octets that
    a passive opener reserves, where the target lets its applications choose.
    """

    state: State
    opened: str = PASSIVE
    closed_by: str = SHUTDOWN
    options: bytes | None = None
    keep_listener: bool = False
    octets: int = 0
    window: int | None = None
    receive_buffer: int | None = None


Sides = tuple[TargetSide, PeerSide]


def walk(target: TargetSide, peer: PeerSide, route: Walk) -> None:
    """Bring the connection to the state; raises Inconclusive."""
    if route.window is not None:
        target.connection.peer.window = route.window
    with walking(target.conversation):
        _WALKS[route.state]((target, peer), route)
        if route.state is not State.CLOSED:
            target.must_be(route.state)


def _closed(_sides: Sides, _route: Walk) -> None:
    """No connection, and nobody listens on the port."""


def _listen(sides: Sides, route: Walk) -> None:
    target, _peer = sides
    size = route.receive_buffer
    if size is None or Capability.SOCKET_OPTIONS not in target.conversation.rig.target.capabilities:
        target.listen()
    else:
        target.listen(prepare=lambda sock: sock.set_option(socket.SOL_SOCKET, socket.SO_RCVBUF, size))


def _syn_sent(sides: Sides, _route: Walk) -> None:
    target, _peer = sides
    target.connect()
    target.must_send(SYN, seq=0)


def _syn_received(sides: Sides, route: Walk) -> None:
    target, peer = sides
    if route.opened == PASSIVE:
        _listen(sides, route)
    else:
        _syn_sent(sides, route)
    peer.send(SYN, seq=0, options=route.options)
    target.must_send(SYN | ACK, seq=0, ack=1)


def _established(sides: Sides, route: Walk) -> None:
    target, peer = sides
    if route.opened == ACTIVE:
        _syn_sent(sides, route)
        peer.send(SYN | ACK, seq=0, ack=1, options=route.options)
        target.must_send(ACK, seq=1, ack=1)
    else:
        _syn_received(sides, route)
        peer.send(ACK, seq=1, ack=1)
        target.must_not_send()
        if route.opened == PASSIVE:
            target.accept()
            if not route.keep_listener:
                target.close_listener()
    if route.octets:
        _deliver(sides, route.octets)


def _deliver(sides: Sides, octets: int) -> None:
    """Have so many octets sent and acknowledged, in one segment or several, which may wait for each other's ACK."""
    target, peer = sides
    target.send(bytes(octets))
    sent = 0
    while sent < octets:
        sent += len(target.must_send(ACK, seq=1 + sent, ack=1, data=None).payload) or octets
        if not target.connection.inbox:
            peer.send(ACK)


def _close_wait(sides: Sides, route: Walk) -> None:
    target, peer = sides
    _established(sides, route)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1 + route.octets, ack=2)


def _last_ack(sides: Sides, route: Walk) -> None:
    target, _peer = sides
    _close_wait(sides, route)
    _close(target, route)
    target.must_send(FIN | ACK, seq=1 + route.octets, ack=2)


def _fin_wait_1(sides: Sides, route: Walk) -> None:
    target, _peer = sides
    _established(sides, route)
    _close(target, route)
    target.must_send(FIN | ACK, seq=1 + route.octets, ack=1)


def _fin_wait_2(sides: Sides, route: Walk) -> None:
    target, peer = sides
    _fin_wait_1(sides, route)
    peer.send(ACK)
    target.must_not_send()


def _closing(sides: Sides, route: Walk) -> None:
    target, peer = sides
    _fin_wait_1(sides, route)
    peer.send(FIN | ACK, ack=1 + route.octets)
    target.must_send(ACK, seq=2 + route.octets, ack=2)


def _time_wait(sides: Sides, route: Walk) -> None:
    target, peer = sides
    _fin_wait_2(sides, route)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2 + route.octets, ack=2)


def _close(target: TargetSide, route: Walk) -> None:
    if route.closed_by == CLOSE:
        target.close()
    else:
        target.shutdown()


_WALKS: dict[State, Callable[[Sides, Walk], None]] = {
    State.CLOSED: _closed,
    State.LISTEN: _listen,
    State.SYN_SENT: _syn_sent,
    State.SYN_RECEIVED: _syn_received,
    State.ESTABLISHED: _established,
    State.CLOSE_WAIT: _close_wait,
    State.LAST_ACK: _last_ack,
    State.FIN_WAIT_1: _fin_wait_1,
    State.FIN_WAIT_2: _fin_wait_2,
    State.CLOSING: _closing,
    State.TIME_WAIT: _time_wait,
}
