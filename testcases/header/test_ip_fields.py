"""What TCP hands to IP with each segment: Diffserv field and time to live (RFC 9293 §3.9.1.9, §3.9.2)."""

import socket
from collections.abc import Callable

import pytest

from harness.case import ACK, ESTABLISHED, FIN, SYN, Capability, Peer, Target, cites, in_state, requires
from harness.targets.sockets import AppSocket

#: Traffic classes: the upper six bits are the Diffserv codepoint; the lower two belong to ECN and stay 0.
CODEPOINTS = {"ef": 46 << 2, "cs1": 8 << 2, "af41": 34 << 2}
TTLS = [1, 17, 255]
OPTION = {
    "traffic class": {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)},
    "TTL": {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)},
}


def _option(target: Target, field: str) -> tuple[int, int]:
    return OPTION[field][target.connection.tuple4.version]


def _prepared(target: Target, field: str, value: int) -> Callable[[AppSocket], None]:
    level, name = _option(target, field)
    return lambda sock: sock.set_option(level, name, value)


def _seen(peer: Peer, field: str) -> int:
    packet = peer.last_packet
    return packet.ttl if field == "TTL" else packet.traffic_class


def _demand_active(target: Target, peer: Peer, field: str, value: int) -> None:
    """Open from the target with the field set, send and close; demand it on SYN, ACK, data and FIN."""
    target.connect(prepare=_prepared(target, field, value))
    target.must_send(SYN, seq=0)
    target.must_show(field, _seen(peer, field), value)
    peer.send(SYN | ACK)
    target.must_send(ACK, seq=1, ack=1)
    target.must_show(field, _seen(peer, field), value)
    _demand_data_and_fin(target, peer, field, value)


def _demand_passive(target: Target, peer: Peer, field: str, value: int) -> None:
    """Open from the peer with the field set at the listener; demand it on SYN,ACK, data and FIN."""
    target.listen(prepare=_prepared(target, field, value))
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_show(field, _seen(peer, field), value)
    peer.send(ACK)
    target.accept()
    _demand_data_and_fin(target, peer, field, value)


def _demand_data_and_fin(target: Target, peer: Peer, field: str, value: int) -> None:
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    target.must_show(field, _seen(peer, field), value)
    peer.send(ACK, b"answer")
    target.must_send(ACK, seq=5, ack=7)
    target.must_show(field, _seen(peer, field), value)
    target.must_deliver(b"answer")
    target.close()
    target.must_send(FIN | ACK, seq=5, ack=7)
    target.must_show(field, _seen(peer, field), value)


@cites("MUST-48", "SHLD-22")
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("value", CODEPOINTS.values(), ids=CODEPOINTS.keys())
def test_diffserv_of_an_active_open(target: Target, peer: Peer, value: int) -> None:
    """The Diffserv field that an active opener sets is in each of its segments from the SYN to the FIN."""
    _demand_active(target, peer, "traffic class", value)


@cites("MUST-48", "SHLD-22")
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("value", CODEPOINTS.values(), ids=CODEPOINTS.keys())
def test_diffserv_of_a_passive_open(target: Target, peer: Peer, value: int) -> None:
    """The Diffserv field that a passive opener sets is in each segment of its connections."""
    _demand_passive(target, peer, "traffic class", value)


@cites("SHLD-21", "SHLD-22")
@in_state(ESTABLISHED, opened=("passive", "active"))
@requires(Capability.SOCKET_OPTIONS)
def test_diffserv_changes_in_a_connection(target: Target, peer: Peer) -> None:
    """The Diffserv field of a connection should be changeable while it is open."""
    field = "traffic class"
    sent = 1
    for value in CODEPOINTS.values():
        target.set_option(*_option(target, field), value)
        target.send(b"x")
        target.must_send(ACK, seq=sent, ack=1, data=b"x")
        target.should_show(field, _seen(peer, field), value)
        sent += 1
        peer.send(ACK, ack=sent)


@cites("MUST-49")
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("value", TTLS)
def test_ttl_of_an_active_open(target: Target, peer: Peer, value: int) -> None:
    """The time to live that an active opener sets is in each of its segments from the SYN to the FIN."""
    _demand_active(target, peer, "TTL", value)


@cites("MUST-49")
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("value", TTLS)
def test_ttl_of_a_passive_open(target: Target, peer: Peer, value: int) -> None:
    """The time to live that a passive opener sets is in each segment of its connections."""
    _demand_passive(target, peer, "TTL", value)
