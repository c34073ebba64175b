"""Many: the third, the hundredth, the other one with the same port: what connections share, and where it leaks."""

import errno
import heapq
from collections import Counter
from collections.abc import Callable
from typing import Any

from harness.spec.segment import RST, SYN, Segment
from harness.spec.states import FIN_WAIT_2, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import of_kind
from harness.stack.listener import Listener
from harness.stack.stack import UNSPECIFIED, Stack
from harness.stack.tcb import Owner, Tcb

KIND = "many"
defect = of_kind(KIND)

RECORDS = "RFC 9293 §3.3.1"
LOCAL = "MUST-45"
WHOSE = "RFC 9293 §3.4"
MANY = "MUST-41"
PORTS = "RFC 9293 §3.10.1"


class LeakingStack(Stack):
    """So many connections that end in one way fill the table; then no SYN is answered any more."""

    slots = 64
    leaks: Callable[[Tcb], bool]

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.leaked = 0

    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        self.leaked += self.leaks(connection)

    def arrive_unclaimed(self, datagram: Datagram) -> None:
        if self.leaked < self.slots or not datagram.segment.flags & SYN:
            super().arrive_unclaimed(datagram)


def _was_open(connection: Tcb) -> bool:
    return connection.snd_una != connection.iss


@defect(
    "D440",
    "Connections that were reset stay in the table: after 64 of them none opens.",
    RECORDS,
    source="mirage-tcpip issue 462",
)
class ResetsLeak(LeakingStack):
    def leaks(self, connection: Tcb) -> bool:
        return connection.passive and _was_open(connection) and not connection.fin_received


@defect("D441", "Attempts given up in SYN-RECEIVED stay in the table: after 16 of them none opens.", RECORDS)
class AttemptsLeak(LeakingStack):
    slots = 16

    def leaks(self, connection: Tcb) -> bool:
        return connection.passive and not _was_open(connection) and connection.retransmissions > 0


@defect("D442", "Connections that both sides have closed stay in the table: after 64 of them none opens.", RECORDS)
class OrderlyEndsLeak(LeakingStack):
    def leaks(self, connection: Tcb) -> bool:
        return connection.passive and connection.fin_received and connection.fin_queued


@defect("D443", "A port is not given back when its connection was refused.", RECORDS, PORTS)
class RefusedPortsLeak(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        if not connection.passive and not _was_open(connection):
            vars(self).setdefault("lost ports", set()).add(connection.pair.local.port)

    def _free_pair(self, pair: Pair) -> Pair:
        first, last = self.config.ephemeral_ports
        for _attempt in range(first, last + 1):
            found = super()._free_pair(pair)
            if found.local.port not in vars(self).get("lost ports", ()):
                return found
        raise OSError(errno.EADDRNOTAVAIL, "insufficient resources: no port is free")


@defect("D444", "Of two connections from the same port of two peers only one can be accepted.", WHOSE, MANY)
class OnePerPortInTheQueue(Listener):
    def opened(self, connection: Tcb) -> None:
        if any(other.pair.remote.port == connection.pair.remote.port for other in self.ready):
            self.ended(connection, 0)
        else:
            super().opened(connection)


@defect("D445", "Connections to the second address of a host are answered from the first.", LOCAL, WHOSE)
class FirstAddressAnswers(Stack):
    def transmit(self, datagram: Datagram) -> None:
        version = Endpoint(datagram.source, 0).version
        datagram.source = next(own for own in self.addresses if Endpoint(own, 0).version == version)
        super().transmit(datagram)


@defect(
    "D446", "A segment for a pair of ports is taken for the connection with these ports the other way round.", WHOSE
)
class PortsUnordered(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        local, remote = pair
        turned = Pair(local._replace(port=remote.port), remote._replace(port=local.port))
        return super().connection_for(pair) or self.connections.get(turned)


@defect("D447", "An active OPEN from a port takes it away from the listener there.", PORTS, MANY)
class ActiveOpenEndsListening(Stack):
    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Owner) -> Connection:
        if local is not None:
            self.listeners.pop(local, None)
        return super().connect(remote, local, owner)


class CarelessChoice(Stack):
    """Chooses ports without looking at some of the connections that exist."""

    def overlooked(self, connection: Connection) -> bool:
        raise NotImplementedError

    def _free_pair(self, pair: Pair) -> Pair:
        hidden = {there: each for there, each in self.connections.items() if self.overlooked(each)}
        for there in hidden:
            del self.connections[there]
        try:
            return super()._free_pair(pair)
        finally:
            self.connections.update(hidden)


@defect("D448", "connect() chooses a port that lies in TIME-WAIT towards the same peer, and fails.", PORTS, "MUST-13")
class ChoosesTimeWait(CarelessChoice):
    def overlooked(self, connection: Connection) -> bool:
        return connection.state is TIME_WAIT


@defect("D449", "connect() chooses a port that lies in FIN-WAIT-2 towards the same peer, and fails.", PORTS)
class ChoosesFinWait2(CarelessChoice):
    def overlooked(self, connection: Connection) -> bool:
        return connection.state is FIN_WAIT_2


@defect("D450", "When no port is free, connect() uses port 0.", PORTS)
class PortZero(Stack):
    def _free_pair(self, pair: Pair) -> Pair:
        try:
            return super()._free_pair(pair)
        except OSError:
            return pair


@defect("D451", "Half-open connections of one listener fill the backlog of all.", MANY)
class OneBacklogForAll(Listener):
    @property
    def full(self) -> bool:
        listeners = getattr(self.host, "listeners", {}).values()
        return sum(len(each.opening) for each in listeners) >= self.backlog or super().full


@defect("D452", "Of timers that expire at the same moment only the first is served.", "RFC 9293 §3.10.8")
class OneTimerAtATime(Stack):
    def advance(self, now: int) -> None:
        while (deadline := self.next_timer()) is not None and deadline <= now:
            _deadline, _serial, first = heapq.heappop(self._alarms)
            while self._alarms and self._alarms[0][0] == deadline and self._alarms[0][2] is not first:
                heapq.heappop(self._alarms)
            self.now = max(self.now, deadline)
            first.wake()
            self.serve()
        super().advance(now)


@defect("D453", "Ports of a peer that are the same modulo 256 are taken for one.", WHOSE)
class PortsModulo256(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        found = super().connection_for(pair)
        if found is not None:
            return found
        return next((each for there, each in self.connections.items() if _alike(pair, there)), None)


def _alike(one: Pair, other: Pair) -> bool:
    (ours, theirs), (our_port, their_port) = (one.remote, other.remote), (one.local, other.local)
    return our_port == their_port and ours.address == theirs.address and ours.port % 256 == theirs.port % 256


@defect("D454", "A reset ends all connections from the same port, of other peers too.", WHOSE, "RFC 9293 §3.5.3")
class ResetEndsNeighbours(Stack):
    def deliver(self, datagram: Datagram) -> None:
        before = self.connection_for(datagram.pair)
        super().deliver(datagram)
        if before is None or not datagram.segment.flags & RST or before is self.connection_for(datagram.pair):
            return
        for pair, other in list(self.connections.items()):
            if pair.remote.port == datagram.pair.remote.port and pair.local == datagram.pair.local:
                other.reset_arrived()


@defect("D455", "The tenth connection of a peer is refused.", MANY)
class TenPerPeer(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        peers = Counter(pair.remote.address for pair in self.connections)
        if datagram.segment.flags & SYN and peers[datagram.source] >= 9:
            self.refuse(datagram)
        else:
            super().arrive_unclaimed(datagram)


@defect("D456", "An ACK that is due to one connection is sent once more on the one that spoke before.", "MUST-58")
class AckOnBoth(Connection):
    def process_text(self, segment: Segment) -> None:
        super().process_text(segment)
        spoke = vars(self.host).get("spoke last")
        if spoke is not None and spoke is not self and spoke.state is self.state:
            spoke.send_ack()
        vars(self.host)["spoke last"] = self


@defect("D529", "Connections that the application aborts stay in the table: after 1,000 of them none opens.", RECORDS)
class AbortsLeak(LeakingStack):
    slots = 1000

    def leaks(self, connection: Tcb) -> bool:
        return connection.owner is None and not connection.fin_queued and _was_open(connection)


@defect(
    "D530", "Each connection of a listener takes a place away from another that listens on all addresses.", "MUST-42"
)
class TwoListenersOneConnection(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        super().arrive_unclaimed(datagram)
        connection = self.connection_for(datagram.pair)
        local = datagram.pair.local
        for address in UNSPECIFIED.values():
            other = self.listeners.get(local._replace(address=address))
            if other is not None and connection is not None and connection.owner is not other:
                other.opening.append(connection)
