"""Runs a command on a machine that lacks something: ``python hindered.py HINDRANCE COMMAND…``.

Works as root and as an ordinary user: everything happens in a user namespace and a mount namespace.
"""

import ctypes
import os
import shutil
import sys
from pathlib import Path

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, flags: int) -> None:
    kind = None if flags else source.encode()
    _check(_libc.mount(source.encode(), target.encode(), kind, flags, None), f"mount {target}")


def _enter(user: int) -> None:
    """Enter new user and mount namespaces, in which this user has the id `user`."""
    uid, gid = os.getuid(), os.getgid()
    _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {uid} 1"), ("gid_map", f"{user} {gid} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    _mount("none", "/", MS_REC | MS_PRIVATE)


def no_user_namespaces() -> None:
    """Be an ordinary user where user namespaces are forbidden."""
    _enter(1000)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")


def read_only_sysctls() -> None:
    """Be root where /proc/sys can't be written, as in a default container."""
    _enter(0)
    _mount("/proc/sys", "/proc/sys", MS_BIND | MS_REC)
    _mount("none", "/proc/sys", MS_BIND | MS_REMOUNT | MS_RDONLY)


def no_ss() -> None:
    """Be on a machine without iproute2."""
    _enter(0)
    for name in ("/usr/bin/ss", "/bin/ss", "/usr/sbin/ss", "/sbin/ss"):
        if os.path.exists(name):
            _mount("/dev/null", os.path.realpath(name), MS_BIND)
    assert shutil.which("ss") is None, "this test could not hide ss"


def no_tun() -> None:
    """Be on a machine, or in a container, without TAP and TUN devices."""
    _enter(0)
    _mount("tmpfs", "/dev/net", 0)


HINDRANCES = {
    "no-user-namespaces": no_user_namespaces,
    "read-only-sysctls": read_only_sysctls,
    "no-ss": no_ss,
    "no-tun": no_tun,
}

if __name__ == "__main__":
    HINDRANCES[sys.argv[1]]()
    os.execvp(sys.argv[2], sys.argv[2:])
