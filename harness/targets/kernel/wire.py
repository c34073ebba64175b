"""The wire between the harness and a kernel that runs as a process: packets, and the agent's frames beside them."""

import contextlib
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, TypeVar

from harness.agent import framing
from harness.targets.addresses import ADDRESSES
from harness.targets.kernel.machine import Machine
from harness.targets.kernel.simulated import SimulatedKernel
from harness.targets.namespace.calibration import calibrated_proof
from harness.targets.namespace.target import RealClock
from harness.targets.protocol import Clock, TargetError, TargetStorms
from harness.wire.link import ETHERTYPE_IPV4, ETHERTYPE_IPV6, Arrival, Flood, Link, LostFence, comes

NS = 1_000_000_000
AGENT = framing.ETHERTYPE.to_bytes(2, "big")
GUEST_MAC, PEER_MAC = bytes.fromhex("02fe00000001"), bytes.fromhex("02fe00000002")
#: How much simulated time an operation of the agent may take (`ss` is a program that has to be started), and how much
#: real time.
ANSWER_LIMIT_NS = 10 * NS
ANSWER_LIMIT_S = 60.0
#: A kernel in its first second takes the time of a timestamp for "never" (ktime_get_seconds() is 0): let it grow up.
UPTIME_NS = 10 * NS
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_T = TypeVar("_T")


class Wire(Protocol):
    """A booted kernel: packets in and out, and the agent's frames."""

    machine: Machine

    @property
    def clock(self) -> Clock:
        """The kernel's time."""

    def send_frame(self, frame: bytes) -> None:
        """Bring a frame to the guest."""

    def agent_frame(self) -> bytes:
        """Return the next frame of the agent; raises TargetError when none comes."""

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Bring IP packets to the guest and return all that it sends because of them, and all that had come before."""

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""

    def sit_out(self, seconds: float) -> None:
        """Let a time pass whole, whatever comes meanwhile: it waits to be asked for."""

    def silence_proof(self) -> str:
        """Return how it is proved that nothing (more) was sent; the addresses are set up by now."""

    def close(self) -> None:
        """End the kernel."""


class SimulatedWire:
    """In simulated time: when a frame has been delivered, all that it causes has happened."""

    def __init__(self, kernel: Path, origin_ns: int) -> None:
        self.kernel = SimulatedKernel(kernel, GUEST_MAC)
        #: When the kernel was booted, on the scale of all boots of a target.
        self.origin_ns = origin_ns
        self.machine = self.kernel.machine
        self.clock = SimulatedClock(self)
        self._agent: deque[bytes] = deque()
        self._arrivals: list[Arrival] = []

    def send_frame(self, frame: bytes) -> None:
        """Let a frame arrive, and all that it causes happen."""
        self.kernel.deliver(frame)
        self._sort()

    def agent_frame(self) -> bytes:
        """Return the agent's next frame; time passes while it waits for something."""
        limit = self.kernel.now + ANSWER_LIMIT_NS
        while not self._agent:
            if self.kernel.due > limit:
                raise self.machine.failure("the agent in the guest does not answer")
            self.kernel.run_next()
            self._sort()
        return self._agent.popleft()

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Let packets arrive one by one: the kernel has settled after each."""
        for packet in packets:
            ethertype = ETHERTYPE_IPV4 if packet[0] >> 4 == 4 else ETHERTYPE_IPV6
            self.send_frame((destination_mac or GUEST_MAC) + PEER_MAC + ethertype + packet)
        return self.waiting()

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def silence_proof(self) -> str:
        """Return that there is nothing to prove: the kernel says when it has nothing more to do."""
        while self.kernel.now < UPTIME_NS:
            self.pass_time(UPTIME_NS - self.kernel.now)
            self.waiting()
        return "settled in simulated time"

    def pass_time(self, duration_ns: int) -> None:
        """Let time pass, until the guest sends a packet."""
        until = self.kernel.now + duration_ns
        while not self._arrivals and self.kernel.now < until:
            self.kernel.pass_time(until)
            self._sort()

    def sit_out(self, seconds: float) -> None:
        """Let a time pass whole. A kernel that has crashed has nothing to say; the step that follows tells."""
        duration_ns = round(seconds * NS)
        if not self.machine.running():
            self.origin_ns += duration_ns
            return
        until = self.kernel.now + duration_ns
        with contextlib.suppress(TargetError):
            while self.kernel.now < until:
                self.kernel.pass_time(until)
                self._sort()

    def close(self) -> None:
        """End the kernel."""
        self.kernel.close()

    def _sort(self) -> None:
        for time_ns, frame in self.kernel.sent():
            if frame[12:14] == AGENT:
                self._agent.append(frame)
            elif frame[12:14] in (ETHERTYPE_IPV4, ETHERTYPE_IPV6):
                self._arrivals.append(Arrival(self.origin_ns + time_ns, frame[14:]))


class SimulatedClock:
    """The kernel's own time, in nanoseconds since its first boot."""

    def __init__(self, wire: SimulatedWire) -> None:
        self._wire = wire

    def now_ns(self) -> int:
        """Return the simulated time."""
        return self._wire.origin_ns + self._wire.kernel.now

    def wait(self, seconds: float) -> None:
        """Jump, at most `seconds` ahead. A kernel that has crashed has nothing to say; the step that follows tells."""
        duration_ns = max(0, round(seconds * NS))
        if not self._wire.machine.running():
            self._wire.origin_ns += duration_ns
            return
        with contextlib.suppress(TargetError):
            self._wire.pass_time(duration_ns)


class DatagramLink(Link):
    """A `Link` over a pair of Unix datagram sockets, one frame per datagram. `agent` collects the agent's frames."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(PEER_MAC, GUEST_MAC, socket.inet_aton(ADDRESSES[4].target[0]))
        self._socket = sock
        self.agent: deque[bytes] = deque()
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.setblocking(False)

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives, at most `seconds`; tell whether something did."""
        return comes(self._socket, seconds)

    def dropped(self) -> int:
        """Return 0: a guest waits when its end is full."""
        return 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def transmit(self, frame: bytes) -> None:
        """Put a whole frame on the wire."""
        self._transmit(frame)

    def _transmit(self, frame: bytes) -> None:
        try:
            self._socket.sendall(frame)
        except BlockingIOError:
            self._await_room()
            self._socket.sendall(frame)
        except OSError as error:
            raise LostFence(f"the kernel has ended: {error.strerror}") from None

    def _await_room(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        poll.poll(ANSWER_LIMIT_S * 1000)

    def _receive(self) -> tuple[bytes, int]:
        while True:
            try:
                frame, ancillary, _flags, _address = self._socket.recvmsg(65600, 64)
            except ConnectionError as error:
                raise LostFence(f"the kernel has ended: {error.strerror}") from None
            if frame[12:14] != AGENT:
                seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2]) if ancillary else (0, 0)
                return frame, (seconds * NS + nanoseconds) or time.time_ns()
            self.agent.append(frame)


class RealWire:
    """In real time, for kernels without simulated time: silence is proved by the fence, as for the running kernel."""

    #: How long the agent may take to be there, and for an answer.
    patience_s = ANSWER_LIMIT_S

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link = DatagramLink(ours)
        self.clock = RealClock(self._link)
        self._early: list[Arrival] = []

    def start(self, kernel: Path) -> None:
        """Start a kernel built for ARCH=um with the other end of the wire as its card."""
        with self.theirs as theirs:
            device = f"vec0:transport=fd,fd={theirs.fileno()},mac={GUEST_MAC.hex(':')},depth=64"
            self.machine.start(kernel, [device], (theirs.fileno(),))

    def send_frame(self, frame: bytes) -> None:
        """Bring a frame to the guest."""
        self._checked(lambda: self._link.transmit(frame))

    def agent_frame(self) -> bytes:
        """Return the agent's next frame; what else comes meanwhile is kept."""
        deadline = time.monotonic() + self.patience_s
        while not self._link.agent:
            if not self.machine.running() or time.monotonic() > deadline:
                raise self.machine.failure("the agent in the guest does not answer")
            self._link.wait(0.2)
            self._early += self._checked(self._link.waiting)
        return self._link.agent.popleft()

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Send packets, then wait for the fence behind them."""
        return self._with_early(self._checked(lambda: self._link.exchange(packets, destination_mac)))

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        return self._with_early(self._checked(self._link.waiting))

    def sit_out(self, seconds: float) -> None:
        """Sleep; what comes meanwhile waits in the socket."""
        time.sleep(seconds)

    def silence_proof(self) -> str:
        """Try the fence."""
        return self._checked(lambda: calibrated_proof(self._link))

    def close(self) -> None:
        """End the kernel."""
        self.machine.close()
        self._link.close()

    def _with_early(self, arrivals: list[Arrival]) -> list[Arrival]:
        early, self._early = self._early, []
        return early + arrivals

    def _checked(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except Flood as error:
            raise TargetStorms(str(error)) from None
        except LostFence as error:
            raise self.machine.failure(str(error)) from None


def boot(kernel: Path, *, simulated: bool, origin_ns: int = 0) -> Wire:
    """Start a kernel, whose simulated time begins at `origin_ns`; raises TargetError if it does not come to life."""
    if simulated:
        return SimulatedWire(kernel, origin_ns)
    wire = RealWire(Machine())
    wire.start(kernel)
    return wire
