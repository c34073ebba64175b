"""What a kernel needs before its first program can serve: mounts, modules, and a card that brings segments unmerged.

Standard library only.
"""

import array
import contextlib
import ctypes
import fcntl
import os
import socket
import struct

#: The card's name, by the driver that the kernel has for it: virtio-net, or UML's own.
DEVICES = ("eth0", "vec0")
MOUNTS = (("proc", "/proc"), ("sysfs", "/sys"))
#: The modules that the kernel of Debian's package user-mode-linux needs for IPv6, in this order.
IPV6_MODULES = ("lib/crc-ccitt.ko", "net/ipv6/ipv6.ko")
MODULES = "/usr/lib/uml/modules/{release}/kernel"
#: Modules of a kernel in an emulator, by names in their order.
MODULE_FOLDER = "/modules"
SYS_FINIT_MODULE = 313
SIOCETHTOOL, ETHTOOL_SGRO = 0x8946, 0x2C


def start() -> None:
    """Mount what is needed and load the modules."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, place in MOUNTS:
        libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None)
    load_own(libc)
    _load_ipv6(libc)


def device() -> str:
    """Return the name of the card; raises SystemExit where there is none."""
    names = {name for _index, name in socket.if_nameindex()}
    found = next((name for name in DEVICES if name in names), None)
    if found is None:
        raise SystemExit(f"the kernel shows no network card, only {', '.join(names)}: see what it says of its modules")
    return found


def _load_ipv6(libc: ctypes.CDLL) -> None:
    if os.path.exists("/proc/net/if_inet6"):
        return
    folder = MODULES.format(release=os.uname().release)
    for name in IPV6_MODULES:
        with contextlib.suppress(OSError), open(os.path.join(folder, name), "rb") as module:
            libc.syscall(SYS_FINIT_MODULE, module.fileno(), b"", 0)


def load_own(libc: ctypes.CDLL) -> None:
    """Load the modules of an emulated kernel."""
    names = sorted(os.listdir(MODULE_FOLDER)) if os.path.isdir(MODULE_FOLDER) else []
    for name in names:
        with open(os.path.join(MODULE_FOLDER, name), "rb") as module:
            libc.syscall(SYS_FINIT_MODULE, module.fileno(), b"", 0)


def merge_nothing(card: str) -> None:
    """Have received segments reach TCP one by one, as on the wire (no generic receive offload)."""
    command = array.array("B", struct.pack("=II", ETHTOOL_SGRO, 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        fcntl.ioctl(
            sock.fileno(), SIOCETHTOOL, struct.pack("16sP", card.encode(), command.buffer_info()[0]) + bytes(16)
        )
