"""The stack: which segment is whose, ports, listeners, and time (RFC 9293 §3.4, §3.10.7.1)."""

import errno
import heapq
import ipaddress
from collections import deque
from collections.abc import Iterable
from functools import lru_cache

from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN
from harness.spec.states import TIME_WAIT
from harness.stack import options
from harness.stack.config import Config, nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.ip import IpInput
from harness.stack.isn import initial_sequence_number, keyed_offset
from harness.stack.listener import Listener, reset_for
from harness.stack.settings import SocketSettings
from harness.stack.sockets import Socket
from harness.stack.tcb import Owner, Tcb

#: "All addresses", for a listener.
UNSPECIFIED = {4: "0.0.0.0", 6: "::"}
#: How many of the latest events are kept, and of how many connections the last number that they used.
KEPT_EVENTS = 1000
KEPT_NUMBERS = 1000


class Stack:
    """A host's TCP. `key` is the secret behind initial sequence numbers; `broadcasts` are addresses that mean everyone.

    The caller tells the time with `advance`, always forwards; all other calls happen at the time told last.
    """

    connection_class: type[Connection] = Connection
    listener_class: type[Listener] = Listener
    socket_class: type[Socket] = Socket
    ip_class: type[IpInput] = IpInput

    def __init__(
        self,
        addresses: Iterable[str],
        *,
        config: Config | None = None,
        key: bytes = b"",
        broadcasts: Iterable[str] = (),
        now: int = 0,
    ) -> None:
        self.addresses = tuple(addresses)
        self.config = config or Config()
        self.now = now
        self.connections: dict[Pair, Connection] = {}
        self.listeners: dict[Endpoint, Listener] = {}
        #: The latest events, for whoever wants to know: the connection and what happened.
        self.events: deque[tuple[Pair, str]] = deque(maxlen=KEPT_EVENTS)
        self._key = key
        self._broadcasts = frozenset(broadcasts)
        #: SND.NXT of connections that are gone, by pair, the latest last.
        self._used: dict[Pair, int] = {}
        self._sent: list[Datagram] = []
        self._ip = self.ip_class()
        #: Sockets on which something has come about, for the calls that wait there.
        self._awake: deque[Socket] = deque()
        self._alarms: list[tuple[int, int, Tcb]] = []
        self._serial = 0
        self._next_port = self.config.ephemeral_ports[0]
        self._challenges = 0
        self._challenges_since = now

    def socket(self, settings: SocketSettings | None = None) -> Socket:
        """Return a fresh socket."""
        return self.socket_class(self, settings)

    # --- in and out --------------------------------------------------------------------------------------------------

    def receive(self, packet: bytes) -> bytes | None:
        """Take an IP packet as it came; return it plain (`harness.stack.ip`), None as long as there is nothing to read.

        Whoever has packets calls this first, decodes what it returns, and lets that `arrive`.
        """
        return self._ip.receive(packet, self.now)

    def arrive(self, datagram: Datagram) -> None:
        """Process a segment; what it causes is there to be polled at once."""
        if self.is_intact(datagram) and self.is_for_us(datagram):
            self.deliver(datagram)
            self.serve()

    def deliver(self, datagram: Datagram) -> None:
        """Give a segment to the connection that it is for."""
        connection = self.connection_for(datagram.pair)
        if connection is None:
            self.arrive_unclaimed(datagram)
        elif not self._reopen(connection, datagram):
            connection.arrive(datagram.segment)

    def is_intact(self, datagram: Datagram) -> bool:
        """Tell whether the checksum is right: what is damaged is discarded in silence (MUST-3)."""
        return datagram.intact

    def connection_for(self, pair: Pair) -> Connection | None:
        """Return the connection that a segment belongs to: both endpoints tell (§3.4)."""
        return self.connections.get(pair)

    def arrive_unclaimed(self, datagram: Datagram) -> None:
        """Process a segment that belongs to no connection: in LISTEN, or in CLOSED (§3.10.7.1)."""
        listener = self.listener_for(datagram.pair.local)
        if listener is not None:
            self._adopt(listener.arrive(datagram))
        elif not datagram.segment.flags & RST:
            self.refuse(datagram)

    def refuse(self, datagram: Datagram) -> None:
        """Answer a segment without connection with a reset."""
        self.transmit(reset_for(datagram))

    def icmp_error(self, pair: Pair, seq: int, code: int, *, hard: bool) -> None:
        """An ICMP error has come that quotes a segment of a connection; `code` is the errno that stands for it."""
        connection = self.connection_for(pair)
        if connection is not None:
            connection.icmp_error(seq, code, hard=hard)
            self.serve()

    def poll(self) -> list[Datagram]:
        """Return what was sent since the last time."""
        self.serve()
        sent, self._sent = self._sent, []
        return sent

    def clear(self) -> None:
        """Forget every connection and listener at once, as a host does that loses its power."""
        for connection in self.connections.values():
            connection.vanish()
        self.connections.clear()
        self.listeners.clear()
        self._alarms.clear()
        self._sent.clear()
        self._awake.clear()
        self._ip.clear()

    def awaken(self, socket: Socket) -> None:
        """Something has come about on a socket: the calls that wait there are tried again by `serve`."""
        self._awake.append(socket)

    def serve(self) -> None:
        """Let the calls go on that wait on sockets where something has come about (`Socket.start`)."""
        while self._awake:
            self._awake.popleft().resume()

    # --- time --------------------------------------------------------------------------------------------------------

    def advance(self, now: int) -> None:
        """Tell the time, in nanoseconds; timers that are due by then expire in their order, each at its own time."""
        while (deadline := self.next_timer()) is not None and deadline <= now:
            self.now = max(self.now, deadline)
            _deadline, _serial, connection = heapq.heappop(self._alarms)
            connection.wake()
            self.serve()
        self.now = max(self.now, now)

    def next_timer(self) -> int | None:
        """Return when the next timer expires, None if none runs."""
        while self._alarms:
            deadline, _serial, connection = self._alarms[0]
            earliest = connection.timers.earliest
            if earliest is not None and earliest <= deadline:
                return deadline
            heapq.heappop(self._alarms)  # the timer was stopped or set anew
        return None

    # --- OPEN --------------------------------------------------------------------------------------------------------

    def listen(self, local: Endpoint, settings: SocketSettings, backlog: int) -> Listener:
        """Passive OPEN; EADDRINUSE where another listens already."""
        if local.address not in (*self.addresses, *UNSPECIFIED.values()):
            raise OSError(errno.EADDRNOTAVAIL, f"{local.address} is no address of this stack")
        if local in self.listeners:
            raise OSError(errno.EADDRINUSE, f"another socket listens on {local}")
        listener = self.listener_class(self, settings, backlog)
        listener.connection_class = self.connection_class
        self.listeners[local] = listener
        return listener

    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        """CLOSE in LISTEN."""
        if self.listeners.get(local) is listener:
            del self.listeners[local]
        listener.close()

    def listener_for(self, local: Endpoint) -> Listener | None:
        """Return who listens on an endpoint: on this very address first (MUST-42)."""
        everywhere = Endpoint(UNSPECIFIED[local.version], local.port)
        return self.listeners.get(local) or self.listeners.get(everywhere)

    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Owner) -> Connection:
        """Make the connection of an active OPEN, still CLOSED; a local address or port of 0 is chosen (MUST-45)."""
        if not self.is_unicast(remote.address):
            raise OSError(errno.ENETUNREACH, f"{remote.address} is a broadcast or multicast address")  # MUST-46
        address = local.address if local is not None else UNSPECIFIED[remote.version]
        if address in UNSPECIFIED.values():
            address = next(own for own in self.addresses if Endpoint(own, 0).version == remote.version)
        if address not in self.addresses:
            raise OSError(errno.EADDRNOTAVAIL, f"{address} is no address of this stack")
        pair = Pair(Endpoint(address, local.port if local is not None else 0), remote)
        if pair.local.port == 0:
            pair = self._free_pair(pair)
        if pair in self.connections:
            raise OSError(errno.EADDRNOTAVAIL, "connection already exists")
        connection = self.connection_class(self, pair, owner)
        self.connections[pair] = connection
        return connection

    def _free_pair(self, pair: Pair) -> Pair:
        first, last = self.config.ephemeral_ports
        if not first <= self._next_port <= last:
            self._next_port = first
        for _attempt in range(first, last + 1):
            candidate = pair._replace(local=pair.local._replace(port=self._next_port))
            self._next_port = self._next_port + 1 if self._next_port < last else first
            if candidate not in self.connections and candidate.local not in self.listeners:
                return candidate
        raise OSError(errno.EADDRNOTAVAIL, "insufficient resources: no port is free")

    # --- what connections need (`harness.stack.tcb.Host`) ------------------------------------------------------------

    def transmit(self, datagram: Datagram) -> None:
        """Put a segment on the way."""
        self._sent.append(datagram)

    def schedule(self, connection: Tcb, deadline: int) -> None:
        """Wake the connection at `deadline`."""
        self._serial += 1
        heapq.heappush(self._alarms, (deadline, self._serial, connection))

    def forget(self, connection: Tcb) -> None:
        """Remove a connection; one that it was to replace takes its place again (MAY-2 (2))."""
        self._used[connection.pair] = connection.snd_nxt
        while len(self._used) > KEPT_NUMBERS:
            del self._used[next(iter(self._used))]
        if self.connections.get(connection.pair) is connection:
            del self.connections[connection.pair]
            if isinstance(connection.replaced, Connection) and connection.replaced.state is TIME_WAIT:
                self.connections[connection.pair] = connection.replaced

    def event(self, connection: Tcb, text: str) -> None:
        """Take note of something that happened."""
        self.events.append((connection.pair, text))

    def challenge_allowed(self) -> bool:
        """Count a challenge ACK; False when there were too many in this period (RFC 5961 §7)."""
        if self.now - self._challenges_since >= nanoseconds(self.config.challenge_period_s):
            self._challenges, self._challenges_since = 0, self.now
        self._challenges += 1
        return self._challenges <= self.config.challenge_limit

    def choose_iss(self, pair: Pair) -> int:
        """Return an initial sequence number (RFC 6528), above all that the connection before has used (MAY-2 (1))."""
        iss, used = self.config.iss, self.last_number(pair)
        if iss is None:
            iss = initial_sequence_number(pair, self.now, self._key)
        return iss if used is None or seqno.lt(used, iss) else seqno.add(used, 1)

    def choose_timestamp_offset(self, pair: Pair) -> int:
        """Return what is added to the clock: another number for each pair of endpoints (RFC 7323 §7.1)."""
        chosen = self.config.timestamp_offset
        return keyed_offset(pair, b"timestamps") if chosen is None else chosen

    def last_number(self, pair: Pair) -> int | None:
        """Return the last number that a connection between these endpoints has used, as far as that is known."""
        before = self.connections.get(pair)
        return before.snd_nxt if before is not None and before.state is TIME_WAIT else self._used.get(pair)

    # --- addresses ---------------------------------------------------------------------------------------------------

    def is_for_us(self, datagram: Datagram) -> bool:
        """Tell whether a datagram is from one host to this one: others are discarded in silence (MUST-57, MUST-63)."""
        source = datagram.source
        return datagram.destination in self.addresses and self.is_unicast(source) and source not in self.addresses

    def is_unicast(self, address: str) -> bool:
        """Tell whether an address can be that of a single other host."""
        return address not in self._broadcasts and _may_be_unicast(address)

    # --- TIME-WAIT ---------------------------------------------------------------------------------------------------

    def _reopen(self, connection: Connection, datagram: Datagram) -> bool:
        """Let a new SYN take over a connection in TIME-WAIT (MAY-2, RFC 6191); tell whether the SYN is dealt with."""
        segment = datagram.segment
        is_request = segment.flags & (SYN | ACK | RST) == SYN
        if connection.state is not TIME_WAIT or not is_request or not self.config.time_wait_reuse:
            return False
        found = options.read(segment.options)
        listener = self.listener_for(datagram.pair.local)
        if connection.gives_way_to(segment, found):
            if listener is not None:
                self._adopt(listener.arrive(datagram, connection))
            return listener is not None
        return True  # an old duplicate: RFC 6191 §2 has it dropped in silence

    def _adopt(self, connection: Connection | None) -> None:
        if connection is not None:
            self.connections[connection.pair] = connection


@lru_cache(maxsize=4096)
def _may_be_unicast(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    everyone = address == "255.255.255.255"
    return not (parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback or everyone)
