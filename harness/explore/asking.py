"""What the application asks its socket, and the directions that it closes."""

import errno
import socket
from collections.abc import Callable

from harness.spec.history.answers import Answer
from harness.spec.history.history import History
from harness.spec.history.readiness import Edges
from harness.targets.protocol import AppSocket, TellingSocket


def ask(app: AppSocket, history: History, name: str, octets: int) -> Answer | None:
    """Return the answer to a question; None where the target's sockets can't be asked."""
    if name == "error":
        code = app.pending_error()
        return Answer(errno.errorcode.get(code, str(code)) if code else "")
    if name == "buffer":
        app.set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, octets)
        return Answer()
    return _OF_READINESS[name](app, history) if isinstance(app, TellingSocket) else None


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
ASKING = frozenset({"error", "buffer", *_OF_READINESS})
