"""What is worth keeping between runs, in the user's cache folder: keyed by what it was made from, so never stale.

Whatever is wrong with the folder (it is missing, read-only, full, or holds something else) costs time only.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

#: So many versions of one thing are kept: of several checkouts, or of sources before and after a change.
KEPT_VERSIONS = 8


def folder() -> Path:
    """Return where things are kept: below XDG_CACHE_HOME, else below ~/.cache. Raises RuntimeError without a home."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "tcpspec"


def locked(name: str) -> TextIO:
    """Return the lock of this name, which one process of this user holds at a time, until it closes it.

    Waits for whoever holds it. Raises OSError where the folder can't be written.
    """
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    lock = (place / f"{name}.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def kept(name: str, sources: Iterable[Path | str], make: Callable[[], Any]) -> Any:
    """Return what `make` makes, which is JSON-able: from the cache, if it was made from the same `sources` before.

    A source is a file, whose contents count, or a text such as a version.
    """
    try:
        file = folder() / "kept" / f"{name}-{_digest(sources)}.json"
    except (OSError, RuntimeError):
        return make()
    # What can't be read, half a file and a foreign one are made anew.
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        return json.loads(file.read_bytes())["value"]
    value = make()
    with contextlib.suppress(OSError):
        _write(file, value)
        _forget_old(file.parent, name)
    return value


def _digest(sources: Iterable[Path | str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        content = source.read_bytes() if isinstance(source, Path) else source.encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()[:24]


def _write(file: Path, value: Any) -> None:
    """Write beside the final place and move it there at once: others may be reading."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".new", delete=False) as beside:
        try:
            json.dump({"value": value}, beside, separators=(",", ":"))
            beside.close()
            os.replace(beside.name, file)
        except BaseException:
            os.unlink(beside.name)
            raise


def _forget_old(place: Path, name: str) -> None:
    versions = sorted(place.glob(f"{name}-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in versions[KEPT_VERSIONS:]:
        path.unlink(missing_ok=True)


def source_digest(root: Path) -> str:
    """Return what is the same for the same Python sources below a folder only."""
    return _digest(text for path in sorted(root.rglob("*.py")) for text in (path.relative_to(root).as_posix(), path))
