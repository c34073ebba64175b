"""The agent inside a kernel that runs as a process: its first and only program (init).

It makes sockets, works them, relays netlink messages as opaque octets, runs `ss`, and reads and writes sysctls.
Requests come over the network card itself, in frames of an EtherType for local experiments: the card is the only
device whose interrupts simulated time knows. Standard library only.

A request is a JSON list of operations, each a list of a name and its arguments; the answer is a list of the same
length, of ``["ok", result]`` or ``["error", errno, text]`` (`harness.agent.framing` brings them over the card).
Octet strings are written in hexadecimal digits.
"""

import contextlib
import errno
import json
import os
import select
import socket
import struct
import subprocess
from collections.abc import Callable
from typing import Any

from harness.agent import boot, framing, server, uncommon
from harness.agent.rtnetlink import RouteSocket, forget_hosts

SHUT_WR = socket.SHUT_WR
SO_RCVBUFFORCE = 33
#: Room for a SEND of some hundred thousand octets, each frame of it counted with what the kernel keeps beside it.
LONGEST_REQUEST = 4 << 20
#: Room for the control data of one message, in octets.
CONTROL = 1024
#: The kernel reads the octets of such a SEND later (linux/socket.h).
MSG_ZEROCOPY = 0x4000000
WATCHED = select.POLLIN | select.POLLOUT | select.POLLRDHUP
#: The card says nothing of itself when it comes up: no link-local address, no solicitations.
QUIET = {"addr_gen_mode": "1", "accept_ra": "0"}
LINGER_RESET = struct.pack("ii", 1, 0)


class Agent:
    """Serves one harness."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._edges: dict[int, select.epoll] = {}
        #: By the number of a socket, and of an epoll.
        self._polls: dict[tuple[int, int], select.epoll] = {}
        self._lent: list[bytes] = []
        self._networks: list[dict[str, Any]] = []
        self._diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, server.NETLINK_SOCK_DIAG)

    def serve(self) -> None:
        """Answer requests for ever."""
        device = boot.device()
        server.write_sysctls({f"net.ipv6.conf.{device}.{name}": value for name, value in QUIET.items()}, required=False)
        route = RouteSocket()
        route.up(socket.if_nametoindex(device))
        route.close()
        boot.merge_nothing(device)
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, LONGEST_REQUEST)  # in real time its frames come all at once
        link.bind((device, framing.ETHERTYPE))
        link.send(
            framing.ETHERNET.pack(b"\xff" * 6, bytes(6), framing.ETHERTYPE) + framing.parts(framing.READY, b"")[0]
        )
        joiner = framing.Joiner()
        while True:
            frame = link.recv(2048)
            message = joiner.add(frame[framing.ETHERNET.size :])
            if message is None:
                continue
            number, text = message
            answer = json.dumps([self.perform(operation) for operation in json.loads(text)]).encode()
            head = framing.ETHERNET.pack(frame[6:12], frame[:6], framing.ETHERTYPE)
            for part in framing.parts(number, answer):
                link.send(head + part)

    def perform(self, operation: list[Any]) -> list[Any]:
        """Perform an operation and return its outcome."""
        name, *arguments = operation
        try:
            return ["ok", OPERATIONS[name](self, *arguments)]
        except OSError as error:
            return ["error", error.errno or errno.EIO, error.strerror or str(error)]
        except server.RequestError as error:
            return ["error", 0, str(error)]
        except Exception as error:
            return ["error", 0, f"{type(error).__name__}: {error}"]

    # --- the machine -------------------------------------------------------------------------------------------------

    def set_up(self, request: dict[str, Any], peer_mac: str) -> dict[str, Any]:
        """Write sysctls, give the card its addresses, routes and neighbours; return what was found."""
        missing = server.write_sysctls(request["pins"], required=False)
        server.write_sysctls(request["overrides"], required=True)
        index = socket.if_nametoindex(boot.device())
        route = RouteSocket()
        route.up(socket.if_nametoindex("lo"))
        self._networks = request["networks"]
        for network in request["networks"]:
            route.join(index, network, bytes.fromhex(peer_mac))
        route.close()
        uname = os.uname()
        return {
            "missing_sysctls": missing,
            "sysctls": server.read_sysctls(request["record"]),
            "release": uname.release,
            "build": uname.version,
            "processors": os.cpu_count(),
        }

    def ss(self, arguments: list[str]) -> str | None:
        """Return what ``ss`` prints, None where there is no such program."""
        for folder in server.PROGRAM_PATH.split(os.pathsep):
            program = os.path.join(folder, "ss")
            if os.access(program, os.X_OK):
                break
        else:
            return None
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout

    def diag(self, message: str) -> str:
        """Relay a netlink message to sock_diag and its answer back."""
        self._diag.send(bytes.fromhex(message))
        return self._diag.recv(65536).hex()

    def destroy(self) -> int:
        """Destroy every TCP socket; return how many are left, where the kernel was built without SOCK_DESTROY."""
        for sock in self._sockets.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            sock.close()
        self._sockets.clear()
        self._edges.clear()
        self._polls.clear()
        self._lent.clear()
        server.destroy_all_sockets()
        return server.destroy_all_sockets()

    def set_mtu(self, version: int, mtu: int | None) -> None:
        """Give the way to the peer an MTU, None for the wire's own."""
        (network,) = (each for each in self._networks if each["version"] == version)
        with RouteSocket() as route:
            route.set_mtu(socket.if_nametoindex(boot.device()), network, mtu)

    def counters(self) -> dict[str, int]:
        """Return the kernel's counters."""
        return server.counters()

    def forget_metrics(self) -> None:
        """Forget what is remembered of hosts."""
        forget_hosts()

    def read_sysctls(self, names: list[str]) -> dict[str, str]:
        """Return the values of those sysctls that this kernel has."""
        return server.read_sysctls(names)

    def write_sysctls(self, values: dict[str, str]) -> None:
        """Write sysctls, all of which must exist."""
        server.write_sysctls(values, required=True)

    # --- sockets, by numbers that the harness gives ------------------------------------------------------------------

    def socket(self, number: int, version: int) -> None:
        """Make a socket."""
        sock = socket.socket(server.FAMILIES[version], socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        self._sockets[number] = sock

    def listen(self, number: int, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._sockets[number].bind((address, port))
        self._sockets[number].listen(backlog)

    def connect(self, number: int, local: list[Any], remote: list[Any]) -> None:
        """Active OPEN."""
        self._sockets[number].bind((local[0], local[1]))
        with contextlib.suppress(BlockingIOError):
            self._sockets[number].connect((remote[0], remote[1]))

    def accept(self, number: int, accepted: int) -> None:
        """Give the next established connection the number `accepted`."""
        sock, _address = self._sockets[number].accept()
        sock.setblocking(False)
        self._sockets[accepted] = sock

    def send(self, number: int, data: str, flags: int) -> int:
        """SEND."""
        octets = bytes.fromhex(data)
        if flags & MSG_ZEROCOPY:
            self._lent.append(octets)
        return self._sockets[number].send(octets, flags | socket.MSG_NOSIGNAL)

    def recv(self, number: int, limit: int, flags: int) -> str:
        """RECEIVE."""
        return self._sockets[number].recv(limit, flags).hex()

    def recv_message(self, number: int, limit: int, flags: int) -> tuple[str, list[tuple[int, int, str]], int]:
        """RECEIVE with control data: text, control data (level, type, octets), and flags."""
        data, control, told, _address = self._sockets[number].recvmsg(limit, CONTROL, flags)
        return data.hex(), [(level, kind, octets.hex()) for level, kind, octets in control], told

    def begin(self, number: int, local: list[Any], remote: list[Any], data: str | None, flags: int) -> int:
        """Active OPEN with MSG_FASTOPEN, or (without `data`) TCP_FASTOPEN_CONNECT: what the call gives."""
        sock = self._sockets[number]
        if not sock.getsockname()[1]:
            sock.bind((local[0], local[1]))
        if data is not None:
            return sock.sendto(bytes.fromhex(data), flags | socket.MSG_NOSIGNAL, (remote[0], remote[1]))
        sock.connect((remote[0], remote[1]))
        return 0

    def shutdown(self, number: int, how: int = SHUT_WR) -> None:
        """Close the sending direction, or what `how` says."""
        self._sockets[number].shutdown(how)

    def poll(self, number: int) -> int:
        """Return what holds now, in the bits of poll(2)."""
        poll = select.poll()
        poll.register(self._sockets[number], WATCHED)
        return sum(events for _descriptor, events in poll.poll(0))

    def edges(self, number: int) -> int:
        """Return what has newly come about, as EPOLLET tells it; the first look tells all that holds."""
        if number not in self._edges:
            self._edges[number] = select.epoll(1)
            self._edges[number].register(self._sockets[number], WATCHED | select.EPOLLET)
        return sum(events for _descriptor, events in self._edges[number].poll(0))

    def watch(self, number: int, poll: int, events: int | None) -> None:
        """Have an epoll watch a socket, otherwise than before, or no more."""
        if events is None:
            self._polls.pop((number, poll)).close()
        elif (number, poll) in self._polls:
            self._polls[number, poll].modify(self._sockets[number], events)
        else:
            self._polls[number, poll] = select.epoll(1)
            self._polls[number, poll].register(self._sockets[number], events)

    def watched(self, number: int, poll: int) -> int:
        """Return what an epoll tells of a socket."""
        return sum(events for _descriptor, events in self._polls[number, poll].poll(0))

    def local(self, number: int) -> tuple[str, int]:
        """Return the own address and port."""
        address, port = self._sockets[number].getsockname()[:2]
        return address, port

    def remote(self, number: int) -> tuple[str, int]:
        """Return the peer's address and port; ENOTCONN where the connection is gone."""
        address, port = self._sockets[number].getpeername()[:2]
        return address, port

    def uncommon(self, number: int, name: str, *arguments: Any) -> Any:
        """Make a call that few programs make (`harness.agent.uncommon`)."""
        return uncommon.CALLS[name](self._sockets[number].fileno(), *arguments)

    def close(self, number: int) -> None:
        """CLOSE; a second time, or after the connections were forgotten, it does nothing."""
        self._edges.pop(number, None)
        sock = self._sockets.pop(number, None)
        if sock is not None:
            sock.close()

    def abort(self, number: int) -> None:
        """ABORT."""
        self._edges.pop(number, None)
        sock = self._sockets.pop(number)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        sock.close()

    def pending_error(self, number: int) -> int:
        """Return and clear SO_ERROR."""
        return self._sockets[number].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def set_option(self, number: int, level: int, name: int, value: int | str) -> None:
        """Set a socket option: a number, or octets."""
        octets = bytes.fromhex(value) if isinstance(value, str) else value
        self._sockets[number].setsockopt(level, name, octets)

    def get_option(self, number: int, level: int, name: int, size: int) -> int | str:
        """Return a socket option: a number, or `size` octets."""
        sock = self._sockets[number]
        return sock.getsockopt(level, name, size).hex() if size else sock.getsockopt(level, name)


OPERATIONS: dict[str, Callable[..., Any]] = {
    "set up": Agent.set_up,
    "ss": Agent.ss,
    "diag": Agent.diag,
    "destroy": Agent.destroy,
    "mtu": Agent.set_mtu,
    "counters": Agent.counters,
    "forget metrics": Agent.forget_metrics,
    "read sysctls": Agent.read_sysctls,
    "write sysctls": Agent.write_sysctls,
    "socket": Agent.socket,
    "listen": Agent.listen,
    "connect": Agent.connect,
    "accept": Agent.accept,
    "send": Agent.send,
    "recv": Agent.recv,
    "begin": Agent.begin,
    "recv message": Agent.recv_message,
    "shutdown": Agent.shutdown,
    "poll": Agent.poll,
    "edges": Agent.edges,
    "watch": Agent.watch,
    "watched": Agent.watched,
    "local": Agent.local,
    "remote": Agent.remote,
    "uncommon": Agent.uncommon,
    "close": Agent.close,
    "abort": Agent.abort,
    "pending error": Agent.pending_error,
    "set option": Agent.set_option,
    "get option": Agent.get_option,
}


def main() -> None:
    """Mount what is needed, then serve."""
    boot.start()
    Agent().serve()
