"""setsockopt, getsockopt and ioctl: set where the target has such options, and compared where that tells of TCP."""

import socket
import struct
from collections.abc import Callable

from harness.observe.snapshot import Snapshot
from harness.pkt import tcp_info
from harness.pkt.answers import Answer, Attempt, done, error_name, refused
from harness.pkt.descriptors import (
    LARGEST_WINDOW,
    LINGERING,
    RECEIVING,
    SENDING,
    Descriptor,
    Stage,
    Table,
    argument,
    int_of,
)
from harness.pkt.schedule import NS
from harness.pkt.support import Unsupported
from harness.pkt.symbols import errno_of, number
from harness.pkt.tree import Anything, Call, Expression, Items, Name, Number, Place, Record, Text
from harness.spec.states import State
from harness.targets.protocol import Capability, NotOffered

#: Options whose value is the size of a buffer, of which windows are made; they are not asserted.
_BUFFERS = {"SO_RCVBUF", "SO_SNDBUF", "SO_RCVBUFFORCE", "SO_SNDBUFFORCE"}
#: Options that change nothing for what is judged here, or are as they should be anyway.
IGNORED = {
    "SO_REUSEADDR",
    "SO_REUSEPORT",
    "SO_DEBUG",
    "SO_NOSIGPIPE",
    "SO_TIMESTAMP",
    "SO_TIMESTAMPNS",
    "SO_PRIORITY",
    "SO_BUSY_POLL",
    "SO_INCOMING_CPU",
    "SO_MAX_PACING_RATE",
    "TCP_QUICKACK",
    "TCP_CONGESTION",
    "TCP_LOG",
    "TCP_LOGBUF",
    "TCP_FUNCTION_BLK",
    "IP_MTU_DISCOVER",
    "IPV6_V6ONLY",
    "IP_FREEBIND",
    RECEIVING,
    SENDING,
    "SO_BINDTODEVICE",
}
LEAST_RECEIVED = "SO_RCVLOWAT"
#: Options that adapters have which claim this, of open sockets.
_CLAIMED = {
    "SO_KEEPALIVE": Capability.KEEP_ALIVE,
    "TCP_KEEPIDLE": Capability.KEEP_ALIVE,
    "TCP_KEEPINTVL": Capability.KEEP_ALIVE,
    "TCP_KEEPCNT": Capability.KEEP_ALIVE,
    "TCP_USER_TIMEOUT": Capability.USER_TIMEOUT,
}
#: Options that only what a Linux kernel's error queue tells depends on.
_OF_THE_ERROR_QUEUE = {"SO_ZEROCOPY", "SO_TIMESTAMPING"}
#: Options that say when text is sent, and nothing else.
_PACING = {"TCP_NODELAY", "TCP_CORK", "TCP_NOTSENT_LOWAT"}
_QUEUES = {"SIOCINQ": "in", "FIONREAD": "in", "SIOCOUTQ": "out", "FIONWRITE": "out", "TIOCOUTQ": "out"}
#: To look at all that is there.
_PEEK = 1 << 22


class SocketOptions:
    """The options of a script's sockets."""

    def __init__(self, stage: Stage, table: Table) -> None:
        self._stage = stage
        self._table = table

    def attempt(self, call: Call, place: Place) -> Attempt | None:
        """Return how to make such a call, None for any other."""
        makers: dict[str, Callable[[Call, Place], Attempt]] = {
            "setsockopt": self._set,
            "getsockopt": self._get,
            "ioctl": self._ioctl,
        }
        maker = makers.get(call.function)
        return None if maker is None else maker(call, place)

    # --- setsockopt --------------------------------------------------------------------------------------------------

    def _set(self, call: Call, place: Place) -> Attempt:
        descriptor, name = self._descriptor(call, place), _name(call, 2, place)
        value = call.arguments[3] if len(call.arguments) > 3 else Anything(place)
        ignored = name in IGNORED or (name in _OF_THE_ERROR_QUEUE and not self._stage.traits.is_linux)
        lacking = self.lacks(call, place)

        def put() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if name == "SO_LINGER":
                onoff, seconds = _linger(value)
                descriptor.linger_resets = bool(onoff) and not seconds
                descriptor.timeouts_ns[LINGERING] = seconds * NS if onoff else 0
                return done()
            if name == LEAST_RECEIVED:
                descriptor.least = max(1, int_of(value, self._stage.symbols, place))
                if not self._stage.traits.is_linux:
                    return done()
            if name in (RECEIVING, SENDING):
                descriptor.timeouts_ns[name] = _time_ns(value)
                return done()
            if ignored or (name in _BUFFERS and not self._stage.traits.has_sockets):
                return done()
            if lacking:
                return self._go_without(name, place)
            try:
                self._put(descriptor, call, name, value, place)
            except NotOffered:
                return self._go_without(name, place)
            except OSError as error:
                return self._refused(error, call, name, place)
            descriptor.opens_fast |= name == "TCP_FASTOPEN_CONNECT"
            return done()

        return put

    def lacks(self, call: Call, place: Place) -> str:
        """Return the option that a call sets and the target has not, "" where it may have it.

        Raises Unsupported for a symbol that there is not, and where the script has the option refused.
        """
        name = _name(call, 2, place)
        of_queue = name in _OF_THE_ERROR_QUEUE and not self._stage.traits.is_linux
        if name in IGNORED or of_queue or name in _BUFFERS or name in ("SO_LINGER", LEAST_RECEIVED):
            return ""
        try:
            self._demand_sockets(name, place)
            number(call.arguments[2], self._stage.symbols)
        except Unsupported as reason:
            if not reason.lacking or call.error:
                raise
            return reason.construct
        return ""

    def _go_without(self, name: str, place: Place) -> Answer:
        self._stage.go_without(f"the socket option {name}", place, of_all=name not in _PACING)
        return done()

    def _put(self, descriptor: Descriptor, call: Call, name: str, value: Expression, place: Place) -> None:
        sock = self._table.sock(descriptor, place)
        level, option = argument(call, 1, self._stage.symbols, place), argument(call, 2, self._stage.symbols, place)
        given = _octets(value)
        sock.set_option(level, option, int_of(value, self._stage.symbols, place) if given is None else given)

    def _refused(self, error: OSError, call: Call, name: str, place: Place) -> Answer:
        """Return the refusal that a script expects; any other says that the target has no such option."""
        if call.error and error.errno == errno_of(call.error):
            return refused(error)
        if error.errno in (errno_of("ENOPROTOOPT"), errno_of("ENOENT"), errno_of("EPERM"), errno_of("EOPNOTSUPP")):
            if call.function == "setsockopt" and not call.error:
                return self._go_without(name, place)
            raise Unsupported(f"the socket option {name}", place, lacking=True)
        return refused(error)

    # --- getsockopt --------------------------------------------------------------------------------------------------

    def _get(self, call: Call, place: Place) -> Attempt:
        descriptor, name = self._descriptor(call, place), _name(call, 2, place)
        due = call.arguments[3] if len(call.arguments) > 3 else Anything(place)
        if name == "TCP_INFO":
            self._demand_fields(due, place)
        elif name not in IGNORED and name not in _BUFFERS and name != "SO_ERROR" and not isinstance(due, Anything):
            self._demand_sockets(name, place)
            number(call.arguments[2], self._stage.symbols)

        def get() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if name == "SO_ERROR":
                return self._error(descriptor, due, place)
            if name == "TCP_INFO":
                return self._info(descriptor, due, place)
            if name in _BUFFERS and not self._stage.strict:
                self._stage.left_out["buffer size"] += 1
                self._claim(name, descriptor, due)
                return done()
            if name in IGNORED or isinstance(due, Anything):
                self._stage.left_out["socket option"] += 1
                return done()
            try:
                return self._compared(descriptor, call, due, place)
            except OSError as error:
                return self._refused(error, call, name, place)

        return get

    def _claim(self, name: str, descriptor: Descriptor, due: Expression) -> None:
        """Note the size of the receive buffer that the script says: it takes that for the window."""
        value = due.items[0] if isinstance(due, Items) and due.items else due
        if name == "SO_RCVBUF" and descriptor.connection is not None and not isinstance(value, Anything):
            size = number(value, self._stage.symbols)
            if descriptor.listening:  # the window of a connection that nobody has accepted yet is not scaled
                size = min(size, LARGEST_WINDOW)
            self._stage.claimed_windows[descriptor.connection.index] = size

    def _demand_sockets(self, name: str, place: Place) -> None:
        traits, claimed = self._stage.traits, _CLAIMED.get(name)
        if not traits.has_sockets and not (claimed is not None and traits.claims(claimed)):
            raise Unsupported(f"the socket option {name}", place, lacking=True)

    def _demand_fields(self, due: Expression, place: Place) -> None:
        """Refuse fields of TCP_INFO that no look at the connection table tells."""
        if self._stage.traits.is_linux or not isinstance(due, Record):
            return
        for name in due.fields:
            if name not in tcp_info.KNOWN_EVERYWHERE:
                raise Unsupported(f"{name} of TCP_INFO", place, lacking=True)

    def _error(self, descriptor: Descriptor, due: Expression, place: Place) -> Answer:
        try:
            code = self._table.sock(descriptor, place).pending_error()
        except OSError:
            code = 0  # where an adapter has not been asked for a socket yet
        seen = error_name(code)
        answer = Answer(0, shown=f"[{seen}]")
        named = due.items[0] if isinstance(due, Items) and due.items else due
        if isinstance(named, Anything):
            return answer
        said = named.name if isinstance(named, Name) else error_name(number(named, self._stage.symbols))
        if said != seen:
            answer.problem = (f"SO_ERROR {said}", f"it is {seen}")
        return answer

    def _info(self, descriptor: Descriptor, due: Expression, place: Place) -> Answer:
        answer = Answer(0)
        fields = self.info(descriptor, place)
        wanted = due.fields if isinstance(due, Record) else {}
        for name, value in wanted.items():
            if isinstance(value, Anything):
                continue
            if name not in fields:
                raise Unsupported(f"{name} of TCP_INFO", place)
            said = number(value, self._stage.symbols)
            if fields[name] != said and answer.problem is None:
                answer.problem = (f"{name} = {said}", f"it is {fields[name]}")
        return answer

    def info(self, descriptor: Descriptor | None, place: Place) -> dict[str, int]:
        """Return the fields of TCP_INFO that can be known; raises Unsupported where there are none."""
        if descriptor is None:
            raise Unsupported("TCP_INFO without a socket", place)
        if self._stage.traits.is_linux:
            octets = self._table.sock(descriptor, place).get_option(*tcp_info.OPTION, tcp_info.SIZE)
            memory = self._table.sock(descriptor, place).get_option(*tcp_info.MEMORY_OPTION, tcp_info.MEMORY_SIZE)
            assert isinstance(octets, bytes)
            assert isinstance(memory, bytes)
            return tcp_info.decode(octets, self._stage.dialect) | tcp_info.decode_memory(memory)
        connection = descriptor.connection
        look = self._stage.conversation.rig.snapshot
        snapshot = look(connection.tuple4) if connection is not None else Snapshot(State.CLOSED)
        if snapshot is None:
            raise Unsupported("TCP_INFO where states can't be seen", place)
        return tcp_info.from_snapshot(snapshot, self._stage.dialect)

    def _compared(self, descriptor: Descriptor, call: Call, due: Expression, place: Place) -> Answer:
        sock = self._table.sock(descriptor, place)
        level, option = argument(call, 1, self._stage.symbols, place), argument(call, 2, self._stage.symbols, place)
        answer = Answer(0)
        given = _octets(due)
        if given is not None:
            octets = sock.get_option(level, option, max(len(given), 16))
            text = octets.rstrip(b"\0") if isinstance(octets, bytes) else b""
            answer.problem = None if text == given.rstrip(b"\0") else (f"{given!r}", f"it is {text!r}")
            return answer
        said, seen = number(due, self._stage.symbols), sock.get_option(level, option)
        answer.problem = None if said == seen else (f"the value {said}", f"it is {seen!r}")
        return answer

    # --- ioctl -------------------------------------------------------------------------------------------------------

    def _ioctl(self, call: Call, place: Place) -> Attempt:
        descriptor, name = self._descriptor(call, place), _name(call, 1, place)
        if name == "FIONBIO":
            return self._unblock(descriptor, argument(call, 2, self._stage.symbols, place))
        if name not in _QUEUES:
            raise Unsupported(f"ioctl() with {name}", place)
        due = call.arguments[2] if len(call.arguments) > 2 else Anything(place)

        def look() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            seen = self._unread(descriptor, place) if _QUEUES[name] == "in" else self._unacknowledged(descriptor, place)
            answer = Answer(0, shown=f"[{seen}]")
            if not isinstance(due, Anything) and number(due, self._stage.symbols) != seen:
                answer.problem = (f"{number(due, self._stage.symbols)} octets", f"there are {seen}")
            return answer

        return look

    def _unblock(self, descriptor: Descriptor | None, flag: int) -> Attempt:
        def unblock() -> Answer:
            if descriptor is None:
                return Answer(-1, "EBADF")
            descriptor.blocking = not flag
            return done()

        return unblock

    def _unread(self, descriptor: Descriptor, place: Place) -> int:
        if self._stage.traits.has_sockets:
            try:
                return len(self._table.sock(descriptor, place).recv(_PEEK, socket.MSG_PEEK))
            except OSError:
                return 0
        return self._queue(descriptor, "recvq", place).receive_queue

    def _unacknowledged(self, descriptor: Descriptor, place: Place) -> int:
        return self._queue(descriptor, "sendq", place).send_queue

    def _queue(self, descriptor: Descriptor, name: str, place: Place) -> Snapshot:
        connection = descriptor.connection
        snapshot = self._stage.conversation.rig.snapshot(connection.tuple4) if connection is not None else None
        if snapshot is None or (name in snapshot.untold and snapshot.state is not State.CLOSED):
            raise Unsupported("the length of a queue that can't be seen", place)
        return snapshot

    def _descriptor(self, call: Call, place: Place) -> Descriptor | None:
        return self._table.get(number(call.arguments[0], self._stage.symbols), place) if call.arguments else None


def _name(call: Call, at: int, place: Place) -> str:
    given = call.arguments[at] if at < len(call.arguments) else None
    if isinstance(given, Name):
        return given.name
    if isinstance(given, Number) and isinstance(level := call.arguments[1], Name | Number):
        shown = level.name if isinstance(level, Name) else level.value
        return f"{shown} {given.value}"  # whoever has sockets knows it by its number
    raise Unsupported(f"an option of {call.function}() without a name", place)


def _linger(value: Expression) -> tuple[int, int]:
    fields = value.fields if isinstance(value, Record) else {}
    numbers = [number(each, {}) for each in fields.values()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


def _time_ns(value: Expression) -> int:
    """Return a time of seconds and microseconds, 0 for none."""
    parts = (
        value.items if isinstance(value, Items) else tuple(value.fields.values()) if isinstance(value, Record) else ()
    )
    if len(parts) == 1 and isinstance(parts[0], Record | Items):
        return _time_ns(parts[0])
    seconds, microseconds = (number(each, {}) for each in parts) if len(parts) == 2 else (0, 0)
    return (seconds * 1_000_000 + microseconds) * 1000


def _octets(value: Expression) -> bytes | None:
    """Return the octets of a value that is no number."""
    only = value.items[0] if isinstance(value, Items) and len(value.items) == 1 else value
    if isinstance(only, Text):
        return only.value.encode("latin-1", "replace")
    if isinstance(only, Record) and set(only.fields) == {"onoff", "linger"}:
        return struct.pack("ii", *(number(each, {}) for each in only.fields.values()))
    return None
