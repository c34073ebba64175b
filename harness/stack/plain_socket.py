"""The calls of a socket, and the errors, that programs know from POSIX. None of them waits."""

import errno
import socket
from typing import Self

from harness.spec.states import CLOSED, LISTEN, SYN_RECEIVED, SYN_SENT, State
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint
from harness.stack.listener import Listener
from harness.stack.readiness import Ready
from harness.stack.serving import Serving
from harness.stack.settings import SocketSettings
from harness.stack.tcb import Tcb


class PlainSocket:
    """One end of a connection, or a listener, or neither yet. Calls never block; refusals are OSErrors."""

    def __init__(self, stack: Serving, settings: SocketSettings | None = None) -> None:
        self._stack = stack
        self.settings = settings or SocketSettings()
        self._listener: Listener | None = None
        self._local: Endpoint | None = None
        self.connection: Connection | None = None
        self._error = 0
        #: The application has closed its receiving direction (SHUT_RD).
        self._reads_no_more = False

    # --- OPEN --------------------------------------------------------------------------------------------------------

    def listen(self, local: Endpoint, backlog: int = 128) -> None:
        """Passive OPEN on an address of the stack, or on all of them (``0.0.0.0``, ``::``)."""
        self._must_be_fresh()
        self._listener = self._stack.listen(local, self.settings, backlog)
        self._local = local

    def connect(self, remote: Endpoint, local: Endpoint | None = None) -> None:
        """Active OPEN: the handshake is under way when it returns. A listener turns active by it (§3.10.1)."""
        if self._listener is not None:
            local = self._local
            self._unlisten()
        self._must_be_fresh()
        self.connection = self._stack.connect(remote, local, self)
        self.connection.open_active()

    def accept(self) -> Self:
        """Return a socket for the next connection that is established; BlockingIOError if there is none."""
        if self._listener is None:
            raise OSError(errno.EINVAL, "not a listening socket")
        connection = self._listener.accept()
        if connection is None:
            raise BlockingIOError(errno.EAGAIN, "no connection waits")
        accepted: Self = self._stack.socket(connection.settings)
        accepted.connection = connection
        connection.owner = accepted
        if connection.state is CLOSED:
            accepted._error = connection.error or errno.ECONNRESET
        return accepted

    def _must_be_fresh(self) -> None:
        if self._listener is not None:
            raise OSError(errno.EINVAL, "the socket listens")
        if self.connection is not None:
            raise OSError(errno.EISCONN, "connection already exists")

    # --- SEND, RECEIVE -----------------------------------------------------------------------------------------------

    def send(self, data: bytes, *, urgent: bool = False) -> int:
        """Return how many octets were taken.

        Before the connection is open that is none: a call that never blocks leaves the queue of §3.10.2 to its caller.
        """
        self._raise_pending()
        connection = self._connected()
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            raise BlockingIOError(errno.EAGAIN, "the connection is not open yet")
        return connection.send(data, urgent=urgent)

    def recv(self, limit: int, *, peek: bool = False) -> bytes:
        """Return what has come; the empty string at the end of the stream; BlockingIOError if there is nothing."""
        if self._listener is not None:
            raise BlockingIOError(errno.EAGAIN, "the connection is not open yet")
        connection = self._connected()
        if not connection.receive_buffer:
            self._raise_pending()
            if connection.state is CLOSED or self._reads_no_more:
                return b""
        return connection.receive(limit, peek=peek)

    def _connected(self) -> Connection:
        if self.connection is None:
            raise OSError(errno.ENOTCONN, "connection does not exist")
        return self.connection

    def _raise_pending(self) -> None:
        if code := self.pending_error():
            raise OSError(code, errno.errorcode[code])

    # --- CLOSE, ABORT, STATUS ----------------------------------------------------------------------------------------

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close the sending direction, or by SHUT_RD the receiving one, or both; ENOTCONN without a connection.

        TCP has no word for SHUT_RD: the peer hears nothing of it. What has come can still be read, then the stream
        ends for the application.
        """
        connection = self._connected()
        if connection.state is CLOSED:
            raise OSError(errno.ENOTCONN, "connection does not exist")
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._reads_no_more = True
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            connection.shutdown()

    def close(self) -> None:
        """CLOSE: the application is done with the socket."""
        self._unlisten()
        if self.connection is not None:
            connection, self.connection = self.connection, None
            if connection.state is not CLOSED:
                connection.close()

    def _unlisten(self) -> None:
        if self._listener is not None and self._local is not None:
            self._stack.unlisten(self._local, self._listener)
            self._listener = None

    def abort(self) -> None:
        """ABORT: end the connection with a reset."""
        if self.connection is not None:
            connection, self.connection = self.connection, None
            if connection.state is not CLOSED:
                connection.abort()
        else:
            self.close()

    def local(self) -> Endpoint | None:
        """Return the own endpoint, with the port that was chosen; None for a fresh socket."""
        return self._local if self.connection is None else self.connection.pair.local

    def status(self) -> State:
        """STATUS (RFC 9293 §3.10.6)."""
        if self._listener is not None:
            return LISTEN
        return self.connection.state if self.connection is not None else CLOSED

    def pending_error(self) -> int:
        """Return and clear the error that came by itself, an errno; 0 for none."""
        code, self._error = self._error, 0
        return code

    def setting(self, name: str) -> float:
        """Return a setting in force: the socket's own or the stack's default."""
        own = getattr(self.settings, name)
        return float(getattr(self._stack.config, name) if own is None else own)

    @property
    def rto_initial_s(self) -> float:
        """The retransmission timeout with which a connection begins, in seconds."""
        return self._stack.config.rto_initial_s

    def settings_changed(self) -> None:
        """Apply settings that were changed while the connection was open."""
        if self.connection is not None and self.connection.state is not CLOSED:
            self.connection.settings_changed()

    # --- what the connection tells -----------------------------------------------------------------------------------

    def opened(self, connection: Tcb) -> None:
        """The handshake is done."""

    def ended(self, connection: Tcb, code: int) -> None:
        """The connection is gone: the next call says why."""
        self._error = code or self._error

    def soft_error(self, connection: Tcb, code: int) -> None:
        """Report trouble at once to an application that has asked for it."""
        if self.settings.report_errors:
            self._error = code

    def notify(self, connection: Tcb, events: Ready) -> None:
        """Something has come about; a call that never waits does not care."""
