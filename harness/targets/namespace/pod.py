"""The harness's side of a pod: starts the helper process, holds the descriptors it passes, asks it for more."""

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agent import server
from harness.observe.sockdiag import limit_wait
from harness.targets.addresses import ADDRESSES, PREFIXES
from harness.targets.namespace.agent_channel import AgentChannel, AgentRefusal
from harness.targets.protocol import TargetError, UnusableTarget
from harness.wire.link import PacketLink

START_TIMEOUT_S = 30.0
#: To destroy the sockets and delete the link.
END_LIMIT_S = 10.0
#: sock_diag answers in microseconds.
DIAG_LIMIT_S = 5.0

_CONTAINER = "docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt systempaths=unconfined ..., as root"
#: What to do when a step of the set-up fails, by step.
HINTS = {
    "user namespace": (
        "this machine forbids user namespaces to ordinary users. Either run the same command with sudo, or allow them: "
        "Ubuntu 23.10 and later: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0; "
        "Debian 10 and older: sudo sysctl kernel.unprivileged_userns_clone=1; "
        "otherwise: sudo sysctl user.max_user_namespaces=10000. `tcpspec doctor` tells which. "
        f"In a container: {_CONTAINER}"
    ),
    "network namespace": f"root without CAP_SYS_ADMIN can't make one. In a container: {_CONTAINER}",
    "sysctl": (
        "the cases assume known settings, and they can't be written here. In a container /proc/sys must be writable: "
        f"{_CONTAINER}"
    ),
    "veth link": "the kernel needs CONFIG_VETH (module veth)",
}
_SYSADMIN_HINT_STEPS = ("network namespace of the target", "change of network namespace")


@dataclass(frozen=True, slots=True)
class PodConfig:
    """What a pod is made of: sysctls to pin, the user's overrides (an unknown name is an error), route metrics.

    With `join` the target's namespace is that of a running process, by its id and the inode of its namespace.
    """

    pins: Mapping[str, str]
    overrides: Mapping[str, str]
    record: tuple[str, ...]
    metrics: Mapping[str, int]
    join: tuple[int, int] | None = None

    def request(self) -> dict[str, Any]:
        """Return the first message to the helper."""
        return {
            "rootless": os.geteuid() != 0,
            "pins": dict(self.pins),
            "overrides": dict(self.overrides),
            "record": list(self.record),
            "join": self.join and {"pid": self.join[0], "inode": self.join[1]},
            "networks": [
                {
                    "version": version,
                    "targets": addresses.target,
                    "peers": addresses.peer,
                    "prefix": PREFIXES[version][0],
                    "prefixlen": PREFIXES[version][1],
                    "metrics": dict(self.metrics),
                }
                for version, addresses in ADDRESSES.items()
            ],
        }


class Pod(AgentChannel):
    """Two namespaces, a veth pair and a helper process; a context manager. Raises UnusableTarget when it can't be."""

    def __init__(self, config: PodConfig) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_TIMEOUT_S)
        with theirs:
            self.helper = start_process("harness.targets.namespace.helper", theirs)
        super().__init__(ours, f"the pod's helper process (pid {self.helper.pid})")
        try:
            self.made, descriptors = self.call(config.request())
        except (TargetError, TimeoutError) as error:
            self.close()
            raise _unusable(error) from None
        except BaseException:
            self.close()
            raise
        self.packet_socket = socket.socket(fileno=descriptors[0])
        self.diag_socket = socket.socket(fileno=descriptors[1])
        limit_wait(self.diag_socket, DIAG_LIMIT_S)

    def __enter__(self) -> "Pod":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def link(self) -> PacketLink:
        """Return the peer's end of the wire, which carries frames by then."""
        link = PacketLink(
            self.packet_socket,
            bytes.fromhex(self.made["peer_mac"]),
            bytes.fromhex(self.made["target_mac"]),
            socket.inet_aton(ADDRESSES[4].target[0]),
        )
        link.await_ready()
        return link

    def shell(self, text: str, folder: Path) -> tuple[int, str]:
        """Run a command line in the target's namespace; return its exit code and what it printed.

        Raises TargetError where that can't be.
        """
        request = {"op": "shell", "text": text, "folder": str(folder), "drop": os.geteuid() == 0}
        answer, _descriptors = self.call(request)
        return int(answer["code"]), str(answer["output"])

    def set_mtu(self, version: int, mtu: int | None) -> None:
        """Give the way to the peer an MTU, None for the wire's own."""
        self.call({"op": "mtu", "version": version, "mtu": mtu})

    def forget_hosts(self) -> None:
        """Make the kernel forget what it remembers of hosts; a TargetError where that may not be."""
        self.call({"op": "forget-hosts"})

    def close(self) -> None:
        """Close everything; the helper cleans up and ends when it sees the control socket close.

        Should the helper be dead already, its sockets are destroyed from here: orphans keep the namespace for minutes.
        """
        diag: socket.socket | None = getattr(self, "diag_socket", None)
        if self.helper.poll() is not None and diag is not None:
            with contextlib.suppress(OSError):
                server.destroy_all_sockets(diag)
        for name in ("packet_socket", "diag_socket"):
            with contextlib.suppress(AttributeError):
                getattr(self, name).close()
        super().close()
        await_end(self.helper)


def _unusable(error: Exception) -> UnusableTarget:
    if not isinstance(error, AgentRefusal):
        return UnusableTarget(f"no pod could be made: {error}")
    step = str(error.answer.get("step", ""))
    if step == "override":
        return UnusableTarget(f"--set: {error}")
    hint = HINTS.get("network namespace" if step in _SYSADMIN_HINT_STEPS else step, "")
    return UnusableTarget(f"no network namespace for the target could be made: {error}", hint)


def await_end(process: "subprocess.Popen[bytes]", limit_s: float = END_LIMIT_S) -> None:
    """Wait until a process whose control socket is closed has ended by itself; kill it if it does not."""
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_process(module: str, control: socket.socket) -> "subprocess.Popen[bytes]":
    """Start a module of ours as a process that serves the other end of `control`."""
    package_parent = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    # A session of its own: Ctrl-C in the terminal must reach the harness first, which then closes the socket.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(control.fileno())],
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        cwd="/",
        start_new_session=True,
    )
