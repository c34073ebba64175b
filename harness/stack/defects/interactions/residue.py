"""Residue: something of a connection that has ended shows in the next one on the same pair, port or listener."""

from typing import cast

from harness.spec.segment import RST
from harness.spec.states import CLOSED, SYN_RECEIVED, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import of_kind
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.settings import SocketSettings
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Host, Owner, Tcb
from harness.stack.timers import Timer

KIND = "residue"
defect = of_kind(KIND)

FRESH = "RFC 9293 §3.3.1"
CLOSED_STATE = "RFC 9293 §3.10.8"


class Remembering(Connection):
    """A connection that knows the one before it between the same endpoints, as it was when it ended."""

    def __init__(self, host: Host, pair: Pair, owner: Owner | None) -> None:
        super().__init__(host, pair, owner)
        self.former: dict[Pair, Remembering] = vars(cast(Stack, host)).setdefault("former connections", {})
        self.before = self.former.get(pair)
        self.unread = self.unacknowledged_text = b""

    def delete(self, error: int = 0) -> None:
        self.unread, self.unacknowledged_text = bytes(self.receive_buffer), bytes(self.send_buffer)
        self.former[self.pair] = self
        super().delete(error)


@defect(
    "D392",
    "An attempt that was reset in SYN-RECEIVED leaves its timer, which ends the next one on the same pair.",
    "RFC 9293 §3.10.7.4 second",
    source="RIOT pull request 22748",
)
class TimerOfTheFailedAttempt(Remembering):
    def delete(self, error: int = 0) -> None:
        failed = self.state is SYN_RECEIVED
        super().delete(error)
        if failed:
            self.start(Timer.RETRANSMISSION, self.rtt.rto)

    def retransmission_timeout(self) -> None:
        if self.state is not CLOSED:
            super().retransmission_timeout()
        elif (other := cast(Stack, self.host).connections.get(self.pair)) is not None:
            other.abort()


@defect("D393", "When a SYN has reopened TIME-WAIT, its old end ends the new connection.", "MAY-2", "MUST-13")
class OldEndOfTimeWait(Connection):
    def establish(self) -> None:
        old = self.replaced
        super().establish()
        if old is not None:
            self.start(Timer.TIME_WAIT, self.two_msl)


@defect("D394", "Where a SYN has no MSS, that of the connection before on the pair is used.", "MUST-15")
class FormerMss(Remembering):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        if not found.mss and self.before is not None:
            self.peer_mss = self.before.peer_mss


@defect("D395", "The window scale of the connection before is used though the new SYN has none.", "RFC 7323 §2.2")
class FormerScale(Remembering):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        if found.window_scale is None and self.before is not None:
            self.snd_shift = self.before.snd_shift


@defect("D396", "TS.Recent of the connection before rejects the segments of the new one.", "RFC 7323 §5.3")
class FormerTimestamp(Remembering):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        if self.stamping and self.before is not None and self.before.stamping:
            self.ts_recent = self.before.ts_recent


@defect("D397", "Data that the connection before could not deliver is sent in the new one.", FRESH)
class FormerData(Remembering):
    def establish(self) -> None:
        super().establish()
        if self.before is not None:
            self.send_buffer += self.before.unacknowledged_text


@defect("D398", "Text that nobody has read of the connection before is read in the new one.", FRESH)
class FormerText(Remembering):
    def establish(self) -> None:
        super().establish()
        if self.before is not None:
            self.receive_buffer += self.before.unread


@defect("D399", "The retransmission timeout to which the connection before had backed off is used.", "RFC 6298 §2.1")
class FormerTimeout(Remembering):
    def choose_numbers(self) -> None:
        super().choose_numbers()
        if self.before is not None:
            self.rtt.rto = max(self.rtt.rto, self.before.rtt.rto)


@defect("D400", "After a reset the same pair begins with the number that it had begun with.", "RFC 9293 §3.4.1")
class FormerNumber(Remembering):
    def send_syn(self) -> None:
        if self.before is not None and self.snd_nxt == self.iss:
            self.iss = self.before.iss
            self.snd_una = self.snd_nxt = self.iss
            self.snd_first = self.cursor = self.small_end = (self.iss + 1) & 0xFFFFFFFF
        super().send_syn()


@defect("D401", "The error with which a connection ended is told on the next one that connects.", FRESH)
class FormerError(Socket):
    def ended(self, connection: Tcb, code: int) -> None:
        super().ended(connection, code)
        vars(self._stack)["former error"] = code

    def connect(self, remote: Endpoint, local: Endpoint | None = None) -> None:
        super().connect(remote, local)
        self._error = vars(self._stack).get("former error", 0)


@defect("D402", "A pair on which a connection was given up can't be opened again.", "MUST-20", FRESH)
class GivenUpForEver(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        if connection.retransmissions > 3:
            self.connections[connection.pair] = cast(Connection, connection)

    def deliver(self, datagram: Datagram) -> None:
        dead = self.connection_for(datagram.pair)
        if dead is None or dead.state is not CLOSED:
            super().deliver(datagram)


@defect("D403", "A pair whose TIME-WAIT has run out does not answer SYNs.", CLOSED_STATE)
class DeafAfterTimeWait(Connection):
    def time_wait_timeout(self) -> None:
        vars(self.host).setdefault("deaf pairs", set()).add(self.pair)
        super().time_wait_timeout()

    def send_syn(self) -> None:
        if self.pair not in vars(self.host).get("deaf pairs", ()):
            super().send_syn()


@defect("D404", "Connections in TIME-WAIT end when their listener closes.", "MUST-13", "RFC 9293 §3.10.4")
class TimeWaitEndsWithListener(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        super().unlisten(local, listener)
        for connection in list(self.connections.values()):
            if connection.state is TIME_WAIT and connection.pair.local.port == local.port:
                connection.delete()


@defect("D405", "A TIME-WAIT to which a reset reopening falls back lasts for ever.", "MAY-2", "MUST-13")
class EndlessTimeWaitAfterFallback(Listener):
    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        if replaced is not None:
            replaced.timers.clear()
        return super().open(datagram, replaced)


@defect("D406", "A connection that has reopened TIME-WAIT tells the end of the former stream.", "MAY-2", FRESH)
class FormerEnd(Connection):
    def establish(self) -> None:
        former = self.replaced
        super().establish()
        self.fin_received = former is not None


@defect("D407", "A listener that is opened again gives the connections of its former life to accept().", FRESH)
class FormerQueue(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        vars(self).setdefault("former queues", {})[local] = list(listener.ready)
        super().unlisten(local, listener)

    def listen(self, local: Endpoint, settings: SocketSettings, backlog: int) -> Listener:
        listener = super().listen(local, settings, backlog)
        listener.ready.extend(vars(self).get("former queues", {}).pop(local, ()))
        return listener


@defect("D408", "After a reset segments to the pair are dropped in silence.", "RFC 9293 §3.5.2 group 1")
class SilentAfterReset(Stack):
    def deliver(self, datagram: Datagram) -> None:
        known = self.connection_for(datagram.pair) is not None
        super().deliver(datagram)
        if known and datagram.segment.flags & RST and self.connection_for(datagram.pair) is None:
            vars(self).setdefault("reset pairs", set()).add(datagram.pair)

    def refuse(self, datagram: Datagram) -> None:
        if datagram.pair not in vars(self).get("reset pairs", ()):
            super().refuse(datagram)
