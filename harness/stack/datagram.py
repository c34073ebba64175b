"""What passes between a stack and the network: segments with the addresses that IP has for them."""

from dataclasses import dataclass
from typing import NamedTuple

from harness.spec.segment import Segment


class Endpoint(NamedTuple):
    """An address, in text, and a port: a socket in the sense of RFC 9293 §3.4."""

    address: str
    port: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


class Pair(NamedTuple):
    """The two endpoints that name a connection, our own first."""

    local: Endpoint
    remote: Endpoint


@dataclass(slots=True)
class Datagram:
    """A segment on its way, with what IP needs to know or tells about it. `intact` says that its checksum is right.

    `padding` is what stood behind the IP datagram in its frame: no part of the segment (RFC 894).
    """

    source: str
    destination: str
    segment: Segment
    ttl: int = 64
    traffic_class: int = 0
    intact: bool = True
    flow_label: int = 0
    padding: bytes = b""

    @property
    def pair(self) -> Pair:
        """The connection that the datagram belongs to, as its receiver sees it."""
        segment = self.segment
        return Pair(Endpoint(self.destination, segment.destination_port), Endpoint(self.source, segment.source_port))
