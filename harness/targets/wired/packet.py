"""A TCP segment in an IP packet, read and written anew in parts; what is wrong with its checksum stays wrong."""

import struct
from dataclasses import dataclass

from harness.wire import codec

_FIELDS = struct.Struct("!HHIIBB")
#: What a checksum field says that is special: it is kept as it is.
_SPECIAL = (0, 0xFFFF)


@dataclass(slots=True)
class TcpPacket:
    """The fields that matter to who stands in between; `source` and `destination` are addresses in octets."""

    octets: bytes
    at: int
    source: bytes
    destination: bytes
    source_port: int
    destination_port: int
    seq: int
    ack: int
    flags: int
    payload: bytes

    @classmethod
    def read(cls, packet: bytes) -> "TcpPacket | None":
        """Read a packet; None where it holds no TCP header."""
        if not codec.is_tcp(packet):
            return None
        if packet[0] >> 4 == 4:
            at, end = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
            source, destination = packet[12:16], packet[16:20]
        else:
            at, end = 40, 40 + int.from_bytes(packet[4:6], "big")
            source, destination = packet[8:24], packet[24:40]
        if len(packet) < at + 20 or end < at + 20:
            return None
        sport, dport, seq, ack, offset, flags = _FIELDS.unpack_from(packet, at)
        text = packet[at + (offset >> 4) * 4 : end] if offset >> 4 >= 5 else b""
        return cls(packet[:end], at, source, destination, sport, dport, seq, ack, flags, text)

    @property
    def end(self) -> int:
        """The sequence number behind the text and the SYN, without the FIN."""
        return (self.seq + len(self.payload) + bool(self.flags & 2)) & 0xFFFFFFFF

    @property
    def sound(self) -> bool:
        """Whether the checksum is right."""
        return not self._error

    @property
    def options(self) -> bytes:
        """The options field."""
        return self.octets[self.at + 20 : self.at + (self.octets[self.at + 12] >> 4) * 4]

    @property
    def window(self) -> int:
        """The window field."""
        return int.from_bytes(self.octets[self.at + 14 : self.at + 16], "big")

    @property
    def _field(self) -> int:
        return int.from_bytes(self.octets[self.at + 16 : self.at + 18], "big")

    @property
    def _error(self) -> int:
        """By what the checksum is wrong; both zeros of the ones' complement are the same number (RFC 1071)."""
        due = _checksum(self.octets, self.at)
        return 0 if {due, self._field} <= set(_SPECIAL) else self._field ^ due

    def written(
        self,
        *,
        source_port: int | None = None,
        destination_port: int | None = None,
        seq: int | None = None,
        ack: int | None = None,
        flags: int | None = None,
        payload: bytes | None = None,
    ) -> bytes:
        """Return the packet with other fields."""
        frame, at = bytearray(self.octets), self.at
        error = self._error
        if payload is not None:
            frame = frame[: len(frame) - len(self.payload)] + payload
            if frame[0] >> 4 == 4:
                frame[2:4] = len(frame).to_bytes(2, "big")
                frame[10:12] = b"\0\0"
                frame[10:12] = codec.checksum(bytes(frame[:at])).to_bytes(2, "big")
            else:
                frame[4:6] = (len(frame) - 40).to_bytes(2, "big")
        offset = frame[at + 12]
        values = (source_port, destination_port, seq, ack)
        old = (self.source_port, self.destination_port, self.seq, self.ack)
        chosen = [was if now is None else now & 0xFFFFFFFF for now, was in zip(values, old, strict=True)]
        _FIELDS.pack_into(frame, at, *chosen, offset, self.flags if flags is None else flags)
        if not (error and self._field in _SPECIAL):
            frame[at + 16 : at + 18] = (_checksum(bytes(frame), at) ^ error).to_bytes(2, "big")
        return bytes(frame)


def _checksum(packet: bytes, at: int) -> int:
    """Return what the checksum field has to say (RFC 9293 §3.1)."""
    ends = packet[12:20] if packet[0] >> 4 == 4 else packet[8:40]
    tcp = packet[at : at + 16] + b"\0\0" + packet[at + 18 :]
    return codec.checksum(ends + struct.pack("!II", len(tcp), 6) + tcp)
