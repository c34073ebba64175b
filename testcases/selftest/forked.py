"""The command `tcpspec` in a fork of the test's process: another process as far as anybody can tell, without a start.

A start costs half a second of imports, which is most of what a usage error or a short run takes. A fork has them; its
directory, environment, descriptors and all that a run changes are its own. That a process of its own comes to the same
is what the tests try that must have one: those of signals, of machines that lack something, of `PYTHONHASHSEED`.
"""

import gc
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NoReturn

from harness import cli

#: A fork, or a process of its own, that has used a processor for so many seconds is killed, and its test fails; and so
#: does one that has not ended by then on the clock on the wall, which goes on while others have the processors.
CPU_S, TIMEOUT_S = 120, 900


def tcpspec(
    *arguments: object, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command; `environment` is added to this process's. Raises subprocess.TimeoutExpired."""
    words = [str(argument) for argument in arguments]
    with tempfile.TemporaryFile("w+b") as output, tempfile.TemporaryFile("w+b") as errors:
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            _be_the_command(words, output, errors, cwd, environment or {})
        code = _ended(child, words)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(["tcpspec", *words], code, *texts)


def _be_the_command(
    arguments: list[str], output: IO[bytes], errors: IO[bytes], cwd: Path | None, environment: Mapping[str, str]
) -> NoReturn:
    """Run the command in this fork and end it, whatever comes: nothing of the test may go on here."""
    code = 1
    try:
        gc.freeze()  # what the tests have made is not looked at again
        used_s = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used_s + CPU_S, resource.getrlimit(resource.RLIMIT_CPU)[1]))
        nothing = os.open(os.devnull, os.O_RDONLY)
        for ours, theirs in ((nothing, 0), (output.fileno(), 1), (errors.fileno(), 2)):
            os.dup2(ours, theirs)
        sys.stdin = sys.__stdin__ = os.fdopen(0, closefd=False)
        sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
        os.environ.update(environment)
        if "PYTHONPATH" in environment:
            sys.path[:0] = [path for path in environment["PYTHONPATH"].split(os.pathsep) if path]
        if cwd is not None:
            os.chdir(cwd)
        try:
            code = cli.main(arguments)
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 1 if leave.code else 0
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _ended(child: int, words: list[str]) -> int:
    """Wait for the fork's end; return its exit code, or the negative signal that ended it."""
    handle = os.pidfd_open(child)
    try:
        in_time = bool(select.select([handle], [], [], TIMEOUT_S)[0])
        if not in_time:
            os.kill(child, signal.SIGKILL)
        _pid, status = os.waitpid(child, 0)
    finally:
        os.close(handle)
    if not in_time:
        raise subprocess.TimeoutExpired(["tcpspec", *words], TIMEOUT_S)
    return os.waitstatus_to_exitcode(status)
