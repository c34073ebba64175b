#!/usr/bin/env python3
"""An application over this machine's sockets that is told by lines what to call: ``app=lines`` (`wired/WIRED.md`).

    python3 lines.py                                  standard input and output
    python3 lines.py --listen 127.0.0.1:9000          one harness after another over TCP; or a path: a Unix socket
    python3 lines.py --serial /dev/ttyS0:115200       a serial line, or a port of virtio's

It is one file of the standard library, so that it can be copied alone to wherever there is a Python.
"""

import contextlib
import errno
import ipaddress
import os
import platform
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

PROTOCOL, VERSION = "tcpspec-adapter", "1"
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
#: include/net/tcp_states.h
STATES = (
    *("", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED"),
    *("CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "SYN-RECEIVED"),
)
LINGER_RESET = struct.pack("ii", 1, 0)
#: What Linux has of its own, and the settings that switch more on.
ALWAYS = ("rfc5961", "icmp", "time-wait-reuse")
SETTINGS = {
    "timestamps": ("tcp_timestamps", "1 2"),
    "window-scale": ("tcp_window_scaling", "1"),
    "sack": ("tcp_sack", "1"),
    "ecn": ("tcp_ecn", "1 2"),
}


class Refused(Exception):
    """A command that is answered with the name of an errno."""


class Application:
    """The sockets of one harness, by their handles."""

    def __init__(self) -> None:
        self._handles: dict[str, socket.socket] = {}
        self._last = 0
        self._diag: socket.socket | None = None
        with contextlib.suppress(AttributeError, OSError):
            self._diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)

    def answer(self, line: str) -> str:
        """Perform one command, and return its final line."""
        verb, *words = line.split(" ")
        try:
            command = COMMANDS.get(verb)
            if command is None:
                raise Refused("EINVAL there is no such command")
            return " ".join(["ok", *command(self, *words)])
        except Refused as refusal:
            return f"err {refusal}"
        except (TypeError, ValueError) as error:
            return f"err EINVAL {error}".replace("\n", " ")
        except OSError as error:
            return f"err {errno.errorcode.get(error.errno or errno.EIO, 'EIO')} {error.strerror or error}"

    def hello(self, protocol: str, version: str) -> list[str]:
        """Tell what this machine's TCP has."""
        if (protocol, version) != (PROTOCOL, VERSION):
            raise Refused(f"EINVAL this is {PROTOCOL} {VERSION}")
        system, release = platform.system().lower() or "unknown", platform.release().replace(" ", "-") or "0"
        claimed = ["states"] if self._diag is not None else []
        claimed += ["ipv6"] if socket.has_ipv6 and _has_ipv6() else []
        if system == "linux":
            claimed += [*ALWAYS, *(name for name, (file, on) in SETTINGS.items() if _setting(file) in on.split())]
        named = f"name={system} version={release} time=real"
        told = [f"{key}={value}" for key, value in _told().items()]
        return [
            PROTOCOL,
            VERSION,
            *named.split(" "),
            f"capabilities={','.join(claimed)}",
            "application=lines.py",
            *told,
        ]

    def listen(self, address: str, port: str, backlog: str) -> list[str]:
        """Passive OPEN."""
        sock = self._socket(address)
        try:
            sock.bind((address, int(port)))
            sock.listen(int(backlog))
        except OSError:
            sock.close()
            raise
        return self._kept(sock)

    def connect(self, address: str, port: str, peer: str, peer_port: str) -> list[str]:
        """Active OPEN; does not wait."""
        sock = self._socket(address)
        try:
            sock.bind((address, int(port)))
            with contextlib.suppress(BlockingIOError):
                sock.connect((peer, int(peer_port)))
        except OSError:
            sock.close()
            raise
        return self._kept(sock)

    def accept(self, handle: str) -> list[str]:
        """Take the next established connection."""
        sock, _address = self._of(handle).accept()
        sock.setblocking(False)
        return self._kept(sock)

    def send(self, handle: str, text: str) -> list[str]:
        """SEND."""
        return [str(self._of(handle).send(bytes.fromhex(text), getattr(socket, "MSG_NOSIGNAL", 0)))]

    def recv(self, handle: str, limit: str) -> list[str]:
        """RECEIVE."""
        return [self._of(handle).recv(int(limit)).hex() or "eof"]

    def shutdown(self, handle: str) -> list[str]:
        """Close the sending direction."""
        self._of(handle).shutdown(socket.SHUT_WR)
        return []

    def close(self, handle: str) -> list[str]:
        """CLOSE."""
        self._of(handle).close()
        del self._handles[handle]
        return []

    def abort(self, handle: str) -> list[str]:
        """ABORT."""
        self._of(handle).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        return self.close(handle)

    def error(self, handle: str) -> list[str]:
        """Return and clear the pending error."""
        number = self._of(handle).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return [errno.errorcode.get(number, "EIO") if number else "0"]

    def state(self, address: str, port: str, peer: str, peer_port: str) -> list[str]:
        """Return the state of a connection as sock_diag tells it, or of the listener that would take it."""
        if self._diag is None:
            raise Refused("ENOSYS no states here")
        own, other = ipaddress.ip_address(address).packed, ipaddress.ip_address(peer).packed
        family = socket.AF_INET if len(own) == 4 else socket.AF_INET6
        ends = struct.pack("!HH16s16sI", int(port), int(peer_port), own, other, 0) + b"\xff" * 8
        body = struct.pack("=BBxxI", family, socket.IPPROTO_TCP, 0xFFFFFFFF) + ends
        self._diag.send(struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + body)
        answer = self._diag.recv(65536)
        if int.from_bytes(answer[4:6], sys.byteorder) != SOCK_DIAG_BY_FAMILY:  # an error: there is none
            return ["CLOSED"]
        receive_queue, send_queue = struct.unpack_from("=II", answer, 16 + 4 + 48 + 4)
        return [STATES[answer[17]], f"recvq={receive_queue}", f"sendq={send_queue}"]

    def reset(self) -> list[str]:
        """Forget every handle; a connection ends with a reset, which the harness expects."""
        for sock in self._handles.values():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
            sock.close()
        self._handles.clear()
        return []

    def _socket(self, address: str) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        return sock

    def _kept(self, sock: socket.socket) -> list[str]:
        self._last += 1
        self._handles[str(self._last)] = sock
        return [str(self._last)]

    def _of(self, handle: str) -> socket.socket:
        if handle not in self._handles:
            raise Refused("EBADF there is no such handle")
        return self._handles[handle]


COMMANDS: dict[str, Callable[..., list[str]]] = {
    "hello": Application.hello,
    "listen": Application.listen,
    "connect": Application.connect,
    "accept": Application.accept,
    "send": Application.send,
    "recv": Application.recv,
    "shutdown": Application.shutdown,
    "close": Application.close,
    "abort": Application.abort,
    "error": Application.error,
    "state": Application.state,
    "reset": Application.reset,
}


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError):
        return any(not line.endswith(" lo\n") for line in Path("/proc/net/if_inet6").open())
    return False


def _setting(name: str) -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/net/ipv4", name).read_text().strip()
    return ""


def _told() -> dict[str, str]:
    """Return the settings of Linux that decide how its timers and windows go."""
    cache = {"0": "on", "1": "off"}.get(_setting("tcp_no_metrics_save"), "")
    found = {"congestion-control": _setting("tcp_congestion_control"), "metrics-cache": cache}
    return {key: value for key, value in found.items() if value}


def serve(read: BinaryIO, write: BinaryIO) -> None:
    """Answer line by line, until there are no more."""
    application = Application()
    with contextlib.suppress(ConnectionError):
        for line in read:
            write.write(application.answer(line.decode("ascii", "replace").strip()).encode() + b"\n")
            write.flush()
    application.reset()


def door(where: str) -> socket.socket:
    """Listen for harnesses at a path, or at HOST:PORT."""
    if "/" in where:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(where)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(where)
        sock.listen(1)
        return sock
    host, _colon, port = where.rpartition(":")
    return socket.create_server((host, int(port)))


def visitors(listener: socket.socket) -> Iterator[BinaryIO]:
    """Yield one connection after another."""
    while True:
        connection, _address = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            yield stream  # type: ignore[misc]


def serial(where: str) -> BinaryIO:
    """Open a serial line, DEVICE or DEVICE:BAUD, for octets as they are; a port of virtio's has no settings."""
    import termios
    import tty

    device, _colon, baud = where.partition(":")
    descriptor = os.open(device, os.O_RDWR | os.O_NOCTTY)
    if os.isatty(descriptor):
        tty.setraw(descriptor)
        settings = termios.tcgetattr(descriptor)
        settings[4] = settings[5] = getattr(termios, f"B{baud or 115200}")
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)
    return os.fdopen(descriptor, "r+b", buffering=0)


def main(arguments: list[str]) -> None:
    """Serve as the arguments say."""
    match arguments:
        case []:
            serve(sys.stdin.buffer, sys.stdout.buffer)
        case ["--listen", where]:
            for stream in visitors(door(where)):
                serve(stream, stream)
        case ["--serial", where]:
            line = serial(where)
            serve(line, line)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
