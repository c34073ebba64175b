"""Target ``linux``: the running kernel, in a pod of its own."""

import contextlib
import platform
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from harness.observe import ss
from harness.observe.snapshot import FourTuple, Snapshot
from harness.observe.sockdiag import NetlinkSocket, SockDiag
from harness.targets.addresses import ADDRESSES
from harness.targets.namespace import pins
from harness.targets.namespace.calibration import calibrated_proof
from harness.targets.namespace.callers import Callers
from harness.targets.namespace.descriptor_socket import DescriptorSocket
from harness.targets.namespace.pod import Pod, PodConfig
from harness.targets.protocol import (
    Addresses,
    Capability,
    Counting,
    Facts,
    NotOffered,
    Remembering,
    Sizable,
    TargetError,
    TargetStorms,
    UnusableTarget,
)
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival, Flood, Link, LostFence, PacketLink

#: Minimum retransmission time-out of ordinary cases, in milliseconds: far beyond any case, so that data and FIN are
#: never repeated in between. Not more than 60 s / 3.5: tcp_fin_time() is at least 3.5 RTO, and a closed FIN-WAIT-2 only
#: becomes the time-wait record that it is on any ordinary host while that is at most TCP_TIMEWAIT_LEN.
QUICK_RTO_MIN_MS = 15_000
#: linux/rtnetlink.h. The kernel heeds a route's rto_min only where the metric is locked (tcp_rto_min()).
RTAX_RTO_MIN = 13
#: SYN and SYN,ACK have a fixed initial time-out (RFC 6298 §2.1); a little less, for the kernel's timer granularity.
INITIAL_RTO_GUARD_S = 0.9
#: linux/time.h; its resolution is one jiffy. The time module has no name for it.
CLOCK_MONOTONIC_COARSE = 6


class RealClock:
    """The machine's time; CLOCK_REALTIME is what capture times are given in."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    def wait(self, seconds: float) -> None:
        """Sleep at most `seconds`, or until a packet arrives."""
        self._link.wait(seconds)


#: The largest IP packet, and the MTU of the wire.
LARGEST, MTU = 65535, 1500


class LinuxPod(Protocol):
    """Where the kernel's TCP is tested: a namespace with a wire, and an agent in it."""

    made: dict[str, Any]

    @property
    def diag_socket(self) -> NetlinkSocket:
        """A sock_diag socket of the namespace."""

    def link(self) -> Link:
        """Return the peer's end of the wire."""

    def socket(self, version: int) -> socket.socket | AppSocket:
        """Return a fresh TCP socket: a non-blocking one, or one that an agent works."""

    def ss(self, arguments: list[str]) -> str | None:
        """Return what `ss` prints, None where the program is missing."""

    def destroy_sockets(self) -> int:
        """Destroy every TCP socket."""

    def read_sysctl(self, name: str) -> str:
        """Return a sysctl."""

    def write_sysctl(self, name: str, value: str) -> None:
        """Write a sysctl."""

    def close(self) -> None:
        """End it and leave nothing behind."""


class LinuxTarget:
    """The kernel's TCP in a private namespace, which `open_pod` makes. `observer` is ``sockdiag`` or ``ss``."""

    def __init__(
        self,
        *,
        name: str = "linux",
        timers: bool = False,
        sysctls: Mapping[str, str] | None = None,
        observer: str = "sockdiag",
        open_pod: Callable[[PodConfig], LinuxPod] = Pod,
        as_found: bool = False,
    ) -> None:
        self.name = name
        self._timers = timers or as_found
        self._observer = observer
        self.pod = open_pod(pod_config(timers=timers, sysctls=sysctls or {}, as_found=as_found))
        try:
            self._link = self.pod.link()
            #: A namespace of this machine takes what its cards would have merged; elsewhere nobody has tried it.
            self.largest = LARGEST if isinstance(self.pod, Pod) else MTU
            self._diag = SockDiag(self.pod.diag_socket)
            self.clock = RealClock(self._link)
            self.has_ss = self.pod.ss(["-V"]) is not None
            if observer == "ss" and not self.has_ss:
                raise UnusableTarget("--observer ss needs the program ss", "install the package iproute2")
            self.silence_proof = calibrated_proof(self._link)
            self.facts = self._facts()
        except (LostFence, TargetError) as error:
            self.pod.close()
            raise UnusableTarget(f"the target does not come up: {error}") from None
        except BaseException:
            self.pod.close()
            raise
        self._callers = Callers()
        lacks = {Capability.VIRTUAL_TIME} | (set() if self._has_descriptors() else {Capability.WAITING_CALLS})
        self.capabilities = frozenset(Capability) - lacks
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
        sock = self.pod.socket(version)
        return DescriptorSocket(sock, self._callers) if isinstance(sock, socket.socket) else sock

    def _has_descriptors(self) -> bool:
        """Tell whether sockets are real ones, not worked by an agent."""
        sock = self.pod.socket(4)
        sock.close()
        return isinstance(sock, socket.socket)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, then wait for the fence behind them, and for those whom they have woken."""
        try:
            arrivals = self._link.exchange(packets, destination_mac)
            while self._callers.rest():
                arrivals += self._link.exchange(())
            return arrivals
        except Flood as error:
            raise TargetStorms(str(error)) from None
        except LostFence as error:
            raise TargetError(str(error)) from None

    def unproven_exchange(self, packet: bytes) -> list[Arrival]:
        """Inject a packet and return what is there right after, without a fence (for measurements)."""
        self._link.send(packet)
        return self._link.waiting()

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        try:
            return self._link.waiting()
        except Flood as error:
            raise TargetStorms(str(error)) from None

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask sock_diag (or `ss`, where that was chosen) for exactly this connection."""
        if self._observer == "ss":
            return ss.parse(self.evidence(tuple4) or "", tuple4)
        return self._diag.snapshot(tuple4)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return the text of ``ss -tanoie`` about this connection and its port's listener."""
        return self.pod.ss(ss.arguments(tuple4)) if self.has_ss else None

    def merge(self, mss: int | None) -> None:
        """Say of segments with how many octets a packet is merged that the wire does not hold."""
        if isinstance(self._link, PacketLink):
            self._link.merged_of = mss

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a sysctl of the pod for the time of the context. Raises NotOffered where others would feel it."""
        full = pins.full_name(name)
        if pins.outlasts_its_namespace(full, platform.release()):
            raise NotOffered(f"before Linux 6.1 {full} of one namespace withholds challenge ACKs of the whole machine")
        before = self.pod.read_sysctl(full)
        self.pod.write_sysctl(full, value)
        try:
            yield
        finally:
            self.pod.write_sysctl(full, before)

    def set_mtu(self, version: int, mtu: int | None) -> None:
        """Set the MTU of the route to the peer."""
        if not isinstance(self.pod, Sizable):
            raise TargetError("the MTU of this wire is not ours to set")
        self.pod.set_mtu(version, mtu)

    def counters(self) -> Mapping[str, int]:
        """Return the counters of the namespace."""
        if not isinstance(self.pod, Counting):
            raise TargetError("the counters of this kernel are out of reach")
        return self.pod.counters()

    def forget_hosts(self) -> None:
        """Forget what is remembered of hosts; a TargetError where that may not be, without privileges for one."""
        if not isinstance(self.pod, Remembering):
            raise TargetError("nothing here makes this kernel forget hosts")
        self.pod.forget_hosts()

    def forget_connections(self) -> None:
        """Destroy every socket, those in TIME-WAIT too (SOCK_DESTROY)."""
        self._callers.end()
        self.pod.destroy_sockets()

    def check(self) -> None:
        """Raise TargetError if the capture socket dropped frames."""
        if dropped := self._link.dropped():
            raise TargetError(f"the capture socket dropped {dropped} frames: what was seen is not what was sent")

    def close(self) -> None:
        """End the pod."""
        self._callers.close()
        self.pod.close()

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


def pod_config(*, timers: bool, sysctls: Mapping[str, str], patient: bool = False, as_found: bool = False) -> PodConfig:
    """Return what a kernel is set to, for timer cases or for all others. `sysctls` are the user's overrides.

    A `patient` target's time costs nothing: it gives up as late as it does by default. One that is taken `as_found` has
    its timers and limits as scripts by others assume them.
    """
    profile: tuple[pins.Pin, ...] = pins.QUICK if patient or not timers else pins.TIMERS
    profile = (*pins.QUICK, *pins.AS_FOUND) if as_found else profile
    pinned = {pin.name: pin.value for pin in (*pins.COMMON, *profile)}
    overrides = {pins.full_name(name): value for name, value in sysctls.items()}
    return PodConfig(
        pins={name: value for name, value in pinned.items() if name not in overrides},
        overrides=overrides,
        record=tuple(dict.fromkeys((*pinned, *pins.RECORDED, *overrides))),
        metrics={} if timers or as_found else {"quickack": 1, "rto_min": QUICK_RTO_MIN_MS, "lock": 1 << RTAX_RTO_MIN},
    )
