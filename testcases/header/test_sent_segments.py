"""Every kind of segment that the target sends: whose it is, and what its header holds (RFC 9293 §3.1).

Checksum, reserved bits and well-formed options are demanded of every segment of every case.
"""

import socket

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    PSH,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    segment,
    silence,
)
from harness.spec.options import SACK_PERMITTED, mss, mss_of, parse, window_scale
from harness.targets.protocol import NotOffered

ALL_OPTIONS = mss(1460) + SACK_PERMITTED + window_scale(7)
#: More than a segment holds: Nagle's algorithm lets it leave.
FULL_SIZED = 3000
HEADER = ("RFC 9293 §3.1", "MUST-2", "MUST-65", "MUST-68", "MUST-69")


def _demand_header(target: Target, peer: Peer) -> None:
    """Demand of the last segment what holds for all: the connection's name, MSS in a SYN only, zeros behind EOL."""
    packet, tuple4 = peer.last_packet, target.connection.tuple4
    sent = packet.segment
    target.must_show("source", (packet.source, sent.source_port), (tuple4.address, tuple4.port))
    there = (packet.destination, sent.destination_port)
    target.must_show("destination", there, (tuple4.peer_address, tuple4.peer_port))
    target.must_show("right checksums", packet.checksums_ok, True)
    if not sent.asks_for_ecn:  # which may have AE as well (RFC 9768 §3.1.1)
        target.must_show("reserved bits", sent.reserved, 0)
    announces = mss_of(sent.options) is not None
    if sent.flags & SYN:
        target.should_show("an MSS option", announces, True)
    else:
        target.must_show("an MSS option", announces, False)
    used = sum(1 if option.kind == 1 else 2 + len(option.data) for option in parse(sent.options))
    target.must_show("octets behind the options", sent.options[used:], bytes(len(sent.options) - used))


@cites(*HEADER)
def test_syn(target: Target, peer: Peer) -> None:
    """The SYN of an active open has the connection's name and an MSS option."""
    target.connect()
    target.must_send(SYN, seq=0)
    _demand_header(target, peer)


@cites(*HEADER)
@pytest.mark.parametrize("options", [mss(1460), b"", ALL_OPTIONS], ids=["mss", "none", "all"])
def test_syn_ack(target: Target, peer: Peer, options: bytes) -> None:
    """The SYN,ACK has the connection's name and an MSS option, whatever options the SYN has."""
    target.listen()
    peer.send(SYN, options=options)
    target.must_send(SYN | ACK, seq=0, ack=1)
    _demand_header(target, peer)


@cites(*HEADER)
@in_state(SYN_SENT)
@pytest.mark.parametrize("options", [mss(1460), b"", ALL_OPTIONS], ids=["mss", "none", "all"])
def test_ack_of_the_handshake(target: Target, peer: Peer, options: bytes) -> None:
    """The ACK that completes a handshake has the connection's name and no MSS option."""
    peer.send(SYN | ACK, options=options)
    target.must_send(ACK, seq=1, ack=1)
    _demand_header(target, peer)


@cites(*HEADER, "RFC 9293 §3.4")
@in_state(ESTABLISHED, opened=("passive", "active"), options=ALL_OPTIONS)
@pytest.mark.parametrize("size", [1, 2, 1001])
def test_data(target: Target, peer: Peer, size: int) -> None:
    """Data begins where the header ends, and its header carries the acknowledgment; the checksum fits odd sizes."""
    data = bytes(number % 251 for number in range(size))
    target.send(data)
    target.must_send(ACK, seq=1, ack=1, data=data)
    _demand_header(target, peer)


@cites(*HEADER)
@in_state(ESTABLISHED, CLOSE_WAIT, opened=("passive", "active"))
@pytest.mark.parametrize("call", ["shutdown", "close"])
def test_fin(target: Target, peer: Peer, call: str) -> None:
    """The FIN has the connection's name and acknowledges as all segments behind the handshake do."""
    if call == "shutdown":
        target.shutdown()
    else:
        target.close()
    target.must_send(FIN | ACK, seq=1, ack=peer.snd_nxt)
    _demand_header(target, peer)
    target.must_show("flags but PSH", peer.last.flags & ~PSH, FIN | ACK)


@cites(*HEADER)
@in_state(ESTABLISHED, FIN_WAIT_2, closed_by=("shutdown", "close"))
def test_ack_of_a_fin(target: Target, peer: Peer) -> None:
    """The ACK of a FIN, from a full connection or from TIME-WAIT, has the connection's name and no MSS option."""
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=peer.rcv_nxt, ack=2)
    _demand_header(target, peer)


@cites(*HEADER)
@in_state(FIN_WAIT_1, closed_by=("shutdown", "close"))
def test_ack_of_a_crossing_fin(target: Target, peer: Peer) -> None:
    """The ACK of a FIN that crossed the target's own has the connection's name and no MSS option."""
    peer.send(FIN | ACK, ack=1)
    target.must_send(ACK, seq=2, ack=2)
    _demand_header(target, peer)


@cites(*HEADER)
@in_state(SYN_RECEIVED, ESTABLISHED, CLOSE_WAIT, FIN_WAIT_1, LAST_ACK, TIME_WAIT)
def test_ack_of_an_old_segment(target: Target, peer: Peer) -> None:
    """The empty ACK that answers an old segment has the connection's name and no MSS option.

    In SYN-RECEIVED there should be one (RFC 9293 §3.10.7.4 first); only in synchronized states it must come (§3.5.2).
    """
    sent = peer.rcv_nxt
    peer.send(ACK, b"old", seq=-3)
    demand = target.should_send if target.connection.state == SYN_RECEIVED else target.must_send
    if demand(ACK, seq=sent, ack=peer.snd_nxt):
        _demand_header(target, peer)


@cites(*HEADER, "RFC 9293 §3.5.2")
@in_state(CLOSED, LISTEN)
@pytest.mark.parametrize("options", [b"", mss(1460), ALL_OPTIONS], ids=["none", "mss", "all"])
def test_reset(target: Target, peer: Peer, options: bytes) -> None:
    """The reset of a stray ACK has the name that the ACK had, and no MSS option though the ACK has one."""
    peer.send(ACK, ack=1000, options=options)
    target.must_send(RST, seq=1000)
    _demand_header(target, peer)


@cites(*HEADER, "RFC 9293 §3.5.2 group 1")
@pytest.mark.parametrize("options", [b"", mss(1460), ALL_OPTIONS], ids=["none", "mss", "all"])
def test_reset_of_a_syn(target: Target, peer: Peer, options: bytes) -> None:
    """The reset of a SYN has the name that the SYN had, and no MSS option though the SYN has one."""
    peer.send(SYN, options=options)
    target.must_send(RST | ACK, ack=1)
    _demand_header(target, peer)


@cites(*HEADER, "RFC 9293 §3.10.5")
@in_state(ESTABLISHED, CLOSE_WAIT, opened=("passive", "active"))
def test_reset_of_an_abort(target: Target, peer: Peer) -> None:
    """The reset of an abort has the connection's name and no MSS option."""
    target.abort()
    target.must_answer(segment(RST, seq=1), segment(RST | ACK, seq=1, ack=peer.snd_nxt))
    _demand_header(target, peer)


@cites("MUST-61", "RFC 9293 §3.9.1.2")
@in_state(ESTABLISHED)
def test_last_of_the_data_is_pushed(target: Target, peer: Peer) -> None:
    """The segment that empties the send queue has PSH: nothing more will come to wait for."""
    target.send(b"all there is")
    target.must_send(ACK, seq=1, ack=1, data=b"all there is", check=lambda wire: "" if wire.flags & PSH else "PSH")


@cites("SHLD-7", "RFC 9293 §3.7.4")
@in_state(ESTABLISHED)
def test_small_segments_wait_for_each_other(target: Target, peer: Peer) -> None:
    """Nagle: while a small segment is under way further small ones are held together, and follow its acknowledgment."""
    target.send(b"one")
    target.must_send(ACK, seq=1, ack=1, data=b"one")
    target.send(b"two")
    target.should_answer(silence(cites="SHLD-7"))
    target.may_send(ACK, seq=4, ack=1, data=b"two")
    peer.send(ACK, ack=4)
    target.may_send(ACK, seq=4, ack=1, data=b"two")
    target.must_be(ESTABLISHED)


@requires(Capability.SOCKET_OPTIONS)
@cites("MUST-17", "RFC 9293 §3.7.4")
@in_state(ESTABLISHED)
def test_nagle_can_be_switched_off(target: Target, peer: Peer) -> None:
    """With TCP_NODELAY each SEND leaves, whatever is under way; text may be collected for a moment (MUST-60).

    Not so where a single segment is under way at a time, of whatever size: that is a window, and not Nagle's algorithm.
    """
    target.set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    target.send(b"one")
    target.must_send(ACK, seq=1, ack=1, data=b"one")
    target.send(b"two")
    target.conversation.await_collected(target.connection)
    if not target.connection.inbox:
        target.send(bytes(FULL_SIZED))
        if not target.connection.inbox:
            raise NotOffered("no second segment leaves before the first is acknowledged, however large it is")
    target.must_send(ACK, seq=4, ack=1, data=b"two")
    target.send(b"six")
    target.must_send(ACK, seq=7, ack=1, data=b"six")
