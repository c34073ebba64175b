"""Builds what comes with the tool: `tcpspec build lwip smoltcp` the drivers, `tcpspec build linux` an image.

A driver in C needs the stack's package. How images are built is in `images`.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.cache import folder as cache_folder
from harness.targets.building import crate, source_build
from harness.targets.protocol import UnusableTarget

BUILD_LIMIT_S = 120
USAGE_ERROR = 4
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a driver in C is built. `headers` are those of the stack whose change asks for a new build."""

    source: str
    include: Path
    headers: tuple[str, ...]
    flags: tuple[str, ...]
    package: str


RECIPES = {
    "lwip": Recipe(
        "lwip/driver.c",
        Path("/usr/include/lwip"),
        ("lwipopts.h", "lwip/init.h", "lwip/opt.h", "lwip/tcp.h", "lwip/netif.h", "lwip/priv/tcp_priv.h"),
        ("-O1", "-std=gnu11", "-rdynamic", "-llwip"),
        "liblwip-dev",
    )
}
#: Drivers that are Rust crates.
CRATES = frozenset({"smoltcp"})
DRIVERS = tuple(sorted({*RECIPES, *CRATES}))


def driver_folder() -> Path:
    """Return where the drivers' sources are: beside the package in a checkout, inside it in a wheel."""
    installed = _PACKAGE / "_docker"
    return installed if installed.is_dir() else _PACKAGE.parent / "docker"


def build(name: str, release: str = "") -> Path:
    """Return the driver's program, built now unless that has been done before; raises UnusableTarget.

    `release` is one of the stack's that the driver can be built for; without it the usual one is meant.
    """
    if name in CRATES:
        return crate.build(driver_folder() / name, cache_folder(), release)
    if release:
        return source_build.build(source_build.recipe_of(name, release), driver_folder() / name, cache_folder())
    recipe = RECIPES[name]
    source = driver_folder() / recipe.source
    install = f"apt-get install gcc {recipe.package} (or use the image of {source.parent / 'Dockerfile'})"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise UnusableTarget(f"the driver of {name} can't be built: there is no C compiler", install)
    missing = [header for header in recipe.headers if not (recipe.include / header).is_file()]
    if missing:
        raise UnusableTarget(f"the driver of {name} can't be built: {recipe.include / missing[0]} is missing", install)
    inputs = [source, *(recipe.include / header for header in recipe.headers)]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs) + " ".join(recipe.flags).encode())
    program = cache_folder() / f"{name}-{digest.hexdigest()[:16]}"
    if not program.is_file():
        _compile(compiler, recipe, source, program)
    return program


def _compile(compiler: str, recipe: Recipe, source: Path, program: Path) -> None:
    """Compile beside the final place and move the result there at once: another process may be building too."""
    flags = [flag for flag in recipe.flags if not flag.startswith("-l")]
    libraries = [flag for flag in recipe.flags if flag.startswith("-l")]
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            made = Path(folder) / program.name
            command = [compiler, *flags, f"-I{recipe.include}", str(source), *libraries, "-o", str(made)]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
            )
            if done.returncode:
                raise UnusableTarget(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
            os.replace(made, program)
    except subprocess.TimeoutExpired:
        raise UnusableTarget(f"{compiler} did not build {source} within {BUILD_LIMIT_S} s") from None
    except OSError as error:
        raise UnusableTarget(f"{program.parent} can't be written: {error.strerror}", "set XDG_CACHE_HOME") from None


USAGE = (
    "tcpspec build DRIVER[:RELEASE]…    or: tcpspec build IMAGE… [--image] [--base IMAGE]"
    "    or: tcpspec build kernel VERSION… | --source DIR"
)


def main(arguments: list[str]) -> int:
    """The verb ``build``: build the named drivers, or the named images, and print where they are."""
    from harness.targets.building import images
    from harness.targets.kernel import build as kernels

    if arguments[:1] == ["kernel"]:
        return kernels.main(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="tcpspec build",
        description="Builds what comes with the tool.",
        usage=USAGE,
        epilog="`tcpspec build kernel --help` is about kernels.",
    )
    known = sorted({*DRIVERS, *images.IMAGES})
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(known)}; or a release, as smoltcp:0.13")
    parser.add_argument("--image", action="store_true", help="a container image instead of a program (linux: always)")
    parser.add_argument("--base", metavar="IMAGE", help="build the image on this one, not on the Dockerfile's default")
    try:
        options = parser.parse_args(arguments)
        for name in options.names:
            driver, colon, _release = name.partition(":")
            if driver not in (DRIVERS if colon else known):
                parser.error(f"there is no {name!r} to build; there are {', '.join(known)}")
            if colon and (options.image or options.base):
                parser.error(f"{name}: an image has the usual release; leave --image and --base away")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    for name in options.names:
        driver, _colon, release = name.partition(":")
        if release:
            print(build(driver, release), flush=True)
            continue
        as_image = options.image or options.base or name not in DRIVERS
        print(images.build(name, base=options.base) if as_image else build(name), flush=True)
    return 0
