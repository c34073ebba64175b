"""Octets from outside: whatever they are, `decode` gives a segment or MalformedPacket. And ICMP errors as Scapy's."""

import contextlib
import random

import pytest
from scapy.layers.inet import ICMP, IP, IPerror, TCPerror
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    ICMPv6ParamProblem,
    ICMPv6TimeExceeded,
    IPv6,
)
from scapy.packet import Raw

from harness.spec.options import MalformedOptions, mss, parse
from harness.spec.segment import ACK, SYN, Segment
from harness.wire import icmp
from harness.wire.codec import MalformedPacket, Packet, Path, decode, encode, is_tcp

PATHS = {
    4: Path("198.51.100.2", "198.51.100.1"),
    6: Path("2001:db8:51::2", "2001:db8:51::1"),
}
SEGMENT = Segment(
    SYN | ACK, seq=0xFFFFFFFF, ack=5, payload=b"payload", options=mss(1460), source_port=7, destination_port=80
)
HEADER = {4: 20, 6: 40}


def good(version: int) -> bytes:
    return encode(PATHS[version], SEGMENT)


def changed(packet: bytes, at: int, octet: int) -> bytes:
    return packet[:at] + bytes((octet,)) + packet[at + 1 :]


def decoded(packet: bytes) -> Packet | None:
    """Return what `decode` says, None for MalformedPacket; any other exception passes through and fails the test."""
    try:
        return decode(packet)
    except MalformedPacket:
        return None


@pytest.mark.parametrize("version", [4, 6])
def test_every_truncation_is_malformed(version: int) -> None:
    packet = good(version)
    for length in range(len(packet)):
        with pytest.raises(MalformedPacket):
            decode(packet[:length])


@pytest.mark.parametrize("version", [4, 6])
def test_octets_behind_the_ip_packet_are_no_part_of_the_segment(version: int) -> None:
    """Ethernet pads short frames, and the capture socket delivers the padding."""
    packet = good(version)
    with_padding = decode(packet + b"\xee" * 6)
    assert with_padding == decode(packet)
    assert with_padding.segment.payload == b"payload"


@pytest.mark.parametrize("version", [4, 6])
def test_any_flipped_bit_is_malformed_or_noticed(version: int) -> None:
    """The checksums cover all but some of IPv6's header, so no flip gives a segment that looks whole and differs."""
    packet = good(version)
    original = decode(packet)
    for bit in range(8 * len(packet)):
        flipped = decoded(changed(packet, bit // 8, packet[bit // 8] ^ 1 << bit % 8))
        if flipped is not None and flipped.checksums_ok:
            assert version == 6
            assert bit // 8 < 8  # version, traffic class, flow label, hop limit
            assert flipped.segment == original.segment


def test_random_damage_never_raises_anything_else() -> None:
    rng = random.Random(9293)
    for _ in range(20_000):
        damaged = bytearray(good(rng.choice((4, 6))))
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.randint(1, 2 * len(damaged)) :]
        found = decoded(bytes(damaged))
        if found is not None:
            assert is_tcp(bytes(damaged))
            assert len(found.raw) <= len(damaged)
            parse_or_refuse(found.segment.options)


def test_random_octets_never_raise_anything_else() -> None:
    rng = random.Random(793)
    heads = (b"", b"\x45", b"\x60", b"\x4f", b"\x40")
    for _ in range(20_000):
        decoded(rng.choice(heads) + rng.randbytes(rng.randint(0, 100)))


def parse_or_refuse(options: bytes) -> None:
    with contextlib.suppress(MalformedOptions):
        parse(options)


@pytest.mark.parametrize("words", [0, 1, 4, 15])
@pytest.mark.parametrize("version", [4, 6])
def test_an_impossible_data_offset_is_malformed(version: int, words: int) -> None:
    packet = encode(PATHS[version], Segment(ACK, data_offset=words))
    with pytest.raises(MalformedPacket, match=f"data offset {words} "):
        decode(packet)


def test_a_data_offset_that_is_a_lie_moves_the_border_between_options_and_data() -> None:
    segment = decode(encode(PATHS[4], Segment(ACK, payload=b"\x01\x01\x01\x01data", data_offset=6))).segment
    assert (segment.options, segment.payload) == (b"\x01\x01\x01\x01", b"data")


@pytest.mark.parametrize("words", [0, 1, 4])
def test_an_ip_header_below_five_words_is_malformed(words: int) -> None:
    with pytest.raises(MalformedPacket):
        decode(changed(good(4), 0, 0x40 | words))


def test_a_fragment_is_no_whole_segment() -> None:
    first, later = changed(good(4), 6, 0x20), changed(changed(good(4), 6, 0), 7, 1)
    for fragment in (first, later):
        with pytest.raises(MalformedPacket, match="fragment"):
            decode(fragment)


def test_ip_options_are_skipped() -> None:
    packet = bytearray(good(4))
    packet[20:20] = b"\x01" * 8
    packet[0] = 0x47
    packet[2:4] = len(packet).to_bytes(2, "big")
    packet[10:12] = b"\0\0"
    whole = IP(bytes(packet))
    del whole.chksum
    found = decode(bytes(whole))
    assert found.checksums_ok
    assert found.segment == decode(good(4)).segment


@pytest.mark.parametrize("packet", [b"", b"\x45", b"\x00" * 60, bytes(IP() / ICMP()), bytes(IPv6(nh=59)), b"\x75" * 60])
def test_what_is_not_tcp_in_ip_is_said_to_be_so(packet: bytes) -> None:
    assert not is_tcp(packet)
    with pytest.raises(MalformedPacket, match="not a TCP segment"):
        decode(packet)


# --- ICMP errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [icmp.UNREACHABLE, icmp.SOURCE_QUENCH, icmp.TIME_EXCEEDED, icmp.PARAMETER_PROBLEM])
@pytest.mark.parametrize("code", [0, 1, 3, 13])
def test_an_icmp_error_is_read_by_scapy_as_it_was_meant(kind: int, code: int) -> None:
    quoted = good(4)
    packet = IP(icmp.error(PATHS[4].reversed(), kind, code, quoted))
    assert (packet.src, packet.dst) == (PATHS[4].destination, PATHS[4].source)
    assert (packet[ICMP].type, packet[ICMP].code) == (kind, code)
    assert bytes(packet[ICMP].payload) == quoted
    assert bytes(packet) == rebuilt(packet)


def rebuilt(packet: IP) -> bytes:
    """Return the packet with both checksums made anew; the quotation keeps its own."""
    again = IP(src=packet.src, dst=packet.dst) / ICMP(type=packet[ICMP].type, code=packet[ICMP].code)
    return bytes(again / Raw(bytes(packet[ICMP].payload)))


@pytest.mark.parametrize(
    ("kind", "by_scapy"),
    [
        (icmp.UNREACHABLE_V6, ICMPv6DestUnreach),
        (icmp.PACKET_TOO_BIG_V6, ICMPv6PacketTooBig),
        (icmp.TIME_EXCEEDED_V6, ICMPv6TimeExceeded),
        (icmp.PARAMETER_PROBLEM_V6, ICMPv6ParamProblem),
    ],
)
@pytest.mark.parametrize("code", [0, 1, 4])
@pytest.mark.parametrize("octets", [0, 1, 1000], ids="{}-octets".format)
def test_an_icmpv6_error_is_scapys_octets(kind: int, by_scapy: type, code: int, octets: int) -> None:
    path = PATHS[6].reversed()
    quoted = encode(PATHS[6], Segment(ACK, payload=bytes(octets)))
    fields = {ICMPv6PacketTooBig: {"mtu": 0}, ICMPv6ParamProblem: {"ptr": 0}}.get(by_scapy, {})
    theirs = IPv6(src=path.source, dst=path.destination) / by_scapy(code=code, **fields) / Raw(quoted)
    assert icmp.error(path, kind, code, quoted).hex() == bytes(theirs).hex()


@pytest.mark.parametrize("version", [4, 6])
def test_a_falsified_quotation_differs_in_what_was_falsified_only(version: int) -> None:
    quoted = good(version)
    kind = icmp.UNREACHABLE if version == 4 else icmp.UNREACHABLE_V6
    packet = icmp.error(PATHS[version].reversed(), kind, 1, quoted, seq_offset=2, port_offset=-1)
    quotation = decode(packet[HEADER[version] + 8 :]).segment
    assert (quotation.seq, quotation.destination_port) == (1, SEGMENT.destination_port - 1)
    quotation.seq, quotation.destination_port = SEGMENT.seq, SEGMENT.destination_port
    assert quotation == decode(quoted).segment


def test_scapy_finds_the_segment_in_the_quotation() -> None:
    inner = IP(icmp.error(PATHS[4].reversed(), icmp.UNREACHABLE, 3, good(4)))[IPerror]
    assert (inner.src, inner.dst) == (PATHS[4].source, PATHS[4].destination)
    assert (inner[TCPerror].sport, inner[TCPerror].dport, inner[TCPerror].seq) == (7, 80, 0xFFFFFFFF)
