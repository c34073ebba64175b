"""An adapter as a process of this machine, and its pipes."""

import contextlib
import os
import select
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.targets.adapter.line import FAREWELL_S, AdapterFailure, ending_by_signal, ending_with_code
from harness.targets.last_words import LAST_WORDS, telling
from harness.targets.protocol import UnusableTarget


@dataclass(frozen=True, slots=True)
class Command:
    """Starts an adapter by a command line."""

    arguments: Sequence[str]

    def __str__(self) -> str:
        return " ".join(self.arguments)

    def start(self) -> "AdapterProcess":
        """Start the process; raises AdapterFailure."""
        return AdapterProcess(self.arguments)

    def close(self) -> None:
        """Nothing is kept between two processes."""


def command_line(text: str) -> list[str]:
    """Split the text of a command as a shell would; raises UnusableTarget."""
    try:
        arguments = shlex.split(text)
    except ValueError as error:
        raise UnusableTarget(f"{text!r} is no command line: {error}") from None
    if not arguments:
        raise UnusableTarget("exec: needs the command that starts an adapter", "--target 'exec:./my-stack --verbose'")
    return arguments


class AdapterProcess:
    """A running adapter; raises AdapterFailure when it can't be started."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._words_on_stderr = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words_on_stderr,
                bufsize=0,
                # A session of its own: Ctrl-C reaches the harness only, and the end takes the children along.
                start_new_session=True,
            )
        except OSError as error:
            self._words_on_stderr.close()
            raise AdapterFailure(f"the adapter {arguments[0]!r} can't be started: {error.strerror}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self._poll = select.poll()
        self._poll.register(self._stdout, select.POLLIN)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def write(self, octets: memoryview) -> int:
        """Write to standard input; see `Carrier`."""
        return os.write(self._stdin, octets)

    def read(self) -> bytes:
        """Return what is on standard output; see `Carrier`."""
        return os.read(self._stdout, 1 << 18)

    def wait(self, seconds: float, *, writing: bool = False) -> bool:
        """Wait for octets, or for room."""
        if writing:
            room = select.poll()
            room.register(self._stdin, select.POLLOUT)
            return bool(room.poll(seconds * 1000))
        return bool(self._poll.poll(seconds * 1000))

    def ending(self) -> str:
        """Return how the process ended, "" if it has not."""
        try:
            code = self._process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            return ""
        return ending_by_signal(-code) if code < 0 else ending_with_code(code)

    def last_words(self) -> str:
        """Return the end of what it wrote to its standard error."""
        size = self._words_on_stderr.seek(0, os.SEEK_END)
        self._words_on_stderr.seek(max(0, size - LAST_WORDS))
        return telling(self._words_on_stderr.read().decode(errors="replace"))

    def memory(self) -> int:
        """Return how much memory the process itself holds, in octets."""
        try:
            resident = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        except (OSError, IndexError):
            return 0
        return resident * os.sysconf("SC_PAGE_SIZE")

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """End the process and all that it started; return whether it went by itself within `farewell_s`."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        by_itself = False
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(farewell_s)
            by_itself = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._words_on_stderr.close()
        return by_itself
