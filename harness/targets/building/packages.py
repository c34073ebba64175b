"""Stacks in Python: a stack's packages lie in a folder of their own in the cache, and its adapter is run beside them.

The stack is never part of this package or its environment: what it asks for, and its licence, are its own.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.targets.protocol import UnusableTarget

INSTALL_LIMIT_S = 300
_ROOT = Path(__file__).parents[3]


def install(folder: Path, cache: Path, release: str = "") -> Path:
    """Return where the packages of the stack in `folder` are, fetched now unless they have been; raises UnusableTarget.

    Its requirements.txt names each with its release, the stack first; `release` is that one or its beginning.
    """
    wanted = folder / "requirements.txt"
    pinned = wanted.read_text(encoding="utf-8").splitlines()[0].partition("==")[2]
    if release and not f"{pinned}.".startswith(f"{release}."):
        message = f"{folder.name} {release} does not come with the tool"
        raise UnusableTarget(message, f"there are {folder.name}:{pinned}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    digest = hashlib.sha256(wanted.read_bytes() + version.encode())
    place = cache / f"{folder.name}-{digest.hexdigest()[:16]}"
    if not place.is_dir():
        _fetch(wanted, place)
    return place


def command(folder: Path, packages: Path) -> list[str]:
    """Return the command line of the adapter in `folder`, which imports the stack and our kit."""
    path = os.pathsep.join((str(packages), str(_ROOT)))
    return ["env", f"PYTHONPATH={path}", sys.executable, str(folder / "adapter.py")]


def _fetch(wanted: Path, place: Path) -> None:
    """Install beside the final place and move the result there at once: another process may be installing too."""
    name = wanted.parent.name
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            made = Path(folder) / place.name
            done = subprocess.run(
                [*pip, "--target", str(made), "--requirement", str(wanted)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=INSTALL_LIMIT_S,
                check=False,
            )
            if done.returncode:
                said = done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"]
                raise UnusableTarget(
                    f"{name} can't be installed: {said[-1]}",
                    f"tcpspec build {name}, once where a package index can be reached; the packages are kept",
                )
            if not place.is_dir():
                os.replace(made, place)
    except subprocess.TimeoutExpired:
        raise UnusableTarget(f"{name} can't be installed: pip did not end within {INSTALL_LIMIT_S} s") from None
    except OSError as error:
        where = error.filename or place.parent
        raise UnusableTarget(f"{where} can't be used: {error.strerror}", "set XDG_CACHE_HOME") from None
