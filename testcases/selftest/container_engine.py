"""The real container engine for selftests: without one they are skipped, loudly, and fail where one is required."""

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import docker
import pytest

from harness.targets import engine, images
from harness.targets.docker_sweep import OWNER_LABEL
from harness.targets.protocol import UnusableTarget

#: What xdist tells its workers, and they tell their children.
WORKER = ("PYTEST_XDIST_TESTRUNUID", "PYTEST_XDIST_WORKER")
#: Set where an engine must be there, as in this project's own CI.
REQUIRED = "TCPSPEC_ENGINE_REQUIRED"


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
        if name == "smoltcp":  # needs Rust, which is not required anywhere
            pytest.skip(f"smoltcp's image is not tested: {error}")
        _missing(str(error))


def _missing(why: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and {why}")
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
    lines = list(api.build(fileobj=context, tag=tag, **options))
    assert not any("error" in line for line in lines), lines
    return tag


def containers(api: docker.APIClient) -> set[str]:
    """Return the ids of all containers that the harness has made, in whatever state, but for other workers of xdist."""
    found = api.containers(all=True, filters={"label": OWNER_LABEL})
    return {one["Id"] for one in found if not _is_another_workers(one["Labels"][OWNER_LABEL])}


def _is_another_workers(owner: str) -> bool:
    """Tell by the environment of a container's keeper, which comes from the worker that runs the test."""
    try:
        environment = Path(f"/proc/{owner.split(' ')[2]}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(
        f"{name}={os.environ.get(name, '')}".encode() not in environment for name in WORKER if name in os.environ
    )
