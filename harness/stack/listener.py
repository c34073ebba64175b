"""The passive side of an application's socket: SEGMENT ARRIVES in LISTEN, the backlog, the queue of new connections."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSED
from harness.stack import options
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.readiness import Ready
from harness.stack.settings import SocketSettings
from harness.stack.tcb import Host, Tcb


class Listener:
    """A passive OPEN. It stays in LISTEN: each SYN makes a connection of its own (RFC 9293 §3.9.1.1, MUST-41)."""

    connection_class: type[Connection] = Connection

    def __init__(self, host: Host, settings: SocketSettings, backlog: int) -> None:
        self.host = host
        self.settings = settings
        self.backlog = max(1, backlog)
        #: Connections on their way to ESTABLISHED, and those that wait to be accepted.
        self.opening: list[Connection] = []
        self.ready: deque[Connection] = deque()
        #: Called when a connection can be accepted.
        self.on_ready: Callable[[Ready], None] = lambda events: None

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        """Process a segment that no connection claims (§3.10.7.2); return the connection that it opened.

        `replaced` is a connection in TIME-WAIT that the new one takes the place of.
        """
        segment = datagram.segment
        # First, a reset: it can't be about anything that was sent from here.
        if segment.flags & RST:
            return None
        # Second, any acknowledgment is bad.
        if segment.flags & ACK:
            self.refuse(datagram)
            return None
        # Third, a SYN; security: none.
        if segment.flags & SYN and not self.full:
            return self.open(datagram, replaced)
        # Fourth, anything else.
        return None

    @property
    def full(self) -> bool:
        """Tell whether no further connection may be opened: the SYN is dropped, and will be repeated."""
        return len(self.opening) + len(self.ready) >= self.backlog

    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        """Make a connection in SYN-RECEIVED."""
        connection = self.connection_class(self.host, datagram.pair, self)
        connection.settings = replace(self.settings)  # inherited, and from now on its own
        connection.replaced = replaced
        self.opening.append(connection)
        connection.open_passive(datagram.segment, options.read(datagram.segment.options))
        return connection

    def refuse(self, datagram: Datagram) -> None:
        """Send <SEQ=SEG.ACK><CTL=RST>."""
        self.host.transmit(reset_for(datagram))

    def accept(self) -> Connection | None:
        """Return the connection that has waited longest, None if none waits."""
        return self.ready.popleft() if self.ready else None

    def close(self) -> None:
        """CLOSE or ABORT: nobody will accept what is under way or waits."""
        for connection in [*self.opening, *self.ready]:
            if connection.state is not CLOSED:
                connection.abort()
        self.opening.clear()
        self.ready.clear()

    # --- what its connections tell it --------------------------------------------------------------------------------

    def opened(self, connection: Tcb) -> None:
        """Put an established connection into the queue."""
        self.ready += [mine for mine in self.opening if mine is connection]
        self.ended(connection, 0)
        self.on_ready(Ready.IN)

    def ended(self, connection: Tcb, code: int) -> None:
        """A connection has left SYN-RECEIVED. One that ends in the queue stays there, for the application to find."""
        self.opening = [mine for mine in self.opening if mine is not connection]

    def soft_error(self, connection: Tcb, code: int) -> None:
        """Nobody to tell."""

    def notify(self, connection: Tcb, events: Ready) -> None:
        """Nobody to tell: who accepts the connection looks at it then."""


def reset_for(datagram: Datagram) -> Datagram:
    """Return the reset that answers a segment without connection (§3.10.7.1), acceptable to its sender."""
    segment = datagram.segment
    stamps = options.read(segment.options).timestamps
    field = options.write((0, stamps[0]), []) if stamps is not None else b""  # RFC 7323 §5.2
    if segment.flags & ACK:
        answer = Segment(RST, segment.ack, window=0, options=field)
    else:
        answer = Segment(RST | ACK, 0, segment.end, window=0, options=field)
    return answering(datagram, answer)


def answering(datagram: Datagram, segment: Segment) -> Datagram:
    """Return `segment` on its way back to where a datagram came from."""
    segment.source_port = datagram.segment.destination_port
    segment.destination_port = datagram.segment.source_port
    return Datagram(datagram.destination, datagram.source, segment)
