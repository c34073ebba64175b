"""QEMU's monitor: a machine as it is goes into a file, and a fresh emulator goes on from there (QMP, docs/interop)."""

import contextlib
import json
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any

#: How long an answer may take, and how long the memory of a machine may be on its way to or from a file.
ANSWER_LIMIT_S, MOVE_LIMIT_S = 20.0, 120.0
_POLL_S = 0.01
#: Octets per second into a file: as fast as it goes.
_BANDWIDTH = 1 << 40
#: What a fresh emulator is told, so that it waits for `resume` with everything else as it was when it was kept.
WAITING = ("-incoming", "defer")


class MonitorError(Exception):
    """The monitor refuses a command, does not answer, or has ended."""


def options(descriptor: int) -> tuple[str, ...]:
    """Return the options that give an emulator its monitor on a socket."""
    return ("-chardev", f"socket,id=monitor,fd={descriptor}", "-mon", "chardev=monitor,mode=control")


class Monitor:
    """The monitor on a socket of ours. Raises MonitorError where nobody answers."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.settimeout(ANSWER_LIMIT_S)
        self._lines = sock.makefile("rb")
        self._answer("QMP")
        self.call("qmp_capabilities")

    def keep(self) -> IO[bytes]:
        """Return a file without a name with the whole machine in it, which then goes on. Raises MonitorError."""
        kept = tempfile.TemporaryFile()  # noqa: SIM115 - the caller's
        try:
            self.call("stop")
            try:
                self.call("migrate-set-parameters", **{"max-bandwidth": _BANDWIDTH})
                self.call("getfd", kept.fileno(), fdname="kept")
                self.call("migrate", uri="fd:kept")
                self._until("query-migrate", {"completed"}, {"failed", "cancelled"})
            finally:
                self.call("cont")
        except BaseException:
            kept.close()
            raise
        return kept

    def writable_disks(self) -> list[str]:
        """Return the names of disks that the machine can write to: they would not fit its memory as it was."""
        return [
            block["device"] or block.get("qdev", "") or block["inserted"].get("node-name", "")
            for block in self.call("query-block")
            if not block.get("inserted", {"ro": True})["ro"]
        ]

    def resume(self, descriptor: int | str) -> None:
        """Let a fresh emulator go on from what was kept, at a number or name that it was given. Raises MonitorError."""
        self.call("migrate-set-parameters", **{"announce-rounds": 0})  # it was nowhere else
        self.call("migrate-incoming", uri=f"fd:{descriptor}")
        self._until("query-status", {"paused", "postmigrate", "running", "prelaunch"}, {"internal-error"})
        self.call("cont")

    def call(self, command: str, descriptor: int | None = None, **arguments: Any) -> Any:
        """Give a command, with a descriptor beside it; raises MonitorError where it is refused."""
        message = json.dumps({"execute": command, "arguments": arguments}).encode()
        try:
            if descriptor is None:
                self._socket.sendall(message)
            else:
                socket.send_fds(self._socket, [message], [descriptor])
        except OSError as error:
            raise MonitorError(f"{command}: {error.strerror or error}") from None
        return self._answer("return")

    def close(self) -> None:
        """Close the socket."""
        self._lines.close()
        self._socket.close()

    def _answer(self, key: str) -> Any:
        """Return what stands behind a key in the next message that has it: events come between."""
        while True:
            try:
                message = json.loads(self._lines.readline() or b'{"error": {"desc": "the emulator has ended"}}')
            except (OSError, ValueError) as error:
                raise MonitorError(f"no answer: {error}") from None
            if "error" in message:
                raise MonitorError(message["error"]["desc"])
            if key in message:
                return message[key]

    def _until(self, question: str, good: set[str], bad: set[str]) -> None:
        deadline = time.monotonic() + MOVE_LIMIT_S
        while (status := self.call(question).get("status", "")) not in good:
            if status in bad or time.monotonic() > deadline:
                raise MonitorError(f"{question} says {status!r}")
            time.sleep(_POLL_S)


@contextlib.contextmanager
def reader_of(kept: IO[bytes]) -> Iterator[int]:
    """Give a descriptor of a file's beginning, whoever has read it meanwhile."""
    descriptor = os.open(f"/proc/self/fd/{kept.fileno()}", os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
