"""Builds a driver in Go together with its stack, whose source is a package of Debian's: `go build`, no module."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.targets.protocol import UnusableTarget

BUILD_LIMIT_S = 600


@dataclass(frozen=True, slots=True)
class GoRecipe:
    """Where a package puts the source of a stack, and how to get it.

    `needs` is a folder of the stack that the releases have for which the driver is written.
    """

    package: str
    needs: Path
    releases: str
    path: Path = Path("/usr/share/gocode")

    @property
    def install(self) -> str:
        """What to do where Go or the package is missing."""
        return f"apt-get install --no-install-recommends golang-go {self.package}"


RECIPES = {
    "netstack": GoRecipe(
        "golang-gvisor-gvisor-dev", Path("src/gvisor.dev/gvisor/pkg/bufferv2"), "20221219 of Debian 12"
    )
}


def installed(name: str) -> tuple[str, str]:
    """Return Go's program and the release of the stack that is installed; raises UnusableTarget."""
    recipe = RECIPES[name]
    go = shutil.which("go")
    if go is None:
        raise UnusableTarget(f"the driver of {name} can't be built: there is no Go", recipe.install)
    if not recipe.path.joinpath(*recipe.needs.parts[:3]).is_dir():
        raise UnusableTarget(f"the driver of {name} can't be built: {recipe.package} is not installed", recipe.install)
    release = _release(recipe.package)
    if not (recipe.path / recipe.needs).is_dir():
        message = f"the driver of {name} can't be built with {recipe.package} {release}"
        raise UnusableTarget(message, f"it is written for {recipe.releases}")
    return go, release


def build(folder: Path, cache: Path, wanted: str = "") -> Path:
    """Return the program of the driver in `folder`, built now unless it has been before; raises UnusableTarget.

    `wanted` is the release of the stack, or the beginning of it; there is the one that is installed.
    """
    name = folder.name
    go, release = installed(name)
    if wanted and not f"{release}.".startswith(f"{wanted}."):
        raise UnusableTarget(f"{name} {wanted} is not installed", f"there is {name}:{release}")
    sources = sorted(folder.glob("*.go"))
    digest = hashlib.sha256(release.encode() + b"\0".join(path.read_bytes() for path in sources))
    program = cache / f"{name}-{digest.hexdigest()[:16]}"
    if not program.is_file():
        _compile(go, RECIPES[name], release, sources, program)
    return program


def _release(package: str) -> str:
    """Return the upstream's number in the version of a package: of 0.0~20221219.0-2 it is 20221219.0."""
    asked = ["dpkg-query", "--show", "--showformat=${Version}", package]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "0"
    return said.rpartition("-")[0].rpartition("~")[2] or "0"


def _compile(go: str, recipe: GoRecipe, release: str, sources: list[Path], program: Path) -> None:
    """Compile beside the final place and move the result there at once: another process may be building too."""
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            made = Path(folder) / program.name
            command = [go, "build", "-ldflags", f"-X main.release={release}", "-o", str(made), *map(str, sources)]
            own = {"GO111MODULE": "off", "GOFLAGS": "", "GOPATH": str(recipe.path), "GOCACHE": str(Path(folder) / "go")}
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_LIMIT_S,
                env={**os.environ, **own},
                check=False,
            )
            if done.returncode:
                raise UnusableTarget(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
            os.replace(made, program)
    except subprocess.TimeoutExpired:
        raise UnusableTarget(f"{go} did not build {program.name} within {BUILD_LIMIT_S} s") from None
    except OSError as error:
        where = error.filename or program.parent
        raise UnusableTarget(f"{where} can't be used: {error.strerror}", "set XDG_CACHE_HOME") from None
