"""A cable with the machine's own kernel on it as a board: ``cable.py [default-route | bridge | far] COMMAND…``.

Two network namespaces of its own, joined by a veth pair: COMMAND runs in the one, where the cable is called ``eth1``
and has no address; servers of many kinds in the other. Both end with the command. It may have a default route, be
a port of a bridge that has one, or be a long one, on which each frame takes FAR_S in either direction.
"""

import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

from harness.agent import lines, server
from harness.agent.rtnetlink import RouteSocket
from harness.targets.namespace import helper
from harness.wire.link import PACKET_IGNORE_OUTGOING, SOL_PACKET
from testcases.selftest.wired_linux import ALONE, SERVERS, device, serve, serve_alone
from testcases.selftest.wired_weather import Way

NEAR, FAR, BRIDGE = "eth1", "board0", "br0"
#: By IP version: the board's address and its network.
BOARD = {4: ("192.0.2.2", "192.0.2.0/24", 32), 6: ("2001:db8::2", "2001:db8::/64", 128)}
PR_SET_PDEATHSIG = 1
#: The board's device at the end of a long cable, and how long a frame is on its way.
INNER, FAR_S = "inner", 0.05


def board(made: int, wired: int, *, far: bool) -> None:
    """Live on the far end of the cable until the parent ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    helper.unshare(helper.CLONE_NEWNET, "board")
    server.write_sysctls({"net.ipv6.conf.default.accept_dad": "0", "net.ipv6.conf.all.accept_dad": "0"}, required=False)
    os.write(made, b".")
    os.read(wired, 1)
    with RouteSocket() as route:
        if far:
            server.write_sysctls({f"net.ipv4.conf.{FAR}.arp_ignore": "1"}, required=True)
            route.up(socket.if_nametoindex(FAR))
            threading.Thread(target=carry, args=(device(INNER, 2),), daemon=True).start()
        index = socket.if_nametoindex(INNER if far else FAR)
        route.up(socket.if_nametoindex("lo"))
        route.up(index)
        for version, (own, prefix, bits) in BOARD.items():
            route.add_address(index, version, own, bits)
            route.add_route(index, version, prefix, {})
    helper._tx_checksum_off(FAR)
    if where := os.environ.get("LINES"):  # nobody's namespace but the board's: a path leads into it all the same
        threading.Thread(target=told, args=(where,), daemon=True).start()
    for port, conversation in SERVERS.items():
        threading.Thread(target=serve, args=(port, conversation), daemon=True).start()
    threading.Thread(target=serve_alone, args=(ALONE,), daemon=True).start()
    threading.Event().wait()


def carry(inner: int) -> None:
    """Hand frames over between the cable and a device, each of them late."""
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    cable.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    cable.bind((FAR, helper.ETH_P_ALL))
    way, other = Way(FAR_S, 0, 0, overtaking=False), {cable.fileno(): inner, inner: cable.fileno()}
    while True:
        for end in select.select(list(other), [], [], way.deliver())[0]:
            way.put(other[end], os.read(end, 65536))


def told(where: str) -> None:
    """Be an application that is told by lines what to call, on a serial line or a Unix socket."""
    if where.startswith("/dev/"):
        line = lines.serial(where)
        lines.serve(line, line)
    for stream in lines.visitors(lines.door(where)):
        lines.serve(stream, stream)


def main(arguments: list[str]) -> int:
    """Make the cable, run the command, and return its exit code."""
    helper.new_namespaces(rootless=os.geteuid() != 0)
    quiet: dict[str, Any] = {"net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"}
    server.write_sysctls(quiet, required=False)
    (made_read, made), (wired, wired_write) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        board(made, wired, far=arguments[0] == "far")
    try:
        os.read(made_read, 1)
        with RouteSocket() as route, open(f"/proc/{child}/ns/net") as far:
            route.add_veth(NEAR, FAR, far.fileno())
            route.up(socket.if_nametoindex(NEAR))
            through = {"default-route": NEAR, "bridge": BRIDGE}.get(arguments[0])
            if through == BRIDGE:
                for words in (f"add {BRIDGE} type bridge", f"set {NEAR} master {BRIDGE}", f"set {BRIDGE} up"):
                    subprocess.run(["ip", "link", *words.split()], check=True)
            if through is not None or arguments[0] == "far":
                arguments = arguments[1:]
            if through is not None:
                route.add_route(socket.if_nametoindex(through), 4, "0.0.0.0/0", {})
        os.write(wired_write, b".")
        return subprocess.run(arguments).returncode
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
