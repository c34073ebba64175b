"""Runs in containers that are killed at a random moment; what is left of each is printed as JSON, one line per run.

``python killing.py RUNS SEED`` works in a network namespace of its own (see `watched`), where the namespaces of the
containers get ids. Whose container it is tells its label: the keeper that made it, whose environment names this stage.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from harness.targets.container import engine  # noqa: E402
from harness.targets.container.confined import remove  # noqa: E402
from harness.targets.container.ownership import OWNER_LABEL  # noqa: E402
from testcases.selftest.watched import enter_namespaces, living_namespaces, name_namespace  # noqa: E402

WHOM = ("harness", "worker", "container")
WIRES = ("veth", "tap")
TCPSPEC = (sys.executable, "-m", "harness", "run", "-n", "2")
CASES = ("--case", "passive-close/*", "--case", "resets/reset-*", "--grid", "off", "--ip", "4")
#: A run comes to its first container within so long, even on a busy machine.
START_LIMIT_S = 120.0
#: From the first container on, the killer waits at most so long: the containers are coming up, or cases run.
KILLED_WITHIN_S = 5.0
END_LIMIT_S = 120.0
PATIENCE_S = 60.0


class Stage:
    """One run on its way: its processes, its containers, its namespaces."""

    def __init__(self, api: Any, wire: str, folder: str) -> None:
        self.mark = f"TCPSPEC_STAGE={os.getpid()}-{time.monotonic_ns()}"
        self.api = api
        self.keepers: set[int] = set()
        self.seen: set[str] = set()
        self.named = 0
        name, _equals, value = self.mark.partition("=")
        self.child = subprocess.Popen(
            [*TCPSPEC, "--target", f"docker:linux,wire={wire}", *CASES, f"--results={folder}/results"],
            env={**os.environ, name: value, "PYTHONPATH": str(ROOT), "TMPDIR": folder},
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def processes(self) -> dict[int, str]:
        """Return this run's processes and their command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        self.keepers |= {pid for pid, command in found.items() if "container.keeper" in command}
        return found

    def containers(self) -> list[str]:
        """Return the ids of this run's containers, in whatever state, and give their namespaces ids."""
        self.processes()
        ours = []
        for found in self.api.containers(all=True, filters={"label": OWNER_LABEL}):
            if int(found["Labels"][OWNER_LABEL].split(" ")[2]) in self.keepers:
                ours.append(found["Id"])
                self._name(found["Id"])
        self.seen |= set(ours)
        return ours

    def _name(self, container: str) -> None:
        if container in self.seen:
            return
        try:
            pid = self.api.inspect_container(container)["State"]["Pid"]
            name_namespace(1000 + self.named, pid=pid)
        except Exception:  # not started yet, gone again, or not ours to look at
            return
        self.named += 1

    def workers(self) -> list[int]:
        """Return the processes that xdist has started (as execnet does it)."""
        return [pid for pid, command in self.processes().items() if "sys.stdin.readline" in command]

    def left(self) -> dict[str, object]:
        """Return what is there still."""
        return {
            "processes": list(self.processes().values()),
            "containers": self.containers(),
            "namespaces": living_namespaces(),
        }


def kill(stage: Stage, whom: str) -> bool:
    """Kill one of the run's processes or containers; tell whether there was one."""
    match whom:
        case "harness":
            stage.child.kill()
            return True
        case "worker":
            for pid in stage.workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                return True
        case "container":
            for container in stage.containers()[:1]:
                remove(stage.api, container)
                return True
    return False


def ready(stage: Stage, whom: str) -> bool:
    """Tell whether there is somebody to kill, and a container that could be left behind."""
    return bool(stage.containers()) and (whom != "worker" or bool(stage.workers()))


def one_run(api: Any, chance: random.Random, number: int) -> dict[str, object]:
    """Start a run, kill something of it, and tell what is left when it has ended."""
    whom = WHOM[number % len(WHOM)]
    wire = WIRES[number // len(WHOM) % len(WIRES)] if not os.geteuid() and os.environ["TCPSPEC_MAY_ENTER"] else "tap"
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(api, wire, folder)
        deadline = time.monotonic() + START_LIMIT_S
        while not ready(stage, whom) and stage.child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        moment = chance.uniform(0, KILLED_WITHIN_S)
        later = time.monotonic() + moment
        killed = False
        while not killed and stage.child.poll() is None:
            stage.containers()
            killed = time.monotonic() > later and kill(stage, whom)
            time.sleep(0.05)
        stage.child.wait(END_LIMIT_S)
        patience = time.monotonic() + PATIENCE_S
        while any((left := stage.left()).values()) and time.monotonic() < patience:
            time.sleep(0.1)
        left["folders"] = [name for name in os.listdir(folder) if name.startswith("tcpspec")]
    return {
        "whom": whom if killed else "nobody",
        "wire": wire,
        "after": round(moment, 2),
        "seen": len(stage.seen),
        "named": stage.named,
        "code": stage.child.returncode,
        "left": left,
    }


def main(runs: int, seed: int) -> None:
    """Do all runs; networks and devices must be as before."""
    os.environ["TCPSPEC_MAY_ENTER"] = "" if os.geteuid() else "yes"
    enter_namespaces()
    api = engine.connect().api
    chance = random.Random(seed)
    networks = {network["Id"] for network in api.networks()}
    for number in range(runs):
        print(json.dumps(one_run(api, chance, number + seed)), flush=True)
    more = {network["Id"] for network in api.networks()} - networks
    print(json.dumps({"networks": len(more), "devices": [name for _index, name in socket.if_nameindex()]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
