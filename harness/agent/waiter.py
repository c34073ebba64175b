"""Makes calls that wait, each in a process of its own: ``python -m harness.agent.waiter FD``.

Standard library only. A request comes with the socket and one end of a pair; the answer tells the process that will
call. That one says "ready" on its end when it holds nothing else, waits for a word, calls, and tells what came of it,
with the descriptor of a connection that was accepted. With "reap" it is gone, and its copies of the descriptors with
it: a close() elsewhere would otherwise send no FIN.

When the control socket closes, whatever the reason, all of them end.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from typing import Any

MAX_MESSAGE = 1 << 20
PR_SET_PDEATHSIG = 1
READY, GO = b"ready", b"go"

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve until the other side is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    callers: set[int] = set()
    with contextlib.suppress(ConnectionError):
        while True:
            message, descriptors, _flags, _address = socket.recv_fds(control, MAX_MESSAGE, 2)
            if not message:
                break
            control.send(json.dumps(_answer(json.loads(message), descriptors, callers)).encode())
    for caller in callers:
        _reap(caller)


def _answer(request: dict[str, Any], descriptors: list[int], callers: set[int]) -> dict[str, Any]:
    if request["op"] == "reap":
        callers.discard(request["pid"])
        _reap(request["pid"])
        return {}
    pid = os.fork()
    if not pid:
        try:
            _call(request, *descriptors)
        finally:
            os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    callers.add(pid)
    return {"pid": pid}


def _reap(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _call(request: dict[str, Any], descriptor: int, end: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    low, high = sorted((descriptor, end))
    os.closerange(0, low)
    os.closerange(low + 1, high)
    os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
    pair = socket.socket(fileno=end)
    pair.send(READY)
    if pair.recv(16) != GO:
        return
    made: list[int] = []
    try:
        answer, made = _made(request, descriptor)
    except OSError as error:
        answer = {"errno": error.errno}
    socket.send_fds(pair, [json.dumps(answer).encode()], made)


def _made(request: dict[str, Any], descriptor: int) -> tuple[dict[str, Any], list[int]]:
    """Make the call; return its answer, and the descriptor that came of it."""
    if request["op"] == "close":
        os.close(descriptor)
        return {}, []
    sock = socket.socket(fileno=descriptor)
    sock.settimeout(None)
    if request["op"] == "accept":
        return {}, [sock.accept()[0].detach()]
    if request["op"] == "connect":
        sock.connect(tuple(request["remote"]))
        return {}, []
    if request["op"] == "recv":
        return {"data": sock.recv(request["limit"]).hex()}, []
    return {"taken": sock.send(bytes.fromhex(request["data"]), socket.MSG_NOSIGNAL)}, []


if __name__ == "__main__":
    main()
