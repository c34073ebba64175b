"""The ends of processes: waited for, since every sign of it comes a moment earlier or later."""

import os
import select
import time
from pathlib import Path


def ends(pid: int, within_s: float = 60) -> bool:
    """Wait until a process, of whoever, has ended; tell whether it did. What nobody has reaped yet has ended too."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], within_s)[0])
    finally:
        os.close(process)


def gone(session: int) -> bool:
    """Wait until no process of a session runs any more; those that were killed take a moment."""
    deadline = time.monotonic() + 60
    while processes_of(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of(session)


def processes_of(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found
