"""The fresh process that makes a wired pod and lives in it: ``python -m harness.targets.wired.helper FD``.

The pod is a network and a process namespace with one TAP or TUN device, or a pair of sockets in its place. The kernel's
end of the device has no address, so nothing but the program under test answers. The keeper is the first process of its
namespace: when it ends, because the control socket has closed or by whatever signal, the kernel ends the program and
all that the program has started.
"""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import Any

from harness.agent import server
from harness.agent.rtnetlink import RouteSocket
from harness.targets.namespace.helper import ETH_P_ALL, SetupError, new_namespaces

CLONE_NEWPID = 0x20000000
#: linux/sockios.h, linux/if_arp.h
SIOCSIFHWADDR, ARPHRD_ETHER = 0x8924, 1
#: linux/if_tun.h
TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TUN, IFF_TAP, IFF_NO_PI = 0x0001, 0x0002, 0x1000
TUN_PATH = "/dev/net/tun"
#: The types of the sockets that stand in place of a device.
PAIRS = {"dgram": "SOCK_DGRAM", "stream": "SOCK_STREAM"}
FAREWELL_S = 0.5
#: linux/if.h: somebody has the device open.
IFF_LOWER_UP = 0x10000
#: So many octets of what a program writes are kept at most, and so many are left where it has written more.
MOST_LOG_OCTETS, LEFT_LOG_OCTETS = 1 << 20, 1 << 16
#: How long what was killed may take to be gone: it gives back its memory first, and a busy machine is slow at that.
KILLED_S = 10.0
REACH_LIMIT_S = 1.0


def main() -> None:
    """Make the pod that the first message describes, then start and end the program as asked."""
    control = socket.socket(fileno=int(sys.argv[1]))
    request = json.loads(control.recv(server.MAX_MESSAGE))
    try:
        new_namespaces(rootless=request["rootless"], besides=CLONE_NEWPID)
    except SetupError as error:
        control.send(json.dumps({"error": str(error), "step": error.step}).encode())
        return
    if child := os.fork():
        control.close()
        os.waitpid(child, 0)
        return
    _keep(control, request)
    os._exit(0)


def _keep(control: socket.socket, request: dict[str, Any]) -> None:
    try:
        keeper = Keeper(request)
    except SetupError as error:
        control.send(json.dumps({"error": str(error), "step": error.step}).encode())
        return
    with contextlib.suppress(ConnectionError):
        socket.send_fds(control, [b"{}"], [keeper.packets.fileno(), keeper.log])
        while message := control.recv(server.MAX_MESSAGE):
            answer, descriptors = keeper.perform(json.loads(message))
            socket.send_fds(control, [json.dumps(answer).encode()], descriptors)
            for descriptor in descriptors:  # the program sees the end of its lines when the harness ends
                os.close(descriptor)


class Keeper:
    """The device and the raw socket on it, or both ends of a pair of sockets, and the program.

    `_given` is the descriptor that the program gets, -1 if it opens the device by its name.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._device = str(request["device"])
        self._program: subprocess.Popen[bytes] | None = None
        #: How the last of those ended that the program has left behind, as a daemon does.
        self._orphan_code = 0
        try:
            server.write_sysctls({"net.ipv6.conf.all.disable_ipv6": "1"}, required=False)
            if pair := request["pair"]:
                self.packets, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, PAIRS[pair]))
                self._given = theirs.detach()
            else:
                self._given = _open_device(self._device, IFF_TAP if request["layer"] == 2 else IFF_TUN)
            with RouteSocket() as route:
                route.up(socket.if_nametoindex("lo"))
                if not pair:
                    if request["mac"]:
                        _set_mac(self._device, request["mac"])
                    route.up(socket.if_nametoindex(self._device))
                    self.packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
                    self.packets.bind((self._device, ETH_P_ALL))
        except OSError as error:
            raise SetupError("device", error) from None
        self.log = os.memfd_create("log")
        fcntl.fcntl(self.log, fcntl.F_SETFL, os.O_APPEND)

    def perform(self, request: dict[str, Any]) -> server.Answer:
        """Answer one request: ``start``, ``stop``, ``ended``, ``opened``, or ``reach`` for a connection in the pod."""
        self._shorten_log()
        if request["op"] == "start":
            return self._start(request["words"])
        if request["op"] == "reach":
            try:
                return {}, [socket.create_connection((request["host"], request["port"]), REACH_LIMIT_S).detach()]
            except OSError as error:
                return {"error": error.strerror or str(error)}, []
        if request["op"] == "opened":
            return {"opened": self._is_opened()}, []
        if request["op"] == "stop":
            self._stop()
        elif self._program is not None:
            return {"code": self._code()}, []
        return {}, []

    def _is_opened(self) -> bool:
        if self._request["pair"]:
            return True
        with RouteSocket() as route:
            return any(link.name == self._device and link.flags & IFF_LOWER_UP for link in route.links())

    def _code(self) -> int | None:
        """Return the program's exit code, None while it runs: who ends content with others left goes on as these."""
        assert self._program is not None
        code = self._program.poll()
        if code != 0:
            return code
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                self._orphan_code = os.waitstatus_to_exitcode(ended[1])
            return None
        return self._orphan_code

    def _shorten_log(self) -> None:
        """Forget the beginning of what was written: who writes without end does not fill the memory."""
        size = os.fstat(self.log).st_size
        if size > MOST_LOG_OCTETS:
            end = os.pread(self.log, LEFT_LOG_OCTETS, size - LEFT_LOG_OCTETS)
            os.ftruncate(self.log, 0)
            os.write(self.log, end)

    def _start(self, words: dict[str, list[str]]) -> server.Answer:
        if not self._request["by_descriptor"] and self._given >= 0:
            # It stays without anybody who holds it, and the program opens it by its name.
            fcntl.ioctl(self._given, TUNSETPERSIST, 1)
            os.close(self._given)
            self._given = -1
        channel = socket.socketpair() if self._request["channel"] else None
        monitor = socket.socketpair() if self._request["monitor"] else None
        numbers = {"{if}": self._device, "{fd}": str(self._given), "{stream}": str(self._given)}
        passed = [self._given] if self._given >= 0 else []
        for name, pair in (("{lines}", channel), ("{control}", monitor)):
            if pair is not None:
                numbers[name] = str(pair[1].fileno())
                passed.append(pair[1].fileno())
        command = filled(self._request["command"], words, numbers)
        streams = self._request["streams"] and channel is None
        try:
            self._program = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if streams else subprocess.DEVNULL,
                stdout=subprocess.PIPE if streams else self.log,
                stderr=self.log,
                pass_fds=passed,
                cwd=self._request["cwd"],
                env={**os.environ, **self._request["environment"]},
                start_new_session=True,
            )
        except OSError as error:
            for end in (*(channel or ()), *(monitor or ())):
                end.close()
            # execvp() tells of a folder of PATH that nobody may read, where there is no such program.
            missing = "/" not in command[0] and shutil.which(command[0]) is None
            why = os.strerror(errno.ENOENT) if missing else error.strerror
            return {"error": f"{command[0]} can't be started: {why}", "step": "start"}, []
        descriptors = self._streams(channel)
        if monitor is not None:
            monitor[1].close()
            descriptors.append(monitor[0].detach())
        return {}, descriptors

    def _streams(self, channel: tuple[socket.socket, socket.socket] | None) -> list[int]:
        """Return descriptors of what the program says and hears, none where nobody asks for them."""
        assert self._program is not None
        if channel is not None:
            channel[1].close()
            ours = channel[0].detach()
            return [ours, os.dup(ours)]
        pipes = [pipe for pipe in (self._program.stdout, self._program.stdin) if pipe is not None]
        descriptors = [os.dup(pipe.fileno()) for pipe in pipes]
        for pipe in pipes:
            pipe.close()
        return descriptors

    def _stop(self) -> None:
        if self._program is None:
            return
        for number, limit_s in ((signal.SIGTERM, FAREWELL_S), (signal.SIGKILL, KILLED_S)):
            _kill_all(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._program.wait(limit_s)
        _await_orphans()
        self._program, self._orphan_code = None, 0
        self._shorten_log()


def _kill_all(number: int) -> None:
    """Send a signal to everybody in the process namespace but this first process, whatever session they are in."""
    if os.getpid() != 1:
        raise RuntimeError("only the first process of a namespace may end all others")
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, number)


def _await_orphans() -> None:
    """Wait until nobody who was killed has the device any more: the next program wants to open it.

    Who has lost the parent is a child of the first process of the namespace, which this is.
    """
    deadline = time.monotonic() + KILLED_S
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.005)


def filled(command: list[str], words: dict[str, list[str]], numbers: dict[str, str]) -> list[str]:
    """Return a command with its places filled: a word that stands for several, and names that stand for numbers."""
    made = []
    for word in command:
        for part in words.get(word, [word]):
            for name, value in numbers.items():
                part = part.replace(name, value)
            made.append(part)
    return made


def _open_device(name: str, kind: int) -> int:
    try:
        descriptor = os.open(TUN_PATH, os.O_RDWR)
    except OSError as error:
        raise SetupError(TUN_PATH, error) from None
    try:
        fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
    except OSError as error:
        raise SetupError("device", error) from None
    return descriptor


def _set_mac(name: str, mac: str) -> None:
    """Give the device the hardware address that the stack is told, since some read it from there (netdevice(7))."""
    octets = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFHWADDR, struct.pack("16sH6s16x", name.encode(), ARPHRD_ETHER, octets))


if __name__ == "__main__":
    main()
