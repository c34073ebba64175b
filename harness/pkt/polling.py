"""poll() and epoll, worked out from what a target's sockets say of themselves; by edges, a kernel's own epoll tells."""

import select
from collections.abc import Callable, Mapping

from harness.pkt.answers import Answer, Attempt, done, refused
from harness.pkt.descriptors import Descriptor, Stage, Table
from harness.pkt.stated_socket import StatedSocket
from harness.pkt.support import Unsupported
from harness.pkt.symbols import NUMBERS, number
from harness.pkt.tree import Call, Expression, Items, Place, Record
from harness.spec.states import State
from harness.targets.protocol import Capability
from harness.targets.sockets import LinuxSocket, TellingSocket, WatchedSocket

#: What is always told, asked for or not.
_ALWAYS = select.POLLERR | select.POLLHUP
_ONCE = select.EPOLLONESHOT
_BY_EDGES = select.EPOLLET | select.EPOLLEXCLUSIVE


#: States of a connection that accept() hands out.
_ACCEPTABLE = (State.ESTABLISHED, State.CLOSE_WAIT)


class Polling:
    """The calls that ask what is ready."""

    def __init__(self, stage: Stage, table: Table) -> None:
        self._stage = stage
        self._table = table

    def attempt(self, call: Call, place: Place) -> Attempt | None:
        """Return how to make such a call, None for any other."""
        makers: dict[str, Callable[[Call, Place], Attempt]] = {
            "poll": self._poll,
            "epoll_create": self._create,
            "epoll_create1": self._create,
            "epoll_ctl": self._control,
            "epoll_wait": self._wait,
        }
        maker = makers.get(call.function)
        traits = self._stage.traits
        if maker is not None and not (traits.has_sockets or traits.claims(Capability.STATES)):
            raise Unsupported("poll() and epoll", place, lacking=True)
        return None if maker is None else maker(call, place)

    def _ready(self, descriptor: Descriptor | None, wanted: int, place: Place) -> int:
        """Return the events of a descriptor among those asked for; numbers of poll and epoll are the same."""
        if descriptor is None:
            return select.POLLNVAL
        sock = self._table.sock(descriptor, place)
        if isinstance(sock, WatchedSocket):
            events = sock.poll()
        elif isinstance(sock, StatedSocket):
            events = self._stated(sock, descriptor, place)
        else:
            raise Unsupported("poll() and epoll", place)
        if events & select.POLLIN:
            events |= select.POLLRDNORM
        if events & select.POLLOUT:
            events |= select.POLLWRNORM
        return events & (wanted | _ALWAYS)

    def _stated(self, sock: StatedSocket, descriptor: Descriptor, place: Place) -> int:
        """Return what holds of a socket, by its state; a listener is ready when a connection waits to be accepted."""
        snapshot = self._stage.conversation.rig.snapshot
        if descriptor.listening:
            waiting = [snapshot(each.tuple4) for each in self._stage.incoming if each.tuple4.port == descriptor.port]
            return select.POLLIN if any(each is not None and each.state in _ACCEPTABLE for each in waiting) else 0
        if descriptor.connection is None or not descriptor.connecting:
            return select.POLLOUT | select.POLLHUP
        seen = snapshot(descriptor.connection.tuple4)
        events = sock.conditions(seen) if seen is not None else None
        if events is None:
            untold = "poll() and epoll of a stack that does not tell how full its buffers are"
            raise Unsupported(untold, place, lacking=True)
        return events

    def _poll(self, call: Call, place: Place) -> Attempt:
        entries = call.arguments[0].items if call.arguments and isinstance(call.arguments[0], Items) else ()
        records = [entry for entry in entries if isinstance(entry, Record)]
        if any(not {"fd", "events"} <= set(record.fields) for record in records):
            raise Unsupported("poll() without `fd` and `events`", place)
        timeout = number(call.arguments[2], self._stage.symbols) if len(call.arguments) > 2 else 0
        ends = number(call.result, self._stage.symbols) or timeout > 0

        def poll() -> Answer | None:
            seen = []
            for record in records:
                descriptor = self._table.get(number(record.fields["fd"], self._stage.symbols), place)
                seen.append(self._ready(descriptor, self._events(record, "events"), place))
            count = sum(1 for events in seen if events)
            if not count and ends and (call.stop_ns is not None or timeout) and not self._stage.expired:
                return None
            answer = Answer(count)
            for record, events in zip(records, seen, strict=True):
                due = self._events(record, "revents") if "revents" in record.fields else 0
                if due != events & ~(select.POLLRDNORM | select.POLLWRNORM) | (events & due):
                    answer.problem = (f"revents={_named(due)}", f"they are {_named(events)}")
            return answer

        return poll

    def _events(self, record: Record, name: str) -> int:
        return number(record.fields[name], self._stage.symbols)

    def _create(self, call: Call, place: Place) -> Attempt:
        said = number(call.result, self._stage.symbols)

        def create() -> Answer:
            self._table.add(said, Descriptor(armed={}))
            return Answer(said)

        return create

    def _control(self, call: Call, place: Place) -> Attempt:
        numbers = [number(argument, self._stage.symbols) for argument in call.arguments[:3]]
        record = call.arguments[3] if len(call.arguments) > 3 else None
        events = self._events(record, "events") if isinstance(record, Record) and "events" in record.fields else 0
        traits = self._stage.traits
        if events & _BY_EDGES and not (traits.is_linux or traits.claims(Capability.READINESS)):
            raise Unsupported("epoll that is triggered by edges (EPOLLET, EPOLLEXCLUSIVE)", place, lacking=True)

        def control() -> Answer:
            poll = self._table.get(numbers[0], place)
            if poll is None or poll.armed is None:
                return Answer(-1, "EBADF")
            removed = numbers[1] == NUMBERS["EPOLL_CTL_DEL"]
            descriptor = self._table.get(numbers[2], place)
            if wrong := self._wrong_control(numbers, poll.armed, descriptor):
                return Answer(-1, wrong)
            if descriptor is not None and isinstance(descriptor.sock, LinuxSocket):
                try:
                    descriptor.sock.watch(numbers[0], None if removed else events)
                except OSError as error:
                    return refused(error)
            if removed:
                poll.armed.pop(numbers[2], None)
            else:
                poll.armed[numbers[2]] = (events, _data(record))
                if descriptor is not None and isinstance(descriptor.sock, TellingSocket):
                    descriptor.edges[numbers[0]] = descriptor.sock.poll()  # what holds already is news to it
            return done()

        return control

    def _wrong_control(self, numbers: list[int], armed: Mapping[int, object], descriptor: Descriptor | None) -> str:
        """Return with which error epoll_ctl() refuses what makes no sense, "" where it does."""
        if descriptor is None:
            return "EBADF"
        if numbers[0] == numbers[2]:
            return "EINVAL"
        if numbers[1] == NUMBERS["EPOLL_CTL_ADD"]:
            return "EEXIST" if numbers[2] in armed else ""
        return "" if numbers[2] in armed else "ENOENT"

    def _wait(self, call: Call, place: Place) -> Attempt:
        numbered = number(call.arguments[0], self._stage.symbols)
        due = call.arguments[1] if len(call.arguments) > 1 else None
        timeout = number(call.arguments[3], self._stage.symbols) if len(call.arguments) > 3 else 0
        expected = number(call.result, self._stage.symbols)

        def wait() -> Answer | None:
            poll = self._table.get(numbered, place)
            if poll is None or poll.armed is None:
                return Answer(-1, "EBADF")
            found = []
            for watched, (events, data) in list(poll.armed.items()):
                descriptor = self._table.get(watched, place)
                if descriptor is None:
                    continue
                by_kernel = isinstance(descriptor.sock, LinuxSocket)
                if isinstance(descriptor.sock, LinuxSocket):
                    seen = descriptor.sock.watched(numbered)
                else:
                    seen = self._ready(descriptor, events & ~_ONCE, place)
                    if events & _BY_EDGES and isinstance(descriptor.sock, TellingSocket):
                        seen &= _news(descriptor, descriptor.sock, numbered)
                if seen:
                    found.append((seen, data))
                    if events & _ONCE and not by_kernel:
                        poll.armed[watched] = (0, data)
            ends = expected or timeout > 0
            if not found and ends and (call.stop_ns is not None or timeout) and not self._stage.expired:
                return None
            answer = Answer(len(found))
            said = isinstance(due, Record) and "events" in due.fields
            wanted = self._events(due, "events") if isinstance(due, Record) and said and found else None
            if wanted is not None and wanted != found[0][0]:
                answer.problem = (f"events={_named(wanted)}", f"they are {_named(found[0][0])}")
            return answer

        return wait


def _news(descriptor: Descriptor, sock: TellingSocket, poll: int) -> int:
    """Return what has come about since an epoll has told of a socket; it is news to all others that watch it too."""
    fresh = sock.edges()
    for each in descriptor.edges:
        descriptor.edges[each] |= fresh
    told, descriptor.edges[poll] = descriptor.edges.get(poll, 0), 0
    return told


def _data(record: Expression | None) -> int:
    fields = record.fields if isinstance(record, Record) else {}
    value = fields.get("fd") or fields.get("u32") or fields.get("u64")
    return number(value, {}) if value is not None else 0


_NAMES = ("POLLIN", "POLLPRI", "POLLOUT", "POLLERR", "POLLHUP", "POLLNVAL", "POLLRDHUP")


def _named(events: int) -> str:
    return "|".join(name for name in _NAMES if getattr(select, name) & events) or "0"
