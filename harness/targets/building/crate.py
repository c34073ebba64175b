"""Builds a driver that is a Rust crate: `cargo build`, with the versions that its Cargo.lock names."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

from packaging.version import Version

from harness.targets.protocol import UnusableTarget

BUILD_LIMIT_S = 600
#: What cargo says when it can't fetch a crate.
_OFFLINE = ("failed to download", "could not resolve", "failed to get", "spurious network error", "offline")


def releases(folder: Path) -> dict[str, Path]:
    """Return the releases of the stack that a driver is pinned to, the newest last, each with its crate's folder.

    The newest is the folder itself; beside its `src`, `releases` has a manifest and a lock file for each older one.
    """
    older = {path.name: path for path in (folder / "releases").glob("*") if (path / "Cargo.toml").is_file()}
    manifest = tomllib.loads((folder / "Cargo.toml").read_text(encoding="utf-8"))
    found = {**older, str(manifest["package"]["version"]): folder}
    return dict(sorted(found.items(), key=lambda release: Version(release[0])))


def release(folder: Path, wanted: str) -> Path:
    """Return the folder of the newest release that begins with `wanted`, such as 0.13; raises UnusableTarget."""
    known = releases(folder)
    fitting = [path for each, path in known.items() if f"{each}.".startswith(f"{wanted}.")]
    if not fitting:
        there_are = ", ".join(f"{folder.name}:{each}" for each in known)
        raise UnusableTarget(f"{folder.name} {wanted} does not come with the tool", f"there are {there_are}")
    return fitting[-1]


def build(folder: Path, cache: Path, wanted: str = "") -> Path:
    """Return the program of the crate in `folder`, built now unless it has been before; raises UnusableTarget.

    `wanted` is a release of the stack, or the beginning of one; without it the newest is meant.
    """
    name = folder.name
    crate = release(folder, wanted) if wanted else folder
    install = f"install Rust (https://rustup.rs, or use the image of {folder / 'Dockerfile'})"
    cargo = find_cargo()
    if cargo is None:
        raise UnusableTarget(f"the driver of {name} can't be built: there is no cargo", install)
    program = cache / f"{name}-{_digest(crate, folder / 'src')}"
    if not program.is_file():
        _compile(cargo, crate, program, name)
    return program


def find_cargo() -> str | None:
    """Return where cargo is: on the path, or where rustup puts it."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    return shutil.which("cargo") or shutil.which("cargo", path=str(home / "bin"))


def _digest(crate: Path, sources: Path) -> str:
    """Return a digest of all that the program is made from; the lock file stands for the crates."""
    digest = hashlib.sha256()
    for path in [crate / "Cargo.toml", crate / "Cargo.lock", *sorted(sources.glob("*.rs"))]:
        digest.update(f"{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _compile(cargo: str, folder: Path, program: Path, name: str) -> None:
    """Compile beside the final place and move the result there at once: another process may be building too."""
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as target:
            manifest = ["--manifest-path", str(folder / "Cargo.toml")]
            command = [cargo, "build", "--release", "--locked", *manifest, "--target-dir", target]
            # cargo calls rustc by name, and rustup puts both into one folder that need not be on the path.
            path = os.pathsep.join(filter(None, (os.environ.get("PATH"), str(Path(cargo).parent))))
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_LIMIT_S,
                env={**os.environ, "PATH": path},
                check=False,
            )
            if done.returncode:
                raise _failure(name, command, done.stderr)
            os.replace(Path(target) / "release" / f"{name}-adapter", program)
    except subprocess.TimeoutExpired:
        raise UnusableTarget(f"{cargo} did not build {folder} within {BUILD_LIMIT_S} s") from None
    except OSError as error:
        where = error.filename or program.parent
        raise UnusableTarget(f"{where} can't be used: {error.strerror}", "set XDG_CACHE_HOME") from None


def _failure(name: str, command: list[str], said: str) -> UnusableTarget:
    if any(sign in said.lower() for sign in _OFFLINE):
        return UnusableTarget(
            f"the driver of {name} can't be built: cargo can't fetch its crates:\n{said.strip()}",
            "build once where the Rust registry can be reached; the program is kept",
        )
    return UnusableTarget(f"{' '.join(command)} failed:\n{said.strip()}")
