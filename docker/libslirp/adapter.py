"""The adapter of libslirp, the TCP of QEMU's and of containers' user networks: in virtual time, without a compiler.

The stack stands for a network: to each connection from its guest belongs an ordinary socket of the host, by which an
application is reached. The guest is our peer, and the applications are sockets here, in a network namespace of our own
that has the target's addresses: nothing of the machine can be met there. What the stack does because of its sockets it
does when it polls them; here it polls behind each command, in the same instant, for as long as there is something.
"""

import contextlib
import errno
import fcntl
import ipaddress
import itertools
import os
import socket
import struct
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import binding
from loopback import Loopback

from harness.adapter_kit import Address, Stack, State, refused, serve
from harness.agent.rtnetlink import RouteSocket
from harness.targets.namespace.helper import new_namespaces

#: A machine has been up for a while when its first connection begins.
UPTIME_MS = 1_000_000
#: What a socket's buffers have room for: what the application does not read shall fill the stack's own soon.
ROOM = 8192
#: So often it may poll in one instant.
MOST_POLLS = 10_000
#: Where the stack takes what an application opens, by IP version, and the first of the ports for it.
GATE, FIRST_PORT = {4: "127.0.0.2", 6: "::1"}, 20_000
ANY = ("0.0.0.0", "::")
SPELLING = {"SYN_RCVD": "SYN-RECEIVED"}
RESET_WHEN_CLOSED = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Connection:
    """One of the stack's: its descriptor, -1 when it has none any more, and the application's end of that."""

    local: Address
    remote: Address
    descriptor: int
    app: socket.socket | None = None


@dataclass(eq=False)
class Sock:
    """A listener with the connections that are not established or not accepted, or the application's end of one."""

    inner: socket.socket
    local: Address
    waiting: list[Connection] = field(default_factory=list)
    ready: list[Connection] = field(default_factory=list)
    of: Connection | None = None
    shut: bool = False


class LibSlirp(Stack[Sock]):
    """The stack behind the kit's methods."""

    name = "libslirp"
    capabilities: ClassVar = ["states", "ipv6", "time-wait-reuse"]
    lacks: ClassVar = ["rfc5961"]
    settings: ClassVar = ["ack"]
    facts: ClassVar = {"application": "sockets_in_a_namespace", "buffers": "elsewhere"}

    def __init__(self) -> None:
        super().__init__()
        new_namespaces(rootless=os.geteuid() != 0)
        self._loopback = Loopback()
        self._library = binding.load()
        self.version = self._library.slirp_version_string().decode()
        self._now_ms = UPTIME_MS
        #: By so much its own clock has gone further, for ACKs that it would have delayed.
        self._hurry_ms = 0
        self._last_tick_ms = 0
        self._at_once = False
        self._hosts: list[str] = []
        self._listeners: list[Sock] = []
        self._connections: list[Connection] = []
        self._opened: list[int] = []
        self._ports = itertools.cycle(range(FIRST_PORT, 1 << 16))
        self._slirp = self._start()

    def _start(self) -> binding.Slirp:
        self._last_tick_ms = 0
        return binding.Slirp(self._library, self._clock_ns, self.transmit, self._on_opened, self._on_closed)

    # --- time and packets --------------------------------------------------------------------------------------------

    def _clock_ns(self) -> int:
        return (self._now_ms + self._hurry_ms) * 1_000_000

    def now(self) -> float:
        return float(self._now_ms - UPTIME_MS)

    def advance(self, milliseconds: int) -> None:
        end_ms = self._now_ms + milliseconds
        self._settle()
        while not self.has_sent and self._now_ms < end_ms:
            timeout_ms, _ready = self._slirp.look()
            if timeout_ms > binding.SLOW_MS:  # no timer runs
                self._now_ms = end_ms
                return
            self._now_ms = min(end_ms, self._now_ms + self._until_due(timeout_ms))
            self._settle()

    def _until_due(self, timeout_ms: int) -> int:
        """Return in how many milliseconds its fast or its slow timer is due: it counts from the last slow one."""
        slow_ms = self._last_tick_ms + binding.SLOW_MS - (self._now_ms + self._hurry_ms)
        return max(1, min(slow_ms, timeout_ms))

    def address(self, host: str, bits: int) -> None:
        with RouteSocket() as route:
            index, version = socket.if_nametoindex("lo"), ipaddress.ip_address(host).version
            route.add_address(index, version, host, 32 if version == 4 else 128)
        self._hosts.append(host)

    def set(self, name: str, value: str) -> None:
        self._at_once = value == "immediate"

    def arrive(self, packet: bytes, frame: str) -> None:
        self._slirp.arrive(packet)
        if self._opened:
            self._enter(*self._ends(packet))
        self._settle()

    def _settle(self) -> None:
        """Let it poll in this instant for as long as that brings something."""
        for _poll in range(MOST_POLLS):
            self._loopback.settle()
            timeout_ms, ready = self._slirp.look()
            now_ms = self._now_ms + self._hurry_ms
            if timeout_ms <= binding.SLOW_MS and now_ms - self._last_tick_ms >= binding.SLOW_MS:
                self._last_tick_ms = now_ms
                ready = True
            if timeout_ms <= binding.FAST_MS and self._at_once:
                self._hurry_ms += binding.FAST_MS
                ready = True
            self._slirp.work()
            self._loopback.settle()
            self._take()
            if not ready:
                return
        raise RuntimeError(f"it has something to do in each of {MOST_POLLS} polls")

    # --- descriptors -------------------------------------------------------------------------------------------------

    def _on_opened(self, descriptor: int) -> None:
        self._opened.append(descriptor)
        with _borrowed(descriptor) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
            _hasten(sock)

    def _on_closed(self, descriptor: int) -> None:
        if descriptor in self._opened:
            self._opened.remove(descriptor)
        for each in self._connections:
            if each.descriptor == descriptor:
                each.descriptor = -1

    def _ends(self, packet: bytes) -> tuple[Address, Address]:
        """Return the ends of a connection that a packet has opened: its own, and the peer's."""
        if packet[0] >> 4 == 4:  # which may be a fragment that has no ports
            seen = self._slirp.connections()[self._opened[-1]]
            return Address(*seen.own), Address(*seen.peer)
        peer, own = (str(ipaddress.ip_address(packet[at : at + 16])) for at in (8, 24))
        peer_port, own_port = struct.unpack_from("!HH", packet, 40)
        return Address(own, own_port), Address(peer, peer_port)

    def _enter(self, local: Address, remote: Address, app: socket.socket | None = None) -> Connection:
        """Take note of the connection to which the descriptor belongs that was opened last."""
        made = Connection(local, remote, self._opened.pop(), app)
        self._opened.clear()
        self._connections.append(made)
        return made

    def _take(self) -> None:
        """Accept, behind the stack's back, what it has opened to a listener; say when the peer has done so too."""
        for listener in self._listeners:
            with contextlib.suppress(BlockingIOError):
                while True:
                    self._keep(listener, *listener.inner.accept())
        states = self._slirp.connections() if any(each.waiting for each in self._listeners) else {}
        for listener in self._listeners:
            for each in listener.waiting:
                seen = states.get(each.descriptor)
                if seen is not None and seen.state != "SYN_RCVD":
                    listener.ready.append(each)
            listener.waiting = [
                each for each in listener.waiting if each not in listener.ready and each.descriptor >= 0
            ]
        self._connections = [each for each in self._connections if each.descriptor >= 0]

    def _keep(self, listener: Sock, app: socket.socket, peer: tuple[str, int]) -> None:
        app.setblocking(False)
        for each in self._connections:
            if each.app is not None or each.descriptor < 0:
                continue
            with contextlib.suppress(OSError), _borrowed(each.descriptor) as sock:
                if sock.getsockname()[:2] == peer[:2] and sock.getpeername()[:2] == app.getsockname()[:2]:
                    each.app = app
                    listener.waiting.append(each)
                    return
        app.close()

    # --- calls -------------------------------------------------------------------------------------------------------

    def _socket(self, local: Address) -> socket.socket:
        made = socket.socket(socket.AF_INET6 if ":" in local.host else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        made.setblocking(False)
        _hasten(made)
        try:
            if made.family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((local.host, local.port))
        except OSError:
            made.close()
            raise
        return made

    def listen(self, local: Address, backlog: int) -> Sock:
        made = self._socket(local)
        try:
            made.listen(max(1, backlog))
        except OSError:
            made.close()
            raise
        self._listeners.append(Sock(made, local))
        return self._listeners[-1]

    def connect(self, local: Address, remote: Address) -> Sock:
        if local.host in ANY:
            local = Address(next(host for host in self._hosts if (":" in host) == (":" in remote.host)), local.port)
        if self._found(local, remote):
            raise refused(errno.EADDRINUSE)
        self._slirp.meet(remote.host)
        inner = self._socket(local)
        local = Address(local.host, inner.getsockname()[1])
        gate = GATE[6 if ":" in local.host else 4]
        here = next((gate, port) for port in self._ports if self._slirp.forward((gate, port), _pair(remote)))
        with contextlib.suppress(BlockingIOError):
            inner.connect(here)
        self._settle()
        self._slirp.stop_forwarding(here)
        if not self._opened:
            inner.close()
            raise refused(errno.ENETUNREACH)
        return Sock(inner, local, of=self._enter(local, remote, inner))

    def accept(self, listener: Sock) -> Sock | None:
        if not listener.ready:
            return None
        found = listener.ready.pop(0)
        assert found.app is not None
        return Sock(found.app, found.local, of=found)

    def send(self, sock: Sock, data: bytes) -> int:
        if sock.shut:
            raise refused(errno.EPIPE)
        if sock.of is None:
            raise refused(errno.ENOTCONN)
        taken = sock.inner.send(data, socket.MSG_NOSIGNAL)
        self._settle()
        return taken

    def recv(self, sock: Sock, limit: int) -> bytes | None:
        found = b""
        with contextlib.suppress(BlockingIOError):
            while len(found) < limit and (data := sock.inner.recv(limit - len(found))):
                found += data
                self._settle()  # what the stack has kept back comes into the room that there is now
            return found
        return found or None

    def shutdown(self, sock: Sock) -> None:
        if sock.of is None:
            raise refused(errno.ENOTCONN)
        if not sock.shut:
            with contextlib.suppress(OSError):
                sock.inner.shutdown(socket.SHUT_WR)
        sock.shut = True
        self._settle()

    def close(self, sock: Sock) -> None:
        sock.inner.close()
        if sock in self._listeners:
            self._listeners.remove(sock)
            for each in (*sock.waiting, *sock.ready):
                _reset(each.app)
        self._settle()

    def abort(self, sock: Sock) -> None:
        if sock.of is None:
            self.close(sock)
            return
        if sock.shut or self._state(sock.of) in ("SYN-SENT", "SYN-RECEIVED"):
            # A socket that it has read to its end, or not begun to read, is one that it does not poll.
            raise refused(errno.ENOSYS, "the stack does not hear an application's ABORT then")
        _reset(sock.inner)
        self._settle()

    def error(self, sock: Sock) -> int:
        return sock.inner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    # --- what can be seen --------------------------------------------------------------------------------------------

    def state(self, local: Address, remote: Address) -> State:
        found = self._found(local, remote)
        if found is None:
            takes = (local, *(Address(each, local.port) for each in ANY))
            return State("LISTEN" if any(each.local in takes for each in self._listeners) else "CLOSED")
        seen = self._slirp.connections()[found.descriptor]
        unread = _waiting_in(found.app.fileno()) if found.app is not None and found.app.fileno() >= 0 else 0
        figures = {"recvq": seen.received + unread, "sendq": seen.unsent + _waiting_in(found.descriptor)}
        return State(self._state(found), figures)

    def _state(self, connection: Connection) -> str:
        seen = self._slirp.connections().get(connection.descriptor)
        state = seen.state if seen else "CLOSED"
        return SPELLING.get(state, state.replace("_", "-"))

    def _found(self, local: Address, remote: Address) -> Connection | None:
        for each in self._connections:
            if (each.local, each.remote) == (local, remote) and self._state(each) != "CLOSED":
                return each
        return None

    def reset(self) -> None:
        for listener in self._listeners:
            listener.inner.close()
        for each in self._connections:
            _reset(each.app)
        self._slirp.close()
        self._loopback.settle()
        self._listeners, self._connections, self._opened = [], [], []
        self._slirp = self._start()


@contextlib.contextmanager
def _borrowed(descriptor: int) -> Iterator[socket.socket]:
    """Give a descriptor of the stack's as a socket; it stays the stack's."""
    sock = socket.socket(fileno=descriptor)
    try:
        yield sock
    finally:
        sock.detach()


def _hasten(sock: socket.socket) -> None:
    """Let what is sent not wait for an acknowledgment, which takes 40 ms of real time (Nagle's algorithm)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _pair(address: Address) -> tuple[str, int]:
    return address.host, address.port


def _waiting_in(descriptor: int) -> int:
    """Return how many octets a socket has for its reader."""
    count: int = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0]
    return count


def _reset(app: socket.socket | None) -> None:
    if app is not None and app.fileno() >= 0:
        app.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_WHEN_CLOSED)
        app.close()


if __name__ == "__main__":
    serve(LibSlirp())
