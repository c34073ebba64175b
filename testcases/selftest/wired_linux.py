"""The machine's own kernel as a program behind a device: ``wired_linux.py DEVICE LAYER [SETTING=VALUE|everywhere]…``.

It puts the kernel's TCP into a network namespace of its own, with servers of many kinds, and hands
frames from one device to the other. To the harness it is a stack like any other.
"""

import contextlib
import ctypes
import fcntl
import itertools
import os
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from harness.agent.rtnetlink import RouteSocket
from harness.targets.wired.link import CLOSED_PORT

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0001, 0x0002, 0x1000
NETWORKS = {4: ("198.51.100.0/24", 32), 6: ("2001:db8:51::/64", 128)}


def device(name: str, layer: int) -> int:
    """Open a TAP or TUN device; one that is open already has a number for a name."""
    if name.isdecimal():
        return int(name)
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    kind = IFF_TAP if layer == 2 else IFF_TUN
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), kind | IFF_NO_PI))
    return descriptor


def echo(connection: socket.socket) -> None:
    """Send back what comes, until the peer closes."""
    while data := connection.recv(65536):
        connection.sendall(data)


def late(connection: socket.socket) -> None:
    """Send back what comes, and once in a while only some time after it was acknowledged, as on a busy machine."""
    while data := connection.recv(65536):
        time.sleep(LATE_S if next(_taken) % LATE_ONCE_IN == 0 else 0)
        connection.sendall(data)


def hasty(connection: socket.socket) -> None:
    """Send back what comes, but for what the end has come right behind of (as ncat -e)."""
    while data := connection.recv(65536):
        time.sleep(0.02)
        if select.select([connection], [], [], 0)[0] and not connection.recv(1, socket.MSG_PEEK):
            break
        connection.sendall(data)


def discard(connection: socket.socket) -> None:
    """Read until the peer closes."""
    while connection.recv(65536):
        pass


def hold(connection: socket.socket) -> None:
    """Read, and neither answer nor close until the connection is reset."""
    discard(connection)
    poll = select.poll()
    poll.register(connection, 0)  # POLLERR and POLLHUP are always reported
    poll.poll()


def stubborn(connection: socket.socket) -> None:
    """Send back what comes, and never close."""
    echo(connection)
    hold(connection)


def aborts(connection: socket.socket) -> None:
    """Send back what comes, and reset when the peer closes."""
    echo(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def daytime(connection: socket.socket) -> None:
    """Say something, and close first."""
    connection.sendall(b"Sunday\r\n")


def http(connection: socket.socket) -> None:
    """Answer a request with a page, and close."""
    request = b""
    while b"\r\n\r\n" not in request:
        data = connection.recv(65536)
        if not data:
            return
        request += data
    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"<p>Hello" * 400)


def chargen(connection: socket.socket) -> None:
    """Speak without end."""
    while True:
        connection.sendall(bytes(range(32, 104)) + b"\r\n")


def serve(
    port: int, conversation: Callable[[socket.socket], None], *, backlog: int = 4096, most: int | None = None
) -> socket.socket:
    """Serve one port for ever, or so many connections at most, each in a thread; return the listener."""
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=backlog)

    def one(connection: socket.socket) -> None:
        with connection:
            try:
                conversation(connection)
            except OSError:
                connection.close()

    for _served in itertools.count() if most is None else range(most):
        connection, _address = listener.accept()
        threading.Thread(target=one, args=(connection,), daemon=True).start()
    return listener


SERVERS = {7: echo, 9: discard, 13: daytime, 19: chargen, 80: http, 82: hold, 81: lambda _connection: None}
STUBBORN, ABORTS, LATE, HASTY = 83, 84, 85, 86
SERVERS |= {STUBBORN: stubborn, ABORTS: aborts, LATE: late, HASTY: hasty}
LATE_S, LATE_ONCE_IN = 0.25, 5
_taken = itertools.count(1)
#: Where one connection is served at a time.
ALONE = 6970
#: Where so many connections are served; then nobody listens any more, or somebody does, and serves nobody.
LEAVES, IDLES, SERVED = 6972, 6973, 120
#: Where the queue of handshakes is this short.
SHORT_QUEUE, QUEUE = 6974, 30
#: Where the program ends, content, behind so many connections.
ENDS = 6975
#: What comes for this port is dropped, as by a firewall.
SILENT = 6971
#: The argument that makes it serve a port of which nobody tells.
EVERYWHERE = "everywhere"
#: Where the destination port stands in a frame or a packet of IPv4 without options.
PORT_AT = {2: 36, 3: 22}


def serve_alone(port: int) -> None:
    """Serve echo to one connection at a time: while there is one, nobody listens."""
    while True:
        with socket.create_server(("0.0.0.0", port), backlog=0) as listener:
            connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            echo(connection)


def serve_and_end(port: int) -> None:
    """Serve echo to so many connections, and end the program with the last."""
    serve(port, echo, most=SERVED)
    os._exit(0)


def serve_some(port: int, *, leaves: bool) -> None:
    """Serve echo to SERVED connections; then close the port, or only accept nobody any more."""
    listener = serve(port, echo, most=SERVED)
    if leaves:
        listener.close()
    threading.Event().wait()


def serve_all() -> None:
    """Serve every port, each in a thread."""
    for port, conversation in SERVERS.items():
        threading.Thread(target=serve, args=(port, conversation), daemon=True).start()
    threading.Thread(target=serve_alone, args=(ALONE,), daemon=True).start()
    threading.Thread(target=serve, args=(SHORT_QUEUE, echo), kwargs={"backlog": QUEUE}, daemon=True).start()
    threading.Thread(target=serve_and_end, args=(ENDS,), daemon=True).start()
    for port, leaves in ((LEAVES, True), (IDLES, False)):
        threading.Thread(target=serve_some, args=(port,), kwargs={"leaves": leaves}, daemon=True).start()


def set_up(name: str, layer: int, settings: list[str]) -> tuple[int, int]:
    """Enter a namespace of its own; return the device outside and the one that leads to the kernel's TCP."""
    return device(name, layer), inside(layer, settings)


def inside(layer: int, settings: list[str]) -> int:
    """Enter a namespace of its own; return the device that leads to the kernel's TCP."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SystemExit("no network namespace")
    inner = device("inner", layer)
    Path("/proc/sys/net/ipv6/conf/all/accept_dad").write_text("0")
    for setting in settings:
        key, _equals, value = setting.partition("=")
        Path("/proc/sys", key.replace(".", "/")).write_text(value)
    with RouteSocket() as route:
        index = socket.if_nametoindex("inner")
        route.up(socket.if_nametoindex("lo"))
        route.up(index)
        for version, own in ((4, os.environ["TCPSPEC_IP"]), (6, os.environ["TCPSPEC_IP6"])):
            if not own:
                continue
            prefix, bits = NETWORKS[version]
            route.add_address(index, version, own, bits)
            route.add_route(index, version, prefix, {})
    return inner


def hand_over(outer: int, inner: int, port_at: int | None = None) -> None:
    """Hand frames to and fro, for ever; with `port_at`, those for SILENT get nowhere."""
    dropped = SILENT.to_bytes(2, "big")
    while True:
        for ready in select.select([outer, inner], [], [])[0]:
            frame = os.read(ready, 65536)
            if ready != outer or port_at is None or frame[port_at : port_at + 2] != dropped:
                os.write(inner if ready == outer else outer, frame)


def main() -> None:
    """Set the namespace up, serve, and hand frames to and fro."""
    settings = [argument for argument in sys.argv[3:] if argument != EVERYWHERE]
    outer, inner = set_up(sys.argv[1], int(sys.argv[2]), settings)
    if EVERYWHERE in sys.argv:
        SERVERS[CLOSED_PORT] = echo
    serve_all()
    hand_over(outer, inner, PORT_AT[int(sys.argv[2])])


if __name__ == "__main__":
    main()
