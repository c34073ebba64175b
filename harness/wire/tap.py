"""The peer's end of the wire where it is a TAP device: frames are read from and written to its descriptor.

Like on a veth pair, the target answers inside our own `write()`. There are no capture times: an arrival has the time at
which it was read, which is at once for whoever waits for it.
"""

import os
import time
from collections.abc import Callable

from harness.wire.link import Link, LostFence, comes

MAX_FRAME = 65600


class TapLink(Link):
    """A `Link` over a TAP device's descriptor. `drops` counts the frames that its queue had no room for."""

    def __init__(
        self, descriptor: int, peer_mac: bytes, target_mac: bytes, target_ip: bytes, drops: Callable[[], int]
    ) -> None:
        self._descriptor = descriptor
        self._drops = drops
        self._dropped = drops()
        os.set_blocking(descriptor, False)
        super().__init__(peer_mac, target_mac, target_ip)

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives, at most `seconds`; tell whether something did."""
        return comes(self._descriptor, seconds)

    def dropped(self) -> int:
        """Return the frames dropped since the last call."""
        before, self._dropped = self._dropped, self._drops()
        return self._dropped - before

    def close(self) -> None:
        """Close the descriptor: the device is then gone."""
        os.close(self._descriptor)

    def _transmit(self, frame: bytes) -> None:
        try:
            os.write(self._descriptor, frame)
        except OSError as error:
            raise LostFence(f"the TAP device is gone: {error.strerror}") from None

    def _receive(self) -> tuple[bytes, int]:
        try:
            return os.read(self._descriptor, MAX_FRAME), time.time_ns()
        except BlockingIOError:
            raise
        except OSError as error:
            raise LostFence(f"the TAP device is gone: {error.strerror}") from None
