"""What the peer sends: segments and ICMP messages of a script, with the numbers that they have on the wire.

A SYN of the peer has the very number that is written, all that follows counts from it; so do the acknowledgments of the
target, but with its own SYN. The target's numbers count from its SYN, which is written as any number, mostly 0.
Where no socket listens or connects a SYN begins nothing, and nothing counts from it.
"""

from collections.abc import Iterator
from dataclasses import replace

from harness.case.connection import Connection
from harness.pkt import fast_open, icmp
from harness.pkt.descriptors import LARGEST_WINDOW, MTU, PEER_SALT, Doubt, Stage
from harness.pkt.options import Stamps, TooLong, octets
from harness.pkt.support import Unsupported, beyond
from harness.pkt.tree import Icmp, Place, TcpSegment
from harness.spec import seqno
from harness.spec.history.world import text
from harness.spec.options import MalformedOptions, window_scale_of
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, URG, Flags, Segment
from harness.targets.protocol import Roomy
from harness.trace.events import Kind
from harness.wire import codec, forms
from harness.wire import icmp as wire_icmp

#: The longest options field.
MAX_OPTIONS = 40
#: The TTL of what the peer sends, unless the script says another.
TTL = 64


class Peer:
    """The peer of a script."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stamps: dict[int, Stamps] = {}
        #: The number that the script gives to the target's SYN, by connection.
        self.written_iss: dict[int, int] = {}
        self._by_ports: dict[tuple[int, int], Connection] = {}
        #: Whether the peer's SYN had a window scale, by connection.
        self._scales: dict[int, bool] = {}

    @property
    def names_ports(self) -> bool:
        """Whether the script tells connections apart by their ports."""
        return bool(self._by_ports)

    def stamps_of(self, connection: Connection) -> Stamps:
        """Return the timestamps of a connection."""
        return self._stamps.setdefault(connection.index, Stamps())

    def connection_of(self, line: TcpSegment) -> Connection:
        """Return which connection a segment of the peer is about."""
        if line.ports is not None:
            peer_port, port = line.ports
            known = self._by_ports.get((peer_port, port))
            if known is None:
                known = self._by_ports[peer_port, port] = self._stage.bound(port)
            return known
        return self._stage.under_test

    def asked_for(self, line: TcpSegment) -> Connection | None:
        """Return the connection whose ports a line of the target names, None where it names none."""
        return self._by_ports.get((line.ports[1], line.ports[0])) if line.ports is not None else None

    def resolved(self, line: TcpSegment, connection: Connection) -> TcpSegment:
        """Return a segment in which Fast Open's cookies are those of this connection."""
        if not any(option.symbol or option.octets for option in line.options or ()):
            return line
        own, written = connection.tuple4, self._stage.written_for
        return replace(line, options=fast_open.resolved(line.options or (), own.peer_address, own.address, written))

    def learn(self, line: TcpSegment, connection: Connection) -> None:
        """Note which connection the ports of a line of the target stand for, and the number of its SYN."""
        if line.ports is not None:
            self._by_ports.setdefault((line.ports[1], line.ports[0]), connection)
        if line.flags & SYN:
            self.written_iss[connection.index] = line.seq

    def send(self, line: TcpSegment, place: Place) -> Connection:
        """Send a segment and take in what the target does because of it."""
        __tracebackhide__ = True
        if line.around:
            raise Unsupported(beyond(line.around), place)
        connection = self.connection_of(line)
        if line.flags & URG:
            self._stage.streams_of(connection).urgent = True
        packets = []
        if self._acknowledges_what_is_to_come(connection, line):
            self._stage.doubts.append(
                Doubt("an acknowledgment of text that the target has not sent yet", place, connection)
            )
        parts = list(self._cut(line))
        if len(parts) > 1:
            construct = f"a segment of {line.length} octets, which the wire does not hold in one piece"
            self._stage.doubts.append(Doubt(construct, place, connection))
        for part in parts:
            wire = self._segment(connection, part, place)
            packets.append(self._packet(connection, wire, part))
            relative = wire.relative(connection.peer_iss, connection.target_iss or 0)
            connection.peer.sent(relative)
            event = self._stage.conversation.note(Kind.SENT, "", connection, packets[-1])
            event.segment = relative
        target = self._stage.conversation.rig.target
        if isinstance(target, Roomy):
            target.merge(self._stage.mss)
        self._stage.conversation.step(packets)
        return connection

    def _acknowledges_what_is_to_come(self, connection: Connection, line: TcpSegment) -> bool:
        """Tell whether a segment acknowledges what the application has written and the target still holds back."""
        written = len(self._stage.streams_of(connection).written)
        if not written or line.ack is None or not line.flags & ACK or line.flags & SYN or line.absolute:
            return False
        base = connection.target_iss or 0
        sent = max((seqno.diff(each.wire.end, base) for each in connection.received), default=0)
        return sent < seqno.diff(line.ack, 0) <= written + 1

    def _cut(self, line: TcpSegment) -> Iterator[TcpSegment]:
        """Yield a segment in pieces that fit the wire: scripts inject larger ones, as a card that merges would."""
        target = self._stage.conversation.rig.target
        longest = target.largest if isinstance(target, Roomy) else MTU
        room = longest - (40 if self._stage.version == 4 else 60) - MAX_OPTIONS
        seq, left = line.seq, line.length
        while left > room:
            self._stage.left_out["segmentation"] += 1
            flags = int(line.flags) & ~int(FIN | PSH)
            yield replace(line, flags=Flags(flags), seq=seq, length=room)
            seq, left = seqno.add(seq, room + bool(line.flags & SYN)), left - room
        yield replace(line, seq=seq, length=left)

    def _segment(self, connection: Connection, line: TcpSegment, place: Place) -> Segment:
        if line.absolute:
            seq = line.seq
        elif line.flags & SYN:
            if not self._is_synchronized(connection):
                connection.peer_iss = line.seq if connection.tuple4.port in self._stage.begun else 0
            if not line.flags & ACK and connection not in self._stage.incoming:
                self._stage.incoming.append(connection)
            seq = line.seq
            self._stage.streams_of(connection).asked = seqno.diff(seq, connection.peer_iss)
        else:
            seq = seqno.add(connection.peer_iss, line.seq)
        if not line.absolute:
            seq = seqno.add(seq, self._moved(connection, line))
        base = connection.target_iss or 0
        if line.flags & SYN:
            base -= self.written_iss.get(connection.index, 0)
        # An acknowledgment without a number has 0, which counts from the target's SYN too.
        ack = seqno.add(line.ack or 0, base) if line.ack is not None or line.flags & ACK else 0
        first = seqno.diff(seq, connection.peer_iss) + bool(line.flags & SYN)
        try:
            field = octets(
                self.resolved(line, connection).options or (), self.stamps_of(connection), connection.target_iss or 0
            )
        except TooLong as error:
            raise Unsupported(str(error), place) from None
        if line.flags & SYN:
            self._scales[connection.index] = _scale_of(field) is not None
        return Segment(
            line.flags,
            seq,
            ack,
            0 if line.window is None else line.window,
            text(first, line.length, PEER_SALT),
            field,
            line.urgent,
            connection.tuple4.peer_port,
            connection.tuple4.port,
            line.reserved,
        )

    def _moved(self, connection: Connection, line: TcpSegment) -> int:
        """Return how far a number at the edge of the window that the script means is from that of the target's.

        A number that is outside of both is left as it is.
        """
        claimed = self._stage.claimed_windows.get(connection.index)
        spoken = [each.wire for each in connection.received if each.wire.flags & ACK and not each.wire.flags & RST]
        if self._stage.strict or claimed is None or not spoken:
            return 0
        last = spoken[-1]
        offset = seqno.diff(line.seq, (last.ack - connection.peer_iss) & seqno.MASK)
        scaled = self._scales.get(connection.index)
        # A stack may count by the buffer, or by what a window without a scale can say of it.
        edges = (claimed,) if scaled else (claimed, min(claimed, LARGEST_WINDOW))
        edge = next((edge for edge in edges if abs(offset - edge) <= 1), None)
        if edge is None:
            return 0
        first = next((each.wire for each in connection.received if each.wire.flags & SYN), None)
        shift = (_scale_of(first.options) or 0) if first is not None and scaled else 0
        size = last.window << (0 if last.flags & SYN else shift)
        if offset >= max(edge, size):
            return 0  # it is outside of either window
        self._stage.left_out["number at the edge of a window"] += 1
        return size - edge

    def _is_synchronized(self, connection: Connection) -> bool:
        """Tell whether the target has acknowledged a SYN of the peer: from then on the numbers count from that one."""
        return any(
            received.wire.flags & ACK and not received.wire.flags & RST
            for received in connection.received
            if seqno.diff(received.wire.ack, connection.peer_iss) > 0
        )

    def _packet(self, connection: Connection, wire: Segment, line: TcpSegment) -> bytes:
        ip = line.ip
        traffic_class = ip.tos if ip.tos is not None else (ip.dscp or 0) << 2 | (ip.ecn or 0)
        packet = codec.encode(connection.path, wire, ttl=ip.ttl or TTL, traffic_class=traffic_class)
        if ip.flow_label is not None and self._stage.version == 6:
            packet = forms.with_flow_label(packet, ip.flow_label)
        return packet

    def send_icmp(self, message: Icmp, place: Place) -> None:
        """Send an ICMP message that quotes a segment of the target."""
        __tracebackhide__ = True
        version = self._stage.version
        found = icmp.numbers(message, version)
        if found is None or message.around:
            raise Unsupported(f"icmp {message.type} {message.code}".rstrip() + f" on IPv{version}", place)
        connection = self._stage.under_test
        seq, length = message.quoted
        quoted = Segment(
            ACK,
            seqno.add(connection.target_iss or 0, seq),
            window=65535,
            payload=bytes(min(length, 512)),
            source_port=connection.tuple4.port,
            destination_port=connection.tuple4.peer_port,
        )
        packet = codec.encode(connection.path.reversed(), quoted)
        error = wire_icmp.error(connection.path, *found, packet, rest=icmp.rest_of(message, version))
        conversation = self._stage.conversation
        words = f"ICMP {message.type} {message.code}".rstrip()
        conversation.note(Kind.NOTE, f"{words} about {seq}:{seqno.add(seq, length)}", connection, error)
        conversation.step([error])


def _scale_of(field: bytes) -> int | None:
    """Return the shift that options announce, None where there is none, or what should hold one has no form."""
    try:
        return window_scale_of(field)
    except MalformedOptions:
        return None
