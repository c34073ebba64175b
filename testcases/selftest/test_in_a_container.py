"""The harness itself in a container, as a CI job has it: an ordinary user without a single capability."""

import contextlib
import sysconfig
from pathlib import Path

import pytest

from testcases.selftest import container_engine

ROOT = Path(__file__).parents[2]
#: What `--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined` is.
ALLOWED = {"SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"], "MaskedPaths": [], "ReadonlyPaths": []}
USER = "65534:65534"


def _run(allowed: dict[str, list[str]]) -> tuple[int, str]:
    """Run some cases on the kernel in a container of Python and ss, with this checkout; return exit code and output."""
    image = container_engine.image("linux")
    packages = sysconfig.get_path("purelib")
    with contextlib.closing(container_engine.client()) as client:
        api = client.api
        config = api.create_host_config(
            network_mode="none",
            cap_drop=["ALL"],
            read_only=True,
            tmpfs={"/tmp": "mode=1777"},
            binds=[f"{ROOT}:/checkout:ro", f"{packages}:/packages:ro"],
        )
        made = api.create_container(
            image,
            entrypoint=["python3", "-m", "harness"],
            command=["run", "--case", "sanity/*", "--grid", "off"],
            user=USER,
            working_dir="/tmp",
            environment={"PYTHONPATH": "/checkout:/packages", "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
            host_config=config | allowed,
        )
        try:
            api.start(made)
            code = api.wait(made, timeout=120)["StatusCode"]
            return code, api.logs(made).decode()
        finally:
            api.remove_container(made, force=True)


def test_it_tests_the_kernel_below() -> None:
    code, output = _run(ALLOWED)
    assert code == 0, output
    assert "4 passed" in output


@pytest.mark.parametrize(
    "allowed",
    [
        {name: ALLOWED[name] for name in ("MaskedPaths", "ReadonlyPaths")},
        {"SecurityOpt": ALLOWED["SecurityOpt"]},
    ],
    ids=["user namespaces", "settings"],
)
def test_what_the_container_lacks_is_a_usage_error_with_the_way_out(allowed: dict[str, list[str]]) -> None:
    code, output = _run(allowed)
    assert code == 4, output
    assert "In a container" in output
    assert "docker run" in output
