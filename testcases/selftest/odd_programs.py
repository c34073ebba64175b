"""Programs behind a device that are not what they should be: ``odd_programs.py KIND DEVICE``.

Each does what a newcomer's program may do at the first try. Those that serve at all are `wired_linux`.
"""

import contextlib
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from testcases.selftest import wired_linux

IFF_MULTI_QUEUE = 0x0100
#: How long text is held back for what may come behind it.
HELD_S = 0.02
#: What a stack says of a connection that has ended may still be on its way out.
BEHIND_S = 0.05
#: A program that dies at its tenth connection, and one that is so long on its way.
TENTH, SECONDS = 10, 3.0


def _mac() -> bytes:
    return bytes.fromhex("02aa00000001")


def arp(question: bytes, own: bytes) -> bytes:
    """Return the answer to an ARP question as a frame."""
    head = b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2)
    return question[6:12] + _mac() + head + _mac() + own + question[22:32]


def answers_arp(name: str, own: str, also: Callable[[bytes], bytes | None] = lambda _frame: None) -> None:
    """Answer ARP for an address, and what else is to be answered."""
    tap, packed = wired_linux.device(name, 2), socket.inet_aton(own)
    while True:
        frame = os.read(tap, 65536)
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\x01" and frame[38:42] == packed:
            os.write(tap, arp(frame, packed))
        elif (answer := also(frame)) is not None:
            os.write(tap, answer)


def arp_only(name: str) -> None:
    """Answer ARP, and nothing else."""
    answers_arp(name, os.environ["TCPSPEC_IP"])


def other_address(name: str) -> None:
    """Have an address of another network, and say so to everybody now and then."""
    tap, own = wired_linux.device(name, 2), socket.inet_aton("10.1.2.3")
    head = b"\xff" * 6 + _mac() + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
    while True:
        os.write(tap, head + _mac() + own + bytes(6) + own)
        time.sleep(0.1)


def other_packets(name: str) -> None:
    """Have an address of another network, behind a TUN device."""
    tun, own = wired_linux.device(name, 3), socket.inet_aton("10.1.2.3")
    while True:
        os.write(tun, struct.pack("!BBHHHBBH", 0x45, 0, 20, 0, 0, 64, 253, 0) + own + own)
        time.sleep(0.1)


def ipv6_only(name: str) -> None:
    """Serve, without IPv4."""
    os.environ["TCPSPEC_IP"] = ""
    served(name)


def served(name: str) -> None:
    """Serve as any other."""
    sys.argv[1:] = [name, "2"]
    wired_linux.main()


def serves_one(name: str) -> None:
    """Serve one connection, and end, as `nc -l -e cat` does."""
    _serve_one(name, lambda: os._exit(0))


def leaves_the_stack(name: str) -> None:
    """Serve one connection, and leave the stack without a server."""
    _serve_one(name, lambda: None)


def _serve_one(name: str, behind: Callable[[], None]) -> None:
    outer, inner = wired_linux.set_up(name, 2, [])

    def one() -> None:
        with socket.create_server(("0.0.0.0", 7), backlog=0) as listener:
            connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            wired_linux.echo(connection)
        time.sleep(BEHIND_S)
        behind()

    threading.Thread(target=one, daemon=True).start()
    wired_linux.hand_over(outer, inner)


def leaves(_name: str) -> None:
    """End at once, content."""


def killed(_name: str) -> None:
    """Die by a signal."""
    os.kill(os.getpid(), signal.SIGSEGV)


def sleeps(_name: str) -> None:
    """Do nothing at all."""
    time.sleep(600)


def holds(name: str) -> None:
    """Open the device, and do nothing with it."""
    _held = wired_linux.device(name, 2)
    time.sleep(600)


def quotes(name: str) -> None:
    """Serve, and say on standard output what no reader of lines expects."""
    print("Welcome to the shell. Type help.", flush=True)
    served(name)


def own_device(_name: str) -> None:
    """Open a device of its own choice."""
    wired_linux.device("tap77", 2)
    time.sleep(600)


def several_queues(name: str) -> None:
    """Ask for a device with several queues."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    flags = wired_linux.IFF_TAP | wired_linux.IFF_NO_PI | IFF_MULTI_QUEUE
    fcntl.ioctl(device, wired_linux.TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))


def reflects(name: str) -> None:
    """Send every frame back."""
    tap = wired_linux.device(name, 2)
    while True:
        os.write(tap, os.read(tap, 65536))


def babbles(name: str) -> None:
    """Serve, and write without end what no terminal can show."""

    def speak() -> None:
        while True:
            os.write(1, b"\x00\xff\x1b[2J" * 4096)

    threading.Thread(target=speak, daemon=True).start()
    served(name)


def daemon(name: str) -> None:
    """Serve in the background: who was called leaves."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    served(name)


def slow(name: str) -> None:
    """Serve after a while."""
    time.sleep(SECONDS)
    served(name)


def stubborn(name: str) -> None:
    """Serve, and not hear SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    served(name)


def collects_text(name: str) -> None:
    """Serve behind a card that hands up text last, as with GRO."""
    outer, inner = wired_linux.set_up(name, 2, [])
    wired_linux.serve_all()
    held: bytes | None = None
    while True:
        ready = select.select([outer, inner], [], [], HELD_S if held else None)[0]
        if inner in ready:
            os.write(outer, os.read(inner, 65536))
        frame = os.read(outer, 65536) if outer in ready else None
        has_text = frame is not None and frame[12:14] == b"\x08\x00" and len(frame) > 54 + 4 * ((frame[46] >> 4) - 5)
        if has_text and held is None:
            held = frame
        elif frame is not None or not ready:
            for each in (frame, held):
                if each is not None:
                    os.write(inner, each)
            held = None


def drops_ecn(name: str) -> None:
    """Serve, and drop a SYN that offers ECN, as some firewalls do."""
    outer, inner = wired_linux.set_up(name, 2, [])
    wired_linux.serve_all()
    while True:
        for ready in select.select([outer, inner], [], [])[0]:
            frame = os.read(ready, 65536)
            if not (ready == outer and frame[12:14] == b"\x08\x00" and frame[47:48] == b"\xc2"):
                os.write(inner if ready == outer else outer, frame)


def mortal(name: str) -> None:
    """Serve nine connections, and die at the next."""
    left = iter(range(TENTH - 1))

    def echo(connection: socket.socket) -> None:
        if next(left, None) is None:
            print("out of memory", flush=True)
            os._exit(7)
        wired_linux.echo(connection)

    wired_linux.SERVERS[7] = echo
    served(name)


def mortal_daemon(name: str) -> None:
    """Serve nine connections in the background."""
    if os.fork():
        os._exit(0)
    os.setsid()
    mortal(name)


def no_route(name: str) -> None:
    """Serve with a prefix that leaves the harness out."""
    wired_linux.NETWORKS[4] = ("10.9.9.0/24", 32)
    served(name)


def deaf(name: str) -> None:
    """Accept nobody: the listener has a queue of one that is never emptied."""
    wired_linux.SERVERS[7] = lambda _connection: time.sleep(600)
    served(name)


KINDS = {
    name.replace("_", "-"): kind
    for name, kind in list(globals().items())
    if callable(kind) and getattr(kind, "__module__", "") == __name__ and not name.startswith("_") and name != "arp"
}


if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
