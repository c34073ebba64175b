"""The adapter of PyTCP (pmd-pytcp), a TCP stack in Python: in virtual time, without a device.

The stack's timer is replaced by one whose time passes by `advance` only. Its sessions send nothing at once: what is due
leaves with the next tick of a millisecond (`tx_pump`). Here the tick comes behind each command, in the same instant,
and again for as long as it brings something.
"""

import asyncio
import errno
import functools
import heapq
import importlib.metadata
import itertools
import os
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pmd_net_addr import Ip4IfAddr
from pmd_pytcp import socket, stack
from pmd_pytcp.lib.interface_layer import InterfaceLayer
from pmd_pytcp.protocols.tcp.session import TcpSession, tcp__session
from pmd_pytcp.protocols.tcp.tcp__enums import ConnError, FsmState
from pmd_pytcp.protocols.tcp.tcp__stack import TcpStack

from harness.adapter_kit import Address, Stack, State, refused, serve

T = TypeVar("T")
#: The packet information of a TUN device stands before each packet: no flags, IPv4.
TUN_IPV4 = b"\x00\x00\x08\x00"
ANY = "0.0.0.0"
#: A machine has been up for a while when its first connection begins.
UPTIME_MS = 1_000_000
#: So many timers that were stopped may wait beside those that run, before they are cleared away.
STOPPED = 1_000
#: So often the pacing of a session may tick in one instant.
MOST_TICKS = 10_000
SPELLING = {FsmState.SYN_RCVD: "SYN-RECEIVED"}
ERRNO = {
    ConnError.REFUSED: errno.ECONNREFUSED,
    ConnError.TIMEOUT: errno.ETIMEDOUT,
    ConnError.RESET: errno.ECONNRESET,
    ConnError.HOST_UNREACHABLE: errno.EHOSTUNREACH,
    ConnError.NET_UNREACHABLE: errno.ENETUNREACH,
}


@dataclass
class Due:
    """A call that waits for its time, with the period in milliseconds of one that comes again."""

    call: Callable[[], None]
    period_ms: int = 0
    cancelled: bool = False


class VirtualTimer:
    """What the stack takes for its millisecond timer; takes the place of `pmd_pytcp.runtime.timer.Timer`."""

    def __init__(self) -> None:
        self.now_ms = UPTIME_MS
        self._waiting: list[tuple[int, int, Due]] = []
        self._order = itertools.count()
        self._stopped = 0

    def start(self) -> None: ...

    def stop(self) -> None:
        self._waiting.clear()

    def call_later(self, delay_ms: int, method: Callable[..., None], /, *args: Any, **kwargs: Any) -> Due:
        return self._enter(delay_ms, Due(lambda: method(*args, **kwargs)))

    def call_periodic(self, period_ms: int, method: Callable[..., None], /, *args: Any, **kwargs: Any) -> Due:
        return self._enter(period_ms, Due(lambda: method(*args, **kwargs), period_ms))

    def cancel(self, due: Due, /) -> None:
        due.cancelled = True
        self._stopped += 1
        if self._stopped > max(STOPPED, len(self._waiting) // 2):  # the stack sets its timers anew with each packet
            self._waiting = [entry for entry in self._waiting if not entry[2].cancelled]
            heapq.heapify(self._waiting)
            self._stopped = 0

    def _enter(self, delay_ms: int, due: Due) -> Due:
        heapq.heappush(self._waiting, (self.now_ms + delay_ms, next(self._order), due))
        return due

    def next_ms(self) -> int | None:
        """Return when the next call is due."""
        while self._waiting and self._waiting[0][2].cancelled:
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def later_than(self, when_ms: int) -> list[int]:
        """Return when calls are due behind `when_ms`."""
        return [at for at, _order, due in self._waiting if at > when_ms and not due.cancelled]

    def run(self) -> None:
        """Make the calls that are due; a fault in one is told and no more, as in the stack's own timer."""
        while (when := self.next_ms()) is not None and when <= self.now_ms:
            _when, _order, due = heapq.heappop(self._waiting)
            try:
                due.call()
            except Exception:
                traceback.print_exc()
            if due.period_ms:
                self._enter(due.period_ms, due)


@dataclass(eq=False)
class Sock:
    """A socket of the stack, and whether the application has been told of its end."""

    inner: Any
    told: bool = False
    opening: "asyncio.Task[None] | None" = None

    @property
    def session(self) -> TcpSession:
        return self.inner.tcp_session


class PyTcp(Stack[Sock]):
    """The stack, which is one for the process, behind the kit's methods."""

    name = "PyTCP"
    # TIME-WAIT is reopened, but by a number that may be below the old ones, as chance has it: no claim.
    capabilities: ClassVar = [
        "states",
        "rfc5961",
        "timestamps",
        "window-scale",
        "sack",
        "ecn",
        "time-wait-reuse",
        "icmp",
    ]
    settings: ClassVar = ["ack", "throttle"]
    facts: ClassVar = {"limit": 60}

    def __init__(self) -> None:
        super().__init__()
        self.version = importlib.metadata.version("pmd-pytcp")
        self._timer = VirtualTimer()
        self._loop = asyncio.new_event_loop()
        self._interface: Any = None
        self._at_once = {"ack": False, "throttle": False}
        self._readings = itertools.count(1)
        # The protocol has no claim for AccECN (RFC 9768), which the stack would grant to any SYN with one of its bits.
        tcp__session.AdvertiseState = functools.partial(tcp__session.AdvertiseState, accecn=False)
        # Initial sequence numbers are the same in each run. Each reading of their clock takes a millisecond, as long as
        # what lies between two connections.
        stack.TCP__ISS_SECRET = b"the secret of each run"
        time.monotonic_ns = lambda: self._timer.now_ms * 1_000_000 + next(self._readings) * 1_000_000
        time.monotonic = lambda: time.monotonic_ns() / 1e9

    # --- time and packets --------------------------------------------------------------------------------------------

    def now(self) -> float:
        return float(self._timer.now_ms - UPTIME_MS)

    def advance(self, milliseconds: int) -> None:
        end_ms = self._timer.now_ms + milliseconds
        while not self.has_sent:
            due_ms = self._timer.next_ms()
            if due_ms is None or due_ms > end_ms:
                self._timer.now_ms = end_ms
                break
            self._timer.now_ms = max(due_ms, self._timer.now_ms)
            before = [session.state for session in self._sessions()]
            self._timer.run()
            self._settle()
            if not self.has_sent and before == [session.state for session in self._sessions()]:
                self._skip_idle_ticks(end_ms)

    def _skip_idle_ticks(self, end_ms: int) -> None:
        """Pass over what would bring nothing: a deadline that was missed wakes its session in each millisecond."""
        now_ms = self._timer.now_ms
        deadlines = [at for session in self._sessions() for at in session._timers._deadlines.values() if at > now_ms]
        next_ms = min([*deadlines, *self._timer.later_than(now_ms + 1), end_ms])
        self._timer.now_ms = max(now_ms, next_ms - 1)

    def address(self, host: str, bits: int) -> None:
        if self._interface is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            stack.init(fd=descriptor, layer=InterfaceLayer.L3, ip4_dhcp=False, ip6_support=False)
            stack.timer = self._timer
            (self._interface,) = stack.interfaces.values()
            self._interface._tx_ring._schedule_drain = self._drain
            self._interface._rx_ring.set_deliver_callback(self._interface._rx_frame_entry)
        (number,) = stack.interfaces
        stack.address.interface(number).add(ifaddr=Ip4IfAddr(f"{host}/{bits}"))

    def set(self, name: str, value: str) -> None:
        self._at_once[name] = value in ("immediate", "off")

    def arrive(self, packet: bytes, frame: str) -> None:
        self._interface._rx_ring._handle_frame(TUN_IPV4 + packet)
        self._settle()

    def _drain(self) -> None:
        ring = self._interface._tx_ring
        while ring._tx_deque:
            buffers = ring._wire_buffers(ring._tx_deque.popleft())
            if buffers is not None:
                self.transmit(b"".join(bytes(each) for each in buffers)[len(TUN_IPV4) :])

    def _settle(self) -> None:
        for session in list(self._sessions()):
            self._tick(session)

    def _tick(self, session: TcpSession) -> None:
        """Let the pacing of a session tick in this instant, until a tick brings nothing."""
        if self._at_once["throttle"]:
            session._cancel_timer("challenge_ack")
        if self._at_once["ack"]:
            session._cancel_timer("delayed_ack")
        elif session._timers.deadline("tx_pump") is None:
            return
        for _tick in range(MOST_TICKS):
            before = len(self._sent), session.state
            session._cancel_timer("tx_pump")
            session.tcp_fsm(timer=True)
            session._cancel_timer("tx_pump")
            if before == (len(self._sent), session.state):
                return
        raise RuntimeError(f"a session has something to send in each of {MOST_TICKS} ticks")

    def _sessions(self) -> Iterator[TcpSession]:
        for sock in list(stack.sockets.values()):
            if sock.tcp_session is not None:
                yield sock.tcp_session

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(coroutine)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _socket(self, local: Address) -> Sock:
        """Return a bound socket. SO_REUSEADDR leaves what is in use to the application, which is us."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((local.host, local.port))
        sock.setblocking(False)
        return Sock(sock)

    def listen(self, local: Address, backlog: int) -> Sock:
        for session in self._sessions():
            if session.state is FsmState.LISTEN and session.local_port == local.port:
                hosts = {str(session.local_ip_address), local.host}
                if len(hosts) == 1 or ANY in hosts:
                    raise refused(errno.EADDRINUSE)
        made = self._socket(local)
        made.inner.listen(backlog=backlog)
        return made

    def connect(self, local: Address, remote: Address) -> Sock:
        found = self._found(local, remote)
        if found is not None and found.state is not FsmState.LISTEN:
            raise refused(errno.EADDRINUSE)
        made = self._socket(local)
        made.opening = self._loop.create_task(made.inner.connect((remote.host, remote.port)))
        made.opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._run(asyncio.sleep(0))
        made.session._advertise.ecn = False  # its default asks in each SYN
        self._settle()
        return made

    def accept(self, listener: Sock) -> Sock | None:
        try:
            accepted, _peer = self._run(listener.inner.accept())
        except BlockingIOError:
            return None
        return Sock(accepted)

    def send(self, sock: Sock, data: bytes) -> int:
        self._tell(sock)
        if sock.session.state in (FsmState.SYN_SENT, FsmState.SYN_RCVD):
            raise refused(errno.EAGAIN)
        taken: int = self._run(sock.inner.send(data))
        self._settle()
        return taken

    def recv(self, sock: Sock, limit: int) -> bytes | None:
        session = sock.session
        if session.state is FsmState.LISTEN:
            raise refused(errno.ENOTCONN)
        if not session._rx_buffer:
            self._tell(sock)
        if sock.told or (session.state is FsmState.CLOSED and not session._rx_buffer):
            return b""
        try:
            data: bytes = self._run(sock.inner.recv(limit))
        except BlockingIOError:
            return None
        self._settle()
        return data

    def shutdown(self, sock: Sock) -> None:
        if sock.session.state in (FsmState.LISTEN, FsmState.CLOSED):
            raise refused(errno.ENOTCONN)
        sock.inner.shutdown(socket.SHUT_WR)
        self._settle()

    def close(self, sock: Sock) -> None:
        sock.inner.close()
        self._settle()

    def abort(self, sock: Sock) -> None:
        sock.inner.abort()
        self._settle()

    def error(self, sock: Sock) -> int:
        number = self._pending(sock)
        sock.told = sock.told or bool(number)
        return number

    def _pending(self, sock: Sock) -> int:
        return 0 if sock.told else ERRNO.get(sock.session._connection_error, 0)

    def _tell(self, sock: Sock) -> None:
        """Report once that the connection has ended by itself."""
        if number := self.error(sock):
            raise refused(number)

    def state(self, local: Address, remote: Address) -> State:
        found = self._found(local, remote)
        if found is None:
            return State("CLOSED")
        spelling = SPELLING.get(found.state, str(found.state).replace("_", "-"))
        return State(spelling, {"recvq": len(found._rx_buffer), "sendq": len(found._tx.buffer)})

    def _found(self, local: Address, remote: Address) -> TcpSession | None:
        """Return the session of a connection, else one that would take it."""
        listening = None
        for session in self._sessions():
            here = str(session.local_ip_address), session.local_port
            there = str(session.remote_ip_address), session.remote_port
            if session.state is FsmState.LISTEN:
                takes = here in ((local.host, local.port), (ANY, local.port))
                listening = session if takes else listening
            elif (here, there) == ((local.host, local.port), (remote.host, remote.port)):
                return session
        return listening

    def reset(self) -> None:
        for session in list(self._sessions()):
            session.abort()
        self._run(asyncio.sleep(0))
        self._timer.stop()
        stack.tcp_stack = TcpStack()


if __name__ == "__main__":
    serve(PyTcp())
