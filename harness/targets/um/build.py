"""``tcpspec build kernel``: a kernel in simulated time, from Debian's sources or from the tree on the desk."""

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.cache import folder as cache_folder
from harness.targets.build import driver_folder
from harness.targets.protocol import UnusableTarget
from harness.targets.um.kernels import PROGRAM, TREE, Built

USAGE_ERROR = 4
SOURCES = Path("/usr/src")
#: The programs that the kernel's build needs, and their Debian packages.
TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc"}
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
ARCH = ("ARCH=um", "SUBARCH=x86_64")
WORK = "work-"
PROGRESS_S = 10.0
KEPT_LOG_LINES = 25
FREE_GB = 3

Say = Callable[[str], None]


def kernels_folder() -> Path:
    """Return where built kernels are kept."""
    return cache_folder() / "kernels"


def fragment() -> Path:
    """Return the options that are put on top of tinyconfig."""
    return driver_folder() / "kernel" / "tcpspec.config"


def build_version(version: str, say: Say) -> Path:
    """Build from Debian's package of that version's sources, unless that has been done; raises UnusableTarget."""
    archive = _archive(version)
    digest = _digest(archive, fragment())
    folder = kernels_folder() / f"{version}-{digest[:12]}"
    if (folder / PROGRAM).is_file():
        return folder / PROGRAM
    _need_tools({"tar": "tar", "xz": "xz-utils"} | TOOLS)
    _sweep(kernels_folder())
    work = kernels_folder() / f"{WORK}{version}-{os.getpid()}"
    try:
        tree, objects = work / "source", work / "objects"
        tree.mkdir(parents=True)
        if shutil.disk_usage(work).free < FREE_GB << 30:
            raise UnusableTarget(f"building a kernel needs {FREE_GB} GB in {work.parent}", "set XDG_CACHE_HOME")
        say(f"unpacking {archive}")
        excluded = [f"--exclude={pattern}" for pattern in UNUSED]
        _run(
            ["tar", "--extract", *excluded, "--strip-components=1", "--file", str(archive), "--directory", str(tree)],
            say,
        )
        _compile(tree, objects, say)
        return _keep(objects, folder, str(archive), digest)
    except OSError as error:
        raise UnusableTarget(f"{kernels_folder()} can't be written: {error.strerror}", "set XDG_CACHE_HOME") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def build_tree(tree: Path, say: Say) -> Path:
    """Build the unpacked source `tree`; what was compiled stays in the cache, so that the next build is quick."""
    if not (tree / "arch" / "um" / "Makefile").is_file():
        raise UnusableTarget(f"{tree} is not a kernel's source tree")
    if (tree / ".config").exists() or (tree / "include" / "config").exists():
        raise UnusableTarget(
            f"{tree} has been built in place, and the kernel's make refuses to build beside that",
            f"make -C {tree} mrproper (keep your .config), or a second working tree: git worktree add",
        )
    _need_tools(TOOLS)
    tree = tree.resolve()
    digest = hashlib.sha256(os.fsencode(tree)).hexdigest()
    folder = kernels_folder() / f"{TREE}{digest[:12]}"
    objects = folder / "objects"
    _compile(tree, objects, say)
    return _keep(objects, folder, str(tree), digest)


def _sweep(cache: Path) -> None:
    """Remove what builds left that were killed: gigabytes each."""
    for folder in cache.glob(f"{WORK}*"):
        owner = folder.name.rpartition("-")[2]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _archive(version: str) -> Path:
    for name in (f"linux-source-{version}.tar.xz", f"linux-source-{version}.tar.bz2"):
        if (SOURCES / name).is_file():
            return SOURCES / name
    archives = SOURCES.glob("linux-source-*.tar.*")
    have = sorted(path.name.removeprefix("linux-source-").split(".tar")[0] for path in archives)
    raise UnusableTarget(
        f"the sources of {version} are not in {SOURCES} (there: {', '.join(have) or 'none'})",
        f"apt-get install linux-source-{version}, or give an unpacked tree with --source DIR",
    )


def _need_tools(tools: dict[str, str]) -> None:
    missing = [package for program, package in tools.items() if shutil.which(program) is None]
    if missing:
        raise UnusableTarget("the kernel can't be built: programs are missing", f"apt-get install {' '.join(missing)}")


def _digest(*files: Path) -> str:
    whole = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def _compile(tree: Path, objects: Path, say: Say) -> None:
    objects.mkdir(parents=True, exist_ok=True)
    make = ["make", "-C", str(tree), f"O={objects}", *ARCH]
    say("configuring")
    _run([*make, "tinyconfig"], say)
    with open(objects / ".config", "a") as config:
        config.write(fragment().read_text())
    _run([*make, "olddefconfig"], say)
    _check_options(objects / ".config")
    say("compiling")
    _run([*make, f"-j{os.cpu_count() or 1}", "linux"], say)


def _check_options(config: Path) -> None:
    """See that every option of the fragment was taken: a dependency may have changed between versions."""
    wanted = {line for line in fragment().read_text().splitlines() if line.startswith("CONFIG_")}
    got = set(config.read_text().splitlines())
    optional = {line for line in wanted if line.split("=")[0] in OPTIONAL}
    if lost := sorted(wanted - got - optional):
        raise UnusableTarget(f"this kernel's configuration refuses {', '.join(lost)}", f"edit {fragment()}")


#: Options that only some versions have.
OPTIONAL = frozenset({"CONFIG_SLUB"})


def _run(command: list[str], say: Say) -> None:
    """Run a step of the build; its last lines go into the error if it fails."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    kept: list[str] = []
    files, started = 0, time.monotonic()
    told = started
    try:
        for line in process.stdout:
            kept = [*kept[1 - KEPT_LOG_LINES :], line.rstrip()]
            files += line.startswith("  CC")
            if time.monotonic() - told > PROGRESS_S:
                told = time.monotonic()
                say(f"  {files} files compiled, {told - started:.0f} s" if files else f"  {told - started:.0f} s")
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.wait():
        raise UnusableTarget(f"{' '.join(command)} failed:\n" + "\n".join(kept))


def _keep(objects: Path, folder: Path, source: str, digest: str) -> Path:
    """Move the kernel to its place in the cache, at once: another process may look."""
    release = (objects / "include" / "config" / "kernel.release").read_text().strip()
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{PROGRAM}.{os.getpid()}"
    shutil.copy2(objects / PROGRAM, fresh)
    subprocess.run(["strip", str(fresh)], check=False, capture_output=True)
    os.replace(fresh, folder / PROGRAM)
    Built(release, source, digest).write(folder)
    return folder / PROGRAM


def main(arguments: list[str]) -> int:
    """Build kernels and print where they are."""
    parser = argparse.ArgumentParser(
        prog="tcpspec build kernel", description="Builds a Linux kernel that runs as a process, in simulated time."
    )
    parser.add_argument("versions", nargs="*", metavar="VERSION", help="of Debian's package linux-source-VERSION")
    parser.add_argument("--source", type=Path, metavar="DIR", help="an unpacked source tree instead")
    try:
        options = parser.parse_args(arguments)
        if bool(options.versions) == bool(options.source):
            parser.error("give a VERSION (6.1, 6.12), or --source DIR")
    except SystemExit as leave:
        return USAGE_ERROR if leave.code else 0
    signal.signal(signal.SIGTERM, _end)
    if options.source:
        print(build_tree(options.source, _say), flush=True)
    for version in options.versions:
        print(build_version(version, _say), flush=True)
    return 0


def _end(number: int, _frame: object) -> None:
    """Leave as after Ctrl-C: compilers end, and what was unpacked is removed."""
    sys.exit(128 + number)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
