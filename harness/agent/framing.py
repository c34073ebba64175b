"""How the messages of a harness and an agent inside a kernel travel: in frames of an EtherType for local experiments.

A message that is longer than a frame is cut into parts.
"""

import struct

ETHERTYPE = 0x88B5
ETHERNET = struct.Struct("!6s6sH")
#: Octets of a message per frame, behind the Ethernet header and this one: number of the message, "more parts follow".
PART = 1400
PART_HEADER = struct.Struct("!I?")
#: The number of the message that the agent sends when it is there.
READY = 0


def parts(number: int, message: bytes) -> list[bytes]:
    """Cut a message into payloads of frames."""
    starts = range(0, len(message), PART) or (0,)
    return [PART_HEADER.pack(number, at + PART < len(message)) + message[at : at + PART] for at in starts]


class Joiner:
    """Puts the parts of messages together again."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, payload: bytes) -> tuple[int, bytes] | None:
        """Take the payload of a frame; return the number and the text of a message that is complete now."""
        number, more = PART_HEADER.unpack_from(payload)
        self._parts.append(payload[PART_HEADER.size :])
        if more:
            return None
        message, self._parts = b"".join(self._parts), []
        return number, message
