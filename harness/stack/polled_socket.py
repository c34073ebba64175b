"""What poll(2) and epoll(7) tell of a socket; `harness.stack.readiness` says what the conditions mean."""

import socket
from typing import Self

from harness.spec.states import CLOSED, SYN_RECEIVED, SYN_SENT
from harness.stack.datagram import Endpoint
from harness.stack.plain_socket import PlainSocket
from harness.stack.readiness import ENDED, Ready
from harness.stack.serving import Serving
from harness.stack.settings import SocketSettings
from harness.stack.tcb import Tcb


class PolledSocket(PlainSocket):
    """A socket that tells when a call would not block."""

    def __init__(self, stack: Serving, settings: SocketSettings | None = None) -> None:
        super().__init__(stack, settings)
        self._edges = Ready.NONE

    def poll(self) -> Ready:
        """Return the conditions that hold now (level)."""
        error = Ready.ERR | Ready.IN | Ready.OUT if self._error else Ready.NONE
        if self._listener is not None:
            return Ready.IN if self._listener.ready else Ready.NONE
        connection = self.connection
        if connection is None:
            return error | Ready.OUT | Ready.HUP  # as Linux has it: send() fails at once
        if connection.state is CLOSED:
            return error | ENDED
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            return error | (Ready.IN | Ready.RDHUP if self._reads_no_more else Ready.NONE)
        return error | self._incoming() | self._outgoing() | self._both_closed()

    def edges(self) -> Ready:
        """Return the conditions that hold and have newly come about since the last call (edge): each is told once."""
        edges, self._edges = self._edges, Ready.NONE
        return edges & self.poll()

    def _incoming(self) -> Ready:
        assert self.connection is not None
        if self.connection.fin_received or self._reads_no_more:
            return Ready.IN | Ready.RDHUP
        return Ready.IN if self.connection.receive_buffer else Ready.NONE

    def _outgoing(self) -> Ready:
        assert self.connection is not None
        return Ready.OUT if self.connection.fin_queued or self.connection.send_room > 0 else Ready.NONE

    def _both_closed(self) -> Ready:
        assert self.connection is not None
        silent = self.connection.fin_received or self._reads_no_more
        return Ready.HUP if silent and self.connection.fin_queued else Ready.NONE

    # --- what makes a condition come about ---------------------------------------------------------------------------

    def note(self, events: Ready) -> None:
        """Keep what has newly come about until it is asked for."""
        self._edges |= events

    def notify(self, connection: Tcb, events: Ready) -> None:
        """The connection tells."""
        self.note(events)

    def listen(self, local: Endpoint, backlog: int = 128) -> None:
        """Passive OPEN."""
        super().listen(local, backlog)
        assert self._listener is not None
        self._listener.on_ready = self.note

    def accept(self) -> Self:
        """Return the next connection; what has come about on it before is an edge of its socket."""
        accepted = super().accept()
        accepted.note(accepted.poll())
        return accepted

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Close one direction or both: calls that would wait there fail at once now."""
        super().shutdown(how)
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self.note(Ready.IN | Ready.RDHUP)
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self.note(Ready.OUT)
        self.note(self._both_closed())

    def opened(self, connection: Tcb) -> None:
        """The handshake is done."""
        super().opened(connection)
        self.note(Ready.OUT)

    def ended(self, connection: Tcb, code: int) -> None:
        """The connection is gone."""
        super().ended(connection, code)
        self.note(ENDED | Ready.ERR)

    def soft_error(self, connection: Tcb, code: int) -> None:
        """There is trouble that need not last."""
        super().soft_error(connection, code)
        self.note(Ready.ERR | Ready.IN | Ready.OUT)
