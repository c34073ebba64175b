"""The harness's side of a pod: starts the helper process, holds the descriptors it passes, asks it for more."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agent import server
from harness.targets.protocol import Addresses, TargetError, UnusableTarget

MAX_MESSAGE = 1 << 20
MAX_DESCRIPTORS = 128
SOCKET_BATCH = 64
START_TIMEOUT_S = 30.0

ADDRESSES = {
    4: Addresses(("198.51.100.1", "198.51.100.3"), ("198.51.100.2", "198.51.100.4")),
    6: Addresses(("2001:db8:51::1", "2001:db8:51::3"), ("2001:db8:51::2", "2001:db8:51::4")),
}
_PREFIXES = {4: ("198.51.100.0/24", 32), 6: ("2001:db8:51::/64", 128)}

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
    """What a pod is made of: sysctls to pin, the user's overrides (an unknown name is an error), route metrics."""

    pins: Mapping[str, str]
    overrides: Mapping[str, str]
    record: tuple[str, ...]
    metrics: Mapping[str, int]

    def request(self) -> dict[str, Any]:
        """Return the first message to the helper."""
        return {
            "rootless": os.geteuid() != 0,
            "pins": dict(self.pins),
            "overrides": dict(self.overrides),
            "record": list(self.record),
            "networks": [
                {
                    "version": version,
                    "targets": addresses.target,
                    "peers": addresses.peer,
                    "prefix": _PREFIXES[version][0],
                    "prefixlen": _PREFIXES[version][1],
                    "metrics": dict(self.metrics),
                }
                for version, addresses in ADDRESSES.items()
            ],
        }


class Pod:
    """Two namespaces, a veth pair and a helper process; a context manager. Raises UnusableTarget when it can't be."""

    def __init__(self, config: PodConfig) -> None:
        self._pool: dict[int, list[socket.socket]] = {4: [], 6: []}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        ours.settimeout(START_TIMEOUT_S)
        with theirs:
            self.helper = _start_helper(theirs)
        try:
            self.made, descriptors = self._call(config.request())
        except (TargetError, TimeoutError) as error:
            self.close()
            raise _unusable(error) from None
        except BaseException:
            self.close()
            raise
        self.packet_socket = socket.socket(fileno=descriptors[0])
        self.diag_socket = socket.socket(fileno=descriptors[1])

    def __enter__(self) -> "Pod":
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def socket(self, version: int) -> socket.socket:
        """Return a fresh non-blocking TCP socket of the target's namespace."""
        pool = self._pool[version]
        if not pool:
            _answer, descriptors = self._call({"op": "sockets", "family": version, "count": SOCKET_BATCH})
            # The helper closes its copies behind its answer, and a close() of ours does nothing before it has: so wait
            # for the answer to one more request, which it only reads when it is done.
            self._call({"op": "ping"})
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            for descriptor in descriptors:
                sock = socket.socket(family, socket.SOCK_STREAM, 0, fileno=descriptor)
                sock.setblocking(False)
                pool.append(sock)
        return pool.pop()

    def ss(self, arguments: list[str]) -> str | None:
        """Return what `ss` prints in the target's namespace, None where the program is missing."""
        answer, _descriptors = self._call({"op": "ss", "arguments": arguments})
        return None if answer.get("missing") else str(answer["text"])

    def destroy_sockets(self) -> int:
        """Destroy every TCP socket of the namespace; return how many there were."""
        answer, _descriptors = self._call({"op": "destroy"})
        return int(answer["destroyed"])

    def read_sysctl(self, name: str) -> str:
        """Return a sysctl of the target's namespace; raises TargetError where the kernel lacks it."""
        answer, _descriptors = self._call({"op": "read-sysctls", "names": [name]})
        if name not in answer["values"]:
            raise TargetError(f"this kernel has no sysctl {name}")
        return str(answer["values"][name])

    def write_sysctl(self, name: str, value: str) -> None:
        """Write a sysctl of the target's namespace."""
        self._call({"op": "write-sysctls", "values": {name: value}, "required": True})

    def close(self) -> None:
        """Close everything; the helper cleans up and ends when it sees the control socket close.

        Should the helper be dead already, its sockets are destroyed from here: orphans keep the namespace for minutes.
        """
        diag: socket.socket | None = getattr(self, "diag_socket", None)
        if self.helper.poll() is not None and diag is not None:
            with contextlib.suppress(OSError):
                server.destroy_all_sockets(diag)
        for sock in [sock for pool in self._pool.values() for sock in pool]:
            sock.close()
        self._pool = {4: [], 6: []}
        for name in ("packet_socket", "diag_socket"):
            with contextlib.suppress(AttributeError):
                getattr(self, name).close()
        self._control.close()
        try:
            self.helper.wait(10)
        except subprocess.TimeoutExpired:
            self.helper.kill()
            self.helper.wait()

    def _call(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        try:
            self._control.send(json.dumps(request).encode())
            message, descriptors, _flags, _address = socket.recv_fds(self._control, MAX_MESSAGE, MAX_DESCRIPTORS)
        except ConnectionError:
            message, descriptors = b"", []
        except TimeoutError:
            raise TargetError(f"the pod's helper process (pid {self.helper.pid}) does not answer") from None
        if not message:
            raise TargetError(f"the pod's helper process (pid {self.helper.pid}) is gone")
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        answer = json.loads(message)
        if "error" in answer:
            raise HelperRefusal(answer)
        return answer, list(descriptors)


class HelperRefusal(TargetError):
    """The helper answered that it can't do what was asked; `answer` has its words."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["error"])
        self.answer = answer


def _unusable(error: Exception) -> UnusableTarget:
    if not isinstance(error, HelperRefusal):
        return UnusableTarget(f"no pod could be made: {error}")
    step = str(error.answer.get("step", ""))
    if step == "override":
        return UnusableTarget(f"--set: {error}")
    hint = HINTS.get("network namespace" if step in _SYSADMIN_HINT_STEPS else step, "")
    return UnusableTarget(f"no network namespace for the target could be made: {error}", hint)


def _start_helper(control: socket.socket) -> "subprocess.Popen[bytes]":
    package_parent = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    # A session of its own: Ctrl-C in the terminal must reach the harness first, which then closes the socket.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "harness.targets.pod_helper", str(control.fileno())],
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
        cwd="/",
        start_new_session=True,
    )
