"""What may be left of connections whose handles are gone: ended by a reset at the number that each expects next."""

from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets.wired.packet import TcpPacket
from harness.wire import codec
from harness.wire.link import Arrival

_Ends = tuple[str, int, str, int]


class Remains:
    """The last segment that the stack has sent on each connection."""

    def __init__(self) -> None:
        self._last: dict[_Ends, Segment] = {}

    def note(self, arrivals: list[Arrival]) -> None:
        """Take note of what the stack has sent."""
        for arrival in arrivals:
            if TcpPacket.read(arrival.packet) is None:
                continue
            try:
                packet = codec.decode(arrival.packet)
            except codec.MalformedPacket:
                continue
            segment = packet.segment
            ends = (packet.source, segment.source_port, packet.destination, segment.destination_port)
            if segment.flags & RST:
                self._last.pop(ends, None)
            elif segment.flags & (SYN | ACK):
                self._last[ends] = segment

    def resets(self) -> list[bytes]:
        """Return a reset for each, and forget them."""
        found = []
        for (own, port, peer, peer_port), last in self._last.items():
            if last.flags & ACK:
                reset = Segment(RST, last.ack, source_port=peer_port, destination_port=port)
            else:  # SYN-SENT takes a reset that acknowledges the SYN
                acked = (last.seq + 1) & 0xFFFFFFFF
                reset = Segment(RST | ACK, 0, acked, source_port=peer_port, destination_port=port)
            found.append(codec.encode(codec.Path(peer, own), reset))
        self._last.clear()
        return found
