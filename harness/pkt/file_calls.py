"""open(), pipe(), sendfile() and splice(): text of files and pipes, none of which is one of this machine.

A file that a script opens holds as much text as is asked of it, and no path is ever looked at. A Linux kernel gets the
calls themselves; to another stack they are a SEND or a RECEIVE like any other.
"""

from collections.abc import Callable

from harness.pkt.answers import Answer, Attempt, refused
from harness.pkt.descriptors import PEER_SALT, Descriptor, Stage, Table, argument
from harness.pkt.support import Unsupported
from harness.pkt.symbols import number
from harness.pkt.text_calls import MAX_OCTETS
from harness.pkt.tree import Anything, Call, Expression, Items, Name, Place
from harness.spec.history.world import text
from harness.targets.sockets import LinuxSocket

#: How much a pipe holds (pipe(7)), in octets.
IN_A_PIPE = 1 << 16


class FileCalls:
    """Makes the calls that bring text from a file, or to and from a pipe."""

    def __init__(self, stage: Stage, table: Table) -> None:
        self._stage = stage
        self._table = table

    def attempt(self, call: Call, place: Place) -> Attempt | None:
        """Return how to try a call, None for any other; raises Unsupported."""
        makers: dict[str, tuple[int, Callable[[Call, Place], Attempt]]] = {
            "open": (1, self._open),
            "pipe": (1, self._pipe),
            "sendfile": (4, self._send_file),
            "splice": (5, self._splice),
        }
        if call.function not in makers:
            return None
        least, maker = makers[call.function]
        if len(call.arguments) < least:
            raise Unsupported(f"{call.function}() with {len(call.arguments)} arguments", place)
        return maker(call, place)

    def _open(self, call: Call, place: Place) -> Attempt:
        said = number(call.result, self._stage.symbols)
        if said < 0:
            raise Unsupported("a file that can't be opened", place)
        return self._added({said: Descriptor(is_file=True)})

    def _pipe(self, call: Call, place: Place) -> Attempt:
        ends = call.arguments[0]
        if not isinstance(ends, Items) or len(ends.items) != 2:
            raise Unsupported("pipe() without [READ, WRITE]", place)
        inside = bytearray()
        return self._added({number(end, self._stage.symbols): Descriptor(pipe=inside) for end in ends.items})

    def _added(self, descriptors: dict[int, Descriptor]) -> Attempt:
        def add() -> Answer:
            for numbered, descriptor in descriptors.items():
                self._table.add(numbered, descriptor)
            return Answer(next(iter(descriptors)) if len(descriptors) == 1 else 0)

        return add

    def _send_file(self, call: Call, place: Place) -> Attempt:
        octets = self._octets(call, 3, place)
        numbers = [argument(call, at, self._stage.symbols, place) for at in (0, 1)]
        sent = 0

        def send() -> Answer | None:
            nonlocal sent
            out, file = (self._table.get(each, place) for each in numbers)
            if out is None or file is None:
                return Answer(-1, "EBADF")
            if not file.is_file:
                raise Unsupported("sendfile() of what is no file", place)
            try:
                taken = self._sent(out, self._text(out, octets - sent), place)
            except BlockingIOError:
                return None if self._stage.waits(out) else Answer(sent) if sent else Answer(-1, "EAGAIN")
            except OSError as error:
                return refused(error)
            sent += taken
            return Answer(sent) if sent >= octets or not self._stage.waits(out) else None

        return send

    def _splice(self, call: Call, place: Place) -> Attempt:
        octets = self._octets(call, 4, place)
        numbers = [argument(call, at, self._stage.symbols, place) for at in (0, 2)]
        for offset in (call.arguments[1], call.arguments[3]):
            if not _is_none(offset):
                raise Unsupported("splice() from an offset", place)

        def move() -> Answer | None:
            source, goal = (self._table.get(each, place) for each in numbers)
            if source is None or goal is None:
                return Answer(-1, "EBADF")
            try:
                if goal.pipe is not None and source.sock is not None:
                    return self._into(goal.pipe, source, octets, place)
                if source.pipe is not None and goal.sock is not None:
                    taken = self._sent(goal, bytes(source.pipe[:octets]), place)
                    del source.pipe[:taken]
                    return Answer(taken)
            except BlockingIOError:
                waiting = source if source.sock is not None else goal
                if waiting.connection is not None and self._stage.streams_of(waiting.connection).urgent:
                    raise Unsupported("splice() beside an urgent octet", place) from None
                return None if self._stage.waits(waiting) else Answer(-1, "EAGAIN")
            except OSError as error:
                return refused(error)
            raise Unsupported("splice() without a socket and a pipe", place)

        return move

    def _into(self, pipe: bytearray, source: Descriptor, octets: int, place: Place) -> Answer:
        sock = self._table.sock(source, place)
        room = min(octets, IN_A_PIPE - len(pipe))
        data = sock.splice(room) if isinstance(sock, LinuxSocket) else sock.recv(room)
        answer, own = Answer(len(data)), source.connection
        pipe += data
        if own is not None and not self._stage.streams_of(own).urgent:
            if data != text(source.begun + 1 + source.read, len(data), PEER_SALT):
                answer.problem = ("the octets that the peer has sent", "others")
            source.read += len(data)
        return answer

    def _sent(self, goal: Descriptor, data: bytes, place: Place) -> int:
        sock = self._table.sock(goal, place)
        taken = sock.send_file(data) if isinstance(sock, LinuxSocket) else sock.send(data)
        if goal.connection is not None:
            self._stage.streams_of(goal.connection).written += data[:taken]
        return taken

    def _text(self, goal: Descriptor, octets: int) -> bytes:
        written = len(self._stage.streams_of(goal.connection).written) if goal.connection is not None else 0
        return text(1 + written, octets)

    def _octets(self, call: Call, at: int, place: Place) -> int:
        octets = argument(call, at, self._stage.symbols, place)
        if not 0 <= octets <= MAX_OCTETS:
            raise Unsupported(f"{call.function}() of {octets} octets", place)
        return octets


def _is_none(offset: Expression) -> bool:
    return isinstance(offset, Anything) or (isinstance(offset, Name) and offset.name == "NULL")
