"""What an application holds: a socket with calls that return at once, and with calls that wait.

A call that waits is begun with `start_…` and returns a `Pending`; the stack takes it up again whenever something has
come about on the socket (`Stack.serve`), so that `done` is right as soon as `Stack.arrive` or `advance` has returned.
"""

import errno
from typing import TYPE_CHECKING, TypeVar

from harness.spec.states import CLOSED, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint
from harness.stack.pending import Pending
from harness.stack.polled_socket import PolledSocket
from harness.stack.readiness import Ready
from harness.stack.serving import Serving
from harness.stack.settings import SocketSettings
from harness.stack.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

_T = TypeVar("_T")


class Socket(PolledSocket):
    """One end of a connection, or a listener, or neither yet. Refusals are OSErrors."""

    def __init__(self, stack: Serving, settings: SocketSettings | None = None) -> None:
        super().__init__(stack, settings)
        self._calls: list[Pending[object]] = []

    def start_connect(self, remote: Endpoint, local: Endpoint | None = None) -> Pending[None]:
        """Begin a connect(); it returns when the handshake is done, or raises why that can't be."""
        self.connect(remote, local)
        return self.wait(self._opened)

    def start_accept(self) -> "Pending[Socket]":
        """Begin an accept()."""
        return self.wait(self.accept)

    def start_recv(self, limit: int) -> Pending[bytes]:
        """Begin a recv(); it returns what comes first: text, the end of the stream, an error."""
        return self.wait(lambda: self.recv(limit))

    def start_send(self, data: bytes) -> Pending[int]:
        """Begin a send(); it returns when all is queued, or how much was if the connection ends before."""
        left = bytearray(data)

        def attempt() -> int:
            try:
                while True:
                    del left[: self.send(bytes(left))]
                    if not left:
                        return len(data)
            except BlockingIOError:
                raise
            except OSError as error:
                if len(left) == len(data):
                    raise
                self._error = 0 if error.errno == errno.EPIPE else error.errno or 0  # for the next call
                return len(data) - len(left)

        return self.wait(attempt)

    def start_close(self, linger_s: float) -> Pending[bool]:
        """Begin a close() with linger time: it tells whether the peer has acknowledged everything, the FIN too.

        When the time is over it returns all the same, and the connection goes on without application.
        """
        connection = self.connection
        self.close()
        if connection is None:
            return Pending(lambda: True)
        if connection.state is not CLOSED:
            connection.owner = self
            connection.start(Timer.LINGER, nanoseconds(linger_s))
        return self.wait(lambda: self._left(connection))

    def wait(self, attempt: "Callable[[], _T]") -> Pending[_T]:
        """Begin a call that waits on this socket: `attempt` raises BlockingIOError as long as it would."""
        call = Pending(attempt)
        if not call.done:
            self._calls.append(call)
        return call

    def resume(self) -> None:
        """Take up the calls that wait here, in the order in which they began."""
        for call in list(self._calls):
            call.resume()
        self._calls = [call for call in self._calls if not call.done]

    def note(self, events: Ready) -> None:
        """Something has come about: see whether calls can go on."""
        super().note(events)
        if self._calls:
            self._stack.awaken(self)

    def close(self) -> None:
        """CLOSE: the application is done with the socket; a call that waits there finds none any more."""
        super().close()
        self.note(Ready.NONE)

    def abort(self) -> None:
        """ABORT."""
        super().abort()
        self.note(Ready.NONE)

    def _opened(self) -> None:
        connection = self._connected()
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            raise BlockingIOError(errno.EAGAIN, "the connection is not open yet")
        self._raise_pending()
        if connection.state is CLOSED:
            raise BrokenPipeError(errno.EPIPE, "connection closing")

    def _left(self, connection: Connection) -> bool:
        ended = connection.state in (CLOSED, FIN_WAIT_2, TIME_WAIT)
        if not ended and connection.timers.runs(Timer.LINGER):
            raise BlockingIOError(errno.EAGAIN, "the peer has not acknowledged everything yet")
        connection.timers.stop(Timer.LINGER)
        connection.owner = None
        return connection.fin_acknowledged
