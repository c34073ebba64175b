"""The URG bit and the urgent pointer (RFC 9293 §3.1, §3.8.5)."""

import socket
from collections.abc import Callable

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN,
    SYN,
    URG,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
)

#: More than any first flight leaves unsent within reach of the field.
FAR, LARGEST_POINTER = 100_000, 0xFFFF


def _points_behind(octets: int) -> Callable[[Segment], str]:
    def check(segment: Segment) -> str:
        return "" if segment.urgent == octets else f"urgent pointer {octets}, not {segment.urgent}"

    return check


def _receive_inline(target: Target) -> None:
    """Keep urgent data in the stream, as RFC 9293 §3.8.5 has it: sockets take its last octet out by default."""
    target.set_option(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


def _demand_stream(target: Target, data: bytes) -> None:
    """Demand `data` from RECEIVE; a socket may stop at the urgent mark once."""
    got = target.recv()
    target.must_deliver(data[len(got) :]) if got != data else target.must_not_deliver()


@cites("MUST-62", "MUST-30")
@in_state(ESTABLISHED, opened=("passive", "active"))
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_urgent_data_is_sent(target: Target, peer: Peer, size: int) -> None:
    """The urgent pointer of what the application sends as urgent points to the octet behind it."""
    target.send(bytes(size), flags=socket.MSG_OOB)
    target.must_send(URG | ACK, seq=1, ack=1, data=bytes(size), check=_points_behind(size))


@cites("MUST-62", "MUST-30", "RFC 9293 §3.1")
@in_state(ESTABLISHED, opened=("passive", "active"))
@requires(Capability.SOCKET_OPTIONS)
def test_urgent_data_beyond_the_field(target: Target, peer: Peer) -> None:
    """Where more octets are urgent than the field can say, the pointer of the first is the largest, or URG is off."""
    target.set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * FAR)
    target.send(bytes(FAR), flags=socket.MSG_OOB)
    while target.connection.inbox:
        first = target.connection.inbox[0].segment
        due = _points_behind(LARGEST_POINTER) if first.flags & URG else None
        target.must_send(first.flags & URG | ACK, ack=1, data=None, check=due)


@cites("MUST-30", "RFC 9293 §3.8.5")
@in_state(ESTABLISHED)
@requires(Capability.SOCKET_OPTIONS)
@pytest.mark.parametrize("pointer", [0, 1, 3, 6, 7, 0x7FFF, 0x8000, 0xFFFF], ids="{:#06x}".format)
def test_urgent_data_takes_its_place_in_the_stream(target: Target, peer: Peer, pointer: int) -> None:
    """Data with URG is acknowledged and delivered like other data, wherever the pointer points."""
    _receive_inline(target)
    peer.send(URG | ACK, b"urgent", urgent=pointer)
    target.must_send(ACK, seq=1, ack=7)
    _demand_stream(target, b"urgent")


@cites("MUST-30", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("pointer", [0, 1, 0xFFFF], ids="{:#06x}".format)
def test_fin_with_urg(target: Target, peer: Peer, pointer: int) -> None:
    """A FIN with URG and a pointer to data that will never come closes like any other."""
    peer.send(FIN | URG | ACK, urgent=pointer)
    target.must_send(ACK, seq=1, ack=2)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(b"")


@cites("RFC 9293 §3.10.7.4 sixth")
@in_state(CLOSE_WAIT)
def test_urg_behind_the_fin(target: Target, peer: Peer) -> None:
    """Urgent data can't come behind a FIN: in CLOSE-WAIT URG is ignored, and the stream stays at its end."""
    with target.must_stay():
        peer.send(URG | ACK, urgent=1)
        target.must_not_send()
    target.must_deliver(b"")


@cites("RFC 9293 §3.10.7.2", "RFC 9293 §3.8.5")
def test_syn_with_urg(target: Target, peer: Peer) -> None:
    """A SYN with URG opens a connection, whatever its pointer says."""
    target.listen()
    peer.send(SYN | URG, urgent=0xFFFF)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(URG | ACK, urgent=0)
    target.must_be(ESTABLISHED)
