"""Builds a driver in C together with its stack, from upstream's sources as Debian has them, of any of its suites."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.targets.kernel import suites
from harness.targets.protocol import UnusableTarget

BUILD_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class SourceRecipe:
    """A release of a stack and how the driver is compiled with it; `sources` and `include` lie in its archive.

    The stack's configuration lies beside the driver, in ``releases/RELEASE``.
    """

    package: str
    release: str
    sources: tuple[str, ...]
    include: tuple[str, ...]
    flags: tuple[str, ...]
    libraries: tuple[str, ...] = ()


_PORT = "contrib/ports/unix/port"
RECIPES = {
    "lwip": (
        SourceRecipe(
            "lwip",
            "2.2.1",
            (
                "src/core/*.c",
                "src/core/ipv4/*.c",
                "src/core/ipv6/*.c",
                "src/api/err.c",
                "src/api/tcpip.c",
                "src/netif/ethernet.c",
                f"{_PORT}/sys_arch.c",
            ),
            ("src/include", f"{_PORT}/include"),
            ("-O1", "-std=gnu11", "-rdynamic", "-Wl,-z,muldefs"),  # the driver replaces tcpip_try_callback()
            ("-lpthread",),
        ),
    )
}


def recipe_of(name: str, wanted: str) -> SourceRecipe:
    """Return how the newest release that begins with `wanted` is built, such as 2.2; raises UnusableTarget."""
    for recipe in RECIPES[name]:
        if f"{recipe.release}.".startswith(f"{wanted}."):
            return recipe
    there_are = ", ".join(f"{name}:{recipe.release}" for recipe in RECIPES[name])
    raise UnusableTarget(
        f"{name} {wanted} does not come with the tool", f"there are {there_are}, and {name} as installed"
    )


def build(recipe: SourceRecipe, folder: Path, cache: Path) -> Path:
    """Return the program of the driver in `folder`, built now unless it has been before; raises UnusableTarget."""
    target = f"{folder.name}:{recipe.release}"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise UnusableTarget(f"the driver of {target} can't be built: there is no C compiler", "apt-get install gcc")
    driver, options = folder / "driver.c", folder / "releases" / recipe.release
    inputs = [driver, *sorted(options.glob("*.h"))]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs) + repr(recipe).encode())
    program = cache / f"{folder.name}-{recipe.release}-{digest.hexdigest()[:16]}"
    if not program.is_file():
        archive = _archive(recipe, target)
        try:
            _compile(compiler, recipe, archive, [driver, options], program)
        except OSError as error:
            where = error.filename or program.parent
            raise UnusableTarget(f"{where} can't be used: {error.strerror}", "set XDG_CACHE_HOME") from None
    return program


def _archive(recipe: SourceRecipe, target: str) -> Path:
    try:
        return suites.source_archive(recipe.package, recipe.release)
    except UnusableTarget as error:
        reason = str(error).partition("\n")[0]
        hint = "build once where a mirror of Debian can be reached; the program is kept"
        raise UnusableTarget(f"the driver of {target} can't be built: {reason}", hint) from None


def _compile(compiler: str, recipe: SourceRecipe, archive: Path, own: list[Path], program: Path) -> None:
    """Compile beside the final place and move the result there at once: another process may be building too."""
    driver, options = own
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        with tarfile.open(archive) as packed:
            # The archive has apt's word; Python before 3.11.4 has no filter to ask besides.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(folder)
        (root,) = (path for path in Path(folder).iterdir() if path.is_dir())
        sources = [str(path) for pattern in recipe.sources for path in sorted(root.glob(pattern))]
        include = [f"-I{options}", *(f"-I{root / path}" for path in recipe.include)]
        made = Path(folder) / program.name
        command = [compiler, *recipe.flags, *include, str(driver), *sources, *recipe.libraries, "-o", str(made)]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnusableTarget(f"{compiler} did not build {driver} within {BUILD_LIMIT_S} s") from None
        if done.returncode:
            raise UnusableTarget(f"{compiler} can't compile {driver}:\n{done.stderr.strip()[-2000:]}")
        os.replace(made, program)
