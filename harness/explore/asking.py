"""What the application asks its socket, and the directions that it closes."""

import errno
import socket
from collections.abc import Callable

from harness.spec.history.answers import Answer
from harness.spec.history.history import History
from harness.spec.history.readiness import Edges
from harness.targets.sockets import AppSocket, TellingSocket


def ask(app: AppSocket, history: History, name: str, octets: int) -> Answer | None:
    """Return the answer to a question; None where the target's sockets can't be asked."""
    if name == "error":
        code = app.pending_error()
        return Answer(errno.errorcode.get(code, str(code)) if code else "")
    if name in _OF_READINESS:
        return _OF_READINESS[name](app, history) if isinstance(app, TellingSocket) else None
    try:
        return _OF_OPTIONS[name](app, octets)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOPROTOOPT):
            return None
        raise


def _buffer(app: AppSocket, octets: int) -> Answer:
    app.set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, octets)
    return Answer()


def _timeout(app: AppSocket, milliseconds: int) -> Answer:
    app.set_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
    return Answer()


def _peek(app: AppSocket, octets: int) -> Answer:
    return Answer(data=app.recv(octets, socket.MSG_PEEK))


def _keep_alive(app: AppSocket, seconds: int) -> Answer:
    app.set_option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
    app.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return Answer()


def _poll(app: TellingSocket, _history: History) -> Answer:
    return Answer(ready=app.poll())


def _edges(app: TellingSocket, history: History) -> Answer:
    history.edges = history.edges or Edges()
    return Answer(ready=app.edges())


def _shut(how: int) -> Callable[[TellingSocket, History], Answer]:
    def shut(app: TellingSocket, _history: History) -> Answer:
        app.shutdown(how)
        return Answer()

    return shut


_OF_READINESS: dict[str, Callable[[TellingSocket, History], Answer]] = {
    "poll": _poll,
    "edges": _edges,
    "shut-rd": _shut(socket.SHUT_RD),
    "shut-rdwr": _shut(socket.SHUT_RDWR),
}
_OF_OPTIONS: dict[str, Callable[[AppSocket, int], Answer]] = {
    "buffer": _buffer,
    "timeout": _timeout,
    "peek": _peek,
    "keep-alive": _keep_alive,
}
ASKING = frozenset({"error", *_OF_READINESS, *_OF_OPTIONS})
