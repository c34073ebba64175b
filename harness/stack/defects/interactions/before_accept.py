"""Before accept(): something happens on a connection, or beside it, that nobody has accepted yet."""

import errno
from typing import Self

from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import CLOSED, ESTABLISHED
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import of_kind
from harness.stack.listener import Listener
from harness.stack.sockets import Socket
from harness.stack.tcb import Tcb

KIND = "before-accept"
defect = of_kind(KIND)

SECOND = "RFC 9293 §3.10.7.4 second"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
MANY = "MUST-41"
OPEN = "RFC 9293 §3.10.1"


@defect(
    "D361",
    "When the connection that waits longest is reset, accept() says that none waits, though another does.",
    SECOND,
    MANY,
    source="FreeRTOS+TCP issue 1364",
)
class ResetHidesTheNext(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        return None if connection is not None and connection.state is CLOSED else connection


class Unaccepted(Connection):
    """A connection that can tell whether somebody has accepted it."""

    @property
    def waits(self) -> bool:
        return isinstance(self.owner, Listener) and self.state is not CLOSED


@defect("D362", "A FIN that comes before accept() is dropped.", EIGHTH, source="ELKS ktcp")
class FinBeforeAcceptDropped(Unaccepted):
    def note_fin(self, segment: Segment) -> None:
        if not (self.waits and self.state is ESTABLISHED and segment.length == 1):
            super().note_fin(segment)


@defect("D363", "Text that comes before accept() is acknowledged, but lost.", SEVENTH)
class TextBeforeAcceptLost(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        if connection is not None:
            connection.receive_buffer.clear()
        return connection


@defect("D364", "Where text and FIN come before accept(), the text is delivered and the end of the stream not.", EIGHTH)
class EndBeforeAcceptLost(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        if connection is not None and connection.receive_buffer:
            connection.fin_received = False
        return connection


@defect("D365", "A connection that was reset before accept() is accepted as one that has ended cleanly.", SECOND)
class ResetBeforeAcceptUntold(Socket):
    def accept(self) -> Self:
        accepted = super().accept()
        accepted.pending_error()
        return accepted


@defect("D366", "When the listener closes, connections that wait to be accepted stay open.", "RFC 9293 §3.10.4")
class CloseLeavesTheQueueOpen(Listener):
    def close(self) -> None:
        self.ready.clear()
        super().close()


@defect(
    "D367",
    "A stray ACK to a listener whose queue is full draws no reset.",
    "RFC 9293 §3.10.7.2 second",
    "RFC 9293 §3.5.2 group 2",
)
class FullQueueIsSilent(Listener):
    def refuse(self, datagram: Datagram) -> None:
        if not self.full:
            super().refuse(datagram)


@defect("D368", "A connection that is accepted does not give its place in the backlog back.", MANY)
class PlacesNotGivenBack(Listener):
    accepted = 0

    def accept(self) -> Connection | None:
        connection = super().accept()
        self.accepted += connection is not None
        return connection

    @property
    def full(self) -> bool:
        return self.accepted + len(self.opening) + len(self.ready) >= self.backlog


@defect("D369", "A listener serves 16 connections, and no other.", MANY)
class SixteenConnections(Listener):
    served = 0

    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        self.served += 1
        return super().open(datagram, replaced)

    @property
    def full(self) -> bool:
        return self.served >= 16 or super().full


@defect("D370", "Of several connections that wait accept() gives the latest.", OPEN)
class LastComeFirstServed(Listener):
    def accept(self) -> Connection | None:
        return self.ready.pop() if self.ready else None


@defect(
    "D371",
    "A connection that is reset in SYN-RECEIVED keeps its place in the backlog.",
    SECOND,
    source="picoTCP issue 53",
)
class ResetKeepsItsPlace(Listener):
    def ended(self, connection: Tcb, code: int) -> None:
        if connection.state is not CLOSED or code:
            super().ended(connection, code)


@defect("D372", "A connection that is given up in SYN-RECEIVED keeps its place in the backlog.", "MUST-20")
class GivenUpKeepsItsPlace(Listener):
    def ended(self, connection: Tcb, code: int) -> None:
        if code != errno.ETIMEDOUT:
            super().ended(connection, code)


@defect("D373", "Text that comes before accept() is not acknowledged until then.", "MUST-40")
class AcknowledgedWhenAccepted(Unaccepted):
    def send_ack(self) -> None:
        if not (self.waits and self.receive_buffer):
            super().send_ack()


@defect("D374", "A reset that comes behind text is ignored before accept().", SECOND)
class ResetBehindTextIgnored(Unaccepted):
    def reset_arrived(self) -> None:
        if not (self.waits and self.receive_buffer):
            super().reset_arrived()


@defect(
    "D375",
    "A connection that is reset before accept() takes the one that waits longest out of the queue.",
    SECOND,
    source="asterinas pull request 3835",
)
class ResetTakesTheWrongOne(Listener):
    def ended(self, connection: Tcb, code: int) -> None:
        super().ended(connection, code)
        if connection.state is CLOSED and len(self.ready) > 1 and connection in self.ready:
            self.ready.popleft()


@defect("D376", "A SYN that finds the queue full is refused for ever: its connection never opens later.", MANY)
class RefusedForEver(Listener):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.turned_away: set[object] = set()

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (SYN | ACK) == SYN and self.full:
            self.turned_away.add(datagram.pair)
        return None if datagram.pair in self.turned_away else super().arrive(datagram, replaced)
