"""Linux behind a device, given its address by DHCP: ``wired_dhcp.py DEVICE LAYER CLIENT…``, as `wired_lines` besides.

CLIENT is a DHCP client's command line (``busybox udhcpc -i inner -n -q -s SCRIPT``); without one a client of few lines
asks. The environment's addresses are not looked at.
"""

import os
import socket
import subprocess
import sys
import threading

from scapy.layers.dhcp import BOOTP, DHCP

from harness.agent import lines
from harness.agent.rtnetlink import RouteSocket
from testcases.selftest.wired_linux import hand_over, set_up

XID = 0x7C9
SO_BINDTODEVICE = 25


def ask() -> None:
    """Ask for an address, and take it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, RouteSocket() as route:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"inner")
        sock.settimeout(5)
        sock.bind(("", 68))
        offer = _asked(sock, [("message-type", "discover")])
        told = _told(offer)
        wanted = [("server_id", told["server_id"]), ("requested_addr", offer.yiaddr)]
        answer = _asked(sock, [("message-type", "request"), *wanted])
        mask = sum(int(octet).bit_count() for octet in str(_told(answer)["subnet_mask"]).split("."))
        router = str(_told(answer)["router"])
        network = ".".join(str(answer.yiaddr).split(".")[:3]) + ".0"
        assert mask == 24
        index = socket.if_nametoindex("inner")
        route.add_address(index, 4, answer.yiaddr, 32)
        route.add_route(index, 4, f"{network}/{mask}", {})
        subprocess.run(["ip", "route", "add", "default", "via", router], check=True, stdout=sys.stderr)


def _asked(sock: socket.socket, options: list[tuple[str, str]]) -> BOOTP:
    request = BOOTP(xid=XID, chaddr=bytes(6), flags=0x8000) / DHCP(options=[*options, "end"])
    sock.sendto(bytes(request), ("255.255.255.255", 67))
    return BOOTP(sock.recv(2000))


def _told(answer: BOOTP) -> dict[str, object]:
    return {option[0]: option[1] for option in answer[DHCP].options if isinstance(option, tuple)}


def main() -> None:
    """Get an address, then answer lines."""
    os.environ["TCPSPEC_IP"] = ""
    threading.Thread(target=hand_over, args=set_up(sys.argv[1], int(sys.argv[2]), []), daemon=True).start()
    if sys.argv[3:]:
        subprocess.run(sys.argv[3:], check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    else:
        ask()
    lines.serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
