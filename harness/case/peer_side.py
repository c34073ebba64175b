"""What a case calls `peer`: the tester's end of the wire. It sends only what it is told to send."""

from dataclasses import replace

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.violation import Inconclusive, Replay
from harness.observe.snapshot import FourTuple
from harness.spec.options import mss
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import State
from harness.trace.events import Event, Kind
from harness.wire import codec, icmp

DEFAULT_MSS = 1460


class PeerSide:
    """The peer of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rebind(self, connection: Connection) -> None:
        """Speak of another connection from now on: the same case is replayed."""
        self._connection = connection

    # --- what it knows -----------------------------------------------------------------------------------------------

    @property
    def snd_nxt(self) -> int:
        """The next sequence number of the peer, relative."""
        return self._connection.peer.snd_nxt

    @property
    def rcv_nxt(self) -> int:
        """The next sequence number expected of the target, relative."""
        return self._connection.peer.rcv_nxt

    @property
    def state(self) -> State:
        """The state implied by what the peer has sent and seen."""
        return self._connection.peer.state

    @property
    def last(self) -> Segment:
        """The last segment of the target, relative numbers; Inconclusive if there is none."""
        return self._last_event().segment or Segment(0)

    @property
    def last_packet(self) -> codec.Packet:
        """The last segment of the target as it was on the wire, with its IP header."""
        return codec.decode(self._last_event().packet)

    @property
    def target_window(self) -> int:
        """The window field that the target sent last (unscaled)."""
        return self.last.window

    @property
    def target_iss(self) -> int:
        """The target's initial sequence number as it is on the wire; Inconclusive before its SYN is seen."""
        iss = self._connection.target_iss
        if iss is None:
            raise Inconclusive("the target has sent no SYN yet")
        return iss

    # --- what it does ------------------------------------------------------------------------------------------------

    def segment(
        self,
        flags: int,
        data: bytes = b"",
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: bytes | None = None,
        urgent: int = 0,
        reserved: int = 0,
        data_offset: int | None = None,
    ) -> Segment:
        """Return a segment with relative numbers; what is not given is what a TCP in the peer's place would write.

        Unless `options` says otherwise a SYN carries an MSS option, and what is behind it timestamps, if both SYNs did.
        """
        record = self._connection.peer
        if options is None and not flags & RST:
            options = mss(DEFAULT_MSS) if flags & SYN else record.stamped
        return Segment(
            flags,
            seq=record.snd_nxt if seq is None else seq,
            ack=ack if ack is not None else (record.rcv_nxt if flags & ACK else 0),
            window=record.window if window is None else window,
            payload=data,
            options=options or b"",
            urgent=urgent,
            reserved=reserved,
            data_offset=data_offset,
        )

    def send(
        self,
        flags: int,
        data: bytes = b"",
        *,
        seq: int | None = None,
        ack: int | None = None,
        window: int | None = None,
        options: bytes | None = None,
        urgent: int = 0,
        reserved: int = 0,
        data_offset: int | None = None,
        checksum_error: int = 0,
        checksum: int | None = None,
        source: str | None = None,
        destination: str | None = None,
        destination_mac: bytes | None = None,
    ) -> None:
        """Send one segment and take in all that the target answers.

        `checksum_error` is XORed into the right checksum, `checksum` stands instead of it. `source`, `destination` and
        `destination_mac` replace the addresses of the connection (for segments that must not be taken for its own).
        """
        __tracebackhide__ = True
        made = self.segment(
            flags,
            data,
            seq=seq,
            ack=ack,
            window=window,
            options=options,
            urgent=urgent,
            reserved=reserved,
            data_offset=data_offset,
        )
        own = self._connection.path
        path = codec.Path(source or own.source, destination or own.destination) if source or destination else own
        if checksum is not None:
            checksum_error = self._right_checksum(path, made) ^ checksum
            if not checksum_error:
                raise Replay(f"{checksum:#06x} happens to be the right checksum")
        self._inject([made], path, checksum_error=checksum_error, destination_mac=destination_mac)

    def inject(self, *segments: Segment) -> None:
        """Send several segments (made by `segment`) back to back, and only then take in the answers."""
        __tracebackhide__ = True
        self._inject(list(segments), self._connection.path)

    def send_icmp_error(self, kind: int, code: int, *, seq_offset: int = 0, port_offset: int = 0) -> None:
        """Send an ICMP (or ICMPv6) error that quotes the target's last segment.

        `seq_offset` and `port_offset` falsify the quoted sequence number and the quoted port of the peer.
        """
        __tracebackhide__ = True
        connection = self._connection
        conversation: Conversation = connection.conversation
        conversation.begin_step()
        quoted = self._last_event().packet
        packet = icmp.error(connection.path, kind, code, quoted, seq_offset=seq_offset, port_offset=port_offset)
        event = conversation.note(Kind.NOTE, f"ICMP error type {kind} code {code}", connection, packet)
        event.annotations += [f"(quoted SEQ off by {seq_offset})"] if seq_offset else []
        conversation.step([packet])

    def renew(self, iss: int) -> None:
        """Begin a new incarnation on the same 4-tuple; `iss` is relative to the old one's initial sequence number."""
        self._connection.renew((self._connection.peer_iss + iss) & 0xFFFFFFFF)

    def choose_iss(self, iss: int) -> None:
        """Begin at this initial sequence number, given as it is on the wire; to be called before anything is sent."""
        self._connection.renew(iss & 0xFFFFFFFF)

    def _inject(
        self,
        segments: list[Segment],
        path: codec.Path,
        *,
        checksum_error: int = 0,
        destination_mac: bytes | None = None,
    ) -> None:
        __tracebackhide__ = True
        connection = self._connection
        conversation: Conversation = connection.conversation
        conversation.begin_step()
        conversation.let_throttle_pass(connection)
        packets = []
        for segment in segments:
            relative = Segment(
                segment.flags,
                segment.seq,
                segment.ack,
                segment.window,
                segment.payload,
                segment.options,
                segment.urgent,
            )
            wire = connection.to_wire(segment)
            packet = codec.encode(path, wire, checksum_error=checksum_error)
            conversation.provoked.add(FourTuple(path.destination, wire.destination_port, path.source, wire.source_port))
            genuine = not checksum_error and path == connection.path and destination_mac is None
            if genuine:
                connection.peer.sent(relative)
            event = conversation.note(Kind.SENT, "", connection, packet)
            event.segment = relative
            event.annotations += ["(bad checksum)"] if checksum_error else []
            event.annotations += ["(in a frame to several hosts)"] if destination_mac is not None else []
            event.annotations += [f"(from {path.source} to {path.destination})"] if path != connection.path else []
            packets.append(packet)
        conversation.step(packets, destination_mac, about=connection)

    def _right_checksum(self, path: codec.Path, segment: Segment) -> int:
        packet = codec.encode(path, self._connection.to_wire(replace(segment)))
        at = (20 if path.version == 4 else 40) + 16
        return int.from_bytes(packet[at : at + 2], "big")

    def _last_event(self) -> Event:
        if not self._connection.received:
            raise Inconclusive("the target has sent nothing yet")
        return self._connection.received[-1].event
