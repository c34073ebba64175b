"""Builds what comes with the tool: `tcpspec build lwip smoltcp` the drivers, `tcpspec build linux` an image.

A driver in C or C++ needs the stack's package. How images are built is in `images`.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.cache import folder as cache_folder
from harness.targets.building import crate, gopath, library, packages, source_build
from harness.targets.protocol import UnusableTarget

BUILD_LIMIT_S = 120
_PACKAGE = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a driver in C or C++ is built. `headers` are those of the stack whose change asks for a new build."""

    source: str
    include: Path
    headers: tuple[str, ...]
    flags: tuple[str, ...]
    package: str
    language: str = "C"
    compilers: tuple[str, ...] = ("gcc", "cc")
    #: Files of ours beside the drivers that it includes.
    shared: tuple[str, ...] = ()


RECIPES = {
    "lwip": Recipe(
        "lwip/driver.c",
        Path("/usr/include/lwip"),
        ("lwipopts.h", "lwip/init.h", "lwip/opt.h", "lwip/tcp.h", "lwip/netif.h", "lwip/priv/tcp_priv.h"),
        ("-O1", "-std=gnu11", "-rdynamic", "-llwip"),
        "liblwip-dev",
    ),
    "ns-3": Recipe(
        "ns-3/driver.cc",
        Path("/usr/include"),
        ("ns3/version-defines.h", "ns3/tcp-socket-base.h", "ns3/virtual-net-device.h"),
        ("-O0", "-lns3-internet", "-lns3-virtual-net-device", "-lns3-network", "-lns3-core"),
        "libns3-dev",
        "C++",
        ("g++", "c++"),
        ("tcpspec_adapter.h",),
    ),
}
#: Drivers that are Rust crates.
CRATES = frozenset({"smoltcp"})
#: Drivers in Go, of stacks whose source is a package.
GO = frozenset(gopath.RECIPES)
#: Stacks in Python, of a package index.
PACKAGES = frozenset({"pytcp"})
#: Stacks that are shared libraries of the system, called from Python.
LIBRARIES = {"libslirp": library.Shared("libslirp.so.0", "libslirp0")}
DRIVERS = tuple(sorted({*RECIPES, *CRATES, *GO, *PACKAGES, *LIBRARIES}))


def driver_folder() -> Path:
    """Return where the drivers' sources are: beside the package in a checkout, inside it in a wheel."""
    installed = _PACKAGE / "_docker"
    return installed if installed.is_dir() else _PACKAGE.parent / "docker"


def command(name: str, release: str = "") -> list[str]:
    """Return the command line that starts the adapter, built now unless that has been done; raises UnusableTarget."""
    built = build(name, release)
    if name in PACKAGES:
        return packages.command(driver_folder() / name, built)
    return library.command(driver_folder() / name) if name in LIBRARIES else [str(built)]


def build(name: str, release: str = "") -> Path:
    """Return the driver's program, built now unless that has been done before; raises UnusableTarget.

    `release` is one of the stack's that the driver can be built for; without it the usual one is meant. For a stack in
    Python it is the folder of its packages, for a shared library its adapter.
    """
    if name in LIBRARIES:
        return library.find(LIBRARIES[name], driver_folder() / name, release)
    if name in PACKAGES:
        return packages.install(driver_folder() / name, cache_folder(), release)
    if name in CRATES:
        return crate.build(driver_folder() / name, cache_folder(), release)
    if name in GO:
        return gopath.build(driver_folder() / name, cache_folder(), release)
    if release:
        return source_build.build(source_build.recipe_of(name, release), driver_folder() / name, cache_folder())
    recipe = RECIPES[name]
    source = driver_folder() / recipe.source
    compiler = _compiler(name)
    own = [driver_folder() / file for file in recipe.shared]
    inputs = [source, *own, *(recipe.include / header for header in recipe.headers)]
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs) + " ".join(recipe.flags).encode())
    program = cache_folder() / f"{name}-{digest.hexdigest()[:16]}"
    if not program.is_file():
        _compile(compiler, recipe, source, program)
    return program


def lacking() -> dict[str, str]:
    """Return what to install for each stack of the system's own packages that can't be had yet, by its name."""
    hints = {}
    for name in (*RECIPES, *GO, *LIBRARIES):
        try:
            _compiler(name) if name in RECIPES else gopath.installed(name) if name in GO else build(name)
        except UnusableTarget as error:
            hints[name] = error.hint
    return hints


def _compiler(name: str) -> str:
    """Return the compiler for a driver; raises UnusableTarget where it, or the stack's package, is missing."""
    recipe = RECIPES[name]
    image = driver_folder() / name / "Dockerfile"
    install = f"apt-get install {recipe.compilers[0]} {recipe.package}"
    install += f" (or use the image of {image})" if image.is_file() else ""
    compiler = next(filter(None, map(shutil.which, recipe.compilers)), None)
    if compiler is None:
        raise UnusableTarget(f"the driver of {name} can't be built: there is no {recipe.language} compiler", install)
    missing = [header for header in recipe.headers if not (recipe.include / header).is_file()]
    if missing:
        raise UnusableTarget(f"the driver of {name} can't be built: {recipe.include / missing[0]} is missing", install)
    return compiler


def _compile(compiler: str, recipe: Recipe, source: Path, program: Path) -> None:
    """Compile beside the final place and move the result there at once: another process may be building too."""
    flags = [flag for flag in recipe.flags if not flag.startswith("-l")]
    libraries = [flag for flag in recipe.flags if flag.startswith("-l")]
    try:
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            made = Path(folder) / program.name
            include = [f"-I{recipe.include}", f"-I{driver_folder()}"]
            command = [compiler, *flags, *include, str(source), *libraries, "-o", str(made)]
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
