"""Compiling a kernel for ARCH=um: the programs that it takes, its configuration, and why it failed."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.targets.building.drivers import driver_folder
from harness.targets.protocol import UnusableTarget

#: The programs that the kernel's build needs, and their Debian packages.
TOOLS = {"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc"}
LLVM_TOOLS = {"make": "make", "clang": "clang", "ld.lld": "lld", "llvm-ar": "llvm", "flex": "flex", "bison": "bison"}
ARCH = ("ARCH=um", "SUBARCH=x86_64")
PROGRESS_S = 10.0
KEPT_LOG_LINES = 25
#: Options that only some versions or compilers have. SYSCTL, which is asked for too, was PROC_SYSCTL before 7.3.
OPTIONAL = frozenset({"CONFIG_SLUB", "CONFIG_PROC_SYSCTL"})
#: Block devices, without what comes with them by default and needs sources of SCSI, which are not unpacked.
BLOCK_DEVICES = ("CONFIG_BLOCK=y", *(f"# CONFIG_{name} is not set" for name in ("BLK_DEV", "BLK_DEV_BSG")))
#: What is often behind a failure, by what the build says: a sentence that helps.
REMEDIES: Mapping[str, str] = {
    "unknown target triple": "build with --llvm: the kernel's Makefile then tells clang its target",
    "is not clean, please run": "the tree was built in place: make mrproper in it (keep your .config)",
    "No space left on device": "make room in the cache, or set XDG_CACHE_HOME",
    "gelf.h": "apt-get install libelf-dev",
    "openssl/": "apt-get install libssl-dev",
    "code model kernel does not support PIC mode": "the compiler makes position-independent code: pass it -no-pie",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kernel is built: with all checks that find bugs in it (`debug`), with LLVM's programs (`llvm`)."""

    debug: bool = False
    llvm: bool = False

    @property
    def fragments(self) -> list[Path]:
        """The files with options that are put on top of tinyconfig."""
        folder = driver_folder() / "kernel"
        return [folder / "tcpspec.config", *([folder / "debug.config"] if self.debug else [])]

    @property
    def suffix(self) -> str:
        """What the name of a kernel that is built so ends in, beside others of the same release."""
        return "".join(f"-{name}" for name in ("debug", "llvm") if getattr(self, name))

    @property
    def tools(self) -> Mapping[str, str]:
        """The programs that it takes, and their Debian packages."""
        return LLVM_TOOLS if self.llvm else TOOLS

    def options(self, tree: Path) -> str:
        """Return the options, as a configuration has them, with what an old `tree` needs besides."""
        return "\n".join([*(path.read_text() for path in self.fragments), *old_trees_need(tree)])


def old_trees_need(tree: Path) -> list[str]:
    """Return options for trees before 5.14, which mount a root without a device only where they know block devices."""
    mounting = tree / "init" / "do_mounts.c"
    knows = mounting.is_file() and "mount_nodev_root" in mounting.read_text(errors="replace")
    return [] if knows or not mounting.is_file() else [*BLOCK_DEVICES, ""]


def need_tools(tools: Mapping[str, str]) -> None:
    """Raise UnusableTarget if one of the programs is missing."""
    missing = [package for program, package in tools.items() if shutil.which(program) is None]
    if missing:
        raise UnusableTarget("the kernel can't be built: programs are missing", f"apt-get install {' '.join(missing)}")


def compile_kernel(tree: Path, objects: Path, recipe: Recipe, say: Say) -> None:
    """Build `tree` in `objects`; what is there already and is not changed is not compiled again."""
    objects.mkdir(parents=True, exist_ok=True)
    make = ["make", "-C", str(tree), f"O={objects}", *ARCH, *(["LLVM=1"] if recipe.llvm else [])]
    say("configuring")
    options, used = recipe.options(tree), objects / "tcpspec.config"
    if not (objects / ".config").is_file() or not used.is_file() or used.read_text() != options:
        run([*make, "tinyconfig"], say)
        with open(objects / ".config", "a") as config:
            config.write(options)
        used.write_text(options)
    run([*make, "olddefconfig"], say)
    _check_options(objects / ".config", recipe)
    say("compiling")
    run([*make, f"-j{os.cpu_count() or 1}", "linux"], say)


def _check_options(config: Path, recipe: Recipe) -> None:
    """See that every option was taken that the agent needs: a dependency may have changed between versions."""
    wanted = {line for line in recipe.fragments[0].read_text().splitlines() if line.startswith("CONFIG_")}
    got = set(config.read_text().splitlines())
    optional = {line for line in wanted if line.split("=")[0] in OPTIONAL}
    if lost := sorted(wanted - got - optional):
        raise UnusableTarget(f"this kernel's configuration refuses {', '.join(lost)}", f"edit {recipe.fragments[0]}")


def run(command: list[str], say: Say) -> None:
    """Run a step of the build; its last lines go into the error if it fails, and what may help."""
    kept: list[str] = []
    errors: list[str] = []
    files, started = 0, time.monotonic()
    told = started
    # Who breaks off while the step begins waits until it can be ended.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        process = _begun(command, mask)
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        raise
    assert process.stdout is not None
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for line in process.stdout:
            kept = [*kept[1 - KEPT_LOG_LINES :], line.rstrip()]
            if "error:" in line or "*** " in line:
                errors.append(line.rstrip())
            files += line.startswith("  CC")
            if time.monotonic() - told > PROGRESS_S:
                told = time.monotonic()
                say(f"  {files} files compiled, {told - started:.0f} s" if files else f"  {told - started:.0f} s")
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.wait():
        raise _failure(command, kept, errors)


def _begun(command: list[str], mask: set[int | signal.Signals]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, mask),
    )


def _failure(command: list[str], kept: list[str], errors: list[str]) -> UnusableTarget:
    """Return why a step failed: what the compiler called an error comes first, for a parallel make buries it."""
    buried = [line for line in errors[:KEPT_LOG_LINES] if line not in kept]
    whole = "\n".join([*buried, *kept])
    help_with = [remedy for sign, remedy in REMEDIES.items() if sign in whole]
    return UnusableTarget(f"{' '.join(command)} failed:\n{whole}", help_with[0] if help_with else "")
