"""The harness's end of a pair of sockets in place of a device: an emulated card is the other."""

import socket
import time

from harness.targets.protocol import NotOffered
from harness.targets.wired.link import WireLink
from harness.wire.link import LONGEST_FRAME, SO_TIMESTAMPNS, LostFence, PacketLink

#: A frame's length stands before it in so many octets, in network order.
LENGTH_OCTETS = 4
#: How long a full wire is waited for.
FULL_S = 5.0


class PairLink(WireLink):
    """The harness's end of a pair of sockets, datagrams or a stream; nothing is dropped on it."""

    def _prepare(self) -> None:
        self._stream = self._sock.type == socket.SOCK_STREAM
        self._octets = bytearray()
        if not self._stream:
            self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        for name in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._sock.setsockopt(socket.SOL_SOCKET, name, 4 << 20)
        self._sock.settimeout(0)

    def dropped(self) -> int:
        """Return 0: who sends waits while the wire is full."""
        return 0

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives; a frame that has come in part is none."""
        deadline = time.monotonic() + seconds
        while not self._whole():
            left = deadline - time.monotonic()
            if not super().wait(left):
                return False
            if not self._stream:
                return True
            if not self._fill():
                return False
        return True

    def _put(self, frame: bytes) -> None:
        if len(frame) > LONGEST_FRAME:
            raise NotOffered("an emulated card takes no frame that is longer than its wire's longest")
        self._sock.settimeout(FULL_S)
        try:
            if self._stream:
                frame = len(frame).to_bytes(LENGTH_OCTETS, "big") + frame
            self._sock.sendall(frame)
        except TimeoutError:
            raise LostFence(f"the emulator has taken no frame for {FULL_S:g} s") from None
        finally:
            self._sock.settimeout(0)

    def _get(self) -> tuple[bytes, int]:
        try:
            if not self._stream:
                return PacketLink._receive(self)
            while not self._whole() and self._fill():
                pass
        except ConnectionError as error:
            raise LostFence(f"the emulator has ended: {error.strerror}") from None
        if not self._whole():
            raise BlockingIOError
        end = LENGTH_OCTETS + int.from_bytes(self._octets[:LENGTH_OCTETS], "big")
        frame = bytes(self._octets[LENGTH_OCTETS:end])
        del self._octets[:end]
        return frame, time.time_ns()

    def _whole(self) -> bool:
        length = int.from_bytes(self._octets[:LENGTH_OCTETS], "big")
        return len(self._octets) >= LENGTH_OCTETS + length > LENGTH_OCTETS

    def _fill(self) -> bool:
        """Read what is there of a stream; tell whether that was anything."""
        try:
            octets = self._sock.recv(1 << 16)
        except BlockingIOError:
            return False
        self._octets += octets
        return bool(octets)
