"""Checks of the machine, one line each, with what to do where something is missing."""

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.agent.server import PROGRAM_PATH
from harness.targets.building import drivers
from harness.targets.container import engine, ownership
from harness.targets.emulated.machine import PROGRAM as QEMU
from harness.targets.kernel import kernels
from harness.targets.kernel.build import kernels_folder
from harness.targets.namespace.target import LinuxTarget
from harness.targets.protocol import UnusableTarget


class Mark(StrEnum):
    """How a check ended: fine, worth knowing, or in the way."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    mark: Mark
    title: str
    found: str
    hint: str = ""


def examine() -> Iterator[Check]:
    """Check everything that a run needs, the essential last: whether a pod can really be made."""
    yield Check(Mark.OK, "python", f"{platform.python_version()} ({sys.executable})")
    yield Check(Mark.OK, "kernel", f"{platform.system()} {platform.release()} {platform.machine()}")
    for check in (
        _privileges,
        _user_namespaces,
        _apparmor,
        _ss,
        _tshark,
        _tun,
        _docker,
        _kernels,
        _qemu,
        _stacks,
        _descriptors,
    ):
        yield from check()
    yield _pod()


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _privileges() -> Iterator[Check]:
    who = "root: namespaces are made directly" if os.geteuid() == 0 else "an ordinary user: a user namespace is used"
    yield Check(Mark.OK, "privileges", who)


def _user_namespaces() -> Iterator[Check]:
    limit = _read("/proc/sys/user/max_user_namespaces")
    clone = _read("/proc/sys/kernel/unprivileged_userns_clone")
    needed = os.geteuid() != 0
    if limit is None:
        yield Check(Mark.BAD if needed else Mark.NOTE, "user namespaces", "not in this kernel", "run with sudo")
    elif limit == "0":
        hint = "sudo sysctl user.max_user_namespaces=10000, or run with sudo"
        yield Check(Mark.BAD if needed else Mark.NOTE, "user namespaces", "the limit is 0", hint)
    elif clone == "0":
        hint = "sudo sysctl kernel.unprivileged_userns_clone=1, or run with sudo"
        yield Check(Mark.BAD if needed else Mark.NOTE, "user namespaces", "only for root", hint)
    else:
        yield Check(Mark.OK, "user namespaces", f"up to {limit}")


def _apparmor() -> Iterator[Check]:
    if _read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid() != 0:
        hint = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run with sudo"
        yield Check(Mark.BAD, "AppArmor", "restricts user namespaces (Ubuntu 23.10 and later)", hint)


def _ss() -> Iterator[Check]:
    program = shutil.which("ss", path=PROGRAM_PATH)
    hint = "install iproute2; without it, reports lack the text of ss"
    yield Check(Mark.OK, "ss", program) if program else Check(Mark.NOTE, "ss", "missing", hint)


def _tshark() -> Iterator[Check]:
    program = shutil.which("tshark")
    yield Check(Mark.OK if program else Mark.NOTE, "tshark", program or "missing", "only to look at captures")


def _docker() -> Iterator[Check]:
    try:
        client = engine.connect()
        with contextlib.closing(client), engine.translated("docker"):
            version, info = client.version(), client.info()
            left = len(ownership.orphans(client.api))
    except UnusableTarget as error:
        yield Check(Mark.NOTE, "docker", error.message, error.hint)
        return
    kind = "rootless, " if "name=rootless" in info["SecurityOptions"] else ""
    yield Check(Mark.OK, "docker", f"engine {version['Version']} ({kind}API {version['ApiVersion']})")
    if left:
        yield Check(Mark.NOTE, "containers", f"{left} of ours that nobody needs", "tcpspec doctor --clean removes them")


def _kernels() -> Iterator[Check]:
    built = sorted({entry.release for entry, _program in kernels.all_built(kernels_folder())})
    prebuilt = ["uml (real time)"] if shutil.which("linux.uml") else []
    found = ", ".join([*built, *prebuilt])
    hint = "to compare kernels: tcpspec build kernel 6.12"
    yield Check(Mark.OK, "other kernels", found) if found else Check(Mark.NOTE, "other kernels", "none built", hint)


def _tun() -> Iterator[Check]:
    path, hint = "/dev/net/tun", "for targets tap: and tun: modprobe tun; docker run --device /dev/net/tun"
    if not os.path.exists(path):
        yield Check(Mark.NOTE, "TAP and TUN", f"no {path}", hint)
    elif not os.access(path, os.R_OK | os.W_OK):
        yield Check(
            Mark.NOTE, "TAP and TUN", f"{path} is not writable", f"sudo chmod 666 {path}, as most systems have it"
        )
    else:
        yield Check(Mark.OK, "TAP and TUN", path)


def _qemu() -> Iterator[Check]:
    program = shutil.which(QEMU)
    hint = "for targets qemu: apt-get install --no-install-recommends qemu-system-x86"
    yield Check(Mark.OK, "emulator", program) if program else Check(Mark.NOTE, "emulator", f"no {QEMU}", hint)


def _stacks() -> Iterator[Check]:
    lacking = drivers.lacking()
    ready = ", ".join(name for name in drivers.DRIVERS if name in (*drivers.RECIPES, *drivers.GO, *drivers.LIBRARIES))
    if not lacking:
        yield Check(Mark.OK, "other stacks", ready)
    for name, hint in lacking.items():
        yield Check(Mark.NOTE, "other stacks", f"no {name}", f"for the target {name}: {hint}")


def _descriptors() -> Iterator[Check]:
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= 2048
    hint = "ulimit -n 4096: batches are larger then"
    yield Check(Mark.OK if enough else Mark.NOTE, "open files", f"up to {hard}", "" if enough else hint)


def _pod(make: Callable[[], LinuxTarget] = LinuxTarget) -> Check:
    try:
        target = make()
    except UnusableTarget as error:
        return Check(Mark.BAD, "target linux", error.message, error.hint)
    try:
        lacks = target.facts.details["sysctls this kernel lacks"]
        note = "" if lacks == "none" else f"; this kernel lacks {lacks}"
        return Check(Mark.OK, "target linux", f"works: {target.silence_proof}{note}")
    finally:
        target.close()
