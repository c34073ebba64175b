"""Runs a command line in a target's namespace, with no privileges but those over it. Standard library only."""

import contextlib
import os
import shutil
import signal
import subprocess
from typing import Any

from harness.agent.server import PROGRAM_PATH, RequestError

#: How long a command may take, in seconds, and how much of what it prints is told.
LIMIT_S = 10.0
SHOWN = 400
#: Root gives up everything but the network of this namespace: another user, and two capabilities.
_KEPT = "+net_admin,+net_raw"
_NOBODY = "65534"


def run(request: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    """Run `text` in `folder`; `drop`: the asker is root, which is not handed on. Return exit code and output."""
    command = [*(_dropping() if request["drop"] else ()), "/bin/sh", "-c", request["text"]]
    folder = request["folder"] if os.path.isdir(request["folder"]) else "/"
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": PROGRAM_PATH, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output = process.communicate(timeout=LIMIT_S)[0]
    except subprocess.TimeoutExpired:
        raise RequestError(f"it takes longer than {LIMIT_S:g} s") from None
    finally:
        with contextlib.suppress(ProcessLookupError):  # and what it has left in the background
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return {"code": process.returncode, "output": output.decode("utf-8", "replace")[:SHOWN]}, []


def _dropping() -> list[str]:
    program = shutil.which("setpriv", path=PROGRAM_PATH)
    if program is None:
        raise RequestError("the program setpriv is needed (package util-linux): commands don't run as root")
    identity = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--no-new-privs"]
    return [program, *identity, f"--inh-caps=-all,{_KEPT}", f"--ambient-caps={_KEPT}", f"--bounding-set=-all,{_KEPT}"]
