"""``tcpspec build kernel``: a kernel in simulated time, from Debian's sources or from the tree on the desk."""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from harness.cache import folder as cache_folder
from harness.targets.kernel import suites
from harness.targets.kernel.compiling import Recipe, Say, compile_kernel, need_tools, run
from harness.targets.kernel.kernels import PROGRAM, TREE, Built
from harness.targets.protocol import UnusableTarget

USAGE_ERROR = 4
SOURCES = Path("/usr/src")
#: Parts of the sources that no configuration of ours compiles: unpacking is slower than compiling otherwise.
UNUSED = (
    *(f"*/arch/{name}*/*.[chS]" for name in "achlmnoprs"),
    *(f"*/drivers/net/{name}/*.[ch]" for name in ("can", "dsa", "ethernet", "wireless")),
    *(
        f"*/drivers/{name}/*.[ch]"
        for name in ("clk", "crypto", "gpu", "hwmon", "iio", "infiniband", "media", "pinctrl")
    ),
    *(f"*/drivers/{name}/*.[ch]" for name in ("scsi", "soc", "staging", "usb")),
    *(f"*/{name}" for name in ("Documentation/*.rst", "Documentation/*.yaml", "*.dts", "*.dtsi", "sound/*.[ch]")),
    "*/tools/testing",
    "*/tools/perf",
)
#: What every kernel's source tree has.
OF_A_TREE = ("Makefile", "arch/um/Makefile")
WORK = "work-"
FREE_GB = 3


def kernels_folder() -> Path:
    """Return where built kernels are kept."""
    return cache_folder() / "kernels"


def build_version(version: str, say: Say, recipe: Recipe = Recipe()) -> Path:  # noqa: B008 - it is immutable
    """Build a release, or the newest of a branch, unless that has been done; raises UnusableTarget.

    The sources are those of an installed package linux-source-VERSION, else those that a suite of Debian has.
    """
    need_tools({"tar": "tar", "xz": "xz-utils"} | dict(recipe.tools))
    archive = _installed(version)
    if archive is None:
        say(f"looking for the sources of {version} in Debian's suites")
        offer, archive = suites.fetch(version)
        version = offer.release
    digest = _digest(archive, *recipe.fragments)
    folder = kernels_folder() / f"{version}{recipe.suffix}-{digest[:12]}"
    if (folder / PROGRAM).is_file():
        return folder / PROGRAM
    _sweep(kernels_folder())
    work = kernels_folder() / f"{WORK}{version}-{os.getpid()}"
    try:
        tree, objects = work / "source", work / "objects"
        tree.mkdir(parents=True)
        if shutil.disk_usage(work).free < FREE_GB << 30:
            raise UnusableTarget(f"building a kernel needs {FREE_GB} GB in {work.parent}", "set XDG_CACHE_HOME")
        say(f"unpacking {archive}")
        excluded = [f"--exclude={pattern}" for pattern in UNUSED]
        run(
            ["tar", "--extract", *excluded, "--strip-components=1", "--file", str(archive), "--directory", str(tree)],
            say,
        )
        compile_kernel(tree, objects, recipe, say)
        return _keep(objects, folder, Built("", str(archive), digest, recipe.suffix))
    except OSError as error:
        raise UnusableTarget(f"{kernels_folder()} can't be written: {error.strerror}", "set XDG_CACHE_HOME") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def build_tree(tree: Path, say: Say, recipe: Recipe = Recipe()) -> Path:  # noqa: B008 - it is immutable
    """Build the unpacked source `tree`; what was compiled stays in the cache, so that the next build is quick."""
    if not all((tree / name).is_file() for name in OF_A_TREE):
        raise UnusableTarget(f"{tree} is not a kernel's source tree")
    if (tree / ".config").exists() or (tree / "include" / "config").exists():
        raise UnusableTarget(
            f"{tree} has been built in place, and the kernel's make refuses to build beside that",
            f"make -C {tree} mrproper (keep your .config), or a second working tree: git worktree add",
        )
    need_tools(recipe.tools)
    tree = tree.resolve()
    digest = hashlib.sha256(os.fsencode(tree)).hexdigest()
    folder = kernels_folder() / f"{TREE}{digest[:12]}{recipe.suffix}"
    objects = folder / "objects"
    compile_kernel(tree, objects, recipe, say)
    return _keep(objects, folder, Built("", str(tree), digest, recipe.suffix))


def _sweep(cache: Path) -> None:
    """Remove what builds left that were killed: gigabytes each."""
    for folder in cache.glob(f"{WORK}*"):
        owner = folder.name.rpartition("-")[2]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _installed(version: str) -> Path | None:
    """Return the archive of an installed package of sources."""
    names = [f"linux-source-{version}.tar.{suffix}" for suffix in ("xz", "bz2")]
    return next((SOURCES / name for name in names if (SOURCES / name).is_file()), None)


def _digest(*files: Path) -> str:
    whole = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _keep(objects: Path, folder: Path, built: Built) -> Path:
    """Move the kernel to its place in the cache, at once: another process may look."""
    release = (objects / "include" / "config" / "kernel.release").read_text().strip()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{PROGRAM}.{os.getpid()}"
    shutil.copy2(objects / PROGRAM, fresh)
    subprocess.run(["strip", str(fresh)], check=False, capture_output=True)
    os.replace(fresh, folder / PROGRAM)
    replace(built, release=release).write(folder)
    return folder / PROGRAM


def main(arguments: list[str]) -> int:
    """Build kernels and print where they are."""
    parser = argparse.ArgumentParser(
        prog="tcpspec build kernel",
        description="Builds Linux kernels that run as processes, in simulated time.",
        epilog="`tcpspec kernels` lists what is built, and what can be.",
    )
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="a release (6.12.43), or a branch (6.12)")
    parser.add_argument("--source", type=Path, metavar="DIR", help="an unpacked source tree instead")
    parser.add_argument("--debug", action="store_true", help="with what finds bugs in the kernel itself (slower)")
    parser.add_argument("--llvm", action="store_true", help="with clang and LLVM's programs")
    try:
        options = parser.parse_args(arguments)
        if bool(options.versions) == bool(options.source):
            parser.error("give a VERSION (6.12.43, 6.12), or --source DIR")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    signal.signal(signal.SIGTERM, _end)
    recipe = Recipe(options.debug, options.llvm)
    if options.source:
        print(build_tree(options.source, _say, recipe), flush=True)
    for version in options.versions:
        print(build_version(version.removeprefix("v"), _say, recipe), flush=True)  # v6.12.43 is the name of a tag
    return 0


def _end(number: int, _frame: object) -> None:
    """Leave as after Ctrl-C: compilers end, and what was unpacked is removed."""
    sys.exit(128 + number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
