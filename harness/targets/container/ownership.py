"""Whose container is it? A label names the process, so that what a crash of the engine left can be told and removed."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import docker

OWNER_LABEL = "tcpspec.owner"


def owner() -> str:
    """Return this process as a label: the boot of its machine, its namespace of process ids, its id, its start."""
    return f"{_machine()} {os.getpid()} {_start_time(os.getpid())}"


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.stat('/proc/self/ns/pid').st_ino}"


def _start_time(pid: int) -> str:
    """Return when a process was started, in clock ticks since the boot; empty when it is gone."""
    try:
        # The name, in parentheses, may contain anything; behind it come the fields from 3 on, and 22 is the start.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_orphan(label: str, status: str) -> bool:
    """Tell whether nobody needs the container any more.

    An owner that is provably gone needs it no more. About an owner of another machine or namespace nothing is known;
    but its container's agent ends with it, so what has ended, or was never started, is an orphan all the same.
    """
    *machine, pid, started = label.split(" ")
    if " ".join(machine) == _machine() and pid.isdigit():
        return _start_time(int(pid)) != started
    return status in ("exited", "dead")


def orphans(api: "docker.APIClient") -> list[dict[str, Any]]:
    """Return what the engine says of the containers that nobody needs."""
    ours = api.containers(all=True, filters={"label": OWNER_LABEL})
    return [found for found in ours if is_orphan(found["Labels"][OWNER_LABEL], found["State"])]
