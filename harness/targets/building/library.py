"""Stacks that are shared libraries of the system: an adapter in Python calls them, and nothing is built."""

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.targets.protocol import UnusableTarget

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Shared:
    """A shared library by its file's name, and the package of Debian that has it."""

    file: str
    package: str


def find(shared: Shared, folder: Path, release: str = "") -> Path:
    """Return the adapter in `folder`; raises UnusableTarget where its library is missing, or a release is asked for."""
    if release:
        raise UnusableTarget(f"{folder.name} {release} does not come with the tool", "there is the system's own")
    try:
        ctypes.CDLL(shared.file)
    except OSError:
        message = f"{folder.name} can't be used: the system has no {shared.file}"
        raise UnusableTarget(message, f"apt-get install {shared.package}") from None
    return folder / "adapter.py"


def command(folder: Path) -> list[str]:
    """Return the command line of the adapter in `folder`, which imports our kit."""
    return ["env", f"PYTHONPATH={_ROOT}", sys.executable, os.fspath(folder / "adapter.py")]
