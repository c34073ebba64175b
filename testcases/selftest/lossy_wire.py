"""Two stacks and a bad wire between them, in virtual time: what a selftest of the reference stack plays with."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from harness.stack import Config, Datagram, Endpoint, Socket, Stack
from harness.stack.config import NS

ADDRESSES = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}


@dataclass(slots=True)
class Weather:
    """How bad a wire is: probabilities per segment, times in nanoseconds."""

    loss: float = 0.0
    duplication: float = 0.0
    delay: int = 10_000_000
    jitter: int = 0
    #: What is lost whatever chance says.
    lost: Callable[[Datagram], bool] = field(default=lambda _datagram: False)


class Wire:
    """Carries datagrams between two stacks. `sent` is the record of all that was put on it, with its time."""

    def __init__(
        self, weather: Weather | None = None, *, seed: int = 1, version: int = 4, config: Config | None = None
    ) -> None:
        self.weather = weather or Weather()
        self.random = random.Random(seed)
        self.now = 1000 * NS
        self.sent: list[tuple[int, Datagram]] = []
        self._under_way: list[tuple[int, int, Datagram]] = []
        self._serial = 0
        ours, theirs = ADDRESSES[version]
        self.left = Stack([ours], config=config or Config(), key=b"left", now=self.now)
        self.right = Stack([theirs], config=config or Config(), key=b"right", now=self.now)
        self._stacks = {ours: self.left, theirs: self.right}

    def listen(self, port: int = 80, **settings: object) -> Socket:
        """Let the right stack listen."""
        sock = self.right.socket()
        for name, value in settings.items():
            setattr(sock.settings, name, value)
        sock.listen(Endpoint(self.right.addresses[0], port))
        return sock

    def connect(self, port: int = 80) -> Socket:
        """Let the left stack connect; the handshake is under way."""
        sock = self.left.socket()
        sock.connect(Endpoint(self.right.addresses[0], port))
        return sock

    def pair(self) -> tuple[Socket, Socket]:
        """Return both ends of an established connection."""
        listener, client = self.listen(), self.connect()
        self.run(10)
        server = listener.accept()
        listener.close()
        return client, server

    def run(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, or what is `until` come true."""
        end = self.now + round(seconds * NS)
        while not until():
            self._carry()
            times = [self._under_way[0][0]] if self._under_way else []
            times += [timer for stack in self._stacks.values() if (timer := stack.next_timer()) is not None]
            if not times or min(times) > end:
                self._pass_to(end)
                return
            self._pass_to(min(times))
            while self._under_way and self._under_way[0][0] <= self.now:
                datagram = heapq.heappop(self._under_way)[2]
                self._stacks[datagram.destination].arrive(datagram)
                self._carry()

    def _pass_to(self, now: int) -> None:
        self.now = max(now, self.now)
        for stack in self._stacks.values():
            stack.advance(self.now)
        self._carry()

    def _carry(self) -> None:
        for stack in self._stacks.values():
            for datagram in stack.poll():
                self.sent.append((self.now, datagram))
                self._put(datagram)
                if self.random.random() < self.weather.duplication:
                    self._put(datagram)

    def _put(self, datagram: Datagram) -> None:
        if self.weather.lost(datagram) or self.random.random() < self.weather.loss:
            return
        self._serial += 1
        delay = self.weather.delay + self.random.randint(0, self.weather.jitter)
        heapq.heappush(self._under_way, (self.now + delay, self._serial, datagram))


class Stream(Protocol):
    """What a transfer needs of a socket, the stack's own or the kernel's."""

    def send(self, data: bytes) -> int:
        """SEND."""

    def recv(self, limit: int) -> bytes:
        """RECEIVE."""

    def shutdown(self) -> None:
        """Close the sending direction."""


class Transfer:
    """Sends data through a socket as fast as it is taken, and collects what comes out of it."""

    def __init__(self, sock: Stream, data: bytes) -> None:
        self.sock = sock
        self.received = bytearray()
        self.ended = False
        self._rest = data
        self._closed = False

    def work(self) -> None:
        """Send and receive what is possible now; half-close when all is sent."""
        while self._rest:
            try:
                self._rest = self._rest[self.sock.send(self._rest[:65536]) :]
            except BlockingIOError:
                break
        if not self._rest and not self._closed:
            self._closed = True
            self.sock.shutdown()
        while not self.ended:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                break
            self.received += data
            self.ended = not data


def exchange(wire: Wire, one: Transfer, other: Transfer, *, limit_s: float = 3600) -> None:
    """Let both ends transfer until both have seen the end of the stream, at most so long."""

    def done() -> bool:
        one.work()
        other.work()
        return one.ended and other.ended

    wire.run(limit_s, until=done)
