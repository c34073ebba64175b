"""The ends of processes: waited for, since every sign of it comes a moment earlier or later."""

import os
import select
import subprocess
import sys
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


def of_a_killed_harness(target: str) -> list[int]:
    """Open a target in a harness of its own, kill that, and return helper and programs that it had started."""
    script = (
        "import sys; from harness.targets import registry\n"
        f"target = registry.open_target(registry.parse({target!r}), registry.Settings())\n"
        "print(target._place.helper.pid, flush=True); sys.stdin.read()"
    )
    root, pipes = Path(__file__).parents[2], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], cwd=root, text=True, **pipes) as harness:  # type: ignore[call-overload]
        assert harness.stdout is not None
        helper = int(harness.stdout.readline())
        children = _children(helper)
        programs = _children(children[0])
        assert programs
        harness.kill()
    return [helper, *children, *programs]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
