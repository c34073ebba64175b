"""An adapter that says in its greeting what it sees of the machine around it."""

import os
import sys
from pathlib import Path


def _status(name: str) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def _limit(*paths: str) -> str:
    """Return the first limit that is there: control groups, version 2 or 1."""
    return next(Path(path).read_text().strip() for path in paths if Path(path).exists())


def _root() -> str:
    try:
        Path("/written").touch()
    except OSError as error:
        return "read-only" if error.errno == 30 else str(error.errno)
    return "writable"


FACTS = {
    "uid": os.getuid(),
    "capabilities-held": int(_status("CapEff"), 16) | int(_status("CapBnd"), 16),
    "new-privileges": "no" if _status("NoNewPrivs") == "1" else "yes",
    "devices": "+".join(sorted(os.listdir("/sys/class/net"))),
    "root": _root(),
    "engine-socket": "there" if any(map(os.path.exists, ("/var/run/docker.sock", "/run/docker.sock"))) else "none",
    "memory-limit": _limit("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"),
    "process-limit": _limit("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"),
}

for line in sys.stdin:
    said = " ".join(f"{key}={value}" for key, value in FACTS.items())
    print(f"ok tcpspec-adapter 1 name=Looking version=1 time=virtual {said}" if line.startswith("hello") else "ok")
