"""Addresses that no connection can have: broadcast, multicast, unspecified, one's own (RFC 9293 §3.9.2.3)."""

import ipaddress

import pytest

from harness.case import ACK, CLOSED, FIN, LISTEN, RST, SYN, Peer, Target, cites, only_ip, silence
from harness.case.user_calls import ANY_ERROR
from harness.spec.segment import Flags
from testcases.closed_and_listening.flag_sets import row_name

BROADCAST_MAC = b"\xff" * 6
#: RFC 1122 speaks of all segments, and RFC 9293 §3.9.2.3 repeats it.
SEGMENTS = [SYN, ACK, FIN | ACK, SYN | ACK, RST]

GROUPS_V4 = {"limited-broadcast": "255.255.255.255", "all-hosts": "224.0.0.1", "some-group": "232.1.2.3"}
GROUPS_V6 = {"all-nodes": "ff02::1", "interface-local": "ff01::1", "some-group": "ff0e::1234"}
NO_SOURCE_V4 = {**GROUPS_V4, "unspecified": "0.0.0.0", "loopback": "127.0.0.1"}
NO_SOURCE_V6 = {**GROUPS_V6, "unspecified": "::", "loopback": "::1"}


def _hardware_address(group: str) -> bytes:
    """Return where frames to a group go (RFC 1112 §6.4, RFC 2464 §7)."""
    address = ipaddress.ip_address(group)
    if not address.is_multicast:
        return BROADCAST_MAC
    if address.version == 6:
        return b"\x33\x33" + address.packed[-4:]
    return b"\x01\x00\x5e" + bytes((address.packed[1] & 0x7F,)) + address.packed[2:]


def _send_to_group(target: Target, group: str, flags: Flags) -> None:
    addressed, sender = target.beside(address=group)
    sender.send(flags, ack=1, destination_mac=_hardware_address(group))
    addressed.must_not_send()
    target.must_not_send()


def _demand_service(target: Target, peer: Peer) -> None:
    """Demand that the listener has not suffered, and has nothing to accept."""
    target.accept_must_block()
    target.must_be(LISTEN)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)


@cites("MUST-57", "RFC 1122 §4.2.3.10")
@only_ip(4)
@pytest.mark.parametrize("flags", SEGMENTS, ids=row_name)
@pytest.mark.parametrize("group", GROUPS_V4.values(), ids=GROUPS_V4.keys())
def test_to_group_address(target: Target, peer: Peer, group: str, flags: Flags) -> None:
    """A segment to a broadcast or multicast address is dropped without a word, though a listener takes any address."""
    _send_to_group(target, group, flags)
    target.listen(any_address=True)
    _send_to_group(target, group, flags)
    _demand_service(target, peer)


@cites("MUST-57", "RFC 1122 §4.2.3.10")
@only_ip(6)
@pytest.mark.parametrize("flags", SEGMENTS, ids=row_name)
@pytest.mark.parametrize("group", GROUPS_V6.values(), ids=GROUPS_V6.keys())
def test_to_group_address_v6(target: Target, peer: Peer, group: str, flags: Flags) -> None:
    """A segment to a multicast address is dropped without a word, though a listener takes any address."""
    _send_to_group(target, group, flags)
    target.listen(any_address=True)
    _send_to_group(target, group, flags)
    _demand_service(target, peer)


def _unicast_to_group(target: Target, peer: Peer, group: str) -> None:
    target.listen(any_address=True)
    addressed, sender = target.beside(address=group)
    sender.send(SYN)
    addressed.must_not_send()
    _demand_service(target, peer)


@cites("MUST-57", "RFC 1122 §4.2.3.10")
@only_ip(4)
@pytest.mark.parametrize("group", GROUPS_V4.values(), ids=GROUPS_V4.keys())
def test_to_group_address_in_a_frame_of_our_own(target: Target, peer: Peer, group: str) -> None:
    """The link layer need not tell: the IP address alone shows that a SYN is for many, and it is dropped."""
    _unicast_to_group(target, peer, group)


@cites("MUST-57", "RFC 1122 §4.2.3.10")
@only_ip(6)
@pytest.mark.parametrize("group", GROUPS_V6.values(), ids=GROUPS_V6.keys())
def test_to_group_address_in_a_frame_of_our_own_v6(target: Target, peer: Peer, group: str) -> None:
    """The link layer need not tell: the IPv6 address alone shows that a SYN is for many, and it is dropped."""
    _unicast_to_group(target, peer, group)


@cites("RFC 1122 §3.3.6", "RFC 9293 §3.9.2.3")
@pytest.mark.parametrize("listening", [False, True], ids=["closed", "listening"])
def test_own_address_in_a_broadcast_frame(target: Target, peer: Peer, listening: bool) -> None:
    """A SYN to the target's own address in a frame to everybody should be dropped: several hosts would answer it."""
    if listening:
        target.listen()
    peer.send(SYN, destination_mac=BROADCAST_MAC)
    target.should_answer(silence(cites="RFC 1122 §3.3.6"))
    target.should_be(LISTEN if listening else CLOSED)


def _send_from(target: Target, source: str) -> None:
    for flags in SEGMENTS:
        reached, sender = target.beside(peer_address=source)
        sender.send(flags, ack=1)
        reached.must_not_send()
        target.must_not_send()
        reached.must_be(LISTEN)


@cites("MUST-63", "RFC 1122 §3.2.1.3")
@only_ip(4)
@pytest.mark.parametrize("source", NO_SOURCE_V4.values(), ids=NO_SOURCE_V4.keys())
def test_from_invalid_address(target: Target, peer: Peer, source: str) -> None:
    """A SYN from an address that no host can have is ignored: no answer, no half-open connection."""
    target.listen(any_address=True)
    _send_from(target, source)
    _demand_service(target, peer)


@cites("MUST-63", "RFC 1122 §3.2.1.3")
@only_ip(6)
@pytest.mark.parametrize("source", NO_SOURCE_V6.values(), ids=NO_SOURCE_V6.keys())
def test_from_invalid_address_v6(target: Target, peer: Peer, source: str) -> None:
    """A SYN from an address that no host can have is ignored: no answer, no half-open connection."""
    target.listen(any_address=True)
    _send_from(target, source)
    _demand_service(target, peer)


@cites("MUST-63", "RFC 1122 §3.2.1.3")
@pytest.mark.parametrize("port", ["same-port", "other-port"])
def test_from_the_targets_own_address(target: Target, peer: Peer, port: str) -> None:
    """A SYN that claims to come from the target itself leaves no half-open connection with itself (LAND)."""
    target.listen(any_address=True)
    own = target.connection.tuple4
    peer_port = own.port if port == "same-port" else own.peer_port
    reached, sender = target.beside(peer_address=own.address, peer_port=peer_port)
    sender.send(SYN)
    reached.must_not_send()
    reached.must_be(LISTEN)
    _demand_service(target, peer)


def _demand_refusal(target: Target, remote: str) -> None:
    refused, _nobody = target.beside(peer_address=remote)
    refused.connect(refused=ANY_ERROR)
    refused.must_not_send()
    refused.must_be(CLOSED)


@cites("MUST-46")
@only_ip(4)
@pytest.mark.parametrize("remote", GROUPS_V4.values(), ids=GROUPS_V4.keys())
def test_open_to_group_address(target: Target, peer: Peer, remote: str) -> None:
    """An active open to a broadcast or multicast address is refused, and no SYN is sent."""
    _demand_refusal(target, remote)


@cites("MUST-46")
@only_ip(6)
@pytest.mark.parametrize("remote", GROUPS_V6.values(), ids=GROUPS_V6.keys())
def test_open_to_group_address_v6(target: Target, peer: Peer, remote: str) -> None:
    """An active open to a multicast address is refused, and no SYN is sent."""
    _demand_refusal(target, remote)
