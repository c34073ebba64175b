"""Calls of the application that wait in the kernel, each in a process of its own (`harness.agent.waiter`).

Whether one has been woken is exact: the kernel marks a process as running in the moment in which a segment wakes it. So
behind each exchange those that run are let come to rest, asleep in their call again or back from it.
"""

import contextlib
import json
import os
import socket
import time
from typing import Any

from harness.agent import waiter
from harness.targets.namespace.pod import await_end, start_process
from harness.targets.protocol import TargetError

#: A process that neither sleeps nor ends for so long is no slow one.
REST_LIMIT_S = 10.0
#: How long to leave the processor to one that runs.
LOOK_EVERY_S = 0.00005
ASLEEP = "S"
#: What /proc tells of a process fits, however many groups it is in.
STATUS_OCTETS = 1 << 16


class Caller:
    """One call that waits. `result` is a number of octets, octets, a socket, or nothing, by the call."""

    def __init__(self, owner: "Callers", pid: int, pair: socket.socket, name: str) -> None:
        self._owner, self.pid, self._pair, self._name = owner, pid, pair, name
        self._answer: dict[str, Any] | None = None
        self._accepted: socket.socket | None = None
        self._status = os.open(f"/proc/{pid}/status", os.O_RDONLY)
        self._runs = -1

    @property
    def done(self) -> bool:
        """Tell whether it has returned."""
        return self._answer is not None

    def result(self) -> Any:
        """Return what it returned; raises its OSError."""
        answer = self._answer or {}
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        if self._accepted is not None:
            return self._accepted
        return bytes.fromhex(answer["data"]) if "data" in answer else answer.get("taken")

    def rest(self) -> bool:
        """Wait until it sleeps in its call or is back from it; tell whether it has run since the last time."""
        limit = time.monotonic() + REST_LIMIT_S
        while not self._look():
            state, runs = self._seen()
            if state == ASLEEP and not self._look():
                ran, self._runs = runs != self._runs, runs
                return ran
            if time.monotonic() > limit:
                raise TargetError(f"a waiting {self._name}() of the application does not come to rest")
            time.sleep(LOOK_EVERY_S)
        self._owner.reap(self)
        return True

    def _seen(self) -> tuple[str, int]:
        """Return the process's state, and how often it has been off a processor."""
        lines = os.pread(self._status, STATUS_OCTETS, 0).decode().splitlines()
        said = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        switches = int(said["voluntary_ctxt_switches"]) + int(said["nonvoluntary_ctxt_switches"])
        return said["State"][0], switches

    def _look(self) -> bool:
        """Take the answer if it is there."""
        with contextlib.suppress(BlockingIOError):
            message, made, _flags, _address = socket.recv_fds(self._pair, waiter.MAX_MESSAGE, 1)
            self._answer = json.loads(message) if message else {"errno": 0}
            for descriptor in made:
                self._accepted = socket.socket(fileno=descriptor)
                self._accepted.setblocking(False)
        return self.done

    def ended(self) -> None:
        """Close what is held for it."""
        self._pair.close()
        os.close(self._status)


class Callers:
    """All calls that wait in a target's namespace. The process that makes them is started when the first one does."""

    def __init__(self) -> None:
        self._control: socket.socket | None = None
        self._under_way: dict[Caller, socket.socket] = {}

    def start(self, sock: socket.socket, name: str, **arguments: Any) -> Caller:
        """Have a call made on a non-blocking socket, which stays so for everybody else; for "close", the last one."""
        if self._control is None:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control.settimeout(REST_LIMIT_S)
            with theirs:
                self._process = start_process("harness.agent.waiter", theirs)
        pair, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pair.settimeout(REST_LIMIT_S)
        with end:
            answer = self._ask({"op": name, **arguments}, [sock.fileno(), end.fileno()])
        caller = Caller(self, answer["pid"], pair, name)
        self._under_way[caller] = sock
        if pair.recv(16) != waiter.READY:
            raise TargetError("the process for a waiting call is gone")
        if name == "close":
            sock.close()
        pair.send(waiter.GO)
        pair.setblocking(False)
        caller.rest()
        if name != "close":
            os.set_blocking(sock.fileno(), False)
        return caller

    def rest(self) -> bool:
        """Let all come to rest; tell whether any has run since the last time."""
        if not self._under_way:
            return False
        ran = [caller.rest() for caller in tuple(self._under_way)]
        return any(ran)

    def end(self, sock: socket.socket | None = None) -> None:
        """End the calls that wait on a socket, or all."""
        for caller in [each for each, on in self._under_way.items() if sock is None or on is sock]:
            self.reap(caller)

    def reap(self, caller: Caller) -> None:
        """End the process of a call; what it held is closed then."""
        del self._under_way[caller]
        caller.ended()
        self._ask({"op": "reap", "pid": caller.pid})

    @property
    def pid(self) -> int:
        """The id of the process that makes them, once there is one."""
        return self._process.pid

    def close(self) -> None:
        """End all."""
        if self._control is not None:
            for caller in self._under_way:
                caller.ended()
            self._under_way.clear()
            self._control.close()
            await_end(self._process)
            self._control = None

    def _ask(self, request: dict[str, Any], descriptors: list[int] | None = None) -> dict[str, Any]:
        assert self._control is not None
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors or [])
            answer = self._control.recv(waiter.MAX_MESSAGE)
        except OSError:
            answer = b""
        if not answer:
            raise TargetError("the process that makes waiting calls is gone")
        return dict(json.loads(answer))
