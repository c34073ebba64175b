"""The peer of `tcpspec adapter check`: one end of one connection, with its own numbers; packets for people."""

import re
from dataclasses import dataclass

from harness.spec.options import mss
from harness.spec.segment import ACK, FIN, SYN, Segment
from harness.wire import codec


@dataclass(slots=True)
class Remote:
    """The peer's end of one connection, as far as a check needs it."""

    path: codec.Path
    port: int
    peer_port: int
    seq: int = 1000
    ack: int = 0

    def packet(self, flags: int, data: bytes = b"") -> bytes:
        """Return the peer's next packet."""
        options = mss(1460) if flags & SYN else b""
        ack = self.ack if flags & ACK else 0
        segment = Segment(
            flags,
            self.seq,
            ack,
            payload=data,
            options=options,
            source_port=self.peer_port,
            destination_port=self.port,
        )
        self.seq += len(data) + bool(flags & SYN) + bool(flags & FIN)
        return codec.encode(self.path, segment)

    def state_command(self) -> str:
        """Return the command that asks for this connection's state."""
        return f"state {self.path.destination} {self.port} {self.path.source} {self.peer_port}"


def readable(command: str) -> str:
    """Return a command with its packet as a segment."""
    match = re.fullmatch(r"in ([0-9a-f]+)(.*)", command)
    text = f"in {notation(bytes.fromhex(match[1]))}{match[2]}" if match else command
    return text if len(text) <= 100 else f"{text[:90]}…"


def notation(packet: bytes) -> str:
    """Return a packet as its segment, with both ends."""
    try:
        decoded = codec.decode(packet)
    except codec.MalformedPacket as error:
        return f"({error}: {packet.hex()})"
    segment = decoded.segment
    ends = f"{decoded.source}:{segment.source_port} → {decoded.destination}:{segment.destination_port}"
    return f"{segment.notation()} {ends}"
