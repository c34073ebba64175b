"""The application's side of the reference stack: sockets, and the options that cases know from POSIX and Linux."""

import errno
import socket
from collections.abc import Callable
from typing import Any

from harness.stack import Endpoint, Socket
from harness.stack.pending import Pending


class ReferenceSocket:
    """A socket of the stack with the calls and numbers that cases know from POSIX and Linux."""

    def __init__(self, sock: Socket) -> None:
        self._socket = sock

    def listen(self, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        self._socket.listen(Endpoint(address, port), backlog)

    def connect(self, local: tuple[str, int], remote: tuple[str, int]) -> None:
        """Active OPEN."""
        self._socket.connect(Endpoint(*remote), Endpoint(*local))

    def accept(self) -> "ReferenceSocket":
        """Return the next established connection."""
        return ReferenceSocket(self._socket.accept())

    def send(self, data: bytes, flags: int = 0) -> int:
        """SEND; MSG_OOB marks the data as urgent."""
        return self._socket.send(data, urgent=bool(flags & socket.MSG_OOB))

    def recv(self, limit: int, flags: int = 0) -> bytes:
        """RECEIVE. Urgent data stays in the stream (RFC 9293 §3.8.5)."""
        return self._socket.recv(limit, peek=bool(flags & socket.MSG_PEEK))

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction, or what `how` says (SHUT_RD, SHUT_RDWR)."""
        self._socket.shutdown(how)

    def close(self) -> None:
        """CLOSE."""
        self._socket.close()

    def abort(self) -> None:
        """ABORT."""
        self._socket.abort()

    def pending_error(self) -> int:
        """Return and clear the pending error."""
        return self._socket.pending_error()

    def local(self) -> tuple[str, int]:
        """Return the own address and port, the one that was chosen where 0 was asked for."""
        return self._socket.local() or ("", 0)

    def poll(self) -> int:
        """Return what holds, in the bits of poll(2): `select.POLLIN`, POLLOUT, POLLERR, POLLHUP, POLLRDHUP."""
        return int(self._socket.poll())

    def edges(self) -> int:
        """Return what holds and has newly come about since the last call, as EPOLLET tells it."""
        return int(self._socket.edges())

    def start(self, call: str, *arguments: Any) -> Pending[Any]:
        """Begin a call that waits: ``connect`` (local, remote), ``accept``, ``recv``, ``send``, ``close`` (seconds).

        `Pending.done` tells whether it has returned, `Pending.result` what; it is up to date after each exchange.
        """
        if call == "connect":
            local, remote = arguments
            return self._socket.start_connect(Endpoint(*remote), Endpoint(*local))
        begin: dict[str, Callable[..., Pending[Any]]] = {
            "accept": lambda: self._socket.wait(self.accept),
            "recv": self._socket.start_recv,
            "send": self._socket.start_send,
            "close": self._socket.start_close,
        }
        return begin[call](*arguments)

    def set_option(self, level: int, name: int, value: int | bytes) -> None:
        """Set an option; ENOPROTOOPT for one that the stack does not have."""
        field, scale = _option(level, name)
        if not field:
            return
        number = value if isinstance(value, int) else int.from_bytes(value, "little")
        chosen = _SCALES[scale](number)
        if scale == "repetitions":
            chosen *= self._socket.rto_initial_s
        setattr(self._socket.settings, field, chosen)
        self._socket.settings_changed()

    def get_option(self, level: int, name: int, size: int = 0) -> int | bytes:
        """Return an option as it was set, or its default."""
        if (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return self.pending_error()
        field, scale = _option(level, name)
        value = self._socket.setting(field) if field else 1
        return int(value * 1000) if scale == "milliseconds" else int(value)


#: How a number of an option becomes a value of `SocketSettings`.
_SCALES: dict[str, Callable[[int], Any]] = {
    "flag": bool,
    "number": int,
    "seconds": float,
    "milliseconds": lambda number: number / 1000,
    # So many repetitions of a SYN, in times of the first timeout, which doubles each time (TCP_SYNCNT).
    "repetitions": lambda number: float(2 ** (number + 1) - 1),
}
#: Socket options by level and number: the field of `SocketSettings` ("" for one that changes nothing here), its scale.
_OPTIONS: dict[tuple[int, int], tuple[str, str]] = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): ("keep_alive", "flag"),
    (socket.SOL_SOCKET, socket.SO_RCVBUF): ("receive_buffer", "number"),
    (socket.SOL_SOCKET, socket.SO_SNDBUF): ("send_buffer", "number"),
    (socket.SOL_SOCKET, socket.SO_OOBINLINE): ("", "flag"),  # always
    (socket.SOL_SOCKET, socket.SO_REUSEADDR): ("", "flag"),  # always
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): ("no_delay", "flag"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): ("keep_alive_idle_s", "seconds"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): ("keep_alive_interval_s", "seconds"),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): ("keep_alive_probes", "number"),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): ("user_timeout_s", "milliseconds"),
    (socket.IPPROTO_TCP, socket.TCP_SYNCNT): ("syn_timeout_s", "repetitions"),
    (socket.IPPROTO_TCP, socket.TCP_LINGER2): ("fin_wait_2_timeout_s", "seconds"),
    (socket.IPPROTO_IP, socket.IP_TTL): ("ttl", "number"),
    (socket.IPPROTO_IP, socket.IP_TOS): ("traffic_class", "number"),
    (socket.IPPROTO_IP, 11): ("report_errors", "flag"),  # IP_RECVERR
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): ("ttl", "number"),
    (socket.IPPROTO_IPV6, socket.IPV6_TCLASS): ("traffic_class", "number"),
    (socket.IPPROTO_IPV6, 25): ("report_errors", "flag"),  # IPV6_RECVERR
}


def _option(level: int, name: int) -> tuple[str, str]:
    try:
        return _OPTIONS[level, name]
    except KeyError:
        raise OSError(errno.ENOPROTOOPT, f"the reference stack has no socket option {level}, {name}") from None
