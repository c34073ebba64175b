"""What the application is told: which call wakes, what poll says, and with which result."""

import errno
import socket
from typing import Any, Self

from harness.spec.states import CLOSE_WAIT, CLOSED, LAST_ACK, SYN_RECEIVED, SYN_SENT
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.listener import Listener
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.tcb import Tcb

KIND = "application"
defect = of_kind(KIND)

CLOSE = "RFC 9293 §3.10.4"
RECEIVE = "RFC 9293 §3.10.3"
OPEN = "RFC 9293 §3.10.1"
REPORTS = "RFC 9293 §3.9.1.8"
STATUS = "RFC 9293 §3.9.1.5"
SECOND = "RFC 9293 §3.10.7.4 second"


@defect("D505", "A call of accept() that waits is not woken.", OPEN)
class AcceptSleeps(Listener):
    def opened(self, connection: Tcb) -> None:
        told, self.on_ready = self.on_ready, lambda events: None
        super().opened(connection)
        self.on_ready = told


@defect(
    "D506", "A call of recv() that waits is not woken by the peer's FIN.", RECEIVE, source="esp-lwip pull request 91"
)
class FinDoesNotWake(Socket):
    def notify(self, connection: Tcb, events: Ready) -> None:
        if not events & Ready.RDHUP:
            super().notify(connection, events)


@defect("D507", "A call of send() that waits is not woken when there is room again.", "RFC 9293 §3.10.2")
class RoomDoesNotWake(Socket):
    def notify(self, connection: Tcb, events: Ready) -> None:
        if events != Ready.OUT:
            super().notify(connection, events)


@defect(
    "D508", "close() with linger time is not woken by the end of LAST-ACK.", CLOSE, source="esp-lwip pull request 91"
)
class LastAckDoesNotWake(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is LAST_ACK:
            self.owner = None
        super().our_fin_acknowledged()


@defect("D509", "A call of connect() that waits is not woken by a refusal.", OPEN, source="Seastar pull request 1339")
class RefusalDoesNotWake(Socket):
    def ended(self, connection: Tcb, code: int) -> None:
        if code == errno.ECONNREFUSED:
            self._error = code
        else:
            super().ended(connection, code)


@defect("D510", "After a reset poll() tells of the error, but not that reading would not wait.", REPORTS)
class ErrorIsNotReadable(Socket):
    def poll(self) -> Ready:
        events = super().poll()
        return events & ~(Ready.IN | Ready.RDHUP) if events & Ready.ERR else events


@defect("D511", "poll() says that a socket is writable before its handshake is done.", REPORTS)
class WritableTooEarly(Socket):
    def poll(self) -> Ready:
        opening = self.connection is not None and self.connection.state in (SYN_SENT, SYN_RECEIVED)
        return super().poll() | (Ready.OUT if opening else Ready.NONE)


@defect("D512", "poll() tells a hang-up when only the peer has closed.", REPORTS)
class HangUpAtFin(Socket):
    def poll(self) -> Ready:
        events = super().poll()
        return events | (Ready.HUP if events & Ready.RDHUP else Ready.NONE)


@defect("D513", "The end of the stream makes a socket readable only when all text is read.", RECEIVE, REPORTS)
class EndToldWhenRead(Socket):
    def poll(self) -> Ready:
        events = super().poll()
        unread = self.connection is not None and self.connection.receive_buffer
        return events & ~Ready.RDHUP if unread else events


@defect("D514", "An edge is told again as long as its condition holds.", REPORTS)
class EdgesRepeated(Socket):
    def edges(self) -> Ready:
        before = self._edges
        told = super().edges()
        self.note(before)
        return told


@defect("D515", "poll() says that a socket is writable though its buffer is full.", REPORTS)
class WritableWhenFull(Socket):
    def poll(self) -> Ready:
        events = super().poll()
        return events | Ready.OUT if self.connection is not None and self.connection.flight else events


@defect("D516", "SHUT_RDWR closes the receiving direction only: no FIN is sent.", CLOSE)
class NoFinForBoth(Socket):
    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        super().shutdown(socket.SHUT_RD if how == socket.SHUT_RDWR else how)


@defect("D517", "SHUT_RD closes the sending direction too: the peer gets a FIN.", CLOSE)
class FinForReading(Socket):
    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        super().shutdown(socket.SHUT_RDWR if how == socket.SHUT_RD else how)


@defect("D518", "A reset in CLOSE-WAIT is not told: SO_ERROR is 0.", SECOND)
class ResetInCloseWaitNoError(Connection):
    def reset_arrived(self) -> None:
        if self.state is CLOSE_WAIT:
            self.delete()
        else:
            super().reset_arrived()


@defect("D519", "SO_ERROR is told again and again.", STATUS)
class ErrorNeverCleared(Socket):
    def pending_error(self) -> int:
        code = super().pending_error()
        self._error = code
        return code


@defect(
    "D520",
    "The application's user timeout ends with close(): the default holds for what is still to be sent.",
    "MUST-21",
)
class UserTimeoutEndsWithClose(Connection):
    def close(self) -> None:
        self.settings.user_timeout_s = None
        super().close()
        self.settings_changed()


@defect("D521", "close() says that all was acknowledged when its linger time is over.", CLOSE)
class LingerAlwaysSucceeds(Socket):
    def _left(self, connection: Connection) -> bool:
        super()._left(connection)
        return True


@defect("D522", "connect() says that it succeeded when it has timed out.", OPEN, "MUST-20")
class TimedOutConnects(Socket):
    def _opened(self) -> None:
        try:
            super()._opened()
        except TimeoutError:
            return


@defect("D523", "A listener is readable while its only connection is in SYN-RECEIVED.", OPEN, REPORTS)
class ReadableTooEarly(Socket):
    def poll(self) -> Ready:
        opening = self._listener is not None and self._listener.opening
        return Ready.IN if opening else super().poll()


@defect(
    "D524", "A call of recv() that waits returns the end of the stream when the connection is reset.", SECOND, RECEIVE
)
class WaitingReaderToldTheEnd(Socket):
    def start_recv(self, limit: int) -> Any:
        def attempt() -> bytes:
            try:
                return self.recv(limit)
            except ConnectionResetError:
                return b""

        return self.wait(attempt)


@defect("D525", "A socket on which close() waits is told of text: it returns when the peer sends some.", CLOSE)
class TextEndsLingering(Socket):
    def _left(self, connection: Connection) -> bool:
        if connection.state is not CLOSED and connection.rcv_nxt != self.seen:
            self.seen = connection.rcv_nxt
            self.looks += 1
            if self.looks > 1:
                return True
        return super()._left(connection)

    seen = -1
    looks = 0


@defect("D526", "What has come before accept() is no edge of the accepted socket: its reader sleeps.", OPEN, REPORTS)
class EdgesBeforeAcceptLost(Socket):
    def accept(self) -> Self:
        accepted = super().accept()
        accepted._edges = Ready.NONE
        return accepted
