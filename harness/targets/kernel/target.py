"""Target ``kernel:PATH``: another Linux kernel, run as an ordinary process (ARCH=um), in simulated or in real time."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.observe import sockdiag, ss
from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.addresses import ADDRESSES
from harness.targets.kernel import wire
from harness.targets.kernel.agent_call import AgentCalls, AgentRefusal
from harness.targets.kernel.guest_socket import GuestSocket, Life
from harness.targets.kernel.kernels import is_simulated
from harness.targets.namespace import pins
from harness.targets.namespace.target import INITIAL_RTO_GUARD_S, pod_config
from harness.targets.protocol import Addresses, Capability, Facts, TargetError, UnusableTarget
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival

#: Settings that are the whole machine's, not a namespace's: here the machine is the target's own.
MACHINE_PINS = {"net.ipv4.tcp_max_orphans": "65536"}


class KernelTarget:
    """A kernel in a process. Raises UnusableTarget when it can't be booted or set up.

    After a crash every call says so until `forget_connections`, which boots the kernel again.
    """

    machine = "um"
    jiffy_s = 0.01  # CONFIG_HZ is 100 for ARCH=um
    hasty = True

    def __init__(
        self,
        kernel: Path,
        *,
        name: str,
        timers: bool = False,
        sysctls: Mapping[str, str] | None = None,
        as_found: bool = False,
    ) -> None:
        self.name = name
        self._kernel = kernel
        self._timers = timers or as_found
        self._as_found = as_found
        self._sysctls = sysctls or {}
        self._simulated = self._is_simulated()
        self._life = Life()
        #: Ports whose connections were forgotten, but not by a kernel without SOCK_DESTROY.
        self._stale: set[int] = set()
        try:
            self._boot()
        except TargetError as error:
            raise UnusableTarget(f"{kernel} does not boot: {error}") from None
        self.facts = self._facts()
        virtual = {Capability.VIRTUAL_TIME}
        lacks = {Capability.WAITING_CALLS} | (set() if self._simulated else virtual)
        self.capabilities = frozenset(Capability) - lacks

    def addresses(self, version: int) -> Addresses:
        """Return the same addresses as a pod has."""
        return ADDRESSES[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the same as for the running kernel, with jiffies of its own."""
        if syn_sent:
            return 2 * self.jiffy_s - 0.001
        return 0.035 if self._timers else INITIAL_RTO_GUARD_S

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket."""
        return GuestSocket(self._calls, version, self._life)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Let packets arrive and return all that the kernel sends because of them."""
        return self._fresh(self._wire.exchange(packets, destination_mac))

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        return self._fresh(self._wire.waiting())

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask sock_diag for exactly this connection."""
        request = sockdiag.request(sockdiag.SOCK_DIAG_BY_FAMILY, sockdiag.NLM_F_REQUEST, 1, tuple4)
        return sockdiag.parse(bytes.fromhex(self._calls.call("diag", request.hex())))

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return the text of ``ss -tanoie``, which runs inside."""
        return str(self._calls.call("ss", ss.arguments(tuple4))) if self.has_ss else None

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a sysctl of the kernel for the time of the context."""
        full = pins.full_name(name)
        before = self._calls.call("read sysctls", [full])
        if full not in before:
            raise TargetError(f"this kernel has no sysctl {full}")
        self._calls.call("write sysctls", {full: value})
        try:
            yield
        finally:
            self._calls.call("write sysctls", before)
            if pins.outlasts_its_namespace(full, self._made["release"]):
                self._wire.sit_out(pins.COUNTED_S)

    def set_mtu(self, version: int, mtu: int | None) -> None:
        """Set the MTU of the route to the peer."""
        self._calls.call("mtu", version, mtu)

    def counters(self) -> Mapping[str, int]:
        """Return the kernel's counters."""
        return dict(self._calls.call("counters"))

    def forget_hosts(self) -> None:
        """Forget what is remembered of hosts."""
        self._calls.call("forget metrics")

    def forget_connections(self) -> None:
        """Destroy every socket, those in TIME-WAIT too (SOCK_DESTROY); a kernel that has crashed is booted again."""
        forgotten, self._life = self._life, Life()
        forgotten.over = True
        if self._wire.machine.running():
            if self._calls.call("destroy"):
                self._stale |= forgotten.ports
            self._wire.waiting()
            return
        self._stale.clear()
        now_ns = self.clock.now_ns()
        self._wire.close()
        self._boot(now_ns)

    def warnings(self) -> list[str]:
        """Return the warnings on the console since the last time: WARN(), lockdep, sanitizers, hung tasks."""
        return self._wire.machine.warnings()

    def check(self) -> None:
        """Nothing can be lost between two processes."""

    def close(self) -> None:
        """End the kernel."""
        self._wire.close()

    def _is_simulated(self) -> bool:
        return is_simulated(self._kernel)

    def _new_wire(self, origin_ns: int) -> wire.Wire:
        return wire.boot(self._kernel, simulated=self._simulated, origin_ns=origin_ns)

    def _boot(self, origin_ns: int = 0) -> None:
        self._wire = self._new_wire(origin_ns)
        try:
            self.clock = self._wire.clock
            self._calls = AgentCalls(self._wire, wire.GUEST_MAC, wire.PEER_MAC)
            self._made = self._set_up()
            self._wire.machine.booted()
            self.silence_proof = self._wire.silence_proof()
            self.has_ss = self._calls.call("ss", ["-V"])
        except BaseException:
            self._wire.close()
            raise

    def _fresh(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Leave out what connections say that were forgotten."""
        stale = self._stale - self._life.ports
        return [arrival for arrival in arrivals if not stale or _source_port(arrival.packet) not in stale]

    def _set_up(self) -> dict[str, Any]:
        request = pod_config(
            timers=self._timers, sysctls=self._sysctls, patient=self._simulated, as_found=self._as_found
        ).request()
        request["pins"] |= {name: value for name, value in MACHINE_PINS.items() if name not in request["overrides"]}
        self._calls.greet()
        try:
            made: dict[str, Any] = self._calls.call("set up", request, wire.PEER_MAC.hex())
        except OSError as error:
            raise UnusableTarget(f"the kernel of {self.name} can't be set up: {error}") from None
        except AgentRefusal as error:
            raise UnusableTarget(f"--set: {error}") from None
        return made

    def _facts(self) -> Facts:
        made = self._made
        return Facts(
            name=self.name,
            implementation="Linux",
            version=made["release"],
            details={
                "machine": self.machine,
                "build": made["build"],
                "processors": str(made["processors"]),
                "jiffy_ms": f"{1000 * self.jiffy_s:g}",
                "time": "simulated" if self._simulated else "real",
                "silence proof": self.silence_proof,
                "ss": (self.has_ss or "missing").strip(),
                "sysctls this kernel lacks": " ".join(made["missing_sysctls"]) or "none",
            },
            sysctls=made["sysctls"],
            hasty=self.hasty,
        )


def _source_port(packet: bytes) -> int:
    header = 4 * (packet[0] & 15) if packet[0] >> 4 == 4 else 40
    return int.from_bytes(packet[header : header + 2], "big")
