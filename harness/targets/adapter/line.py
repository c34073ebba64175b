"""The adapter protocol on a line to an adapter: one command there, `out` lines and one final line back.

Everything that an adapter can do wrong ends in an `AdapterFailure` that says what was asked and what came. The
protocol itself is `docker/ADAPTER.md`; what carries the octets is a `Carrier`: the pipes of a process, or the attached
streams of a container.
"""

import contextlib
import re
import signal
import time
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from harness.targets.protocol import TargetDied, TargetGone, TargetHung, TargetStorms
from harness.wire.link import MAX_ARRIVALS, Flood

#: How long an adapter may work on one command. It takes microseconds; a busy machine takes longer.
ANSWER_LIMIT_S = 10.0
#: So many hangs at one command, each tried twice, and the next ones are not waited for so long.
PATIENCE = 6
#: How long then: so many times the longest that an answer has taken, and at least so many seconds. The process behind
#: one that has hung so is given more: a case hangs by two, and a machine may stand still for a moment.
USUAL_TIMES, SHORTEST_LIMIT_S, SECOND_LIMIT_S = 100, 0.25, 2.0
#: How long it may take to end when its standard input is closed.
FAREWELL_S = 2.0
#: An adapter that holds more memory has died of it; one that holds half as much between two cases is started anew. That
#: is looked at behind so many commands, and so often while an answer is waited for, in seconds.
MEMORY_OCTETS, LOOK_COMMANDS, LOOK_S = 8 << 30, 256, 1.0
#: The longest IP packet in hexadecimal and what stands around it; text that was asked for comes on top.
MAX_LINE = 2 * 65535 + 1024
_OUT = re.compile(r"out (\d{1,15}(?:\.\d{1,6})?) ((?:[0-9a-fA-F]{2})+)")


class AdapterFailure(TargetGone):
    """The adapter was ended, or does not speak the protocol."""


class AdapterDied(AdapterFailure, TargetDied):
    """The adapter has ended in the middle of a command, and the stack in it: it crashed, panicked, or gave up."""


class AdapterHung(AdapterFailure, TargetHung):
    """The adapter does not answer, and the stack in it may loop; `verb` is what it was asked."""

    def __init__(self, verb: str, circumstances: str) -> None:
        TargetHung.__init__(self, f"no answer to {verb!r} in time", circumstances)
        self.verb = verb


class AdapterStorms(AdapterFailure, TargetStorms):
    """The stack in the adapter sends without end."""


class Patience:
    """How long an adapter's answers are waited for: `limit_s`, and much less behind a command at which it has hung.

    It outlives the process: the next one is of the same program.
    """

    def __init__(self, limit_s: float = ANSWER_LIMIT_S) -> None:
        self.limit_s = limit_s
        self._hangs: Counter[str] = Counter()
        self._longest_s = 0.0
        #: Whether the process at hand is the second one of a case that has hung.
        self._again = False

    def limit(self, verb: str) -> float:
        """Return how long the answer to a command may take, in seconds."""
        if self._hangs[verb] < PATIENCE:
            return self.limit_s
        least_s = SECOND_LIMIT_S if self._again else SHORTEST_LIMIT_S
        return min(self.limit_s, max(least_s, USUAL_TIMES * self._longest_s))

    def answered(self, seconds: float) -> None:
        """Take note of how long an answer took."""
        self._longest_s = max(self._longest_s, seconds)

    def hung(self, verb: str) -> None:
        """Take note of a command that was not answered: another process follows."""
        self._hangs[verb] += 1
        self._again = not self._again


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command brought: packets with their time in nanoseconds, and the final line's words.

    `error` is the name of the errno of an `err` line and "" for `ok`; `words` are what follows.
    """

    packets: list[tuple[int, bytes]]
    error: str
    words: list[str]


class Carrier(Protocol):
    """A running adapter, as a pair of streams that never block."""

    def write(self, octets: memoryview) -> int:
        """Write to standard input and return how much was taken; BlockingIOError, or BrokenPipeError at its end."""

    def read(self) -> bytes:
        """Return what is on standard output, b"" at its end; BlockingIOError if nothing is."""

    def wait(self, seconds: float, *, writing: bool = False) -> bool:
        """Wait until there may be something to read (or room to write); return False when the time is over."""

    def ending(self) -> str:
        """Return how the adapter ended, such as "died of SIGSEGV"; "" if it did not within FAREWELL_S."""

    def last_words(self) -> str:
        """Return the end of what the adapter wrote to its standard error."""

    def memory(self) -> int:
        """Return how much memory the adapter holds, in octets; 0 where that can't be told."""

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """End the adapter and all that it started; return whether it went by itself within `farewell_s`."""


class Launcher(Protocol):
    """Starts adapters, one after another. Its text says what is started."""

    def start(self) -> Carrier:
        """Start an adapter; raises AdapterFailure."""

    def close(self) -> None:
        """Start no more."""


class AdapterLine:
    """The conversation with one running adapter, of which `carrier` is the streams."""

    def __init__(self, carrier: Carrier, patience: Patience) -> None:
        self.carrier = carrier
        self._patience = patience
        self._unread = b""
        self._asked = 0

    @property
    def is_bloated(self) -> bool:
        """Whether the adapter holds so much memory that it had better be started anew."""
        return self.carrier.memory() > MEMORY_OCTETS // 2

    def ask(self, command: str, *, extra_s: float = 0.0, octets: int = 0) -> Answer:
        """Send a command and return its answer.

        `extra_s` is time that the command itself takes, and `octets` is how much text its final line may have.
        """
        if self._unread or self.carrier.wait(0):
            self._demand_silence()
        self._asked += 1
        if not self._asked % LOOK_COMMANDS:
            self._look(command)
        begin = time.monotonic()
        deadline = begin + self._patience.limit(_verb(command)) + extra_s
        self._write(command, deadline)
        packets: list[tuple[int, bytes]] = []
        while True:
            line = self._read_line(command, deadline, MAX_LINE + 2 * octets)
            if line.startswith("out "):
                packets.append(_packet(line, command))
                if len(packets) > MAX_ARRIVALS:
                    raise AdapterStorms(str(Flood()), f"the adapter, in answer to {_short(command)}")
                continue
            kind, *words = line.split(" ")
            if kind in ("ok", "err") and _verb(command) != "hello":
                self._patience.answered(time.monotonic() - begin - extra_s)
            if kind == "ok":
                return Answer(packets, "", words)
            if kind == "err" and words:
                return Answer(packets, words[0], words[1:])
            what = "nothing" if not line else _short(line)
            raise AdapterFailure(f"the adapter answered {_short(command)} with {what}: not an out, ok or err line")

    def close(self, farewell_s: float = FAREWELL_S) -> bool:
        """End the adapter; return whether it went by itself within `farewell_s`."""
        return self.carrier.close(farewell_s)

    def _write(self, command: str, deadline: float) -> None:
        left = memoryview(command.encode() + b"\n")
        while left:
            try:
                left = left[self.carrier.write(left) :]
            except BlockingIOError:
                if not self.carrier.wait(max(0.0, deadline - time.monotonic()), writing=True):
                    raise self._hangs(command) from None
            except BrokenPipeError:
                raise self._ended(command) from None

    def _read_line(self, command: str, deadline: float, longest: int) -> str:
        while b"\n" not in self._unread:
            if len(self._unread) > longest:
                raise AdapterFailure(f"the adapter answered {_short(command)} with a line of over {longest} octets")
            if not self._wait(command, deadline):
                raise self._hangs(command)
            try:
                octets = self.carrier.read()
            except BlockingIOError:
                continue
            if not octets:
                raise self._ended(command)
            self._unread += octets
        line, _newline, self._unread = self._unread.partition(b"\n")
        try:
            return line.rstrip(b"\r").decode("ascii")
        except UnicodeDecodeError:
            raise AdapterFailure(f"the adapter answered {_short(command)} with {line[:60]!r}: not text") from None

    def _wait(self, command: str, deadline: float) -> bool:
        """Wait for octets; however late it is, who was stopped itself finds what has come meanwhile."""
        while (left := deadline - time.monotonic()) > LOOK_S:
            if self.carrier.wait(LOOK_S):
                return True
            self._look(command)
        return self.carrier.wait(max(0.0, left))

    def _look(self, command: str) -> None:
        """Raise if the adapter holds more memory than any stack needs: it would take the machine's."""
        if self.carrier.memory() > MEMORY_OCTETS:
            cause = f"the adapter holds more than {MEMORY_OCTETS >> 20} MiB of memory"
            raise AdapterDied(cause, f"at {_short(command)}{self._said()}")

    def _demand_silence(self) -> None:
        """Raise if the adapter has said anything behind its last final line; the end of the process shows later."""
        with contextlib.suppress(BlockingIOError):
            self._unread += self.carrier.read()
        if self._unread:
            text = _short(self._unread.decode("ascii", "replace").splitlines()[0])
            raise AdapterFailure(f"the adapter went on behind its final line, with {text}")

    def _hangs(self, command: str) -> AdapterFailure:
        verb = _verb(command)
        limit_s = self._patience.limit(verb)
        self._patience.hung(verb)
        return AdapterHung(verb, f"the adapter did not answer {_short(command)} within {limit_s:g} s{self._said()}")

    def _ended(self, command: str) -> AdapterFailure:
        """Return what is known about the end of the adapter: its standard output is closed."""
        how = self.carrier.ending() or "closed its standard output"
        cause, circumstances = f"the adapter {how}", f"at {_short(command)}{self._said()}"
        return AdapterDied(cause, circumstances) if is_death(how) else AdapterFailure(f"{cause} {circumstances}")

    def _said(self) -> str:
        text = self.carrier.last_words()
        return f"; its standard error ends with: {text}" if text else ""


def _packet(line: str, command: str) -> tuple[int, bytes]:
    match = _OUT.fullmatch(line)
    if match is None:
        raise AdapterFailure(f"the adapter answered {_short(command)} with {_short(line)}: not 'out TIME HEX'")
    return time_ns(match[1]), bytes.fromhex(match[2])


def time_ns(text: str) -> int:
    """Return a time of the protocol, milliseconds with up to six decimals, in nanoseconds."""
    whole, _point, decimals = text.partition(".")
    return int(whole) * 1_000_000 + int(decimals.ljust(6, "0"))


def _short(text: str) -> str:
    return repr(text if len(text) <= 70 else f"{text[:60]}… ({len(text)} characters)")


def _verb(command: str) -> str:
    return command.partition(" ")[0]


def ending_by_signal(number: int) -> str:
    """Return the words for a process that a signal ended."""
    try:
        return f"died of {signal.Signals(number).name}"
    except ValueError:
        return f"died of signal {number}"


def ending_with_code(code: int) -> str:
    """Return the words for a process that ended with an exit code; a shell's above 128 stand for signals."""
    signalled = SIGNALLED < code <= SIGNALLED + signal.NSIG
    return ending_by_signal(code - SIGNALLED) if signalled else f"ended with exit code {code}"


def is_death(how: str) -> bool:
    """Tell whether such an end is the program's own doing, and not that of somebody else.

    An adapter ends when its standard input does. Before that it ends by a crash or a panic: of Go with exit code 2, of
    Rust with 101, of an assertion by SIGABRT or a code that its author has chosen.
    """
    code = how.removeprefix("ended with exit code ")
    return how in _CRASHES or (code.isdigit() and int(code) not in _NEVER_RUN)


#: Exit codes above this are signals, as shells and engines report them.
SIGNALLED = 128
#: Exit codes of a shell that can't start the program.
_NEVER_RUN = frozenset({126, 127})
#: What a program brings upon itself; other signals come from outside.
_OWN_SIGNALS = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
_CRASHES = frozenset(ending_by_signal(signal.Signals[name]) for name in _OWN_SIGNALS)
