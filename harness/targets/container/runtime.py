"""Target ``docker:IMAGE,runtime=runsc``: the TCP of gVisor's kernel, in a container on the machine's own engine.

Such a kernel takes over the interfaces that it finds when it starts. So a first container of the ordinary runtime holds
the network namespace with the wire, and the second one, with the other runtime, joins it. Its agent works the sockets
over the container's streams and reads states from TCP_INFO.
"""

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from socket import IPPROTO_TCP
from typing import Any

from harness.agent import boot, framing, guest, rtnetlink, sandboxed, server, uncommon
from harness.observe.snapshot import FourTuple, Snapshot
from harness.observe.sockdiag import KERNEL_STATES
from harness.spec.states import State
from harness.targets.addresses import ADDRESSES
from harness.targets.container import agent_program
from harness.targets.container.adapter import AdapterContainer
from harness.targets.container.engine import connect, translated
from harness.targets.container.pod import VETH, DockerPod, Keeper
from harness.targets.kernel.guest_socket import GuestSocket
from harness.targets.namespace.target import RealClock, pod_config
from harness.targets.operations import Operations
from harness.targets.protocol import (
    Addresses,
    Capability,
    Facts,
    TargetDied,
    TargetError,
    TargetStorms,
    UnusableTarget,
    in_parts,
)
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival, Flood, LostFence

AGENT = (server, rtnetlink, uncommon, boot, framing, guest, sandboxed)
#: Silence is what lasts so long behind the fence: the kernel answers in 0.1 ms, but works on several things at once, so
#: that the answer to a later probe may overtake it.
QUIET_S = 0.01
#: The shortest retransmission time-out of netstack (tcp.MinRTO, 200 ms), less its timer's slack, and less what a busy
#: machine may hold back the first segment, behind which the timer already runs.
GUARD_S = 0.12
#: How often a connection acknowledges unacceptable segments without text (defaultTCPInvalidRateLimit in
#: pkg/tcpip/stack/stack_options.go, which nothing in its kernel changes).
THROTTLE_S = 0.5
ANSWER_LIMIT_S = 20.0
FAREWELL_S = 0.5
#: What gVisor says in uname(), whatever its version (pkg/sentry/syscalls/linux/linux64.go); no real kernel does.
GVISOR_BUILD = "#1 SMP Sun Jan 10 15:06:54 PST 2016"
#: What it is known to have; the rest is not applicable. States: of connections with a socket.
CAPABILITIES = in_parts(
    {
        Capability.STATES,
        Capability.IPV6,
        Capability.RFC5961,
        Capability.TIMESTAMPS,
        Capability.WINDOW_SCALE,
        Capability.SACK,
        Capability.ICMP,
        Capability.TIME_WAIT_REUSE,
        Capability.SOCKET_OPTIONS,
    }
)


class StreamCalls(Operations):
    """Calls to the agent over a container's attached streams, a line each."""

    def __init__(self, container: AdapterContainer) -> None:
        super().__init__()
        self._container = container
        self._unread = b""
        self._over: TargetError | None = None

    def call(self, name: str, *arguments: Any) -> Any:
        """Perform an operation; a socket of a kernel that is gone needs no close."""
        return None if self._over and name == "close" else super().call(name, *arguments)

    def _exchange(self, operations: list[list[Any]]) -> list[Any]:
        if self._over:
            raise self._over
        self._write(json.dumps(operations).encode() + b"\n")
        return self._answer()

    def _refusal(self, text: str) -> TargetError:
        return TargetError(f"the agent in the container: {text}")

    def _write(self, octets: bytes) -> None:
        left = memoryview(octets)
        while left:
            try:
                left = left[self._container.write(left) :]
            except BlockingIOError:
                self._container.wait(ANSWER_LIMIT_S, writing=True)
            except BrokenPipeError:
                raise self._ended() from None

    def _answer(self) -> list[Any]:
        deadline = time.monotonic() + ANSWER_LIMIT_S
        while b"\n" not in self._unread:
            if not self._container.wait(max(0.0, deadline - time.monotonic())):
                raise TargetError(f"the agent in the container does not answer within {ANSWER_LIMIT_S:g} s")
            with contextlib.suppress(BlockingIOError):
                octets = self._container.read()
                if not octets:
                    raise self._ended()
                self._unread += octets
        line, _newline, self._unread = self._unread.partition(b"\n")
        answer: list[Any] = json.loads(line)
        return answer

    def _ended(self) -> TargetError:
        how, words = f"the container {self._container.ending()}", self._container.last_words()
        # A kernel of gVisor that panics has an exit code; by a signal somebody has ended it.
        self._over = TargetDied(how, words) if "exit code" in how else TargetError(f"{how}: {words}".rstrip(": "))
        return self._over


class RuntimeTarget:
    """gVisor's TCP. Raises UnusableTarget when the runtime is not there or does not run here.

    After its container has died every call says so until `forget_connections`, which starts another one.
    """

    def __init__(
        self, image: str, runtime: str, *, name: str, timers: bool = False, sysctls: Mapping[str, str] | None = None
    ) -> None:
        if sysctls:
            raise UnusableTarget("--set: gVisor's kernel has settings of its own, which can't be changed from outside")
        self.name = name
        self._image, self._runtime, self._timers = image, runtime, timers
        self._version = _version(runtime)
        self._known: set[bytes] = set()
        self._forgotten: set[bytes] = set()
        try:
            self._open()
        except TargetError as error:
            raise UnusableTarget(f"the runtime {runtime} does not run here: {error}", _HINT) from None
        self.capabilities = CAPABILITIES if ADDRESSES[6].target[0] in self._own else CAPABILITIES - {Capability.IPV6}
        self.silence_proof = (
            f"fence (ARP) and {QUIET_S * 1000:g} ms of silence (the kernel works on several packets at once)"
        )
        self.facts = Facts(
            name=name,
            implementation="gVisor",
            version=self._version,
            details={
                "runtime": runtime,
                "image": image,
                "time": "real",
                "states": "TCP_INFO, of connections with a socket",
                "silence proof": self.silence_proof,
                "throttling": f"one ACK of unacceptable segments without text in {THROTTLE_S * 1000:g} ms",
            },
            hasty=False,
            throttle_s=THROTTLE_S,
        )

    def _open(self) -> None:
        with contextlib.ExitStack() as stack:
            pod = DockerPod(self._image, VETH, pod_config(timers=self._timers, sysctls={}))
            stack.callback(pod.close)
            self._link = pod.link()
            keeper = stack.enter_context(contextlib.closing(Keeper()))
            command = agent_program.command(AGENT)
            beside = pod.container["container"]
            options = {"command": command, "beside": beside, "runtime": self._runtime}
            self._container = AdapterContainer(keeper, self._image, **options)
            stack.callback(self._container.close, FAREWELL_S)
            self._calls = StreamCalls(self._container)
            own = [address for addresses in ADDRESSES.values() for address in addresses.target]
            greeting = self._calls.call("greet", own)
            self._own, build = greeting["addresses"], greeting["build"]
            if build != GVISOR_BUILD:
                hint = f"--target docker:{self._image} tests the machine's own kernel in a container"
                raise UnusableTarget(f"under the runtime {self._runtime} runs no gVisor, but a kernel {build!r}", hint)
            self.clock = RealClock(self._link)
            self._stack = stack.pop_all()

    def addresses(self, version: int) -> Addresses:
        """Return the same addresses as a pod has."""
        return ADDRESSES[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return a little less than the shortest retransmission time-out."""
        return GUARD_S

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket."""
        return GuestSocket(self._calls, version)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets and return what comes until it has been quiet."""
        packets = list(packets)
        self._known.update(connection(packet, inwards=True) for packet in packets)
        try:
            arrivals = self._link.exchange(packets, destination_mac)
            arrivals += self._link.until_quiet(QUIET_S)
        except Flood as error:
            raise TargetStorms(str(error)) from None
        except LostFence as error:
            raise TargetError(str(error)) from None
        return self._of_present_connections(arrivals)

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        try:
            return self._of_present_connections(self._link.waiting())
        except Flood as error:
            raise TargetStorms(str(error)) from None

    def _of_present_connections(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Leave out what connections still say that the harness has forgotten, and nothing can end: see `forget`."""
        present = []
        for arrival in arrivals:
            ends = connection(arrival.packet, inwards=False)
            if ends in self._known or ends not in self._forgotten:
                self._known.add(ends)
                present.append(arrival)
        return present

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask the agent for the state of a connection's socket; None for a connection without one.

        Behind a closed socket of a port that listens there may be another connection, half open.
        """
        local, remote = (tuple4.address, tuple4.port), (tuple4.peer_address, tuple4.peer_port)
        number, listening = self._calls.call("state", local, remote)
        state = None if number is None else KERNEL_STATES[number]
        if state in (None, State.LISTEN) or (state is State.CLOSED and listening):
            return None
        return Snapshot(state)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return None: there is no sock_diag for `ss`."""
        return None

    def forget_connections(self) -> None:
        """Reset every connection that has a socket; a container that has died is started again.

        Closed connections go on for as long as their timers do. What they say is theirs, and left out from now on.
        """
        self._forgotten |= self._known
        self._known = set()
        try:
            self._calls.call("forget")
            self._link.wait(QUIET_S)
            self._link.waiting()
        except TargetError:
            self._stack.close()
            self._open()

    def check(self) -> None:
        """Raise TargetError if the capture socket dropped frames."""
        if dropped := self._link.dropped():
            raise TargetError(f"the capture socket dropped {dropped} frames: what was seen is not what was sent")

    def close(self) -> None:
        """End both containers."""
        self._stack.close()


def connection(packet: bytes, *, inwards: bool) -> bytes:
    """Return the ends of a TCP packet's connection as octets, the target's end first; b"" for anything else."""
    if packet[0] >> 4 == 4:
        head, protocol, addresses = 4 * (packet[0] & 15), packet[9], packet[12:20]
    else:
        head, protocol, addresses = 40, packet[6], packet[8:40]
    if protocol != IPPROTO_TCP:
        return b""
    half = len(addresses) // 2
    source, destination = addresses[:half] + packet[head : head + 2], addresses[half:] + packet[head + 2 : head + 4]
    return destination + source if inwards else source + destination


_HINT = "docker/gvisor/README.md says what it needs; `docker run --rm --runtime=NAME IMAGE true` tries it"


def _version(runtime: str) -> str:
    """Return the version of the engine's runtime; raises UnusableTarget if the engine does not know it."""
    client = connect()
    with contextlib.closing(client), translated("the engine's runtimes"):
        known = client.info().get("Runtimes", {})
    if runtime not in known:
        hint = f'"runtimes": {{"{runtime}": {{"path": "…"}}}} in /etc/docker/daemon.json (docker/gvisor/README.md)'
        raise UnusableTarget(f"the engine has no runtime {runtime!r}, only {', '.join(sorted(known))}", hint)
    program = shutil.which(known[runtime].get("path", ""))
    if program is None or not Path(program).is_file():
        return "0"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    found = re.search(r"(\d{8}(?:\.\d+)*)", said)
    return found[1] if found else "0"
