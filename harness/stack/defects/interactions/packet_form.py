"""The form of the packet: padding, options, fragments, extension headers, fields of the IP header."""

from collections.abc import Hashable
from dataclasses import replace

from harness.spec.segment import FIN, SYN, Segment
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import of_kind
from harness.stack.fragments import Fragments
from harness.stack.ip import IpInput
from harness.stack.stack import Stack

KIND = "packet-form"
defect = of_kind(KIND)

LENGTH = "RFC 1122 §3.2.1"
OPTIONS = "RFC 1122 §3.2.1.8"
FRAGMENTS = "RFC 1122 §3.3.2"
EXTENSIONS = "RFC 9293 §3.9.2"
WHOSE = "RFC 9293 §3.4"


@defect(
    "D487", "Padding behind the IP datagram is taken for text.", LENGTH, "RFC 9293 §3.1", source="F-Stack issue 481"
)
class PaddingIsText(Stack):
    def deliver(self, datagram: Datagram) -> None:
        datagram.segment.payload += datagram.padding
        super().deliver(datagram)


@defect("D488", "Padding behind a FIN is counted: the FIN stands behind it.", LENGTH, "RFC 9293 §3.10.7.4 eighth")
class PaddingMovesFin(Stack):
    def deliver(self, datagram: Datagram) -> None:
        if datagram.segment.flags & FIN and datagram.padding:
            datagram.segment.seq += len(datagram.padding)
        super().deliver(datagram)


@defect("D489", "A packet with IPv4 options is dropped.", OPTIONS)
class Ipv4OptionsDropped(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        return super().receive_v4(packet, now) if packet[0] & 15 == 5 else None


@defect("D490", "Fragments of IPv4 are dropped.", FRAGMENTS)
class Ipv4FragmentsDropped(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        return super().receive_v4(packet, now) if not packet[6] & 0x3F and not packet[7] else None


class InOrder(Fragments):
    """A fragment that does not continue the one before is dropped."""

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        assembly = self._assemblies.get(key)
        there = sum(len(old) for _start, old in assembly.pieces) if assembly is not None else 0
        if at != there:
            return None
        return super().add(key, at, header, piece, now, more=more, overlap=overlap)


@defect("D491", "Fragments are joined only if they come in order.", FRAGMENTS)
class FragmentsInOrder(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = InOrder()


class Overlapping(Fragments):
    """Overlaps are joined, whatever IP version it is."""

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        return super().add(key, at, header, piece, now, more=more, overlap=True)


@defect("D492", "Overlapping fragments of IPv6 are joined.", FRAGMENTS, source="RFC 5722 §4")
class Ipv6OverlapsJoined(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = Overlapping()


@defect("D493", "A packet with hop-by-hop options is dropped.", EXTENSIONS, source="RFC 8200 §4.3")
class HopByHopDropped(IpInput):
    def hop_by_hop(self, packet: bytes, at: int, now: int) -> bytes | None:
        return None


@defect("D494", "A packet with destination options is dropped.", EXTENSIONS, source="RFC 8200 §4.6")
class DestinationOptionsDropped(IpInput):
    def destination(self, packet: bytes, at: int, now: int) -> bytes | None:
        return None


@defect("D495", "Fragments of IPv6 are dropped.", FRAGMENTS, source="RFC 8200 §4.5")
class Ipv6FragmentsDropped(IpInput):
    def fragment(self, packet: bytes, at: int, now: int) -> bytes | None:
        atomic = not int.from_bytes(packet[at + 2 : at + 4], "big") & 0xFFF9
        return super().fragment(packet, at, now) if atomic else None


@defect("D496", "An atomic fragment of IPv6 is dropped.", FRAGMENTS, source="RFC 6946 §4")
class AtomicFragmentDropped(IpInput):
    def fragment(self, packet: bytes, at: int, now: int) -> bytes | None:
        atomic = not int.from_bytes(packet[at + 2 : at + 4], "big") & 0xFFF9
        return None if atomic else super().fragment(packet, at, now)


@defect("D497", "A segment that arrives with a time to live of 1 is dropped.", "RFC 1122 §3.2.1.7")
class LastHopDropped(Stack):
    def is_for_us(self, datagram: Datagram) -> bool:
        return datagram.ttl > 1 and super().is_for_us(datagram)


@defect("D498", "A segment that a router has marked (ECN) is dropped.", "RFC 9293 §3.8.2", source="RFC 3168 §5")
class MarkedDropped(Stack):
    def is_for_us(self, datagram: Datagram) -> bool:
        return datagram.traffic_class & 3 != 3 and super().is_for_us(datagram)


@defect("D499", "A segment with another flow label than the SYN's is dropped.", WHOSE, source="RFC 6437 §2")
class OtherFlowDropped(Stack):
    def deliver(self, datagram: Datagram) -> None:
        flows = vars(self).setdefault("flows", {})
        if datagram.segment.flags & SYN:
            flows[datagram.pair] = datagram.flow_label
        if flows.get(datagram.pair, datagram.flow_label) == datagram.flow_label:
            super().deliver(datagram)


@defect("D500", "Text of odd length gets an octet more in front of a FIN.", "RFC 9293 §3.1")
class OddTextPadded(Stack):
    def deliver(self, datagram: Datagram) -> None:
        if datagram.segment.flags & FIN and len(datagram.segment.payload) % 2:
            datagram.segment.payload += b"\0"
        super().deliver(datagram)


@defect(
    "D501", "A segment of another precedence than the SYN's is answered with a reset.", WHOSE, source="RFC 793 §3.9"
)
class PrecedenceCompared(Stack):
    def deliver(self, datagram: Datagram) -> None:
        precedences = vars(self).setdefault("precedences", {})
        own = datagram.traffic_class >> 5
        if datagram.segment.flags & SYN:
            precedences[datagram.pair] = own
        if precedences.get(datagram.pair, own) == own:
            super().deliver(datagram)
        else:
            self.refuse(datagram)


class Mixed(Fragments):
    """Fragments are told apart by their number only."""

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        assert isinstance(key, tuple)
        return super().add(key[1], at, header, piece, now, more=more, overlap=overlap)


@defect("D502", "Fragments with the same number are joined though they come from two peers.", FRAGMENTS)
class FragmentsOfTwoPeers(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = Mixed()


@defect("D503", "A packet with an unknown option that may be skipped is dropped.", OPTIONS, source="RFC 8200 §4.2")
class UnknownOptionsDropped(IpInput):
    def options_allow(self, packet: bytes, at: int) -> bool:
        return super().options_allow(packet, at) and packet[at + 2] <= 1


@defect("D504", "The text of a segment that came in fragments is delivered, its FIN is overlooked.", FRAGMENTS)
class FinOfFragmentsLost(Stack):
    def receive(self, packet: bytes) -> bytes | None:
        plain = super().receive(packet)
        self.joined = plain is not None and plain != packet and packet[0] >> 4 == 4
        return plain

    def deliver(self, datagram: Datagram) -> None:
        segment: Segment = datagram.segment
        if getattr(self, "joined", False) and segment.payload and segment.flags & FIN:
            datagram.segment = replace(segment, flags=segment.flags & ~FIN)
        super().deliver(datagram)
