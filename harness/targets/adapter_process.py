"""The adapter as a process: one command line to its standard input, `out` lines and one final line back.

Everything that an adapter can do wrong ends in an `AdapterFailure` that says what was asked and what came. The protocol
itself is `docker/ADAPTER.md`.
"""

import contextlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harness.targets.protocol import TargetError

#: How long an adapter may work on one command. It takes microseconds; a busy machine takes longer.
ANSWER_LIMIT_S = 10.0
#: How long it may take to end when its standard input is closed.
FAREWELL_S = 2.0
#: The longest IP packet in hexadecimal and what stands around it.
MAX_LINE = 2 * 65535 + 1024
#: More packets than this in answer to one command come from a loop, not from a TCP.
MAX_PACKETS = 10_000
_OUT = re.compile(r"out (\d{1,15}(?:\.\d{1,6})?) ((?:[0-9a-fA-F]{2})+)")


class AdapterFailure(TargetError):
    """The adapter crashed, hangs, or does not speak the protocol."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command brought: packets with their time in nanoseconds, and the final line's words.

    `error` is the name of the errno of an `err` line and "" for `ok`; `words` are what follows.
    """

    packets: list[tuple[int, bytes]]
    error: str
    words: list[str]


class AdapterProcess:
    """A running adapter; raises AdapterFailure when it can't be started."""

    def __init__(self, arguments: Sequence[str], limit_s: float = ANSWER_LIMIT_S) -> None:
        self._limit_s = limit_s
        self._unread = b""
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

    def ask(self, command: str, *, extra_s: float = 0.0) -> Answer:
        """Send a command and return its answer; `extra_s` is time that the command itself takes."""
        if self._unread or self._poll.poll(0):
            self._demand_silence()
        deadline = time.monotonic() + self._limit_s + extra_s
        self._write(command, deadline)
        packets: list[tuple[int, bytes]] = []
        while True:
            line = self._read_line(command, deadline)
            if line.startswith("out "):
                packets.append(_packet(line, command))
                if len(packets) > MAX_PACKETS:
                    raise AdapterFailure(f"the adapter sent {MAX_PACKETS} packets in answer to {_short(command)}")
                continue
            kind, *words = line.split(" ")
            if kind == "ok":
                return Answer(packets, "", words)
            if kind == "err" and words:
                return Answer(packets, words[0], words[1:])
            what = "nothing" if not line else _short(line)
            raise AdapterFailure(f"the adapter answered {_short(command)} with {what}: not an out, ok or err line")

    def close(self, farewell_s: float = FAREWELL_S) -> None:
        """End the process and all that it started: it may go by itself within `farewell_s`, but it must go."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(farewell_s)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._words_on_stderr.close()

    def _write(self, command: str, deadline: float) -> None:
        left = memoryview(command.encode() + b"\n")
        while left:
            try:
                left = left[os.write(self._stdin, left) :]
            except BlockingIOError:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not select.select([], [self._stdin], [], remaining)[1]:
                    raise self._hangs(command) from None
            except BrokenPipeError:
                raise self._ended(command) from None

    def _read_line(self, command: str, deadline: float) -> str:
        while b"\n" not in self._unread:
            if len(self._unread) > MAX_LINE:
                raise AdapterFailure(f"the adapter answered {_short(command)} with a line of over {MAX_LINE} octets")
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self._poll.poll(remaining * 1000):
                raise self._hangs(command)
            octets = os.read(self._stdout, 1 << 18)
            if not octets:
                raise self._ended(command)
            self._unread += octets
        line, _newline, self._unread = self._unread.partition(b"\n")
        try:
            return line.rstrip(b"\r").decode("ascii")
        except UnicodeDecodeError:
            raise AdapterFailure(f"the adapter answered {_short(command)} with {line[:60]!r}: not text") from None

    def _demand_silence(self) -> None:
        """Raise if the adapter has said anything behind its last final line; the end of the process shows later."""
        with contextlib.suppress(BlockingIOError):
            self._unread += os.read(self._stdout, 1 << 16)
        if self._unread:
            text = _short(self._unread.decode("ascii", "replace").splitlines()[0])
            raise AdapterFailure(f"the adapter went on behind its final line, with {text}")

    def _hangs(self, command: str) -> AdapterFailure:
        return AdapterFailure(f"the adapter did not answer {_short(command)} within {self._limit_s:g} s{self._said()}")

    def _ended(self, command: str) -> AdapterFailure:
        """Return what is known about the end of the process: its standard output is closed."""
        try:
            code = self._process.wait(FAREWELL_S)
        except subprocess.TimeoutExpired:
            return AdapterFailure(f"the adapter closed its standard output at {_short(command)}{self._said()}")
        how = f"died of {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return AdapterFailure(f"the adapter {how} at {_short(command)}{self._said()}")

    def _said(self) -> str:
        """Return the end of what the adapter wrote to its standard error."""
        size = self._words_on_stderr.seek(0, os.SEEK_END)
        self._words_on_stderr.seek(max(0, size - 2000))
        text = self._words_on_stderr.read().decode(errors="replace").strip()
        return f"; its standard error ends with: {text}" if text else ""


def _packet(line: str, command: str) -> tuple[int, bytes]:
    match = _OUT.fullmatch(line)
    if match is None:
        raise AdapterFailure(f"the adapter answered {_short(command)} with {_short(line)}: not 'out TIME HEX'")
    return time_ns(match[1]), bytes.fromhex(match[2])


def time_ns(text: str) -> int:
    """Return a time of the protocol, milliseconds with up to six decimals, in nanoseconds."""
    whole, _point, decimals = text.partition(".")
    return int(whole) * 1_000_000 + int(decimals.ljust(6, "0"))


def _short(text: str) -> str:
    return repr(text if len(text) <= 70 else f"{text[:60]}… ({len(text)} characters)")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
