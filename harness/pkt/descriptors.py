"""The descriptors of a script: what its numbers stand for at the target, and which connection each is about."""

import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.pkt.profile import Dialect
from harness.pkt.stated_socket import StatedSocket
from harness.pkt.support import Traits, Unsupported
from harness.pkt.symbols import number
from harness.pkt.tree import Call, Expression, Place, TcpSegment
from harness.spec import seqno
from harness.spec.segment import FIN, RST, SYN
from harness.targets.protocol import NotOffered
from harness.targets.sockets import AppSocket, ConnectedSocket, WatchedSocket

#: The peer's text differs from the target's by this in each octet.
PEER_SALT = 17
#: The MTU of the wire.
MTU = 1500
#: The largest window without a scale (RFC 9293 §3.1).
LARGEST_WINDOW = 65535
#: The options that say how long a call blocks at most.
RECEIVING, SENDING, LINGERING = "SO_RCVTIMEO", "SO_SNDTIMEO", "SO_LINGER"
#: The port that scripts listen on unless they say another.
USUAL_PORT = 8080


@dataclass(slots=True)
class Descriptor:
    """A number of the script. `read` is how much of the peer's text it has received; `armed` what epoll watches."""

    sock: AppSocket | None = None
    connection: Connection | None = None
    port: int = 0
    blocking: bool = True
    listening: bool = False
    connecting: bool = False
    #: Whether the application knows it to be connected: accept() or connect() has said so.
    connected: bool = False
    linger_resets: bool = False
    #: Whether it opens with text: TCP_FASTOPEN_CONNECT.
    opens_fast: bool = False
    #: Whether its connect() has sent nothing yet: that is for the first text to do.
    deferred: bool = False
    read: int = 0
    begun: int = 0
    #: How much a call that receives waits for at least (SO_RCVLOWAT).
    least: int = 1
    #: Whether it was freed of its connection, so that the next one has other ports.
    freed: bool = False
    armed: dict[int, tuple[int, int]] | None = None
    #: What each epoll that watches it has not told yet, where that is kept here and not by a kernel.
    edges: dict[int, int] = field(default_factory=dict)
    extra_flags: int = 0
    #: Whether it is a file, which holds as much text as is asked of it; and what is in a pipe, shared by its two ends.
    is_file: bool = False
    pipe: bytearray | None = None
    #: How long calls on it block at most, by the option that says so.
    timeouts_ns: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Streams:
    """What both applications have written on a connection."""

    written: bytearray = field(default_factory=bytearray)
    urgent: bool = False
    #: The number of the peer's last SYN, and of the last one that was answered: the peer's text counts from it.
    asked: int = 0
    begun: int = 0
    #: The number behind all of the peer's text that came in order.
    peer_next: int | None = None

    def take_from_peer(self, segment: TcpSegment) -> bool:
        """Note a segment of the peer; return whether it brings something new in order, or nothing at all."""
        end = seqno.add(segment.seq, segment.length + bool(segment.flags & FIN) + bool(segment.flags & SYN))
        if segment.absolute or segment.flags & RST or end == segment.seq:
            return True
        if segment.flags & SYN or self.peer_next is None:
            self.peer_next = end
            return True
        new = seqno.leq(segment.seq, self.peer_next) and seqno.lt(self.peer_next, end)
        self.peer_next = end if new else self.peer_next
        return new


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was not done as the script has it: a difference behind it may come of that.

    It is about all that is said of one connection's text, or, without one, about how fast text is sent, or, as a
    setting that the target has not, about everything (`of_all`).
    """

    construct: str
    place: Place
    connection: Connection | None = None
    of_all: bool = False


@dataclass(slots=True, eq=False)
class Stage:
    """Where a script is played: the conversation and what is known beside it."""

    conversation: Conversation
    traits: Traits
    version: int
    mapped: bool
    dialect: Dialect
    symbols: Mapping[str, str]
    strict: bool
    #: The congestion control that sockets are given, where the target's default could not be set.
    congestion: str = ""
    #: Whether text that a line has in one piece may come in several, though all else is asserted: packetdrill's device
    #: hands up what a card would cut.
    cut: bool = False
    #: Whether nothing unexpected may come behind the last line.
    silent_end: bool = True
    #: What the script says and was not asserted, by its name.
    left_out: Counter[str] = field(default_factory=Counter)
    streams: dict[int, Streams] = field(default_factory=dict)
    current: Connection | None = None
    #: Connections that the peer has begun, in order, and the target's ports by those of the script.
    incoming: list[Connection] = field(default_factory=list)
    ports: dict[int, int] = field(default_factory=dict)
    #: The addresses of peer and target that the script is written for; None: they can't be read.
    written_for: tuple[str, str] | None = None
    #: The MTU of the way to the peer, where the script says it.
    mtu: int = MTU
    #: The MSS that the script means (`--mss`), of which its large segments are merged.
    mss: int | None = None
    #: The size of the receive buffer that the script says, of which its stack makes the window, by connection.
    claimed_windows: dict[int, int] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    #: Ports of the target on which a socket has listened or been connected: a SYN to any other begins nothing.
    begun: set[int] = field(default_factory=set)
    #: Whether a call that writes has blocked: it is made again and again, so that the kernel does not see it wait.
    has_waited: bool = False
    #: Whether the time of the call that blocks has run out: what has not come by now it does not wait for.
    expired: bool = False
    _main_taken: bool = False

    def fresh(self, port: int | None = None) -> Connection:
        """Return a connection that nobody uses yet; `port` is the target's."""
        main = self.conversation.main
        if not self._main_taken and port in (None, main.tuple4.port):
            self._main_taken = True
            main.renew(0)
            self.current = main
            return main
        # The same port of the target needs another one of the peer.
        peer_port = main.tuple4.peer_port + len(self.conversation.connections)
        self.current = self.conversation.connect_peer(port=port, peer_port=peer_port, iss=0)
        return self.current

    def bound(self, port: int) -> Connection:
        """Return a connection on the target's port that stands for a port of the script, 0 for the usual one."""
        own = self.fresh(self.ports.get(port or USUAL_PORT))
        self.ports[port or USUAL_PORT] = own.tuple4.port
        return own

    def opening(self, descriptor: Descriptor) -> Connection:
        """Return the connection that a socket opens: that of its port, or another one."""
        own = (None if descriptor.freed else descriptor.connection) or self.fresh()
        descriptor.connection, descriptor.port, descriptor.freed = own, own.tuple4.port, False
        descriptor.connecting = True
        self.begun.add(own.tuple4.port)
        self.current = own
        return own

    def go_without(self, construct: str, place: Place, *, of_all: bool = True) -> None:
        """Note what the target has not and the script is played without: a difference behind it may come of that.

        Unless `of_all` that is one of when text is sent.
        """
        self.doubts.append(Doubt(construct, place, of_all=of_all))

    @property
    def under_test(self) -> Connection:
        """The connection that a packet without ports is about."""
        return self.current or self.fresh()

    def waits(self, descriptor: Descriptor) -> bool:
        """Tell whether a call on a descriptor waits for what is not there yet."""
        return descriptor.blocking and not self.expired

    def now_ns(self) -> int:
        """Return the time of the target's clock."""
        return self.conversation.rig.target.clock.now_ns()

    def streams_of(self, connection: Connection) -> Streams:
        """Return what was written on a connection."""
        return self.streams.setdefault(connection.index, Streams())

    def local(self, port: int) -> tuple[str, int]:
        """Return the target's address and port as its application writes it."""
        return self._shown(self.conversation.main.tuple4.address), port

    def remote(self, connection: Connection) -> tuple[str, int]:
        """Return the peer's address and port as the application writes it."""
        return self._shown(connection.tuple4.peer_address), connection.tuple4.peer_port

    def _shown(self, address: str) -> str:
        return f"::ffff:{address}" if self.mapped else address

    @property
    def in_pieces(self) -> bool:
        """Whether the text of a line may come in several segments."""
        return self.cut or not self.strict

    def controls_congestion_by(self, name: str) -> bool:
        """Give each socket from here on this congestion control; return whether the target takes it from a socket.

        A namespace may not make it its default if the machine has another (`tcp_set_default_congestion_control`).
        """
        before, self.congestion = self.congestion, name
        try:
            self.socket().close()
        except (OSError, NotOffered):
            self.congestion = before
            return False
        return True

    def socket(self) -> AppSocket:
        """Return a fresh socket of the target."""
        sock = self.conversation.rig.target.socket(6 if self.mapped else self.version)
        if self.congestion:
            sock.set_option(socket.IPPROTO_TCP, socket.TCP_CONGESTION, self.congestion.encode())
        return sock if isinstance(sock, WatchedSocket) else StatedSocket(sock)


class Table:
    """The open descriptors of a script."""

    def __init__(self) -> None:
        self._open: dict[int, Descriptor] = {}
        #: Those whose number was given to another one: the script has not closed them.
        self._displaced: list[Descriptor] = []

    def add(self, number: int, descriptor: Descriptor) -> None:
        """Give a descriptor the number that the script says it has."""
        if number in self._open:
            self._displaced.append(self._open[number])
        self._open[number] = descriptor

    def get(self, number: int, place: Place) -> Descriptor | None:
        """Return an open descriptor, None where there is none: the call says EBADF."""
        return self._open.get(number)

    def of(self, call: Call, symbols: Mapping[str, str], place: Place) -> Descriptor | None:
        """Return the descriptor that a call is about, its first argument."""
        return self.get(argument(call, 0, symbols, place), place)

    def sock(self, descriptor: Descriptor, place: Place) -> AppSocket:
        """Return the socket of a descriptor."""
        if descriptor.sock is None:
            raise Unsupported("a call on a descriptor that is no socket", place)
        return descriptor.sock

    def drop(self, number: int) -> None:
        """Forget a closed descriptor, which no epoll watches any more."""
        self._open.pop(number, None)
        for each in self._open.values():
            if each.armed is not None:
                each.armed.pop(number, None)

    def all(self) -> list[Descriptor]:
        """Return all that are open."""
        return [*self._open.values(), *self._displaced]

    def has_socket_of(self, connection: Connection) -> bool:
        """Tell whether a socket that does not listen is open for a connection, alive or ended."""
        return any(each.connection is connection and not each.listening for each in self._open.values() if each.sock)

    def about(self, connection: Connection | None) -> Descriptor | None:
        """Return the descriptor of a connection; the listener's where there is no other."""
        own = [each for each in self._open.values() if each.connection is connection and each.sock is not None]
        return next((each for each in own if not each.listening), own[0] if own else None)


def argument(call: Call, at: int, symbols: Mapping[str, str], place: Place) -> int:
    """Return an argument of a call that is an int; raises Unsupported where there is none."""
    if at >= len(call.arguments):
        raise Unsupported(f"{call.function}() with {len(call.arguments)} arguments", place)
    return int_of(call.arguments[at], symbols, place)


def int_of(expression: Expression, symbols: Mapping[str, str], place: Place) -> int:
    """Return a number that an int of the application's holds; raises Unsupported for any other."""
    value = number(expression, symbols)
    if not -(1 << 31) <= value < 1 << 31:
        raise Unsupported(f"the number {value}, which no int holds", place)
    return value


def connection_of(
    sock: AppSocket, waiting: list[Connection], is_over: Callable[[Connection], bool]
) -> Connection | None:
    """Return whose connection it is that was accepted: the socket tells, else it is the first that waits and lives.

    One that was reset while it waited may be handed out too, or not; its socket knows no peer any more.
    """
    if len(waiting) < 2:
        return waiting[0] if waiting else None
    over = [each for each in waiting if is_over(each)]
    living = [each for each in waiting if each not in over]
    if not isinstance(sock, ConnectedSocket):
        return (living or waiting)[0]
    try:
        port = sock.remote()[1]
    except OSError:
        return (over or waiting)[0]
    return next((each for each in waiting if each.tuple4.peer_port == port), waiting[0])
