"""The machine's own kernel behind a pair of sockets, as in an emulator: ``wired_pair.py dgram|stream FD [LINES]``.

It is `wired_linux` with frames as QEMU's network back ends carry them. LINES is the descriptor of a channel on which an
application is told what to call, as on a serial line: what a machine says while it boots comes before.
"""

import os
import select
import socket
import sys
import threading

from harness.agent import lines
from testcases.selftest import wired_linux

LENGTH_OCTETS = 4


def octets_of(card: socket.socket, count: int) -> bytes:
    """Read so many octets of a stream."""
    found = b""
    while len(found) < count:
        found += card.recv(count - len(found)) or sys.exit(0)
    return found


def frame_of(card: socket.socket) -> bytes:
    """Read a frame."""
    if card.type == socket.SOCK_DGRAM:
        return card.recv(65536)
    return octets_of(card, int.from_bytes(octets_of(card, LENGTH_OCTETS), "big"))


def hand_over(card: socket.socket, inner: int) -> None:
    """Hand frames to and fro, for ever."""
    while True:
        for ready in select.select([card, inner], [], [])[0]:
            if ready is card:
                os.write(inner, frame_of(card))
                continue
            frame = os.read(inner, 65536)
            length = b"" if card.type == socket.SOCK_DGRAM else len(frame).to_bytes(LENGTH_OCTETS, "big")
            card.sendall(length + frame)


def main() -> None:
    """Set the namespace up, serve, and hand frames to and fro."""
    card = socket.socket(fileno=int(sys.argv[2]))
    inner = wired_linux.inside(2, [])
    if len(sys.argv) > 3:
        channel = socket.socket(fileno=int(sys.argv[3])).makefile("rwb")
        channel.write(b"Booting\r\nlogin:\r\n")
        channel.flush()
        threading.Thread(target=lines.serve, args=(channel, channel), daemon=True).start()
    wired_linux.serve_all()
    hand_over(card, inner)


if __name__ == "__main__":
    main()
