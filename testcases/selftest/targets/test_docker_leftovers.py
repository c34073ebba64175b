"""No container, network, namespace, device, process or temporary folder is left, whoever is killed in the middle."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness.targets.container import ownership, sweep
from testcases.selftest import container_engine

KILLING = Path(__file__).parents[1] / "killing.py"
#: How many runs are killed: a few, or as many as this variable says.
KILLS = int(os.environ.get("TCPSPEC_KILLS", "3"))
SECONDS_PER_RUN = 300
NOTHING = {"processes": [], "containers": [], "namespaces": 0, "folders": []}


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    with contextlib.closing(container_engine.client()) as client:
        yield client.api


def test_nothing_is_left_of_a_run_that_is_killed(api: docker.APIClient) -> None:
    container_engine.image("linux")
    seed = int(time.time())
    done = subprocess.run(
        [sys.executable, str(KILLING), str(KILLS), str(seed)],
        capture_output=True,
        text=True,
        timeout=KILLS * SECONDS_PER_RUN,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *runs, after = map(json.loads, done.stdout.splitlines())
    assert len(runs) == KILLS
    for run in runs:
        assert run["left"] == NOTHING, (seed, run)
        assert run["seen"], (seed, run, "a container must have been there")
    assert any(run["named"] for run in runs) or os.geteuid(), "the test must see the namespaces while they live"
    assert any(run["whom"] != "nobody" for run in runs), runs
    assert after == {"networks": 0, "devices": ["lo"]}


def _leave_one(api: docker.APIClient, owner: str, command: str) -> str:
    made = api.create_container(
        container_engine.image("linux"),
        entrypoint=["python3", "-c", command],
        labels={ownership.OWNER_LABEL: owner, container_engine.MADE_UP_LABEL: ""},
        host_config=api.create_host_config(network_mode="none"),
    )
    return str(made["Id"])


def _of_a_dead_process() -> str:
    """Return the label of a process that has ended."""
    program = "from harness.targets.container.ownership import owner; print(owner())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_sweep_removes_what_nobody_needs_and_nothing_else(api: docker.APIClient) -> None:
    hang, end = "import time; time.sleep(300)", "pass"
    elsewhere = "another-boot 1 2 3"
    dead, ours = _of_a_dead_process(), ownership.owner()
    made = {
        (who, state): _leave_one(api, owner, hang if state == "running" else end)
        for who, owner in (("dead", dead), ("ours", ours), ("elsewhere", elsewhere))
        for state in ("created", "running", "exited")
    }
    try:
        for (_who, state), container in made.items():
            if state != "created":
                api.start(container)
            if state == "exited":
                api.wait(container)
        lines = list(sweep.sweep())
        left = {found["Id"] for found in api.containers(all=True)}
        removed = {key for key, container in made.items() if container not in left}
        assert removed == {("dead", "created"), ("dead", "running"), ("dead", "exited"), ("elsewhere", "exited")}
        for key in removed:
            assert any(made[key][:12] in line for line in lines), lines
    finally:
        for container in made.values():
            with contextlib.suppress(docker.errors.NotFound):
                api.remove_container(container, force=True)
