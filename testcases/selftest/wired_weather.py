"""A long or bad way to a stack: ``wired_weather.py DEVICE DELAY_MS JITTER_MS LOSS [overtaking]``.

Each frame takes so long in either direction, and up to the jitter longer; with `overtaking` one that takes longer comes
later than those behind it. LOSS is the share of those that get lost. The stack at the other end is `wired_linux`.
"""

import heapq
import os
import random
import select
import socket
import sys
import time

from testcases.selftest import wired_linux


class Way:
    """Frames on their way, each to a descriptor."""

    def __init__(self, delay_s: float, jitter_s: float, loss: float, *, overtaking: bool) -> None:
        self._delay_s, self._jitter_s, self._loss, self._overtaking = delay_s, jitter_s, loss, overtaking
        self._random = random.Random(1)
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._latest: dict[int, float] = {}

    def put(self, to: int, frame: bytes) -> None:
        """Let a frame set out."""
        if self._random.random() < self._loss:
            return
        at = time.monotonic() + self._delay_s + self._random.random() * self._jitter_s
        if not self._overtaking:
            at = self._latest[to] = max(at, self._latest.get(to, at))
        self._count += 1
        heapq.heappush(self._under_way, (at, self._count, to, frame))

    def deliver(self) -> float | None:
        """Deliver what has arrived; return in how many seconds the next one does."""
        while self._under_way:
            if (left_s := self._under_way[0][0] - time.monotonic()) > 0:
                return left_s
            *_when, to, frame = heapq.heappop(self._under_way)
            os.write(to, frame)
        return None


def main() -> None:
    """Let the stack run behind one end of a pair of sockets, and be the way to the other."""
    delay_ms, jitter_ms, loss = map(float, sys.argv[2:5])
    way = Way(delay_ms / 1000, jitter_ms / 1000, loss, overtaking="overtaking" in sys.argv)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    if not os.fork():
        near.close()
        sys.argv[1:] = [str(far.fileno()), "2"]
        wired_linux.main()
    far.close()
    device = wired_linux.device(sys.argv[1], 2)
    other = {device: near.fileno(), near.fileno(): device}
    while True:
        for end in select.select(list(other), [], [], way.deliver())[0]:
            way.put(other[end], os.read(end, 65536))


if __name__ == "__main__":
    main()
