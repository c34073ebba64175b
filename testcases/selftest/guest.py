"""What a machine of a user's own boots into here: Python, and an application that is told by lines what to call."""

from collections.abc import Iterable
from pathlib import Path

from harness.targets.emulated import initramfs

_PROGRAM = """
import ctypes, os, socket, time
from harness.agent import boot, lines, server
from harness.agent.rtnetlink import RouteSocket
libc = ctypes.CDLL(None)
for kind, place in (*boot.MOUNTS, ("devtmpfs", "/dev")):
    libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
boot.load_own(libc)
with RouteSocket() as route:
    card = socket.if_nametoindex("eth0")
    for each in (socket.if_nametoindex("lo"), card):
        route.up(each)
    for name in ("all", "eth0"):
        server.write_sysctls({{f"net.ipv6.conf.{{name}}.accept_dad": "0"}}, required=False)
    for version, own, prefix, bits in (
        (4, "198.51.100.1", "198.51.100.0/24", 32),
        (6, "2001:db8:51::1", "2001:db8:51::/64", 128),
    ):
        route.add_address(card, version, own, bits)
        route.add_route(card, version, prefix, {{}})
while not os.path.exists({device!r}):  # the host tells of a port of virtio's behind the driver's start
    time.sleep(0.05)
line = lines.serial({device!r})
lines.serve(line, line)
"""


def archive(modules: Iterable[Path], device: str) -> bytes:
    """Return a root file system whose application answers on a serial line, or a port of virtio's."""
    return initramfs.build(modules, _PROGRAM.format(device=device))
