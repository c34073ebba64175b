"""The harness's side of a wired pod: starts its keeper, holds the raw socket on the device and the program's output."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

from harness.targets.last_words import printable, telling
from harness.targets.namespace.agent_channel import AgentChannel, AgentRefusal
from harness.targets.namespace.pod import HINTS, START_TIMEOUT_S, await_end, start_process
from harness.targets.protocol import TargetError, UnusableTarget
from harness.targets.wired import placing, refusals
from harness.targets.wired.keeping import MachineKeeper
from harness.targets.wired.link import WireLink
from harness.targets.wired.options import WireOptions
from harness.targets.wired.pair import PairLink

KEPT_LOG_OCTETS = 4000
#: The name of the device in the pod.
DEVICE = {2: "tap0", 3: "tun0"}
_HINTS = {
    **HINTS,
    "/dev/net/tun": "the kernel needs CONFIG_TUN (modprobe tun); in a container: docker run --device /dev/net/tun",
}


class WiredPod(AgentChannel):
    """A device, and the program behind it. Raises UnusableTarget when it can't be made."""

    restarts = True

    @property
    def wakes(self) -> bool:
        """Whether the lines lead into a machine that boots first, and hears nothing before."""
        return bool(self._options.pair)

    def __init__(self, options: WireOptions) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_TIMEOUT_S)
        self._streams: list[int] = []
        self._monitored = bool(options.pair) and placing.has_monitor(options.command)
        self._machine = MachineKeeper()
        self.device, self._options = DEVICE[options.layer], options
        with theirs:
            self.helper = start_process("harness.targets.wired.helper", theirs)
        super().__init__(ours, f"the pod's keeper (pid {self.helper.pid})")
        try:
            _made, (packets, self._log) = self.call(self._request(options))
        except (TargetError, TimeoutError) as error:
            self.close()
            step = str(error.answer.get("step", "")) if isinstance(error, AgentRefusal) else ""
            raise UnusableTarget(f"no pod with a device could be made: {error}", _HINTS.get(step, "")) from None
        self.packet_socket = socket.socket(fileno=packets)

    def link(self) -> WireLink:
        """Return the wire to the program."""
        addresses, networks = self._options.addresses, self._options.networks
        peers = [peer for each in addresses.values() for peer in each.peer]
        peers += [each.gateway for each in networks.values() if each.gateway not in peers]
        kind = PairLink if self._options.pair else WireLink
        link = kind(self.packet_socket, self.device, self._options.layer, addresses[4].target[0], peers)
        if self._options.dhcp:
            from harness.wire.dhcp import DhcpServer  # its formats take a while to be imported

            link.dhcp = DhcpServer(addresses[4].target[0], networks[4].prefix, networks[4].gateway)
        return link

    def start(self) -> None:
        """Start the program; raises UnusableTarget where there is none of this name."""
        if self._machine.is_kept:
            self._run(waiting=True)
            if self._machine.resume():
                return
            self.stop()
        self._run(waiting=False)

    def _run(self, *, waiting: bool) -> None:
        self._forget_streams()
        try:
            _answer, self._streams = self.call(
                {"op": "start", "words": placing.words(self._options.mac, waiting=waiting)}
            )
        except AgentRefusal as error:
            raise UnusableTarget(str(error), refusals.no_program(self._options, self.device)) from None
        if self._monitored:
            self._machine.attend(self._streams.pop())

    def keep(self) -> str:
        """Keep a machine as it is for every later start; return in words how that is, "" for no machine."""
        if not self._monitored:
            return ""
        return self._machine.keep()

    def stop(self) -> None:
        """End the program and all that it has started."""
        self.call({"op": "stop"})

    def streams(self) -> tuple[int, int]:
        """Return descriptors of the program's standard output and input, which are the caller's from now on."""
        (read, write), self._streams = self._streams, []
        return read, write

    def reach(self, host: str, port: int) -> int:
        """Return the descriptor of a TCP connection in the pod; raises OSError."""
        try:
            _answer, (descriptor,) = self.call({"op": "reach", "host": host, "port": port})
        except AgentRefusal as error:
            raise OSError(errno.ECONNREFUSED, str(error)) from None
        return descriptor

    def _forget_streams(self) -> None:
        for descriptor in self._streams:
            os.close(descriptor)
        self._streams = []

    def exit_code(self) -> int | None:
        """Return the program's exit code, negative for a signal; None while it runs."""
        answer, _descriptors = self.call({"op": "ended"})
        code = answer.get("code")
        return None if code is None else int(code)

    def has_opened(self) -> bool:
        """Tell whether somebody has the device open; what is given as a descriptor is."""
        return bool(self.call({"op": "opened"})[0].get("opened"))

    def last_words(self) -> str:
        """Return the end of what the program has written."""
        size = os.fstat(self._log).st_size
        text = os.pread(self._log, KEPT_LOG_OCTETS, max(0, size - KEPT_LOG_OCTETS))
        return telling(printable(text))

    def close(self) -> None:
        """End the pod with all that is in it."""
        self._forget_streams()
        self._machine.close()
        if hasattr(self, "packet_socket"):
            self.packet_socket.close()
            os.close(self._log)
        super().close()
        await_end(self.helper)

    def _request(self, options: WireOptions) -> dict[str, Any]:
        environment = {"TCPSPEC_IF": self.device, **options.environment()}
        return {
            "rootless": os.geteuid() != 0,
            "layer": options.layer,
            "device": self.device,
            "mac": options.mac,
            "command": options.command,
            "streams": options.lines is not None and options.lines.within,
            "by_descriptor": bool(options.pair) or any("{fd}" in word for word in options.command),
            "pair": options.pair,
            "monitor": self._monitored,
            "channel": bool(options.pair) and options.lines is not None and placing.has_channel(options.command),
            "cwd": str(Path.cwd()),
            "environment": environment,
        }
