"""The images that come with the tool: `tcpspec/linux`, `tcpspec/lwip`, `tcpspec/smoltcp`.

One Dockerfile each serves both worlds. Where a registry answers, its base image is pulled and the driver is compiled
inside. Where none does, the base is put together from Debian packages (`docker/base/rootfs.py`), the driver is compiled
on this machine, whose C library is the same, and nothing is fetched during the build.
"""

import contextlib
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cache import folder as cache_folder
from harness.cache import locked
from harness.targets.building import drivers
from harness.targets.container.engine import connect, translated
from harness.targets.protocol import UnusableTarget

if TYPE_CHECKING:
    import docker

Progress = Callable[[str], None]

#: The packages of each image's base, where it is put together from packages.
PACKAGES = {"linux": ("python3", "iproute2"), "lwip": ("liblwip0",), "smoltcp": ("libgcc-s1",)}
IMAGES = tuple(PACKAGES)
#: What an image was made from; another digest means that it is out of date. Images of other people have none.
RECIPE_LABEL = "tcpspec.recipe"
#: On all that a build makes, so that what it replaces can be removed.
OWN_LABEL = "tcpspec"
LOG_LINES = 12
STEP_WIDTH = 90
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENGINE_TALK = ("--->", " --->", "Removing intermediate container")
_WITHOUT_REGISTRY = "--base IMAGE names a local image to build on; on Debian and Ubuntu no registry is needed"


@dataclass(frozen=True, slots=True)
class Way:
    """How an image is built: on which base, and whether that base was made of this machine's packages."""

    base: str
    local: bool
    reason: str


def tag(name: str) -> str:
    """Return the tag of one of our images, without a version."""
    return f"tcpspec/{name}"


def ensure(name: str, progress: Progress | None = None) -> str:
    """Return the tag of the image `name`, built now if it is missing or out of date; raises UnusableTarget.

    An image that somebody else has put under this tag (it has no label of ours) is taken as it is.
    """
    import docker.errors

    client = connect()
    with contextlib.closing(client), _alone():
        with translated(f"the image {tag(name)}"):
            try:
                recipe = client.images.get(tag(name)).labels.get(RECIPE_LABEL)
            except docker.errors.ImageNotFound:
                recipe = ""
        if recipe not in (None, _digest(name)):
            _build(client, name, progress or _to_stderr, base=None)
    return tag(name)


def build(name: str, progress: Progress | None = None, *, base: str | None = None) -> str:
    """Build the image `name`, on `base` if given, and return its tag; raises UnusableTarget."""
    client = connect()
    with contextlib.closing(client), _alone():
        return _build(client, name, progress or _to_stderr, base)


def _build(client: "docker.DockerClient", name: str, progress: Progress, base: str | None) -> str:
    way = _choose_way(client, name, base)
    progress(f"{tag(name)}: {way.reason}")
    arguments, program = {"BASE_IMAGE": way.base}, None
    if way.local:
        if base is None:
            _import_base(client, name, way.base, progress)
        if name in drivers.DRIVERS:
            program = drivers.build(name)
            arguments["BUILD_IMAGE"] = way.base
            progress(f"{tag(name)}: the driver, compiled on this machine: {program}")
    elif base is None:
        arguments = {}
    context = _context(name, program)
    _build_image(client, name, context, arguments, "none" if way.local else None, progress)
    with translated(tag(name)):
        client.images.prune(filters={"dangling": True, "label": OWN_LABEL})
        size = client.images.get(tag(name)).attrs["Size"]
    progress(f"{tag(name)}: done, {size / 1e6:.0f} MB")
    return tag(name)


# --- the way ---------------------------------------------------------------------------------------------------------


def _choose_way(client: "docker.DockerClient", name: str, base: str | None) -> Way:
    import docker.errors

    if base is not None:
        try:
            with contextlib.suppress(docker.errors.NotFound):
                local = client.images.get(base).labels.get(OWN_LABEL) == "base"
                return Way(base, local, f"built on {base}")
        except docker.errors.DockerException:
            raise UnusableTarget(f"{base!r} is not the name of an image") from None
        return Way(base, False, f"built on {base}, which is pulled")
    default = _default_base(name)
    try:
        client.images.get_registry_data(default)
        return Way(default, False, f"built on {default} from its registry")
    except docker.errors.DockerException as error:
        trouble = str(getattr(error, "explanation", None) or error)
    if shutil.which("apt-get"):
        return Way(f"tcpspec/base:{name}", True, "built from Debian packages, since no registry answers")
    with contextlib.suppress(docker.errors.DockerException):
        client.images.get(default)
        return Way(default, False, f"built on the local {default}, since no registry answers")
    message = f"the image {tag(name)} can't be built: no registry answers, and there is no apt-get here: {trouble}"
    raise UnusableTarget(message, _WITHOUT_REGISTRY)


def _default_base(name: str) -> str:
    text = (_folder(name) / "Dockerfile").read_text()
    found = re.search(r"^ARG BASE_IMAGE=(\S+)$", text, re.MULTILINE)
    assert found, "a Dockerfile of ours names its base"
    return found[1]


def _import_base(client: "docker.DockerClient", name: str, base: str, progress: Progress) -> None:
    """Put a base together from packages and import it, without a file in between."""
    script = drivers.driver_folder() / "base/rootfs.py"
    progress(f"{base}: {' '.join(PACKAGES[name])} and what they need, by apt-get")
    command = [sys.executable, str(script), *PACKAGES[name]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as maker:
        assert maker.stdout is not None
        assert maker.stderr is not None
        try:
            with translated(f"the image {base}"):
                repository, _colon, version = base.partition(":")
                labels = [f"LABEL {OWN_LABEL}=base"]
                client.api.import_image_from_stream(maker.stdout, repository, version, changes=labels)
        finally:
            maker.stdout.close()
            said = maker.stderr.read().decode(errors="replace").strip()
    if maker.returncode:
        with contextlib.suppress(Exception):
            client.images.remove(base)
        raise UnusableTarget(f"the image {base} can't be put together: {said}", _WITHOUT_REGISTRY)


# --- the build -------------------------------------------------------------------------------------------------------


def _build_image(
    client: "docker.DockerClient",
    name: str,
    context: io.BytesIO,
    arguments: dict[str, str],
    network: str | None,
    progress: Progress,
) -> None:
    labels = {OWN_LABEL: "image", RECIPE_LABEL: _digest(name)}
    log: list[str] = []
    with translated(f"the image {tag(name)} can't be built"):
        for line in client.api.build(
            fileobj=context,
            custom_context=True,
            tag=tag(name),
            buildargs=arguments,
            network_mode=network,
            labels=labels,
            rm=True,
            forcerm=True,
            decode=True,
        ):
            _take(line, log, name, progress)


def _take(line: dict[str, Any], log: list[str], name: str, progress: Progress) -> None:
    """Keep a line of the build's log; show the steps; raise UnusableTarget with the last lines when it fails."""
    text = _COLOUR.sub("", str(line.get("stream") or line.get("error") or "")).strip()
    log.extend(part for part in text.splitlines() if part.strip() and not part.startswith(_ENGINE_TALK))
    if text.startswith("Step "):
        progress(f"{tag(name)}: {' '.join(text.split())[:STEP_WIDTH]}")
    if "error" in line:
        last = "\n".join(f"    {part}" for part in log[-LOG_LINES:])
        raise UnusableTarget(f"the image {tag(name)} can't be built; the log ends with\n{last}", _hint(log))


def _hint(log: list[str]) -> str:
    if "no space left" in "\n".join(log).lower():
        return "`docker system df` shows what takes the space, `docker system prune` frees some"
    steps = [part for part in log if part.startswith("Step ")]
    return _WITHOUT_REGISTRY if steps and " : FROM " in steps[-1] else ""


def _context(name: str, program: Path | None) -> io.BytesIO:
    """Return what the engine gets to see: the image's folder, and the driver if it has been compiled already."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for path in _files(name):
            archive.add(path, str(path.relative_to(_folder(name))), filter=_anonymous)
        if program is not None:
            archive.add(program, f"{name}-adapter", filter=_anonymous)
    context.seek(0)
    return context


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.mode & 0o100 else 0o644
    return entry


def _folder(name: str) -> Path:
    return drivers.driver_folder() / name


def _files(name: str) -> Iterator[Path]:
    """Yield the files that an image is made from; what cargo leaves in `target` is not among them."""
    folder = _folder(name)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "target" not in path.relative_to(folder).parts:
            yield path


def _digest(name: str) -> str:
    digest = hashlib.sha256(" ".join(PACKAGES[name]).encode())
    for path in [*_files(name), drivers.driver_folder() / "base/rootfs.py"]:
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One build at a time: the workers of a run all ask for the same image."""
    try:
        lock = locked("images")
    except OSError as error:
        raise UnusableTarget(f"{cache_folder()} can't be written: {error.strerror}", "set XDG_CACHE_HOME") from None
    with lock:
        yield


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
