"""Exact snapshots by netlink sock_diag: one small message asks for one 4-tuple and takes microseconds.

The layouts are those of linux/inet_diag.h.
"""

import errno
import os
import socket
import struct
from functools import lru_cache
from typing import Protocol

from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.states import State

SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 20, 21
NLM_F_REQUEST, NLM_F_ACK = 0x1, 0x4
NLMSG_ERROR = 2
TIMER_TIME_WAIT = 3

#: include/net/tcp_states.h; 12 (TCP_NEW_SYN_RECV) is reported as 3 by the kernel.
KERNEL_STATES = {
    1: State.ESTABLISHED,
    2: State.SYN_SENT,
    3: State.SYN_RECEIVED,
    4: State.FIN_WAIT_1,
    5: State.FIN_WAIT_2,
    6: State.TIME_WAIT,
    7: State.CLOSED,
    8: State.CLOSE_WAIT,
    9: State.LAST_ACK,
    10: State.LISTEN,
    11: State.CLOSING,
    12: State.SYN_RECEIVED,
}

_HEADER = struct.Struct("=IHHII")
_SEQUENCE = struct.Struct("=I")
_REQUEST = struct.Struct("=BBBxI")
_ID = struct.Struct("!HH16s16s")
_ID_TAIL = struct.pack("=I", 0) + b"\xff" * 8
_QUEUES = struct.Struct("=II")
_REQUEST_OCTETS = _HEADER.size + _REQUEST.size + _ID.size + len(_ID_TAIL)
#: More than an answer about one connection takes.
_ANSWER_OCTETS = 4096


class DiagError(RuntimeError):
    """The kernel refuses a sock_diag request for another reason than that there is no such socket."""


@lru_cache(maxsize=64)
def _packed(address: str) -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address).ljust(16, b"\0")


def limit_wait(sock: socket.socket, seconds: float) -> None:
    """Let a netlink socket wait so long for an answer, by the kernel's clock: Python's own looks before each call."""
    sock.settimeout(None)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", *divmod(round(seconds * 1e6), 10**6)))


def request(kind: int, flags: int, sequence: int, tuple4: FourTuple) -> bytes:
    """Return the netlink message that asks for (or destroys) exactly `tuple4`."""
    before, behind = _around_sequence(kind, flags, tuple4)
    return before + _SEQUENCE.pack(sequence) + behind


@lru_cache(maxsize=4096)
def _around_sequence(kind: int, flags: int, tuple4: FourTuple) -> tuple[bytes, bytes]:
    """Return what stands before a request's number and what stands behind it."""
    family = socket.AF_INET6 if tuple4.version == 6 else socket.AF_INET
    header = _HEADER.pack(_REQUEST_OCTETS, kind, flags, 0, 0)
    body = (
        _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
        + _ID.pack(tuple4.port, tuple4.peer_port, _packed(tuple4.address), _packed(tuple4.peer_address))
        + _ID_TAIL
    )
    return header[:8], header[12:] + body


def parse(message: bytes) -> Snapshot:
    """Read the answer to an exact request; raises DiagError."""
    kind = _HEADER.unpack_from(message)[1]
    if kind == NLMSG_ERROR:
        code = -struct.unpack_from("=i", message, _HEADER.size)[0]
        if code in (0, errno.ENOENT):
            return Snapshot(State.CLOSED)
        raise DiagError(f"sock_diag: {os.strerror(code)}")
    at = _HEADER.size
    return _read(KERNEL_STATES[message[at + 1]], message[at + 2], message[at + 56 : at + 64])


@lru_cache(maxsize=4096)
def _read(state: State, timer: int, queues: bytes) -> Snapshot:
    receive_queue, send_queue = _QUEUES.unpack(queues)
    if state is State.LISTEN:
        return Snapshot(State.CLOSED, True, receive_queue, send_queue)
    return Snapshot(state, False, receive_queue, send_queue, timer == TIMER_TIME_WAIT)


class NetlinkSocket(Protocol):
    """A netlink socket, or what relays its messages; with a time limit of its own (`limit_wait`)."""

    def send(self, message: bytes, /) -> int:
        """Send a message."""

    def recv(self, limit: int, /) -> bytes:
        """Return the next answer."""

    def close(self) -> None:
        """Close it."""


class SockDiag:
    """Asks one kernel, through a netlink socket of its namespace."""

    def __init__(self, sock: NetlinkSocket) -> None:
        self._sock = sock
        self._sequence = 0

    def snapshot(self, tuple4: FourTuple) -> Snapshot:
        """Return what the kernel knows of this connection now."""
        return parse(self._ask(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, tuple4))

    def destroy(self, tuple4: FourTuple) -> bool:
        """Destroy the socket of this connection (SOCK_DESTROY); tell whether there was one."""
        message = self._ask(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, tuple4)
        code = -struct.unpack_from("=i", message, _HEADER.size)[0]
        if code not in (0, errno.ENOENT):
            raise DiagError(f"SOCK_DESTROY: {os.strerror(code)}")
        return bool(code == 0)

    def close(self) -> None:
        """Close the netlink socket."""
        self._sock.close()

    def _ask(self, kind: int, flags: int, tuple4: FourTuple) -> bytes:
        self._sequence += 1
        before, behind = _around_sequence(kind, flags, tuple4)
        number = _SEQUENCE.pack(self._sequence)
        self._sock.send(before + number + behind)
        try:
            while True:
                message = self._sock.recv(_ANSWER_OCTETS)
                if message[8:12] == number:
                    return message
        except BlockingIOError:
            raise TimeoutError("sock_diag does not answer") from None
