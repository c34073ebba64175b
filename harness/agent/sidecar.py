"""The peer's end of the wire where nobody outside may touch the container's network: an agent beside the container.

It runs in a container that shares the target's network namespace and may administer it (CAP_NET_ADMIN): it pins the
sysctls, makes a TAP device, gives the target its addresses, and passes the device's other end out. What is written
there arrives at the target, and what the target sends is read there. Standard library only.
"""

import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Any

from harness.agent import server
from harness.agent.rtnetlink import RouteSocket

DEVICE = "t0"
TUN = "/dev/net/tun"
TUNSETIFF, TUNSETSNDBUF = 0x400454CA, 0x400454D4
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
SIOCGIFHWADDR, SIOCSIFTXQLEN = 0x8927, 0x8943
#: Any limit makes the driver take ordinary buffers (tun_can_build_skb()). With those that it prefers, a segment weighs
#: more in the socket's receive buffer than behind a real device, and a window closes earlier than it should.
SEND_BUFFER = 1 << 30
#: Frames that wait to be read; the kernel's default of 1000 is little for a batch that answers at once.
QUEUE_LENGTH = 20000
DROPPED = Path("/sys/class/net", DEVICE, "statistics/tx_dropped")


def set_up(request: dict[str, Any]) -> server.Answer:
    """Do what the pod's helper does elsewhere; the answer has the same facts, and the TAP's descriptor."""
    server.write_sysctls({"net.core.rps_default_mask": "0"}, required=False)
    missing = server.write_sysctls(request["pins"], required=False)
    tap = _make_tap()
    route = RouteSocket()
    route.up(socket.if_nametoindex("lo"))
    index = socket.if_nametoindex(DEVICE)
    route.up(index)
    for network in request["networks"]:
        route.join(index, network, bytes.fromhex(request["peer_mac"]))
    route.close()
    answer = {
        "target_mac": _ask_interface(SIOCGIFHWADDR, b"")[18:24].hex(),
        "missing_sysctls": missing,
        "sysctls": server.read_sysctls(request["record"]),
    }
    return answer, [tap]


def _make_tap() -> int:
    try:
        tap = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(tap, TUNSETSNDBUF, struct.pack("i", SEND_BUFFER))
    except OSError as error:
        raise server.RequestError(f"{TUN}: {error.strerror}") from None
    _ask_interface(SIOCSIFTXQLEN, struct.pack("i", QUEUE_LENGTH))
    return tap


def _ask_interface(request: int, argument: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock.fileno(), request, struct.pack("16s24s", DEVICE.encode(), argument))


def dropped(_request: dict[str, Any]) -> server.Answer:
    """Return how many frames the target's device has dropped since it was made."""
    return {"dropped": int(DROPPED.read_text())}, []


def main() -> None:
    """Serve the agent's requests and these two."""
    server.HANDLERS |= {"set-up": set_up, "dropped": dropped}
    server.main()
