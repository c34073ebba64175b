"""Connections whose names differ in a single place."""

from harness.case import ACK, CLOSE_WAIT, ESTABLISHED, FIN, SYN, Peer, Target

#: In what the name of the neighbour differs, seen from the target. Swapped ports: what is ours there is theirs here.
DIFFERENCES = ("peer-port", "peer-address", "port", "address", "ports-swapped")

Sides = tuple[Target, Peer]


def neighbour(target: Target, difference: str) -> Sides:
    """Return a connection, not open yet, that differs from the target's in one place; the peer's numbers are equal."""
    own = target.connection.tuple4
    addresses = target.conversation.rig.target.addresses(own.version)
    if difference == "peer-port":
        return target.beside(peer_port=own.peer_port + 1, same_iss=True)
    if difference == "peer-address":
        return target.beside(peer_address=addresses.peer[1], same_iss=True)
    if difference == "port":
        return target.beside(port=fresh_port(target), same_iss=True)
    if difference == "address":
        return target.beside(address=addresses.target[1], same_iss=True)
    return target.beside(port=own.peer_port, peer_port=own.port, same_iss=True)


def fresh_port(target: Target) -> int:
    """Return a port of the target that no case has used: cases that come later must find it free."""
    return target.conversation.rig.fresh_ports()[0]


def open_passively(target: Target, peer: Peer) -> None:
    """Open a connection through the listener, and demand that it opens: a case that cites no opening walks there."""
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)


def demand_alive(target: Target, peer: Peer) -> None:
    """Demand that an established connection has lost nothing and learnt nothing: exchange data, then close it."""
    target.must_be(ESTABLISHED)
    target.must_not_deliver()
    peer.send(ACK, b"ours")
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"ours")
    target.send(b"reply")
    target.must_send(ACK, seq=1, ack=5, data=b"reply")
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=6, ack=6)
    target.must_be(CLOSE_WAIT)
