"""Maximum Segment Size in a handshake that the peer begins: announced, obeyed, and assumed where it is missing."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    LISTEN,
    SYN,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec import options
from harness.spec.options import KIND_MSS, mss, timestamps
from testcases.passive_open.option_checks import (
    STAMP,
    default_mss,
    ethernet_mss,
    has,
    lacks,
    must_send_in_segments,
)

DATA = bytes(2000)


def _establish(target: Target, peer: Peer, offered: bytes, later: bytes = b"") -> None:
    peer.send(SYN, options=offered)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, options=later)
    target.must_be(ESTABLISHED)
    target.accept()


@cites("MUST-14", "SHLD-5", "MAY-3", "RFC6691-2-value", "MUST-67")
@in_state(LISTEN)
def test_syn_ack_announces_the_mss(target: Target, peer: Peer) -> None:
    """The SYN,ACK announces a maximum segment size, and it is the MTU less the fixed headers."""
    peer.send(SYN)
    target.should_send(SYN | ACK, seq=0, ack=1, check=has(KIND_MSS))
    target.should_show("the announced MSS is", options.mss_of(peer.last.options), ethernet_mss(target))


@pytest.mark.parametrize("offered", [b"", mss(536)], ids=["no-mss", "small-mss"])
@cites("MUST-14", "RFC6691-2-value")
@in_state(LISTEN)
def test_announced_mss_does_not_depend_on_the_peers(target: Target, peer: Peer, offered: bytes) -> None:
    """The two directions are independent: a small MSS of the peer, or none, leaves the target's as it is."""
    peer.send(SYN, options=offered)
    target.should_send(SYN | ACK, seq=0, ack=1, check=has(KIND_MSS))
    target.should_show("the announced MSS is", options.mss_of(peer.last.options), ethernet_mss(target))


@cites("MUST-65")
@in_state(LISTEN)
def test_mss_on_segments_with_syn_only(target: Target, peer: Peer) -> None:
    """No segment behind the handshake announces a maximum segment size: neither ACK, data, nor FIN."""
    peer.send(SYN)
    target.should_send(SYN | ACK, seq=0, ack=1, check=has(KIND_MSS))
    peer.send(ACK, b"data")
    target.must_send(ACK, seq=1, ack=5, check=lacks(KIND_MSS))
    target.accept()
    target.send(b"back")
    target.must_send(ACK, seq=1, ack=5, data=b"back", check=lacks(KIND_MSS))
    peer.send(ACK)
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=5, check=lacks(KIND_MSS))


@pytest.mark.parametrize("announced", [1460, 1000, 536, 256])
@cites("MUST-14", "MUST-16")
@in_state(LISTEN)
def test_announced_mss_is_obeyed(target: Target, peer: Peer, announced: int) -> None:
    """No segment carries more data than the peer's SYN has allowed."""
    _establish(target, peer, mss(announced))
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=min(announced, ethernet_mss(target)))


@cites("MUST-14", "MUST-16")
@in_state(LISTEN)
def test_tiny_mss_is_obeyed(target: Target, peer: Peer) -> None:
    """Even a maximum segment size of 20 octets is the peer's word."""
    _establish(target, peer, mss(20))
    target.send(bytes(40))
    must_send_in_segments(target, bytes(40), largest=20)


@cites("MUST-16", "MUST-67")
@in_state(LISTEN)
def test_mss_above_the_mtu_is_cut_down(target: Target, peer: Peer) -> None:
    """A peer that announces 65535 octets gets what the link takes, not more."""
    _establish(target, peer, mss(65535))
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=ethernet_mss(target))


@cites("MUST-15", "RFC6691-2-absent")
@in_state(LISTEN)
def test_default_mss(target: Target, peer: Peer) -> None:
    """A SYN that announces none allows 536 octets of data over IPv4 and 1220 over IPv6."""
    _establish(target, peer, b"")
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=default_mss(target))


@cites("MUST-15", "MUST-41", "RFC6691-2-absent")
@in_state(LISTEN)
def test_mss_of_another_connection_does_not_count(target: Target, peer: Peer) -> None:
    """What one peer has announced says nothing about the next, which announces nothing: the default holds for that."""
    first, first_peer = target.beside()
    _establish(first, first_peer, mss(ethernet_mss(target)))
    _establish(target, peer, b"")
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=default_mss(target))


@requires(Capability.TIMESTAMPS)
@cites("MUST-16", "RFC 9293 §3.7.1", "RFC6691-2-value")
@in_state(LISTEN)
def test_options_take_their_room_from_the_data(target: Target, peer: Peer) -> None:
    """The announced size includes the options of a segment: with timestamps twelve octets of data less fit in."""
    _establish(target, peer, mss(536) + timestamps(STAMP), timestamps(STAMP))
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=536 - 12)
