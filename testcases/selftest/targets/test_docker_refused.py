"""Images and engines that no kernel can be tested with: one line that names what is missing, and a hint."""

import contextlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator

import docker
import pytest

from harness.targets import registry
from harness.targets.container import engine
from harness.targets.protocol import UnusableTarget
from testcases.selftest import container_engine

#: Images are the whole machine's: each worker of xdist makes its own.
PREFIX = f"tcpspec-selftest-refused-{os.getpid()}"
WITHOUT_PYTHON = "FROM scratch\nCOPY word /\n"
WITHOUT_SS = """FROM {linux}
USER 0
RUN ["python3", "-c", "import os, shutil; os.remove(shutil.which('ss'))"]
"""
Make = Callable[[str, str], str]


@pytest.fixture(scope="module")
def make() -> Iterator[Make]:
    """Give a function that makes an image of a Dockerfile; they are removed in the end."""
    base, made = container_engine.image("linux"), []
    with contextlib.closing(container_engine.client()) as client:

        def build(name: str, dockerfile: str) -> str:
            files = {"word": b"an image with this file only\n"}
            tag = f"{PREFIX}/{name}"
            if tag not in made:
                made.append(container_engine.make(client.api, tag, dockerfile.format(linux=base), files))
            return tag

        yield build
        for tag in made:
            container_engine.unmake(client.api, tag)


def _refusal(target: str) -> UnusableTarget:
    with pytest.raises(UnusableTarget) as refused:
        registry.open_target(registry.parse(target), registry.Settings())
    assert "\n" not in refused.value.message
    return refused.value


@pytest.mark.parametrize("option", ["", ",wire=tap", ",wire=attached"])
def test_an_image_without_python_is_told_so_and_nothing_stays(option: str, make: Make) -> None:
    image = make("python", WITHOUT_PYTHON)
    with contextlib.closing(container_engine.client()) as client:
        before = container_engine.containers(client.api)
        refused = _refusal(f"docker:{image}{option}")
        assert container_engine.containers(client.api) <= before
    assert refused.message == f"the image {image} has no python3"
    assert "Python 3.9 or newer and ss" in refused.hint


@pytest.mark.parametrize("option", ["", ",wire=tap", ",wire=attached"])
def test_an_image_without_ss_is_told_so_and_nothing_stays(option: str, make: Make) -> None:
    image = make("ss", WITHOUT_SS)
    with contextlib.closing(container_engine.client()) as client:
        before = container_engine.containers(client.api)
        refused = _refusal(f"docker:{image}{option}")
        assert container_engine.containers(client.api) <= before
    assert refused.message == f"the image {image} has no program ss"
    assert "iproute2" in refused.hint


def test_an_engine_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GREETING_LIMIT_S", 0.5)
    # A Unix socket's name is short, and pytest's own folder may be deep.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/engine.sock")
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/engine.sock")
        refused = _refusal("docker:linux")
    assert "the engine does not answer in time" in refused.message
    assert "busy?" in refused.hint


def test_a_full_disk_has_a_hint() -> None:
    full = docker.errors.APIError("500", explanation="mkdir /var/lib: no space left on device")
    message = "no container of x can be made: mkdir /var/lib: no space left"
    with pytest.raises(UnusableTarget, match=message) as refused, engine.translated("no container of x can be made"):
        raise full
    assert "docker system prune" in refused.value.hint
