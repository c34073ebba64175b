"""The calls that bring text one way or the other: write, read, and their relatives."""

import errno
import select
import socket
from collections.abc import Mapping

from harness.pkt import control
from harness.pkt.answers import Answer, Attempt, done, refused
from harness.pkt.descriptors import PEER_SALT, Descriptor, Stage, Table, argument
from harness.pkt.stated_socket import StatedSocket
from harness.pkt.support import Unsupported
from harness.pkt.symbols import NUMBERS, number
from harness.pkt.tree import Call, Expression, Items, Name, Number, Place, Record, Text
from harness.spec.history.world import text
from harness.spec.states import State
from harness.targets.sockets import AppSocket, LinuxSocket, WatchedSocket

#: Of one call; a stack that takes more at once has no window for it.
MAX_OCTETS = 1 << 26
#: So much goes to a socket at once, of a Linux kernel and of an adapter: what else a guest has no memory for, and no
#: line of the adapter's protocol is longer than the longest packet.
PIECE_OF_LINUX, PIECE = 1 << 19, 1 << 16
#: So much text is made at once: what no buffer takes is not made at all.
_AT_ONCE = 1 << 20
#: More than so much no window lets in, whatever room an application offers.
_ROOM = 1 << 22
_PLAIN_FLAGS = {
    socket.MSG_PEEK,
    socket.MSG_OOB,
    socket.MSG_DONTWAIT,
    socket.MSG_WAITALL,
    socket.MSG_MORE,
    socket.MSG_EOR,
    socket.MSG_NOSIGNAL,
}
#: Flags that only a Linux kernel's sockets have: text that is not copied, or goes with the SYN, and the error queue.
_LINUX_FLAGS = {NUMBERS["MSG_ZEROCOPY"], socket.MSG_ERRQUEUE, socket.MSG_TRUNC, socket.MSG_FASTOPEN}
#: Flags that are about the call alone: they ask a stack for nothing.
_OF_THE_CALL = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | socket.MSG_WAITALL
_NEVER_WAITS = socket.MSG_DONTWAIT | socket.MSG_ERRQUEUE
#: What one of these hands over is no text of the stream, or none at all.
_NO_TEXT = socket.MSG_OOB | socket.MSG_ERRQUEUE | socket.MSG_TRUNC
WRITERS = frozenset({"write", "send", "sendto", "sendmsg", "writev"})
#: Those that take one buffer, not a list of them.
_ONE_BUFFER = frozenset({"write", "send", "sendto", "read", "recv", "recvfrom"})
READERS = frozenset({"read", "recv", "recvfrom", "recvmsg", "readv"})


class TextCalls:
    """Makes the calls that write and read."""

    def __init__(self, stage: Stage, table: Table) -> None:
        self.stage = stage
        self.table = table

    def attempt(self, call: Call, place: Place) -> Attempt | None:
        """Return how to try a call, None for one that is not about text; raises Unsupported."""
        if call.function in WRITERS:
            return self._write(call, place)
        return self._read(call, place) if call.function in READERS else None

    def _write(self, call: Call, place: Place) -> Attempt:
        if _is_nowhere(call):
            return self._nowhere(call, place)
        descriptor = self.table.of(call, self.stage.symbols, place)
        data = self._data(call, place)
        flags = self._flags(call, place)
        length = len(data) if data is not None else self._length(call, place)
        if call.function == "sendmsg":
            _demand_no_control(call.arguments[1], place)
        if flags & ~_OF_THE_CALL and not self.stage.traits.has_sockets:
            raise Unsupported("flags of send()", place, lacking=True)
        self._demand_address(call, place)
        sent, opening, blocks = 0, False, False

        def write() -> Answer | None:
            nonlocal sent, opening, blocks
            if descriptor is None:
                return Answer(-1, "EBADF")
            waits = self.stage.waits(descriptor) and not flags & socket.MSG_DONTWAIT
            if descriptor.deferred or (flags & socket.MSG_FASTOPEN and not descriptor.connecting):
                content = data if data is not None else self._text(descriptor, length)
                try:
                    sent = self._open(descriptor, content, flags, place)
                except OSError as error:
                    under_way = isinstance(error, BlockingIOError)
                    descriptor.connecting &= under_way
                    if not waits or not under_way:
                        return refused(error)
                if not waits:
                    return Answer(sent)
                opening = True
            if opening and self._is_opening(descriptor):
                return None if waits else Answer(-1, "EINPROGRESS")
            if blocks and waits and not self._wakes_writers(descriptor):
                return None
            while True:
                last = data[sent:] if data is not None else self._text(descriptor, min(length - sent, _AT_ONCE))
                try:
                    sent += (taken := self._sent(descriptor, last, flags, place))
                except BlockingIOError as error:
                    if error.errno == errno.EALREADY:
                        return refused(error)
                    self.stage.has_waited |= waits
                    blocks = waits
                    return None if waits else Answer(sent) if sent else Answer(-1, "EAGAIN")
                except OSError as error:
                    return Answer(sent) if sent and not waits else refused(error)
                if sent >= length or (taken < len(last) and not waits):
                    return Answer(sent)

        return write

    def _wakes_writers(self, descriptor: Descriptor) -> bool:
        """Tell whether a call that waits for room goes on: a kernel wakes it by a third of the buffer, and not by less.

        poll() tells by the same rule (`sk_stream_write_space` and `__sk_stream_is_writeable` of Linux).
        """
        sock = descriptor.sock
        if not self.stage.traits.is_linux or not isinstance(sock, WatchedSocket):
            return True
        return bool(sock.poll() & (select.POLLOUT | select.POLLERR | select.POLLHUP))

    def _nowhere(self, call: Call, place: Place) -> Attempt:
        """Return how to hand over an address of nothing, to which a kernel says EFAULT; other stacks are not asked."""
        given = call.arguments[1]
        is_null = given.name == "NULL" if isinstance(given, Name) else isinstance(given, Number) and not given.value
        if call.function not in _ONE_BUFFER or not is_null or not self.stage.traits.is_linux:
            raise Unsupported(f"{call.function}() with an address for a buffer", place, lacking=is_null)
        descriptor = self.table.of(call, self.stage.symbols, place)
        octets, flags = self._length(call, place), self._flags(call, place)

        def hand_over() -> Answer | None:
            if descriptor is None:
                return Answer(-1, "EBADF")
            sock = self.table.sock(descriptor, place)
            assert isinstance(sock, LinuxSocket)
            ends = None
            if flags & socket.MSG_FASTOPEN and not descriptor.connecting:
                own = self.stage.opening(descriptor)
                ends = (self.stage.local(descriptor.port), self.stage.remote(own))
            try:
                return Answer(sock.nowhere(call.function in WRITERS, octets, flags, ends))
            except BlockingIOError as error:
                return None if self.stage.waits(descriptor) and not flags & socket.MSG_DONTWAIT else refused(error)
            except OSError as error:
                return refused(error)

        return hand_over

    def _open(self, descriptor: Descriptor, data: bytes, flags: int, place: Place) -> int:
        """Open with text (RFC 7413): return how much of it went with the SYN; BlockingIOError where none did."""
        sock = self.table.sock(descriptor, place)
        if descriptor.deferred or not isinstance(sock, LinuxSocket):
            descriptor.deferred = False
            return self._sent(descriptor, data, flags, place)
        own = self.stage.opening(descriptor)
        local, remote = self.stage.local(descriptor.port), self.stage.remote(own)
        taken = sock.begin(local, remote, data, flags & ~_OF_THE_CALL)
        self.stage.streams_of(own).written += data[:taken]
        return taken

    def _is_opening(self, descriptor: Descriptor) -> bool:
        assert descriptor.connection is not None
        snapshot = self.stage.conversation.rig.snapshot(descriptor.connection.tuple4)
        return snapshot is not None and snapshot.state in (State.SYN_SENT, State.SYN_RECEIVED)

    def _demand_address(self, call: Call, place: Place) -> None:
        given = call.arguments[4] if call.function == "sendto" and len(call.arguments) > 4 else None
        if isinstance(given, Name) and given.name != "NULL":
            raise Unsupported(f"sendto() to {given.name[:20]}", place)

    def _sent(self, descriptor: Descriptor, data: bytes, flags: int, place: Place) -> int:
        sock = self.table.sock(descriptor, place)
        asked = flags & ~_OF_THE_CALL
        try:
            taken = self._taken(sock, data, asked)
        except BlockingIOError:
            self._note_no_room(sock, descriptor)
            raise
        if taken < len(data):
            self._note_no_room(sock, descriptor)
        if descriptor.connection is not None:
            streams = self.stage.streams_of(descriptor.connection)
            streams.written += data[:taken]
            streams.urgent |= bool(flags & socket.MSG_OOB)
        return taken

    def _note_no_room(self, sock: AppSocket, descriptor: Descriptor) -> None:
        """Remember for poll() that a socket took less than all, where it does not tell itself when it has room."""
        if not isinstance(sock, StatedSocket) or descriptor.connection is None:
            return
        snapshot = self.stage.conversation.rig.snapshot(descriptor.connection.tuple4)
        if snapshot is not None:
            sock.found_no_room(snapshot.send_queue)

    def _taken(self, sock: AppSocket, data: bytes, flags: int) -> int:
        """Return how much of it a socket takes now, piece by piece; raises what it says to the first one."""
        taken, most = 0, PIECE_OF_LINUX if self.stage.traits.is_linux else PIECE
        while True:
            piece = data[taken : taken + most]
            try:
                last = sock.send(piece, flags) if flags else sock.send(piece)
            except OSError:
                if not taken:
                    raise
                return taken
            taken += last
            if last < most or taken == len(data):
                return taken

    def _text(self, descriptor: Descriptor, octets: int) -> bytes:
        own = descriptor.connection
        start = 1 + (len(self.stage.streams_of(own).written) if own is not None else 0)
        return text(start, octets)

    def _read(self, call: Call, place: Place) -> Attempt:
        if _is_nowhere(call):
            return self._nowhere(call, place)
        descriptor = self.table.of(call, self.stage.symbols, place)
        limit = min(self._length(call, place), _ROOM)
        flags = self._flags(call, place)
        if flags & ~_OF_THE_CALL and not self.stage.traits.has_sockets:
            raise Unsupported("flags of recv()", place, lacking=True)
        asked = flags & ~_OF_THE_CALL
        message = self._message(call, place)
        if message is not None:
            return self._read_message(descriptor, limit, flags, message, place)
        got = bytearray()

        def read() -> Answer | None:
            if descriptor is None:
                return Answer(-1, "EBADF")
            if descriptor.listening and not self.stage.traits.is_linux:
                return Answer(-1, "ENOTCONN")
            if not limit:
                return done()
            sock = self.table.sock(descriptor, place)
            waits = self.stage.waits(descriptor) and not flags & _NEVER_WAITS
            while True:
                try:
                    data = sock.recv(limit - len(got), asked) if asked else sock.recv(limit - len(got))
                except BlockingIOError:
                    if waits:
                        return None
                    return self._received(descriptor, bytes(got), flags) if got else Answer(-1, "EAGAIN")
                except OSError as error:
                    return self._received(descriptor, bytes(got), flags) if got else refused(error)
                got.extend(data)
                if not waits or not data or len(got) >= _enough(descriptor, limit, flags):
                    return self._received(descriptor, bytes(got), flags)

        return read

    def _read_message(
        self, descriptor: Descriptor | None, limit: int, flags: int, message: control.Expected, place: Place
    ) -> Attempt:
        def read() -> Answer | None:
            if descriptor is None:
                return Answer(-1, "EBADF")
            sock = self.table.sock(descriptor, place)
            assert isinstance(sock, LinuxSocket)
            try:
                told = sock.recv_message(limit, flags & ~_OF_THE_CALL)
            except BlockingIOError:
                waits = self.stage.waits(descriptor) and not flags & _NEVER_WAITS
                return None if waits else Answer(-1, "EAGAIN")
            except OSError as error:
                return refused(error)
            answer = self._received(descriptor, told.data, flags)
            if answer.problem is None:
                answer.problem = message.problem(told)
                self.stage.left_out.update(message.left_out)
            return answer

        return read

    def _message(self, call: Call, place: Place) -> control.Expected | None:
        """Return what recvmsg() is to hand over besides text; None for other calls, and where it hands over nothing."""
        given = call.arguments[1] if len(call.arguments) > 1 else None
        if call.function != "recvmsg" or not isinstance(given, Record):
            return None
        if self.stage.traits.is_linux:
            return control.Expected(given, self.stage.symbols, place, strict=self.stage.strict)
        _demand_no_control(given, place)
        return None

    def _received(self, descriptor: Descriptor, data: bytes, flags: int) -> Answer:
        answer = Answer(len(data))
        own = descriptor.connection
        if own is None or flags & _NO_TEXT or self.stage.streams_of(own).urgent:
            descriptor.read += len(data) if flags & socket.MSG_TRUNC and not flags & socket.MSG_PEEK else 0
            return answer
        due = text(descriptor.begun + 1 + descriptor.read, len(data), PEER_SALT)
        if data != due:
            at = next(at for at, (ours, theirs) in enumerate(zip(due, data, strict=True)) if ours != theirs)
            answer.problem = ("the octets that the peer has sent", f"others from octet {descriptor.read + at} on")
        if not flags & socket.MSG_PEEK:
            descriptor.read += len(data)
        return answer

    # --- arguments ----------------------------------------------------------------------------------------------------

    def _flags(self, call: Call, place: Place) -> int:
        at = {"send": 3, "sendto": 3, "recv": 3, "recvfrom": 3, "sendmsg": 2, "recvmsg": 2}.get(call.function)
        flags = argument(call, at, self.stage.symbols, place) if at is not None and at < len(call.arguments) else 0
        if unknown := flags & ~sum(_PLAIN_FLAGS | _LINUX_FLAGS):
            raise Unsupported(f"the flags {unknown:#x} of {call.function}()", place)
        if call.function in WRITERS and not self.stage.traits.is_linux:
            flags &= ~NUMBERS["MSG_ZEROCOPY"]  # whether text is copied is nobody's affair but the sender's
        if flags & sum(_LINUX_FLAGS) and not self.stage.traits.is_linux:
            raise Unsupported(f"flags of {call.function}()", place, lacking=True)
        return flags

    def _length(self, call: Call, place: Place) -> int:
        if call.function in ("sendmsg", "recvmsg"):
            length = _in_message(call.arguments[1], self.stage.symbols, place)
        elif call.function in ("writev", "readv"):
            length = sum(_pieces(call.arguments[1], self.stage.symbols, place))
        else:
            length = argument(call, 2, self.stage.symbols, place)
        if not 0 <= length <= MAX_OCTETS:
            raise Unsupported(f"{call.function}() of {length} octets", place)
        return length

    def _data(self, call: Call, place: Place) -> bytes | None:
        """Return the text that a script writes itself, None where it leaves that open."""
        given = call.arguments[1] if len(call.arguments) > 1 else None
        if isinstance(given, Text) and call.function in ("write", "send", "sendto"):
            return given.value.encode("latin-1", "replace")[: self._length(call, place)]
        return None


def _is_nowhere(call: Call) -> bool:
    """Tell whether a call has an address for a buffer: NULL, as a program in C may hand it over."""
    return isinstance(call.arguments[1] if len(call.arguments) > 1 else None, Name | Number)


def _in_message(message: Expression, symbols: Mapping[str, str], place: Place) -> int:
    """Return the octets of a message."""
    if not isinstance(message, Record):
        raise Unsupported("a message without a structure", place)
    vector = message.fields.get("msg_iov")
    return sum(_pieces(vector, symbols, place)) if vector is not None else 0


def _enough(descriptor: Descriptor, limit: int, flags: int) -> int:
    """Return for how many octets a call that receives waits."""
    if flags & (socket.MSG_PEEK | socket.MSG_OOB):
        return 1
    return limit if flags & socket.MSG_WAITALL else min(descriptor.least, limit)


def _demand_no_control(message: Expression, place: Place) -> None:
    """Refuse control data, which sockets elsewhere do not have."""
    given = message.fields.get("msg_control") if isinstance(message, Record) else None
    if isinstance(given, Items) and given.items:
        raise Unsupported("control data of a message (msg_control)", place, lacking=True)


def _pieces(vector: Expression, symbols: Mapping[str, str], place: Place) -> list[int]:
    if not isinstance(vector, Items):
        raise Unsupported("a vector without a list", place)
    lengths = []
    for piece in vector.items:
        if isinstance(piece, Items) and len(piece.items) == 2:
            lengths.append(number(piece.items[1], symbols))
        elif isinstance(piece, Record) and "iov_len" in piece.fields:
            lengths.append(number(piece.fields["iov_len"], symbols))
        else:
            raise Unsupported("a piece of a vector", place)
    return lengths
