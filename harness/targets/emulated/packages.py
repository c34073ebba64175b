"""A distribution's kernel from its package: downloaded by apt into the user's cache and unpacked, never installed."""

import lzma
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.targets.protocol import UnusableTarget

PREFIX = "linux-image-"
DOWNLOAD_LIMIT_S = 600.0
#: A pattern would make apt show all that it knows.
_NAME = re.compile(rf"{PREFIX}[a-z0-9.+-]+")
#: A network card on a bus, and sock_diag; what is built in is absent, and what these need is named in them.
MODULES = ("virtio_pci", "virtio_net", "tcp_diag")
_DEPENDS = re.compile(rf"^Depends:.*?\b({PREFIX}[^\s,]+)", re.MULTILINE)
#: The names in a module's section .modinfo of those that must be loaded before it.
_NEEDS = re.compile(rb"\0depends=([\w,-]*)\0")
_HINT = "names are those of Debian's packages: apt-cache search '^linux-image-.*amd64$'"


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel that boots: the compressed image, and its modules in the order in which they are loaded."""

    package: str
    kernel: Path
    modules: tuple[Path, ...]


def resolve(name: str, cache: Path) -> Image:
    """Return the kernel of a package, such as ``linux-image-6.12-cloud-amd64``; raises UnusableTarget."""
    if not _NAME.fullmatch(name):
        raise UnusableTarget(f"qemu: needs the name of a kernel's package, not {name!r}", _HINT)
    if not (cache / name / "vmlinuz").is_file():  # apt may have forgotten what was fetched
        name = (name, *_depended_on(name))[-1]
    here = cache / name
    return _image(here if (here / "vmlinuz").is_file() else _fetch(name, cache))


def _depended_on(name: str) -> tuple[str, ...]:
    """Return the package that a package of no content (a name that always means the latest) depends on."""
    try:
        shown = subprocess.run(["apt-cache", "show", name], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        raise UnusableTarget("there is no apt here to get Debian's kernels with") from None
    if not shown:
        raise UnusableTarget(f"apt knows no package {name!r}", _HINT)
    found = _DEPENDS.search(shown)
    return (found[1],) if found else ()


def _fetch(package: str, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        place, tree, made = Path(folder), Path(folder, "tree"), Path(folder, "made")
        _run(["apt-get", "download", "-q", package], place)
        (archive,) = place.glob("*.deb")
        _run(["dpkg-deb", "-x", str(archive), str(tree)], place)
        made.mkdir()
        kernels = list(tree.glob("boot/vmlinuz-*"))
        if len(kernels) != 1:
            raise UnusableTarget(f"the package {package} holds no kernel", _HINT)
        kernels[0].rename(made / "vmlinuz")
        for number, (name, octets) in enumerate(with_needs(MODULES, tree).items()):
            (made / f"{number:02}-{name}.ko").write_bytes(octets)
        target = cache / package
        shutil.rmtree(target, ignore_errors=True)
        return made.rename(target)


def with_needs(names: Iterable[str], tree: Path) -> dict[str, bytes]:
    """Return modules in a tree and all that they need, each behind what it needs itself; unknown ones are built in."""
    there = {_module_name(file): file for pattern in ("*.ko", "*.ko.xz") for file in tree.rglob(pattern)}
    found: dict[str, bytes] = {}

    def take(name: str) -> None:
        if name in found or name not in there:
            return
        octets = there[name].read_bytes()
        plain = lzma.decompress(octets) if there[name].suffix == ".xz" else octets
        needs = _NEEDS.search(plain)
        for each in needs[1].decode().split(",") if needs else ():
            take(each.replace("-", "_"))
        found[name] = plain

    for name in names:
        take(name)
    return found


def _module_name(file: Path) -> str:
    return file.name.partition(".")[0].replace("-", "_")


def _run(command: list[str], place: Path) -> None:
    try:
        subprocess.run(command, cwd=place, check=True, capture_output=True, text=True, timeout=DOWNLOAD_LIMIT_S)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        message = f"{command[0]} {command[1]} failed: {said[-1] if said else error}"
        raise UnusableTarget(message, "apt-get update, and a network, may help") from None


def _image(folder: Path) -> Image:
    return Image(folder.name, folder / "vmlinuz", tuple(sorted(folder.glob("*.ko"))))
