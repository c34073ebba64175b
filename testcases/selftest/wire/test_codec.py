"""The fast codec and Scapy are two opinions about the same octets: they must never differ, in either direction."""

import random
import struct
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet as ScapyPacket
from scapy.packet import Raw

from harness.spec import options
from harness.spec.segment import Segment
from harness.wire import codec
from harness.wire.codec import Path, decode, encode, ones_complement_sum

SEGMENTS = 2500
PATHS = {
    4: Path("198.51.100.2", "198.51.100.1"),
    6: Path("2001:db8:51::2", "2001:db8:51::1"),
}
#: Where arithmetic modulo 2^32 and 2^16 goes wrong.
EDGES_32 = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
EDGES_16 = (0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
#: Kinds that Scapy knows nothing of, so that it writes the octets as they are given.
UNKNOWN_KINDS = (6, 7, 18, 22, 77, 253, 254)

Option = tuple[tuple[str | int, object], bytes]


def edgy(rng: random.Random, edges: tuple[int, ...]) -> int:
    return rng.choice(edges) if rng.random() < 0.5 else rng.randint(edges[0], edges[-1])


def random_option(rng: random.Random) -> Option:
    """Return one option as Scapy writes it and as our builders do."""
    size, shift, kind = edgy(rng, EDGES_16), rng.randint(0, 255), rng.choice(UNKNOWN_KINDS)
    one, other = edgy(rng, EDGES_32), rng.choice(EDGES_32)
    data = rng.randbytes(rng.randint(0, 9))
    return rng.choice(
        [
            (("NOP", None), options.NOP),
            (("MSS", size), options.mss(size)),
            (("WScale", shift), options.window_scale(shift)),
            (("SAckOK", b""), options.SACK_PERMITTED),
            (("SAck", (one, other)), options.unknown(options.KIND_SACK, struct.pack("!II", one, other))),
            (("Timestamp", (one, other)), options.timestamps(one, other)),
            ((kind, data), options.unknown(kind, data)),
        ]
    )


def random_options(rng: random.Random) -> list[Option]:
    """Return options that fit into 40 octets; about one in four segments has none."""
    chosen: list[Option] = []
    while rng.random() < 0.75:
        chosen.append(random_option(rng))
        if sum(len(octets) for _, octets in chosen) > 40:
            return chosen[:-1]
    return chosen


def random_payload(rng: random.Random) -> bytes:
    return rng.choice([b"", rng.randbytes(1), rng.randbytes(2), rng.randbytes(rng.randint(3, 1460))])


class Sample:
    """One random segment twice: as our value, and as Scapy's packet made of the same numbers."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.path = PATHS[rng.choice((4, 6))]
        if rng.random() < 0.5:
            self.path = self.path.reversed()
        self.ttl, self.traffic_class, self.ip_id = rng.randint(1, 255), rng.randint(0, 255), edgy(rng, EDGES_16)
        self.options = random_options(rng)
        self.segment = Segment(
            rng.randint(0, 255),
            seq=edgy(rng, EDGES_32),
            ack=edgy(rng, EDGES_32),
            window=edgy(rng, EDGES_16),
            payload=random_payload(rng),
            options=b"".join(octets for _, octets in self.options),
            urgent=edgy(rng, EDGES_16),
            source_port=edgy(rng, EDGES_16),
            destination_port=edgy(rng, EDGES_16),
            reserved=rng.choice((0, 0, rng.randint(0, 15))),
        )

    def by_scapy(self) -> bytes:
        segment = self.segment
        tcp = TCP(
            sport=segment.source_port,
            dport=segment.destination_port,
            seq=segment.seq,
            ack=segment.ack,
            # Scapy splits the four reserved bits: three of its own, and the late NS flag (RFC 3540, now historic).
            reserved=segment.reserved >> 1,
            flags=int(segment.flags) | (segment.reserved & 1) << 8,
            window=segment.window,
            urgptr=segment.urgent,
            options=[option for option, _ in self.options],
        )
        source, destination = self.path.source, self.path.destination
        if self.path.version == 4:
            ip = IP(src=source, dst=destination, ttl=self.ttl, tos=self.traffic_class, id=self.ip_id, flags="DF")
        else:
            ip = IPv6(src=source, dst=destination, hlim=self.ttl, tc=self.traffic_class)
        return bytes(ip / tcp / Raw(segment.payload) if segment.payload else ip / tcp)

    def by_us(self) -> bytes:
        fields = {"ttl": self.ttl, "traffic_class": self.traffic_class, "ip_id": self.ip_id}
        return encode(self.path, self.segment, **fields)


def samples(count: int, first: int = 0) -> Iterator[Sample]:
    return (Sample(seed) for seed in range(first, first + count))


def test_encode_gives_scapys_octets() -> None:
    for seed, sample in enumerate(samples(SEGMENTS)):
        assert sample.by_us().hex() == sample.by_scapy().hex(), f"seed {seed}: {sample.segment}"


def test_decode_gives_scapys_fields() -> None:
    for seed, sample in enumerate(samples(SEGMENTS, first=SEGMENTS)):
        octets = sample.by_scapy()
        ours = decode(octets)
        theirs = IP(octets) if sample.path.version == 4 else IPv6(octets)
        assert fields_of(ours) == scapy_fields_of(theirs), f"seed {seed}: {sample.segment}"
        assert ours.checksums_ok
        assert ours.raw == octets
        assert ours.segment.payload == sample.segment.payload
        assert ours.segment.options == codec.padded(sample.segment.options)


def fields_of(packet: codec.Packet) -> tuple[object, ...]:
    segment = packet.segment
    return (
        packet.source, packet.destination, packet.ttl, packet.traffic_class, packet.ip_id,
        segment.source_port, segment.destination_port, segment.seq, segment.ack, segment.flags,
        segment.reserved, segment.window, segment.urgent, segment.payload, mss_in(segment.options),
    )  # fmt: skip


def scapy_fields_of(packet: ScapyPacket) -> tuple[object, ...]:
    tcp = packet[TCP]
    hops, traffic_class = (packet.ttl, packet.tos) if IP in packet else (packet.hlim, packet.tc)
    flags = int(tcp.flags)
    return (
        packet.src, packet.dst, hops, traffic_class, packet.id if IP in packet else 0,
        tcp.sport, tcp.dport, tcp.seq, tcp.ack, flags & 0xFF,
        tcp.reserved << 1 | flags >> 8, tcp.window, tcp.urgptr, bytes(tcp.payload),
        next((value for name, value in tcp.options if name == "MSS"), None),
    )  # fmt: skip


def mss_in(raw: bytes) -> int | None:
    return next(
        (int.from_bytes(found.data, "big") for found in options.parse(raw) if found.kind == options.KIND_MSS), None
    )


def test_a_segment_survives_the_way_there_and_back() -> None:
    for sample in samples(500, first=10_000):
        back = decode(sample.by_us()).segment
        sample.segment.options = codec.padded(sample.segment.options)
        assert back == sample.segment


@pytest.mark.parametrize("version", [4, 6])
def test_options_longer_than_the_field_are_refused(version: int) -> None:
    assert len(encode(PATHS[version], Segment(2, options=b"\x01" * 40))) in (80, 100)
    with pytest.raises(ValueError, match="holds 40 octets, not 44"):
        encode(PATHS[version], Segment(2, options=b"\x01" * 41))


def test_the_sum_is_that_of_rfc_1071() -> None:
    rng = random.Random(1071)
    for _ in range(2000):
        data = rng.choice([rng.randbytes(rng.randint(0, 64)), bytes(rng.randint(0, 9)), b"\xff" * rng.randint(0, 9)])
        assert ones_complement_sum(data) == word_by_word(data), data.hex()


def word_by_word(data: bytes) -> int:
    """Add 16-bit words with end-around carry, as RFC 1071 §4.1 does."""
    data += b"\0" * (len(data) % 2)
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2], "big")
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("wanted", [0x0000, 0x0001, 0xFFFE], ids="{:#06x}".format)
def test_a_checksum_at_the_edge_is_right_and_read_as_right(version: int, wanted: int) -> None:
    """All that a sum of 0xFFFF leaves for the field is zero, which for TCP is an ordinary value (unlike UDP)."""
    octets = encode(PATHS[version], with_checksum(PATHS[version], wanted))
    at = (20 if version == 4 else 40) + 16
    assert int.from_bytes(octets[at : at + 2], "big") == wanted
    assert decode(octets).checksums_ok
    by_scapy = IP(octets) if version == 4 else IPv6(octets)
    del by_scapy[TCP].chksum
    assert bytes(by_scapy) == octets


def with_checksum(path: Path, wanted: int) -> Segment:
    """Return a segment whose checksum is `wanted`: the urgent pointer makes up the difference."""
    segment = Segment(0x10, seq=7, ack=9, payload=b"odd", source_port=1, destination_port=2)
    for segment.urgent in range(0x10000):
        octets = encode(path, segment)
        at = len(octets) - 3 - 4
        if int.from_bytes(octets[at : at + 2], "big") == wanted:
            return segment
    raise AssertionError(f"no urgent pointer gives the checksum {wanted:#06x}")


@pytest.mark.parametrize("version", [4, 6])
def test_minus_zero_in_the_checksum_field_is_accepted_as_receivers_do(version: int) -> None:
    octets = bytearray(encode(PATHS[version], with_checksum(PATHS[version], 0)))
    octets[-7:-5] = b"\xff\xff"
    assert decode(bytes(octets)).checksums_ok


@pytest.mark.parametrize("error", [0x0001, 0x8000, 0x00FF, 0xA5A5], ids="{:#06x}".format)
def test_a_checksum_error_is_written_and_noticed(error: int) -> None:
    for sample in samples(50):
        right, wrong = (encode(sample.path, sample.segment, checksum_error=xor) for xor in (0, error))
        assert sum(one != other for one, other in zip(right, wrong, strict=True)) in (1, 2)
        assert decode(right).checksums_ok
        assert not decode(wrong).checksums_ok
