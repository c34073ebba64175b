"""The real container engine for selftests: without one they are skipped, loudly, and fail where one is required."""

import contextlib
import io
import os
import signal
import tarfile
import time
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import NoReturn

import docker
import docker.errors
import pytest

from harness.targets.building import images
from harness.targets.container import engine
from harness.targets.container.ownership import OWNER_LABEL
from harness.targets.protocol import UnusableTarget

#: What xdist tells its workers, and they tell their children; and what a session without workers tells its own.
SESSION = "TCPSPEC_SELFTEST_SESSION"
os.environ.setdefault(SESSION, f"{os.getpid()} {time.time_ns()}")
WORKER = ("PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER", SESSION)
#: On containers that a test makes itself, in the name of an owner who may not even exist.
MADE_UP_LABEL = "tcpspec.selftest"
#: A container whose keeper has ended is on its way out, or has been left behind: so long it is on its way.
PATIENCE_S = 60.0
_LEFT_BEHIND: set[str] = set()


def client() -> docker.DockerClient:
    """Return a client of the engine, or skip the test."""
    try:
        return engine.connect()
    except UnusableTarget as error:
        _missing(str(error))


def image(name: str) -> str:
    """Return the tag of an image that comes with the tool, built if need be, or skip the test."""
    client().close()
    try:
        return images.ensure(name)
    except UnusableTarget as error:
        _missing(str(error))


def _missing(why: str) -> NoReturn:
    pytest.skip(f"containers are not tested: {why}")


def make(api: docker.APIClient, tag: str, dockerfile: str, files: Mapping[str, bytes]) -> str:
    """Build an image for a test and return its tag."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, octets in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(octets)
            archive.addfile(entry, io.BytesIO(octets))
    context.seek(0)
    options = {"custom_context": True, "rm": True, "forcerm": True, "network_mode": "none", "decode": True}
    with images._alone():  # a build of another worker would prune the layers that have no name yet
        lines = list(api.build(fileobj=context, tag=tag, **options))
    assert not any("error" in line for line in lines), lines
    return tag


def unmake(api: docker.APIClient, tag: str, *, force: bool = False) -> None:
    """Remove an image of a test; its layers may be those that another worker is building on."""
    with images._alone():
        api.remove_image(tag, force=force)


def kill(api: docker.APIClient, container: str) -> None:
    """Kill a container that goes with its end, and return when it is gone."""
    with contextlib.suppress(docker.errors.NotFound):
        api.kill(container, signal.SIGKILL)
    wait_until_gone(api, container)


def wait_until_gone(api: docker.APIClient, container: str) -> None:
    """Return when a container that goes with its end is gone; before the engine was asked, perhaps."""
    with contextlib.suppress(docker.errors.NotFound):
        api.wait(container, condition="removed")


def containers(api: docker.APIClient) -> set[str]:
    """Return the ids of all containers that the harness has made, in whatever state, but for other workers of xdist,
    other sessions and other users.

    Whose a container is says its keeper. Without one it may be another worker's, between two steps of its end, and
    is waited for; if it stays, it counts.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        keepers = _keepers(api)
        deserted = {container for container, keeper in keepers.items() if keeper is Keeper.GONE}
        if deserted <= _LEFT_BEHIND:
            return {container for container, keeper in keepers.items() if keeper is not Keeper.ANOTHER_WORKERS}
        if time.monotonic() > deadline:
            _LEFT_BEHIND.update(deserted)
        time.sleep(0.1)


class Keeper(Enum):
    """The process that removes a container in the end, as seen from this worker."""

    OURS, ANOTHER_WORKERS, GONE = range(3)


def _keepers(api: docker.APIClient) -> dict[str, Keeper]:
    found = api.containers(all=True, filters={"label": OWNER_LABEL})
    labels = {one["Id"]: one["Labels"] for one in found if MADE_UP_LABEL not in one["Labels"]}
    return {container: _keeper(label[OWNER_LABEL]) for container, label in labels.items()}


def _keeper(owner: str) -> Keeper:
    """Tell by the keeper's environment, which comes from the worker that runs the test."""
    try:
        environment = Path(f"/proc/{owner.split(' ')[2]}/environ").read_bytes().split(b"\0")
    except PermissionError:
        return Keeper.ANOTHER_WORKERS
    except OSError:
        return Keeper.GONE
    if environment == [b""]:  # a process has none any more when it has ended and nobody has reaped it yet
        return Keeper.GONE
    expected = [f"{name}={os.environ[name]}".encode() for name in WORKER if name in os.environ]
    return Keeper.OURS if all(entry in environment for entry in expected) else Keeper.ANOTHER_WORKERS
