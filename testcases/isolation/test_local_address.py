"""The local address of a connection: chosen by the application or by IP, and then kept (RFC 9293 §3.9.1.1)."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    RST,
    SYN,
    TIME_WAIT,
    Absolute,
    Peer,
    Target,
    cites,
)
from testcases.isolation.connections import open_passively

FIRST, SECOND = 0, 1
Sides = tuple[Target, Peer]


def _at(target: Target, index: int) -> Sides:
    """Return a connection to the target's first or second address, on the same port and from another one."""
    addresses = target.conversation.rig.target.addresses(target.connection.tuple4.version)
    own = target.connection.tuple4
    return target.beside(address=addresses.target[index], peer_port=own.peer_port + 1 + index)


def _live_and_close(target: Target, peer: Peer) -> None:
    """Go through data, a challenge, a close and a repeated FIN: all of it from the address of the connection.

    A segment from another address would be another connection's: missing here and unexpected there.
    """
    peer.send(ACK, b"data")
    target.must_send(ACK, seq=1, ack=5)
    target.send(b"reply")
    target.must_send(ACK, seq=1, ack=5, data=b"reply")
    peer.send(ACK, b"old", seq=-3)
    target.must_send(ACK, seq=6, ack=5)
    target.must_deliver(b"data")
    target.shutdown()
    target.must_send(FIN | ACK, seq=6, ack=5)
    peer.send(FIN | ACK, ack=7)
    target.must_send(ACK, seq=7, ack=6)
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, seq=5, ack=7)
    target.must_send(ACK, seq=7, ack=6)


@cites("MUST-43")
@pytest.mark.parametrize("chosen", [FIRST, SECOND], ids=["first", "second"])
def test_listen_at_one_address(target: Target, peer: Peer, chosen: int) -> None:
    """A passive open with a local address takes SYNs to that address; the same port is closed at the others."""
    listening, visitor = _at(target, chosen)
    closed, stranger = _at(target, 1 - chosen)
    listening.listen()
    stranger.send(SYN)
    closed.must_send(RST | ACK, seq=Absolute(0), ack=1)
    visitor.send(SYN)
    listening.must_send(SYN | ACK, seq=0, ack=1)


@cites("MUST-43", "RFC 9293 §3.9.1.1")
def test_listen_at_each_address(target: Target, peer: Peer) -> None:
    """Two passive opens share a port at two addresses; each gets the connections to its own address only."""
    sides = [_at(target, FIRST), _at(target, SECOND)]
    for listening, _visitor in sides:
        listening.listen()
    for index, (listening, visitor) in enumerate(sides):
        sides[1 - index][0].accept_must_block()
        open_passively(listening, visitor)
        visitor.send(ACK, b"to %d" % index)
        listening.must_send(ACK, seq=1, ack=5)
        listening.must_deliver(b"to %d" % index)


@cites("MUST-45", "RFC 9293 §3.9.1.1")
@pytest.mark.parametrize("reached", [FIRST, SECOND], ids=["first", "second"])
def test_listen_at_any_address(target: Target, peer: Peer, reached: int) -> None:
    """A passive open without a local address takes a SYN to any; the connection stays at the one that was used."""
    target.listen(any_address=True)
    opened, visitor = _at(target, reached)
    open_passively(opened, visitor)
    _live_and_close(opened, visitor)


@cites("MUST-43", "MUST-45")
@pytest.mark.parametrize("chosen", [FIRST, SECOND], ids=["first", "second"])
def test_connect_from_a_chosen_address(target: Target, peer: Peer, chosen: int) -> None:
    """An active open with a local address sends its SYN, and all that follows, from that address."""
    opened, remote = _at(target, chosen)
    opened.connect()
    opened.must_send(SYN, seq=0)
    remote.send(SYN | ACK, seq=0, ack=1)
    opened.must_send(ACK, seq=1, ack=1)
    _live_and_close(opened, remote)


@cites("MUST-44", "MUST-45")
def test_connect_from_an_address_that_ip_chooses(target: Target, peer: Peer) -> None:
    """An active open without a local address sends its SYN from one of the host's, and keeps to that one."""
    tuple4 = target.connection.tuple4
    addresses = target.conversation.rig.target.addresses(tuple4.version)
    second = target.beside(address=addresses.target[SECOND], same_iss=True)
    target.connect(any_address=True)
    opened, remote = second if second[0].connection.inbox else (target, peer)
    opened.connection.app = target.connection.app
    opened.must_send(SYN, seq=0)
    remote.send(SYN | ACK, seq=0, ack=1)
    opened.must_send(ACK, seq=1, ack=1)
    opened.must_be(ESTABLISHED)
    _live_and_close(opened, remote)
