"""What the sound stack was asked and what it answered, so that another stack can be asked the same in a fraction of it.

The harness asks what it asks because of what it was answered. A stack that gives the same answers to the end of the
tape is asked no other thing by the harness and gets the same verdict: nothing need be judged. One that gives another
answer is played and judged as ever.
"""

import contextlib
import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from harness.observe.snapshot import FourTuple, Snapshot
from harness.stack.pending import Pending
from harness.targets.reference.socket import ReferenceSocket
from harness.targets.reference.target import ReferenceTarget
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival

#: Who was asked (0: the target; n: what the n-th of the answers that are things has made), what, and what came of it.
Entry = tuple[int, str, tuple[Any, ...], Any]
#: On a tape a setting is entered and left by questions of their own.
_ENTER, _LEAVE = "enter-setting", "leave-setting"


class Tape:
    """Questions and answers in their order."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)
        #: Most are the same look with the same answer: each is there once.
        self._kept: dict[Entry, Entry] = {}
        self._things = 0
        self._asking = False

    def ask(self, number: int, name: str, arguments: tuple[Any, ...], action: Callable[[], Any]) -> Any:
        """Ask by `action`, and keep the question with its answer; raises what that raises. What it asks is not kept."""
        if self._asking:
            return action()
        self._asking = True
        try:
            answer = action()
        except Exception as error:
            self.keep((number, name, arguments, _told(error)))
            raise
        finally:
            self._asking = False
        self.keep((number, name, arguments, _told(answer)))
        if isinstance(answer, ReferenceSocket | Pending):
            self._things += 1
            return _Overheard(self, self._things, answer)
        return answer

    @classmethod
    def unpacked(cls, packed: bytes) -> "Tape":
        """Return what `packed` has packed."""
        return cls(pickle.loads(zlib.decompress(packed)))

    def packed(self) -> bytes:
        """Return the tape in some 3 KB, of a conversation, in place of twenty times as much."""
        return zlib.compress(pickle.dumps(self.entries, pickle.HIGHEST_PROTOCOL), level=1)

    def keep(self, entry: Entry) -> None:
        """Keep a question with its answer."""
        self.entries.append(self._kept.setdefault(entry, entry))

    def fits(self, target: ReferenceTarget) -> bool:
        """Tell whether a fresh target gives all these answers. It may take any time, as a defective stack does."""
        things: list[Any] = [target]
        settings: list[contextlib.AbstractContextManager[None]] = []
        for number, name, arguments, told in self.entries:
            if name == _ENTER:
                settings.append(target.setting(*arguments))
                settings[-1].__enter__()
                continue
            if name == _LEAVE:
                settings.pop().__exit__(None, None, None)
                continue
            try:
                found = getattr(things[number], name)
                answer = found(*arguments) if callable(found) else found
            except Exception as error:
                if _told(error) != told:
                    return False
                continue
            if _told(answer) != told:
                return False
            if isinstance(answer, ReferenceSocket | Pending):
                things.append(answer)
        return True


def _told(answer: Any) -> Any:
    """Return what of an answer can be held against another one."""
    if isinstance(answer, BaseException):
        return type(answer), getattr(answer, "errno", None), str(answer)
    if isinstance(answer, list):
        return tuple((arrival.time_ns, arrival.packet) for arrival in answer)
    return type(answer) if isinstance(answer, ReferenceSocket | Pending) else answer


class _Overheard:
    """A socket, or a call that waits, whose answers go onto the tape."""

    def __init__(self, tape: Tape, number: int, thing: ReferenceSocket | Pending[Any]) -> None:
        self._tape, self._number, self._thing = tape, number, thing

    def __getattr__(self, name: str) -> Any:
        found = getattr(type(self._thing), name)
        if isinstance(found, property):
            return self._tape.ask(self._number, name, (), lambda: getattr(self._thing, name))
        return lambda *arguments: self._tape.ask(self._number, name, arguments, lambda: found(self._thing, *arguments))


class RecordedTarget(ReferenceTarget):
    """The reference stack as a target whose answers are kept on a tape."""

    def __init__(self, **options: Any) -> None:
        self.tape = Tape()
        super().__init__(**options)

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket."""
        sock: AppSocket = self._ask("socket", (version,), super().socket)
        return sock

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Let packets arrive and return what the stack sends."""
        arrivals: list[Arrival] = self._ask("exchange", (tuple(packets), destination_mac), super().exchange)
        return arrivals

    def waiting(self) -> list[Arrival]:
        """Return what was sent by itself."""
        arrivals: list[Arrival] = self._ask("waiting", (), super().waiting)
        return arrivals

    def snapshot(self, tuple4: FourTuple) -> Snapshot:
        """Look at the stack's own records."""
        snapshot: Snapshot = self._ask("snapshot", (tuple4,), super().snapshot)
        return snapshot

    def forget_connections(self) -> None:
        """Drop every record."""
        self._ask("forget_connections", (), super().forget_connections)

    def pass_time(self, duration_ns: int) -> None:
        """Advance the clock until it is over or something was sent: what is seen next tells which."""
        self._ask("pass_time", (duration_ns,), super().pass_time)

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a setting for the time of the context."""
        self.tape.keep((0, _ENTER, (name, value), None))
        try:
            with super().setting(name, value):
                yield
        finally:
            self.tape.keep((0, _LEAVE, (), None))

    def _ask(self, name: str, arguments: tuple[Any, ...], action: Callable[..., Any]) -> Any:
        return self.tape.ask(0, name, arguments, lambda: action(*arguments))
