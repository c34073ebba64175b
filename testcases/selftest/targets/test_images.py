"""The images that come with the tool: built without a registry, out of Debian packages, and nothing left over."""

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from harness.agent import server
from harness.targets.building import drivers, images
from harness.targets.container import engine
from harness.targets.protocol import UnusableTarget
from harness.verbs import USAGE_ERROR, build
from testcases.selftest import container_engine

ROOTFS = drivers.driver_folder() / "base/rootfs.py"
NOBODY = 65534


@pytest.fixture(scope="module")
def api() -> Iterator[docker.APIClient]:
    with contextlib.closing(container_engine.client()) as client:
        yield client.api


def _inside(image: str, *command: str) -> str:
    """Run a command in a container as the harness would, and return what it prints."""
    with contextlib.closing(container_engine.client()) as client:
        output = client.containers.run(
            image,
            list(command[1:]),
            entrypoint=command[0],
            remove=True,
            network_mode="none",
            user=f"{NOBODY}",
            read_only=True,
        )
        return bytes(output).decode()


# --- a root file system from packages --------------------------------------------------------------------------------


def _needs_apt() -> None:
    if not shutil.which("apt-get"):
        pytest.skip("a root from Debian packages is not tested: there is no apt-get here")


def _rootfs(folder: Path, *packages: str) -> subprocess.CompletedProcess[bytes]:
    """Run the script as an ordinary user, with `folder` for its temporary files."""
    folder.chmod(0o777)
    environment = {**os.environ, "TMPDIR": str(folder)}
    user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    source = ROOTFS.read_text()  # the checkout may lie where that user can't read
    command = ["/usr/bin/python3", "-", *packages]
    return subprocess.run(
        command, input=source.encode(), capture_output=True, env=environment, timeout=300, check=False, cwd="/", **user
    )


@pytest.fixture
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tcpspec-selftest-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def test_an_ordinary_user_makes_a_root_and_leaves_nothing(scratch: Path) -> None:
    _needs_apt()
    done = _rootfs(scratch, "libgcc-s1")
    assert done.returncode == 0, done.stderr.decode()
    assert list(scratch.iterdir()) == []
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as image:
        entries = image.getmembers()
    names = [entry.name for entry in entries]
    assert len(names) == len(set(names))
    assert {(entry.uid, entry.gid) for entry in entries if entry.isreg() and entry.mode & 0o6000 == 0} == {(0, 0)}
    links = {entry.name for entry in entries if entry.issym() and "/" not in entry.name}
    assert {"bin", "lib", "sbin"} <= links
    assert not [name for name in names if name.split("/")[0] in links and "/" in name]
    assert any(name.endswith("/libgcc_s.so.1") for name in names)
    assert not any("/share/doc/" in name for name in names)


def test_a_package_that_does_not_exist_is_one_line(scratch: Path) -> None:
    _needs_apt()
    done = _rootfs(scratch, "no-such-package-anywhere")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines() == [
        "apt-get can't fetch no-such-package-anywhere: Unable to locate package no-such-package-anywhere"
    ]
    assert list(scratch.iterdir()) == []


def test_without_apt_it_says_so() -> None:
    done = subprocess.run([sys.executable, str(ROOTFS), "dash"], capture_output=True, env={"PATH": "/"}, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"there is no apt-get here" in done.stderr


# --- the images ------------------------------------------------------------------------------------------------------


def test_the_image_has_what_the_agent_needs() -> None:
    image = container_engine.image("linux")
    tree = ast.parse(Path(server.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert "socket" in modules
    assert _inside(image, "python3", "-c", f"import {', '.join(sorted(modules))}; print('all there')") == "all there\n"
    assert _inside(image, "ss", "-V").startswith("ss utility, iproute2")


@pytest.mark.parametrize("name", ["lwip", "smoltcp"])
def test_an_adapters_image_carries_the_label(name: str, api: docker.APIClient) -> None:
    labels = api.inspect_image(container_engine.image(name))["Config"]["Labels"]
    assert labels["tcpspec.adapter"] == "1"


def test_a_build_is_not_repeated_and_an_old_image_is_replaced(
    monkeypatch: pytest.MonkeyPatch, api: docker.APIClient
) -> None:
    base = container_engine.image("linux")
    monkeypatch.setattr(images, "tag", lambda name: f"tcpspec-selftest/again-{name}")
    tag = images.tag("linux")
    said: list[str] = []
    try:
        images.build("linux", said.append, base=base)
        assert said[0] == f"{tag}: built on {base}"
        assert re.fullmatch(rf"{tag}: done, \d+ MB", said[-1])
        made, lines = api.inspect_image(tag)["Id"], len(said)
        assert images.ensure("linux", said.append) == tag
        assert (api.inspect_image(tag)["Id"], len(said)) == (made, lines)
        container_engine.make(api, tag, f"FROM {base}\nLABEL tcpspec.recipe=old\n", {})
        images.ensure("linux", said.append)
        assert len(said) > lines
        assert api.inspect_image(tag)["Config"]["Labels"]["tcpspec.recipe"] != "old"
        with images._alone():  # another worker may be building
            assert not api.images(filters={"dangling": True, "label": "tcpspec"})
    finally:
        container_engine.unmake(api, tag, force=True)


def test_an_image_of_somebody_else_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, api: docker.APIClient) -> None:
    monkeypatch.setattr(images, "tag", lambda name: f"tcpspec-selftest/own-{name}")
    said: list[str] = []
    foreign = io.BytesIO()
    with tarfile.open(fileobj=foreign, mode="w"):
        pass
    api.import_image_from_data(foreign.getvalue(), repository=images.tag("linux"))
    try:
        assert images.ensure("linux", said.append) == images.tag("linux")
        assert said == []
    finally:
        container_engine.unmake(api, images.tag("linux"))


def test_a_build_that_fails_shows_the_end_of_its_log(api: docker.APIClient) -> None:
    base = container_engine.make(api, "tcpspec-selftest/bare", f"FROM {container_engine.image('linux')}\nUSER 0\n", {})
    remove = "RUN python3 -c \"import os; os.remove('/usr/bin/ss')\""
    without = container_engine.make(api, "tcpspec-selftest/without-ss", f"FROM {base}\n{remove}\n", {})
    try:
        with pytest.raises(UnusableTarget, match="apt-get: not found") as failure:
            images.build("linux", lambda _text: None, base=without)
        assert "can't be built; the log ends with" in failure.value.message
        assert "\x1b" not in failure.value.message
        with pytest.raises(UnusableTarget, match="the log ends with") as failure:
            images.build("linux", lambda _text: None, base="tcpspec-selftest/nowhere")
        assert "--base IMAGE" in failure.value.hint
    finally:
        for tag in (without, base):
            container_engine.unmake(api, tag, force=True)


@pytest.mark.parametrize("base", ["bad name", "UPPER/case"])
def test_a_base_that_is_no_name_is_one_line(base: str, api: docker.APIClient) -> None:
    with pytest.raises(UnusableTarget) as failure:
        images.build("linux", lambda _text: None, base=base)
    assert "\n" not in failure.value.message or "the log ends with" in failure.value.message


def test_a_full_disk_is_named() -> None:
    log: list[str] = []
    line = {"error": "write /usr/bin/python3: no space left on device"}
    with pytest.raises(UnusableTarget, match="no space left") as failure:
        images._take(line, log, "linux", log.append)
    assert "docker system prune" in failure.value.hint


# --- the engine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("unix:///nowhere/docker.sock", "there is no engine"),
        ("tcp://127.0.0.1:1", "there is no engine"),
        ("nonsense://x", "Invalid bind address protocol"),
    ],
)
def test_no_engine_is_one_line_with_a_hint(host: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(UnusableTarget, match=message) as failure:
        engine.connect()
    assert host in failure.value.message
    assert failure.value.hint


def test_no_permission_is_told_apart(tmp_path: Path) -> None:
    """A listening socket that an ordinary user may not open."""
    if os.geteuid():
        pytest.skip("only root can become a user without the permission")
    program = """if True:
        import os, socket, sys
        import docker, requests
        from harness.targets.container import engine
        from harness.targets.protocol import UnusableTarget
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        listener.listen()
        os.chmod(sys.argv[1], 0o600)
        os.setgroups([])
        os.setuid(65534)
        os.environ["DOCKER_HOST"] = f"unix://{sys.argv[1]}"
        try:
            engine.connect()
        except UnusableTarget as error:
            print(error.message, "|", error.hint)
    """
    folder = Path(tempfile.mkdtemp(prefix="tcpspec-selftest-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        command = [sys.executable, "-c", program, str(folder / "engine.sock")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        shutil.rmtree(folder)
    assert "no permission on its socket | sudo usermod -aG docker" in done.stdout


# --- the Dockerfiles -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", images.IMAGES)
def test_a_dockerfile_serves_both_worlds(name: str) -> None:
    text = (drivers.driver_folder() / name / "Dockerfile").read_text()
    assert not re.search(r"^#\s*syntax", text, re.MULTILINE), "it would be fetched"
    assert re.search(r"^ARG BASE_IMAGE=\S+$", text, re.MULTILINE)
    assert re.search(r"^FROM \$\{BASE_IMAGE\}$", text, re.MULTILINE)
    assert "USER 65534:65534" in text
    assert ("LABEL tcpspec.adapter=1" in text) == (name in drivers.DRIVERS)


def test_the_image_compiles_lwips_driver_as_the_host_does() -> None:
    recipe = drivers.RECIPES["lwip"]
    text = (drivers.driver_folder() / "lwip/Dockerfile").read_text()
    (command,) = re.findall(r"&& gcc (.*) -o lwip-adapter", text)
    assert set(command.split()) == {*recipe.flags, f"-I{recipe.include}", "driver.c"}
    assert recipe.package in text


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["linux", "--nonsense"]])
def test_wrong_words_are_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(arguments) == USAGE_ERROR
    assert "usage: tcpspec build" in capsys.readouterr().err
