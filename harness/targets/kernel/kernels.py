"""Which kernel a name means: a path, or a version among those that were built here."""

import json
import mmap
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.targets.protocol import UnusableTarget

RECORD = "kernel.json"
PROGRAM = "linux"
#: Builds of a tree on the desk: they are named by their path only, never by a version.
TREE = "tree-"
#: Debian's prebuilt kernel (package user-mode-linux), in real time.
PACKAGED = ("linux.uml", "user-mode-linux")
#: In the help text of every kernel built for ARCH=um (arch/um/os-Linux/umid.c) ...
_KERNEL_MARK = b"uml_dir="
#: ... and of every one that has simulated time (arch/um/kernel/time.c).
_SIMULATED_MARK = b"time-travel=ext"
_HINT = "name a kernel built for ARCH=um by its path, or build one: `tcpspec build kernel 6.12`"


@dataclass(frozen=True, slots=True)
class Built:
    """A kernel in the cache: its release, the source it was built from, and a digest of source and configuration.

    `suffix` tells it from others of the same release: "-debug", "-llvm", or both.
    """

    release: str
    source: str
    digest: str
    suffix: str = ""

    @property
    def name(self) -> str:
        """What names it behind ``kernel:``."""
        return self.release + self.suffix

    def write(self, folder: Path) -> None:
        """Note it beside the kernel."""
        (folder / RECORD).write_text(json.dumps(asdict(self), indent=1) + "\n")


def all_built(cache: Path, *, trees: bool = False) -> list[tuple[Built, Path]]:
    """Return the kernels in the cache that have a version for a name (or `trees`: the others), the latest first."""
    found = []
    for record in cache.glob(f"*/{RECORD}"):
        if record.parent.name.startswith(TREE) is not trees:
            continue
        program = record.parent / PROGRAM
        try:
            found.append((program.stat().st_mtime, Built(**json.loads(record.read_text())), program))
        except (OSError, ValueError, TypeError):
            continue  # half removed, or of another version of the tool
    found.sort(key=lambda entry: entry[0], reverse=True)
    return [(built, program) for _time, built, program in found]


def resolve(name: str, cache: Path) -> Path:
    """Return the program of ``kernel:NAME``; raises UnusableTarget."""
    if not name:
        raise UnusableTarget("kernel: needs a kernel", _HINT)
    if "/" in name or Path(name).is_file():
        return _checked(Path(name).expanduser())
    if name == "uml":
        packaged = shutil.which("linux.uml")
        if packaged is None:
            raise UnusableTarget("kernel:uml is not there", f"apt-get install {PACKAGED[1]}")
        return Path(packaged)
    if name.startswith(TREE) and (cache / name / PROGRAM).is_file():
        return cache / name / PROGRAM
    built = all_built(cache)
    for entry, program in built:
        if entry.name == name:
            return program
    for entry, program in built:
        if not entry.suffix and entry.release.startswith((f"{name}.", f"{name}-")):
            return program
    known = ", ".join(sorted({entry.name for entry, _program in built})) or "none"
    raise UnusableTarget(f"there is no kernel {name!r} here (built: {known})", f"`tcpspec build kernel {name}`")


def is_simulated(kernel: Path) -> bool:
    """Tell whether a kernel can live in simulated time; raises UnusableTarget if it is none, which is never started."""
    try:
        with open(kernel, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as image:
            is_kernel, simulated = (image.find(mark) >= 0 for mark in (_KERNEL_MARK, _SIMULATED_MARK))
    except (OSError, ValueError) as error:
        raise UnusableTarget(f"{kernel} can't be read: {error}", _HINT) from None
    if not is_kernel:
        raise UnusableTarget(f"{kernel} is not a kernel built for ARCH=um", _HINT)
    return simulated


def _checked(path: Path) -> Path:
    if path.is_dir():
        path = path / PROGRAM
    if not path.is_file():
        raise UnusableTarget(f"there is no kernel {path}", _HINT)
    if not os.access(path, os.X_OK):
        raise UnusableTarget(f"{path} is not a program", _HINT)
    return path.resolve()
