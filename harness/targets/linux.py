"""Target ``linux``: the running kernel, in a pod of its own."""

import contextlib
import platform
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping

from harness.observe import ss
from harness.observe.snapshot import FourTuple, Snapshot
from harness.observe.sockdiag import SockDiag
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets import pins
from harness.targets.pod import ADDRESSES, Pod, PodConfig
from harness.targets.protocol import Addresses, AppSocket, Capability, Facts, TargetError, UnusableTarget
from harness.wire import codec
from harness.wire.link import Arrival, LostFence, PacketLink

#: Minimum retransmission time-out of ordinary cases, in milliseconds: far beyond any case, so that data and FIN are
#: never repeated in between. Not more than 60 s / 3.5: tcp_fin_time() is at least 3.5 RTO, and a closed FIN-WAIT-2 only
#: becomes the time-wait record that it is on any ordinary host while that is at most TCP_TIMEWAIT_LEN.
QUICK_RTO_MIN_MS = 15_000
#: linux/rtnetlink.h. The kernel heeds a route's rto_min only where the metric is locked (tcp_rto_min()).
RTAX_RTO_MIN = 13
CALIBRATION_PROBES = 300
#: Silence where the fence does not hold: nothing for so long.
QUIET_S = 0.02
#: SYN and SYN,ACK have a fixed initial time-out (RFC 6298 §2.1); a little less, for the kernel's timer granularity.
INITIAL_RTO_GUARD_S = 0.9
#: linux/time.h; its resolution is one jiffy. The time module has no name for it.
CLOCK_MONOTONIC_COARSE = 6
LINGER_RESET = struct.pack("ii", 1, 0)


class DescriptorSocket:
    """An application socket of the target's namespace, worked through a passed descriptor."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._sock.bind((address, port))
        self._sock.listen(backlog)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN; EINPROGRESS is the normal answer of a non-blocking socket."""
        self._sock.bind(local)
        with contextlib.suppress(BlockingIOError):
            self._sock.connect(remote)

    def accept(self) -> "DescriptorSocket":
        """Return the next established connection."""
        accepted, _address = self._sock.accept()
        accepted.setblocking(False)
        return DescriptorSocket(accepted)

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND; without SIGPIPE."""
        return self._sock.send(data, flags | socket.MSG_NOSIGNAL)

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE."""
        return self._sock.recv(limit, flags)

    def shutdown(self) -> None:
        """Close the sending direction."""
        self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """CLOSE."""
        self._sock.close()

    def abort(self) -> None:
        """ABORT: SO_LINGER with a time of 0, then close()."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self._sock.close()

    def pending_error(self) -> int:
        """Return and clear SO_ERROR."""
        return self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set a socket option."""
        self._sock.setsockopt(level, name, value)

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return a socket option."""
        return self._sock.getsockopt(level, name, size) if size else self._sock.getsockopt(level, name)


class RealClock:
    """The machine's time; CLOCK_REALTIME is what capture times are given in."""

    def __init__(self, link: PacketLink) -> None:
        self._link = link

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    def wait(self, seconds: float) -> None:
        """Sleep at most `seconds`, or until a packet arrives."""
        self._link.wait(seconds)


class LinuxTarget:
    """The kernel's TCP in a private namespace. `observer` is ``sockdiag`` or ``ss``."""

    def __init__(
        self,
        *,
        name: str = "linux",
        timers: bool = False,
        sysctls: Mapping[str, str] | None = None,
        observer: str = "sockdiag",
    ) -> None:
        self.name = name
        self._timers = timers
        self._observer = observer
        self.pod = Pod(_config(timers=timers, sysctls=sysctls or {}))
        try:
            self._link = PacketLink(
                self.pod.packet_socket,
                bytes.fromhex(self.pod.made["peer_mac"]),
                bytes.fromhex(self.pod.made["target_mac"]),
                socket.inet_aton(ADDRESSES[4].target[0]),
            )
            self._diag = SockDiag(self.pod.diag_socket)
            self.clock = RealClock(self._link)
            self.has_ss = self.pod.ss(["-V"]) is not None
            if observer == "ss" and not self.has_ss:
                raise UnusableTarget("--observer ss needs the program ss", "install the package iproute2")
            self.silence_proof = self._calibrated_proof()
            self.facts = self._facts()
        except BaseException:
            self.pod.close()
            raise
        self.capabilities = frozenset(Capability) - {Capability.VIRTUAL_TIME}
        self._jiffy_s = time.clock_getres(CLOCK_MONOTONIC_COARSE)

    def addresses(self, version: int) -> Addresses:
        """Return the pod's addresses."""
        return ADDRESSES[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return two jiffies in SYN-SENT (an unacceptable ACK re-arms its timer so), else the initial RTO.

        In a pod for timer cases, anything can speak after the kernel's minimum of 200 ms; delayed ACKs after 40 ms.
        """
        if syn_sent:
            return 2 * self._jiffy_s - 0.001
        return 0.035 if self._timers else INITIAL_RTO_GUARD_S

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket of the pod."""
        return DescriptorSocket(self.pod.socket(version))

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, then wait for the fence behind them."""
        try:
            return self._link.exchange(packets, destination_mac)
        except LostFence as error:
            raise TargetError(str(error)) from None

    def unproven_exchange(self, packet: bytes) -> list[Arrival]:
        """Inject a packet and return what is there right after, without a fence (for measurements)."""
        self._link.send(packet)
        return self._link.waiting()

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        return self._link.waiting()

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask sock_diag (or `ss`, where that was chosen) for exactly this connection."""
        if self._observer == "ss":
            return ss.parse(self.evidence(tuple4) or "", tuple4)
        return self._diag.snapshot(tuple4)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return the text of ``ss -tanoie`` about this connection and its port's listener."""
        return self.pod.ss(ss.arguments(tuple4)) if self.has_ss else None

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a sysctl of the pod for the time of the context."""
        full = pins.full_name(name)
        before = self.pod.read_sysctl(full)
        self.pod.write_sysctl(full, value)
        try:
            yield
        finally:
            self.pod.write_sysctl(full, before)

    def forget_connections(self) -> None:
        """Destroy every socket, those in TIME-WAIT too (SOCK_DESTROY)."""
        self.pod.destroy_sockets()

    def check(self) -> None:
        """Raise TargetError if the capture socket dropped frames."""
        if dropped := self._link.dropped():
            raise TargetError(f"the capture socket dropped {dropped} frames: what was seen is not what was sent")

    def close(self) -> None:
        """End the pod."""
        self.pod.close()

    def _calibrated_proof(self) -> str:
        """Return which silence proof is used: the fence where it holds for known replies, else timed silence."""
        early = self._replies_behind_fence()
        if not early:
            return f"fence (ARP), {CALIBRATION_PROBES} of {CALIBRATION_PROBES} known replies came before it"
        self._link.quiet_s = QUIET_S
        why = f"{early} of {CALIBRATION_PROBES} known replies came behind the fence"
        return f"timed silence of {QUIET_S * 1000:g} ms ({why})"

    def _replies_behind_fence(self) -> int:
        """Count the known replies that come too late, over varied 4-tuples: packet steering delays only some."""
        late = 0
        addresses = ADDRESSES[4]
        path = codec.Path(addresses.peer[0], addresses.target[0])
        for number in range(CALIBRATION_PROBES):
            probe = Segment(SYN, seq=number, source_port=1024 + 97 * number, destination_port=1 + number % 7)
            arrivals = self._link.exchange([codec.encode(path, probe)])
            answers = [codec.decode(arrival.packet) for arrival in arrivals if codec.is_tcp(arrival.packet)]
            late += not any(answer.segment.flags == RST | ACK for answer in answers)
        return late

    def _facts(self) -> Facts:
        return Facts(
            name=self.name,
            implementation="Linux",
            version=platform.release(),
            details={
                "machine": platform.machine(),
                "build": platform.version(),
                "jiffy_ms": f"{1000 * time.clock_getres(CLOCK_MONOTONIC_COARSE):g}",
                "silence proof": self.silence_proof,
                "observer": self._observer,
                "ss": (self.pod.ss(["-V"]) or "missing").strip(),
                "sysctls this kernel lacks": " ".join(self.pod.made["missing_sysctls"]) or "none",
            },
            sysctls=self.pod.made["sysctls"],
        )


def _config(*, timers: bool, sysctls: Mapping[str, str]) -> PodConfig:
    profile = pins.TIMERS if timers else pins.QUICK
    pinned = {pin.name: pin.value for pin in (*pins.COMMON, *profile)}
    overrides = {pins.full_name(name): value for name, value in sysctls.items()}
    return PodConfig(
        pins={name: value for name, value in pinned.items() if name not in overrides},
        overrides=overrides,
        record=tuple(dict.fromkeys((*pinned, *pins.RECORDED, *overrides))),
        metrics={} if timers else {"quickack": 1, "rto_min": QUICK_RTO_MIN_MS, "lock": 1 << RTAX_RTO_MIN},
    )
