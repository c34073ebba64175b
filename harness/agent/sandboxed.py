"""The agent in a container whose kernel is not the machine's: it works sockets for the harness, over its own streams.

No descriptor leaves such a kernel, and it has no sock_diag. So requests are lines on standard input, as in `guest`, and
the states of connections come from TCP_INFO of the sockets that belong to them. What has no socket is not seen: a
connection before its handshake is done, or after the application has closed it. Standard library only.
"""

import contextlib
import errno
import json
import os
import select
import socket
import struct
import sys
from collections import deque
from typing import Any

from harness.agent import guest, server

TCP_INFO = 11
#: linux/tcp.h, struct tcp_info: the first octet is the state.
INFO_SIZE = 8
LINGER_RESET = struct.pack("ii", 1, 0)

Ends = tuple[tuple[str, int], tuple[str, int]]


class Agent(guest.Agent):
    """Serves one harness."""

    def __init__(self) -> None:
        self._sockets: dict[int, socket.socket] = {}
        self._edges: dict[int, select.epoll] = {}
        self._ends: dict[int, Ends] = {}
        self._accepted: dict[int, deque[tuple[socket.socket, Ends]]] = {}

    def greet(self, addresses: list[str]) -> dict[str, Any]:
        """Return what this kernel is, and which of the addresses it has."""
        return {"addresses": [address for address in addresses if _binds(address)], "build": os.uname().version}

    def listen(self, number: int, address: str, port: int, backlog: int) -> None:
        """Passive OPEN."""
        super().listen(number, address, port, backlog)
        self._accepted[number] = deque()

    def connect(self, number: int, local: list[Any], remote: list[Any]) -> None:
        """Active OPEN."""
        super().connect(number, local, remote)
        self._ends[number] = (local[0], local[1]), (remote[0], remote[1])

    def accept(self, number: int, accepted: int) -> None:
        """Give the next established connection the number `accepted`."""
        self._take_in(number)
        if not self._accepted.get(number):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._sockets[accepted], self._ends[accepted] = self._accepted[number].popleft()

    def close(self, number: int) -> None:
        """CLOSE; what a listener has not given out is reset, as by any kernel."""
        for sock, _ends in self._accepted.pop(number, ()):
            _reset(sock)
        self._ends.pop(number, None)
        super().close(number)

    def abort(self, number: int) -> None:
        """ABORT."""
        for sock, _ends in self._accepted.pop(number, ()):
            _reset(sock)
        self._ends.pop(number, None)
        super().abort(number)

    def forget(self) -> None:
        """Reset whatever has a socket."""
        for number in list(self._accepted):
            self.close(number)
        for sock in self._sockets.values():
            _reset(sock)
        self._sockets.clear()
        self._ends.clear()

    def state(self, local: list[Any], remote: list[Any]) -> tuple[int | None, bool]:
        """Return the number of a connection's state in TCP_INFO (None: no socket tells), and if its port listens."""
        wanted = (local[0], local[1]), (remote[0], remote[1])
        for number in self._accepted:
            self._take_in(number)
        found = [self._sockets[number] for number, ends in self._ends.items() if ends == wanted]
        found += [sock for waiting in self._accepted.values() for sock, ends in waiting if ends == wanted]
        listening = any(self._sockets[number].getsockname()[1] == local[1] for number in self._accepted)
        return found[-1].getsockopt(socket.IPPROTO_TCP, TCP_INFO, INFO_SIZE)[0] if found else None, listening

    def _take_in(self, number: int) -> None:
        """Accept what a listener has: before that no socket tells its state."""
        with contextlib.suppress(OSError):
            while number in self._accepted:
                sock, remote = self._sockets[number].accept()
                sock.setblocking(False)
                self._accepted[number].append((sock, (sock.getsockname()[:2], remote[:2])))


def _reset(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    sock.close()


def _binds(address: str) -> bool:
    with contextlib.suppress(OSError), socket.socket(server.FAMILIES[6 if ":" in address else 4]) as sock:
        sock.bind((address, 0))
        return True
    return False


def main() -> None:
    """Answer requests until standard input ends."""
    names = ("greet", "listen", "connect", "accept", "close", "abort", "forget", "state")
    guest.OPERATIONS.update({name: getattr(Agent, name) for name in names})
    agent = Agent()
    for line in sys.stdin:
        print(json.dumps([agent.perform(operation) for operation in json.loads(line)]), flush=True)
