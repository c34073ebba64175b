"""A kernel built for ARCH=um as a process of ours: files it boots from, its command line, its end."""

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness.targets.kernel import registers
from harness.targets.protocol import TargetDied, TargetError, UnusableTarget

PREFIX = "tcpspec-kernel-"
#: The kernel takes no longer name for a socket (`sun_path` has 108 octets), and names of ours go behind the folder's.
LONGEST_FOLDER = 90
MEMORY = "64M"
KEPT_CONSOLE_OCTETS = 6000
KEPT_BEFORE_PANIC = 12
_PACKAGE = "setarch is in the package util-linux"
_PANIC = re.compile(r"Kernel panic - not syncing: .*")

#: How a kernel says that something in it is wrong, behind the time if that is printed.
_WARNING = re.compile(
    r"^(?:<\d>)?(?:\[[ \d.]+\] )?((?:WARNING|BUG|UBSAN|KFENCE|INFO: (?:task|rcu|possible|trying)|refcount_t)\b.*)",
    re.MULTILINE,
)
#: What is another number each time.
_VARYING = re.compile(
    r"CPU: \d+ PID: \d+ |, CPU#\d+: .*|\+0x[0-9a-f]+/0x[0-9a-f]+|(?<= )(?:0x)?[0-9a-f]{12,16}\b|/\d+(?= is )"
)

_INIT = """#!{python} -IS
import sys
sys.path.insert(0, {package_parent!r})
from harness.agent import guest
guest.main()
"""


class Machine:
    """The process and its folder. `folder` holds what is needed while it boots; `booted` removes it.

    Raises UnusableTarget where the system's folder for temporary files is too deep for sockets.
    """

    def __init__(self) -> None:
        place = tempfile.gettempdir()
        if len(os.fsencode(place)) + len(f"/{PREFIX}{os.getpid()}-12345678") > LONGEST_FOLDER:
            raise UnusableTarget(f"{place} is too long a path: the kernel's sockets are put there", "set TMPDIR=/tmp")
        _sweep()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._looked_through = 0
        init = self.folder / "init"
        python = os.path.realpath(sys.executable)
        init.write_text(_INIT.format(python=python, package_parent=str(Path(__file__).resolve().parents[3])))
        init.chmod(0o755)

    @property
    def pid(self) -> int:
        """Return the process id; 0 before the start."""
        return self._process.pid if self._process else 0

    def start(self, kernel: Path, arguments: list[str], descriptors: tuple[int, ...] = ()) -> None:
        """Start the kernel. Its address space is not randomised: it takes what lies between for memory in use."""
        common = [
            f"mem={MEMORY}",
            "root=none",
            "rootfstype=hostfs",
            "rootflags=/",
            "rw",
            f"init={self.folder / 'init'}",
            f"uml_dir={self.folder}",
            "umid=guest",
            "con0=null,fd:2",
            "con=null",
            "ssl=null",
            "noreboot",
            "loglevel=5",  # warnings too, and nothing that is less
            "random.trust_cpu=on",
        ]
        command = ["setarch", "-R", str(kernel), *common, *arguments]
        if registers.too_many_for(kernel):
            self._run([*command, registers.WITHOUT_VECTORS], descriptors, registers.hider())
        else:
            self._run(command, descriptors)

    def _run(self, command: list[str], descriptors: tuple[int, ...], prepare: Callable[[], None] | None = None) -> None:
        """Start the process, and a guard that ends all its processes when the harness has been killed.

        It waits for the guard: whoever is killed between the two leaves nothing.
        """
        try:
            if shutil.which(command[0]) is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._process = subprocess.Popen(
                ["sh", "-c", 'read -r _ && exec "$@" </dev/null', "sh", *command],
                stdin=subprocess.PIPE,
                stdout=self._console,
                stderr=self._console,
                pass_fds=descriptors,
                cwd="/",
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/"},
                start_new_session=True,  # Ctrl-C in the terminal must reach the harness first
                preexec_fn=prepare,
            )
        except OSError as error:
            self.close()
            raise UnusableTarget(f"{command[0]} can't be started: {error.strerror}", _PACKAGE) from None
        self._guard = subprocess.Popen(
            ["sh", "-c", f"read _; kill -s KILL -- -{self._process.pid}"],
            stdin=subprocess.PIPE,  # its other end closes with the harness
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as begin:
            begin.write(b"\n")

    def booted(self) -> None:
        """Remove the folder: nothing in it is needed any more, and so nothing is left after ``kill -9``.

        What the kernel has warned of while it booted is no case's.
        """
        self._looked_through = os.fstat(self._console.fileno()).st_size
        self._remove_folder()

    def console(self) -> str:
        """Return the last that the kernel wrote on its console."""
        size = self._console.seek(0, os.SEEK_END)
        self._console.seek(max(0, size - KEPT_CONSOLE_OCTETS))
        return self._console.read().decode(errors="replace").replace("\r", "").strip()

    def warnings(self) -> list[str]:
        """Return the warnings that the kernel has written since the last time, each from its first line on."""
        size = os.fstat(self._console.fileno()).st_size
        if size == self._looked_through:
            return []
        new = os.pread(self._console.fileno(), size - self._looked_through, self._looked_through)
        self._looked_through = size
        return warnings_in(new.decode(errors="replace").replace("\r", ""))

    def failure(self, what: str) -> TargetError:
        """End the kernel, and return what came of it, with its console: a panic is its own fault."""
        self.kill()
        console = self.console()
        panic = _PANIC.search(console)
        if panic:
            before = console[: panic.start()].splitlines()[-KEPT_BEFORE_PANIC:]  # an oops, or what init said
            return TargetDied(panic[0], "\n".join([*before, console[panic.end() :].strip()]))
        return TargetError(f"the kernel failed: {what}\n{console}".strip())

    def running(self) -> bool:
        """Tell whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End the kernel with all its processes. What it wrote on its console can still be read."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._guard is not None:
            self._guard.kill()
            self._guard.communicate()
            self._guard = None

    def close(self) -> None:
        """End the kernel with all its processes, and remove what it had."""
        self.kill()
        self._console.close()
        self._remove_folder()

    def _remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def warnings_in(console: str) -> list[str]:
    """Return what a console says from each warning on; the first line is the same each time it is given."""
    starts = list(_WARNING.finditer(console))
    ends = [*(match.start() for match in starts), len(console)][1:]
    found = []
    for match, end in zip(starts, ends, strict=True):
        cause = " ".join(_VARYING.sub("", match[1]).split())
        found.append("\n".join([cause, *console[match.end() : end].strip().splitlines()]))
    return found


def _sweep() -> None:
    """Remove the folders of harnesses that were killed while a kernel booted."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
