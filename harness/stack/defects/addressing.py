"""Defects of headers and addresses: whose segment it is, and what is damaged (RFC 9293 §3.1, §3.4, §3.9.2.3)."""

import errno
from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import FIN, NO_FLAGS, SYN, URG, Segment
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.stack import Stack
from harness.stack.tcb import Owner, Tcb

CHECKSUM = "MUST-3"
WHOSE = "RFC 9293 §3.4"


@defect("D78", "The checksum is not looked at.", CHECKSUM)
class NoChecksum(Stack):
    def is_intact(self, datagram: Datagram) -> bool:
        return True


@defect("D307", "The checksum is looked at on SYNs only.", CHECKSUM)
class ChecksumOnSynsOnly(Stack):
    def is_intact(self, datagram: Datagram) -> bool:
        return super().is_intact(datagram) or not datagram.segment.flags & SYN


@defect("D308", "Over IPv6 the checksum is not looked at.", CHECKSUM)
class NoChecksumOnIpv6(Stack):
    def is_intact(self, datagram: Datagram) -> bool:
        return super().is_intact(datagram) or datagram.pair.local.version == 6


@defect("D309", "A segment with a wrong checksum is answered with a reset.", CHECKSUM)
class DamagedIsRefused(Stack):
    def is_intact(self, datagram: Datagram) -> bool:
        if not datagram.intact:
            self.refuse(datagram)
        return datagram.intact


@defect("D310", "A connection takes segments from every port of the peer.", WHOSE)
class RemotePortOverlooked(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        others = (
            connection
            for known, connection in self.connections.items()
            if (known.local, known.remote.address) == (pair.local, pair.remote.address)
        )
        return super().connection_for(pair) or next(others, None)


@defect("D311", "A connection takes segments from every address that use its ports.", WHOSE)
class RemoteAddressOverlooked(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        others = (
            connection
            for known, connection in self.connections.items()
            if (known.local, known.remote.port) == (pair.local, pair.remote.port)
        )
        return super().connection_for(pair) or next(others, None)


@defect("D312", "A connection takes segments that are for another address of the host.", WHOSE)
class LocalAddressOverlooked(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        others = (
            connection
            for known, connection in self.connections.items()
            if (known.local.port, known.remote) == (pair.local.port, pair.remote)
        )
        return super().connection_for(pair) or next(others, None)


@defect("D313", "A SYN from a multicast or broadcast address is answered.", "MUST-63")
class AnySource(Stack):
    def is_for_us(self, datagram: Datagram) -> bool:
        return datagram.destination in self.addresses and datagram.source not in self.addresses


@defect("D314", "A SYN to a multicast or broadcast address is answered.", "MUST-57")
class AnyDestination(Stack):
    def is_for_us(self, datagram: Datagram) -> bool:
        return self.is_unicast(datagram.source) and datagram.source not in self.addresses


@defect("D315", "An active OPEN to a multicast address is not refused.", "MUST-46")
class OpensToEveryone(Stack):
    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Owner) -> Connection:
        self.opening = True
        try:
            return super().connect(remote, local, owner)
        finally:
            self.opening = False

    def is_unicast(self, address: str) -> bool:
        return getattr(self, "opening", False) or super().is_unicast(address)


@defect(
    "D316",
    "Only the first SYN of a peer is answered: a second connection is refused.",
    WHOSE,
    "MUST-41",
)
class OneConnectionPerPeer(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & SYN and self.ready:
            self.refuse(datagram)
            return None
        return super().arrive(datagram, replaced)


@defect("D317", "A second connection to a listener ends the first.", WHOSE)
class SecondEndsFirst(Listener):
    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        for first in [*self.opening, *self.ready]:
            first.delete(errno.ECONNRESET)
        return super().open(datagram, replaced)


@defect("D318", "The second connection of a listener acknowledges the first one's SYN.", WHOSE)
class SecondMixedUp(Listener):
    irs: int | None = None

    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        self.irs = datagram.segment.seq if self.irs is None else self.irs
        segment = replace(datagram.segment, seq=self.irs)
        return super().open(replace(datagram, segment=segment), replaced)


@defect("D319", "A connection that ends takes the others between the same addresses with it.", WHOSE)
class NeighboursEndToo(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        local, remote = connection.pair
        for pair in [*self.connections]:
            if (pair.local.address, pair.remote.address) == (local.address, remote.address):
                self.connections.pop(pair).vanish()


@defect("D320", "A segment with a reserved bit set is dropped.", "RFC 9293 §3.1")
class ReservedBitsDrop(Connection):
    def arrive(self, segment: Segment) -> None:
        if not segment.reserved:
            super().arrive(segment)


@defect("D321", "Reserved bits are echoed.", "RFC 9293 §3.1")
class ReservedBitsEchoed(Connection):
    reserved = 0

    def arrive(self, segment: Segment) -> None:
        self.reserved = segment.reserved
        super().arrive(segment)

    def emit(self, segment: Segment) -> None:
        segment.reserved = self.reserved
        super().emit(segment)


@defect("D322", "The urgent pointer is filled though URG is off.", "RFC 9293 §3.1")
class UrgentPointerFilled(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & URG:
            segment.urgent = len(segment.payload) + 1
        super().emit(segment)


@defect("D323", "A segment without any flag is processed as if ACK were set.", "RFC 9293 §3.10.7.4 fifth")
class NoFlagsTaken(Connection):
    def check_ack(self, segment: Segment) -> bool:
        return True if segment.flags == NO_FLAGS else super().check_ack(segment)


@defect(
    "D324",
    "A segment that carries FIN, PSH and URG at once is dropped.",
    "RFC 9293 §3.1",
    source="filters against port scans",
)
class CrowdedFlagsDrop(Connection):
    def arrive(self, segment: Segment) -> None:
        if not (segment.flags & FIN and segment.flags & URG):
            super().arrive(segment)


@defect("D325", "An application's time to live is overlooked.", "MUST-49")
class TimeToLiveFixed(Connection):
    def emit(self, segment: Segment) -> None:
        own, self.settings.ttl = self.settings.ttl, 64
        super().emit(segment)
        self.settings.ttl = own


@defect("D326", "An application's traffic class is overlooked.", "MUST-48")
class TrafficClassFixed(Connection):
    def emit(self, segment: Segment) -> None:
        own, self.settings.traffic_class = self.settings.traffic_class, 0
        super().emit(segment)
        self.settings.traffic_class = own


@defect("D327", "An active OPEN may take the pair of a connection that exists.", "RFC 9293 §3.10.1")
class PairTakenTwice(Stack):
    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Owner) -> Connection:
        if local is not None:
            self.connections.pop(Pair(local, remote), None)
        return super().connect(remote, local, owner)


@defect("D328", "Numbers are sent one octet short after the wrap of the sequence space.", WHOSE)
class WrapLosesOne(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.seq < self.iss and not segment.flags & SYN:
            segment.seq = seqno.add(segment.seq, -1)
        super().emit(segment)
