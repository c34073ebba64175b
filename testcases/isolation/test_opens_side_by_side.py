"""Connections that open at the same time: on one port, on several, and from the target's own side."""

from harness.case import ACK, ESTABLISHED, SYN, SYN_RECEIVED, SYN_SENT, Peer, Target, cites
from testcases.isolation.connections import demand_alive, fresh_port, open_passively

AT_ONCE = 3


@cites("MUST-41", "RFC 9293 §3.9.1.1", "RFC 9293 §3.10.7.2 third")
def test_one_listener_answers_every_peer(target: Target, peer: Peer) -> None:
    """A listener answers further SYNs while earlier ones are half open; they complete in any order."""
    target.listen()
    openers = [(target, peer), *(target.beside() for _number in range(AT_ONCE - 1))]
    for each, its_peer in openers:
        its_peer.send(SYN)
        each.must_send(SYN | ACK, seq=0, ack=1)
        each.must_be(SYN_RECEIVED)
    for each, its_peer in reversed(openers):
        its_peer.send(ACK)
        each.accept()
        each.must_be(ESTABLISHED)
    for each, its_peer in openers:
        demand_alive(each, its_peer)


@cites("MUST-41", "RFC 9293 §3.9.1.1")
def test_listeners_on_several_ports(target: Target, peer: Peer) -> None:
    """Passive opens on several ports at once take the connections to their own port, and none to another."""
    listeners = [(target, peer), *(target.beside(port=fresh_port(target)) for _number in range(AT_ONCE - 1))]
    for each, _its_peer in listeners:
        each.listen()
    for each, its_peer in reversed(listeners):
        open_passively(each, its_peer)
    for each, its_peer in listeners:
        demand_alive(each, its_peer)


@cites("RFC 9293 §3.9.1.1", "RFC 9293 §3.10.1", "RFC 9293 §3.10.7.3 fourth")
def test_active_opens_side_by_side(target: Target, peer: Peer) -> None:
    """Active opens that wait for their answers at the same time each go by the answer to their own SYN."""
    openers = [(target, peer), *(target.beside(port=fresh_port(target)) for _number in range(AT_ONCE - 1))]
    for each, _its_peer in openers:
        each.connect()
        each.must_send(SYN, seq=0)
        each.must_be(SYN_SENT)
    for each, its_peer in reversed(openers):
        its_peer.send(SYN | ACK, seq=0, ack=1)
        each.must_send(ACK, seq=1, ack=1)
        each.must_be(ESTABLISHED)
    for each, its_peer in openers:
        demand_alive(each, its_peer)
