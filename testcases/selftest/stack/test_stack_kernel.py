"""The reference stack talks to the Linux kernel's own TCP, over the veth pair of a pod and through bad weather."""

import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest

from harness.spec.states import CLOSED, ESTABLISHED, TIME_WAIT
from harness.stack import Config, Datagram, Endpoint, Socket, Stack
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget
from harness.targets.sockets import AppSocket
from harness.wire import codec
from testcases.selftest.lossy_wire import Transfer, Weather

#: Far more than any of this takes, on a busy machine too.
PATIENCE_S = 120.0
MEGABYTE = 1 << 20
CALM = Weather(delay=0)
#: Out of a hundred segments three are lost, three come twice, and ten come later than those behind them.
STORM = Weather(loss=0.03, duplication=0.03, delay=0)
OVERTAKEN = 0.1
#: The kernel gives up late here: what is lost is the test's doing.
PATIENT = {"tcp_retries2": "15", "tcp_syn_retries": "8", "tcp_synack_retries": "8", "tcp_fin_timeout": "60"}


@pytest.fixture(scope="module")
def kernel() -> Iterator[LinuxTarget]:
    try:
        kernel = LinuxTarget(timers=True, sysctls=PATIENT)
    except UnusableTarget as reason:
        pytest.skip(str(reason))
    with contextlib.closing(kernel):
        yield kernel


class Peer:
    """The reference stack in the peer's place on a pod's wire, in real time."""

    def __init__(self, kernel: LinuxTarget, version: int, weather: Weather = CALM) -> None:
        addresses = kernel.addresses(version)
        self.kernel_address, self.address = addresses.target[0], addresses.peer[0]
        config = Config(rto_min_s=0.2, msl_s=0.5)
        self.stack = Stack([self.address], config=config, key=b"selftest", now=time.monotonic_ns())
        self.segments = self.lost = 0
        self._kernel = kernel
        self._weather = weather
        self._random = random.Random(version)
        self._late: deque[Callable[[], None]] = deque()

    def run(self, until: Callable[[], bool]) -> None:
        """Carry segments to and fro until something is so; fail if that takes too long."""
        deadline = time.monotonic() + PATIENCE_S
        while not until():
            assert time.monotonic() < deadline, "the two stacks got stuck"
            self.stack.advance(time.monotonic_ns())
            if not self._carry():
                self._release()
                self._kernel.clock.wait(0.001)

    def _carry(self) -> bool:
        arrivals, sent = self._kernel.waiting(), self.stack.poll()
        for arrival in arrivals:
            self._through(lambda packet=arrival.packet: self._arrive(packet))
        for datagram in sent:
            path = codec.Path(datagram.source, datagram.destination)
            packet = codec.encode(path, datagram.segment)
            self._through(lambda packet=packet: self._send(packet))
        return bool(arrivals or sent)

    def _arrive(self, packet: bytes) -> None:
        if not codec.is_tcp(packet):  # the kernel's IPv6 speaks of its neighbours now and then
            return
        decoded = codec.decode(packet)
        assert decoded.checksums_ok
        self.stack.arrive(Datagram(decoded.source, decoded.destination, decoded.segment))

    def _send(self, packet: bytes) -> None:
        for arrival in self._kernel.unproven_exchange(packet):
            self._through(lambda packet=arrival.packet: self._arrive(packet))

    def _through(self, deliver: Callable[[], None]) -> None:
        """Let the weather decide what becomes of a segment."""
        self.segments += 1
        if self._random.random() < self._weather.loss:
            self.lost += 1
            return
        if self._weather.loss and self._random.random() < OVERTAKEN:
            self._late.append(deliver)
            return
        deliver()
        if self._random.random() < self._weather.duplication:
            self._late.append(deliver)
        if len(self._late) > 3:
            self._release()

    def _release(self) -> None:
        late, self._late = self._late, deque()
        for deliver in late:
            deliver()


def open_by_kernel(kernel: LinuxTarget, peer: Peer, version: int, port: int) -> tuple[AppSocket, Socket]:
    """The kernel connects to the stack; return both ends."""
    listener = peer.stack.socket()
    listener.listen(Endpoint(peer.address, port))
    theirs = kernel.socket(version)
    theirs.connect((peer.kernel_address, 0), (peer.address, port))
    ours: list[Socket] = []

    def accepted() -> bool:
        with contextlib.suppress(BlockingIOError):
            ours.append(listener.accept())
        return bool(ours)

    peer.run(accepted)
    return theirs, ours[0]


def open_by_stack(kernel: LinuxTarget, peer: Peer, version: int, port: int) -> tuple[AppSocket, Socket]:
    """The stack connects to the kernel; return both ends."""
    listener = kernel.socket(version)
    listener.listen(peer.kernel_address, port, 10)
    ours = peer.stack.socket()
    ours.connect(Endpoint(peer.kernel_address, port))
    theirs: list[AppSocket] = []

    def accepted() -> bool:
        with contextlib.suppress(BlockingIOError):
            theirs.append(listener.accept())
        return bool(theirs) and ours.status() is ESTABLISHED

    peer.run(accepted)
    listener.close()
    return theirs[0], ours


OPENINGS = {"kernel-opens": open_by_kernel, "stack-opens": open_by_stack}


@pytest.mark.parametrize("weather", [CALM, STORM], ids=["calm", "storm"])
@pytest.mark.parametrize("version", [4, 6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS.keys())
def test_a_megabyte_each_way_arrives_intact(
    kernel: LinuxTarget, opening: Callable[..., tuple[AppSocket, Socket]], version: int, weather: Weather
) -> None:
    peer = Peer(kernel, version, weather)
    port = 2000 + version + 10 * list(OPENINGS.values()).index(opening) + bool(weather.loss) * 100
    theirs, ours = opening(kernel, peer, version, port)
    there, back = (random.Random(seed).randbytes(MEGABYTE) for seed in (1, 2))
    outward, homeward = Transfer(ours, there), Transfer(theirs, back)

    def done() -> bool:
        outward.work()
        homeward.work()
        return outward.ended and homeward.ended

    peer.run(done)
    assert bytes(homeward.received) == there
    assert bytes(outward.received) == back
    assert bool(peer.lost) is bool(weather.loss)
    peer.run(lambda: ours.status() in (TIME_WAIT, CLOSED))
    theirs.close()


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS.keys())
def test_a_thousand_short_connections(kernel: LinuxTarget, opening: Callable[..., tuple[AppSocket, Socket]]) -> None:
    """Each says a word, hears one and closes; nothing is left of them in the stack when TIME-WAIT is over."""
    peer = Peer(kernel, 4)
    for number in range(1000):
        theirs, ours = opening(kernel, peer, 4, 3000 + number)
        one, other = Transfer(ours, b"ping"), Transfer(theirs, b"pong")

        def done(one: Transfer = one, other: Transfer = other) -> bool:
            one.work()
            other.work()
            return one.ended and other.ended

        peer.run(done)
        assert (bytes(one.received), bytes(other.received)) == (b"pong", b"ping")
        ours.close()
        theirs.close()
    peer.run(lambda: not peer.stack.connections)
