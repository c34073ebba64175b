"""`tcpspec adapter check COMMAND`: walks through the adapter protocol and says what an adapter lacks.

Each step builds on those before it, so the walk ends at the first one that makes the next ones meaningless. This is
about the adapter; whether the stack behind it is right is what the cases are for.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.spec.options import mss
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.targets.adapter import CLAIMABLE, PROTOCOL, SWITCHES, VERSION, Greeting, read_greeting
from harness.targets.adapter_container import Image
from harness.targets.adapter_line import AdapterFailure, AdapterLine, Answer, Launcher, Patience
from harness.targets.adapter_process import Command, command_line
from harness.targets.pod import ADDRESSES
from harness.targets.protocol import Capability, UnusableTarget
from harness.wire import codec

PORT, PEER_PORT = 80, 60000
USAGE_ERROR = 4
#: A stack with a clock of its own sees somewhat later that it has sent something.
REAL_TIME_SLACK_NS = 1_000_000_000


class Lack(Exception):
    """What is wrong at this step."""


@dataclass(slots=True)
class Remote:
    """The peer's end of one connection, as far as a check needs it."""

    path: codec.Path
    port: int
    peer_port: int
    seq: int = 1000
    ack: int = 0

    def packet(self, flags: int, data: bytes = b"") -> bytes:
        """Return the peer's next packet."""
        options = mss(1460) if flags & SYN else b""
        ack = self.ack if flags & ACK else 0
        segment = Segment(
            flags,
            self.seq,
            ack,
            payload=data,
            options=options,
            source_port=self.peer_port,
            destination_port=self.port,
        )
        self.seq += len(data) + bool(flags & SYN) + bool(flags & FIN)
        return codec.encode(self.path, segment)

    def state_command(self) -> str:
        """Return the command that asks for this connection's state."""
        return f"state {self.path.destination} {self.port} {self.path.source} {self.peer_port}"


class Dialogue:
    """A walk through the protocol with one adapter."""

    def __init__(self, line: AdapterLine) -> None:
        self.line = line
        self.greeting: Greeting | None = None

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the steps in order: a title, and what raises Lack or AdapterFailure."""
        yield f"hello: speaks {PROTOCOL} {VERSION}, tells name, version and time", self._hello
        yield "address, set: takes what the harness sends first", self._addresses
        yield "an unknown command is refused, and nothing else happens", self._unknown
        yield "passive open, data both ways, the peer closes first (IPv4)", lambda: self._passive(4)
        if self.greeting is not None and Capability.IPV6 in self.greeting.capabilities:
            yield "the same on IPv6", lambda: self._passive(6)
        yield "active open: refused by the peer, and reported once", self._refused
        yield "advance: time passes, and stops where the stack sends something", self._advance
        yield "abort: a reset goes out", self._abort
        yield "reset: everything is forgotten, silently", self._reset

    def _hello(self) -> None:
        self.greeting = read_greeting(self.line.ask(f"hello {PROTOCOL} {VERSION}"))

    def _addresses(self) -> None:
        assert self.greeting is not None
        for address in ADDRESSES[4].target:
            self._ok(f"address {address}/24")
        if Capability.IPV6 in self.greeting.capabilities:
            for address in ADDRESSES[6].target:
                self._ok(f"address {address}/64")
        if unknown := self.greeting.settings.difference(SWITCHES):
            raise Lack(f"settings= names {min(unknown)!r}; there are {', '.join(SWITCHES)}")
        if "ack" in self.greeting.settings:
            self._ok("set ack delayed")
            self._ok("set ack immediate")
        if "throttle" in self.greeting.settings:
            self._ok("set throttle on")
            self._ok("set throttle off")

    def _unknown(self) -> None:
        self._refused_with(None, "no-such-command 1 2 3")
        self._refused_with(None, "close 4711")

    def _passive(self, version: int) -> None:
        own, peer = ADDRESSES[version].target[0], ADDRESSES[version].peer[0]
        remote = Remote(codec.Path(peer, own), PORT, PEER_PORT)
        listener = self._handle(f"listen {own} {PORT} 5")
        self._state(remote, "LISTEN")
        self._refused_with("EAGAIN", f"accept {listener}")
        self._in(remote, SYN, expect=SYN | ACK)
        self._state(remote, "SYN-RECEIVED")
        self._in(remote, ACK)
        handle = self._handle(f"accept {listener}")
        self._state(remote, "ESTABLISHED")
        self._refused_with("EAGAIN", f"recv {handle} 100")
        prompt = self.greeting is not None and "ack" in self.greeting.settings
        for text in (b"pi", b"ng"):
            self._in(remote, ACK, text, expect=ACK if prompt else None)
        self._words(f"recv {handle} 100", b"ping".hex())
        answer = self._ok(f"send {handle} {b'pong'.hex()}")
        if answer.words != ["4"]:
            raise Lack(f"'send' of 4 octets answers {' '.join(answer.words)!r}, not '4'")
        self._sent(remote, answer, ACK, b"pong")
        self._in(remote, ACK | FIN, expect=ACK)
        self._state(remote, "CLOSE-WAIT")
        self._words(f"recv {handle} 100", "eof")
        self._sent(remote, self._ok(f"close {handle}"), FIN | ACK)
        self._state(remote, "LAST-ACK")
        self._in(remote, ACK)
        self._state(remote, "LISTEN")
        self._ok(f"close {listener}")
        self._state(remote, "CLOSED")

    def _refused(self) -> None:
        remote = self._connect(1025)[0]
        handle = self._last_handle
        self._state(remote, "SYN-SENT")
        self._in(remote, RST | ACK)
        self._words(f"error {handle}", "ECONNREFUSED")
        self._words(f"error {handle}", "0")
        self._ok(f"close {handle}")

    def _advance(self) -> None:
        assert self.greeting is not None
        remote, _answer = self._connect(1026)
        begin = self._time("advance 0")
        later = self._time("advance 100")
        if self.greeting.virtual and later - begin != 100:
            raise Lack(f"'advance 100' makes the time {later:g} ms, and it was {begin:g} ms")
        answer = self._ok("advance 8000", extra_s=8)
        self._sent(remote, answer, SYN)
        now = float(answer.words[0])
        passed_ns = round(now * 1e6) - answer.packets[0][0]
        if not 0 <= passed_ns <= (0 if self.greeting.virtual else REAL_TIME_SLACK_NS):
            raise Lack(f"a packet at {answer.packets[0][0] / 1e6:g} ms, and 'advance' goes on to {now:g} ms")
        self._ok(f"abort {self._last_handle}")

    def _abort(self) -> None:
        remote, _answer = self._connect(1027)
        self._in(remote, SYN | ACK, expect=ACK)
        answer = self._ok(f"abort {self._last_handle}")
        if len(answer.packets) != 1 or not self._read(remote, answer.packets[0][1]).flags & RST:
            raise Lack(f"'abort' of an established connection sends {len(answer.packets)} packets, not one reset")
        self._state(remote, "CLOSED")

    def _reset(self) -> None:
        remote, _answer = self._connect(1028)
        answer = self._ok("reset")
        if answer.packets:
            raise Lack(f"'reset' sends {len(answer.packets)} packets")
        self._state(remote, "CLOSED")
        self._refused_with(None, f"recv {self._last_handle} 1")

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _connect(self, port: int) -> tuple[Remote, Answer]:
        own, peer = ADDRESSES[4].target[0], ADDRESSES[4].peer[0]
        remote = Remote(codec.Path(peer, own), port, PEER_PORT)
        answer = self._ok(f"connect {own} {port} {peer} {PEER_PORT}")
        if len(answer.words) != 1:
            raise Lack(f"'connect' answers {' '.join(answer.words)!r}, not a handle")
        self._last_handle = answer.words[0]
        self._sent(remote, answer, SYN)
        return remote, answer

    def _ok(self, command: str, extra_s: float = 0.0) -> Answer:
        answer = self.line.ask(command, extra_s=extra_s)
        if answer.error:
            raise Lack(f"{command!r} is refused: {' '.join([answer.error, *answer.words])}")
        return answer

    def _refused_with(self, name: str | None, command: str) -> None:
        answer = self.line.ask(command)
        if not answer.error or name not in (None, answer.error):
            seen = answer.error or f"ok {' '.join(answer.words)}"
            raise Lack(f"{command!r} must answer 'err {name or 'NAME'}', not {seen!r}")

    def _words(self, command: str, due: str) -> None:
        answer = self._ok(command)
        if [word.lower() for word in answer.words] != [due.lower()]:
            raise Lack(f"{command!r} must answer 'ok {due}', not {' '.join(['ok', *answer.words])!r}")

    def _handle(self, command: str) -> str:
        answer = self._ok(command)
        if len(answer.words) != 1:
            raise Lack(f"{command!r} answers {' '.join(answer.words)!r}, not a handle")
        return answer.words[0]

    def _time(self, command: str) -> float:
        answer = self._ok(command)
        try:
            return float(answer.words[0])
        except (IndexError, ValueError):
            raise Lack(f"{command!r} answers {' '.join(['ok', *answer.words])!r}, not 'ok TIME'") from None

    def _state(self, remote: Remote, due: str) -> None:
        if self.greeting is None or Capability.STATES not in self.greeting.capabilities:
            return
        words = self._ok(remote.state_command()).words
        if words[:1] != [due]:
            raise Lack(f"{remote.state_command()!r} must answer 'ok {due} …', not {' '.join(['ok', *words])!r}")

    def _in(self, remote: Remote, flags: int, data: bytes = b"", expect: int | None = None) -> None:
        answer = self._ok(f"in {remote.packet(flags, data).hex()}")
        if expect is not None:
            self._sent(remote, answer, expect)

    def _sent(self, remote: Remote, answer: Answer, flags: int, data: bytes = b"") -> None:
        """Demand exactly one packet with these flags (PSH is free) and this data, and learn its numbers."""
        segments = [self._read(remote, packet) for _time_ns, packet in answer.packets]
        due = Segment(flags, payload=data).notation()
        if len(segments) != 1 or segments[0].flags & ~PSH != flags or segments[0].payload != data:
            seen = " ".join(segment.notation() for segment in segments) or "no packet"
            raise Lack(f"{due} must come out (numbers aside), not {seen}")
        remote.ack = (segments[0].seq + len(data) + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF

    def _read(self, remote: Remote, packet: bytes) -> Segment:
        try:
            decoded = codec.decode(packet)
        except codec.MalformedPacket as error:
            raise Lack(f"an 'out' line is {error}") from None
        if (decoded.source, decoded.destination) != (remote.path.destination, remote.path.source):
            raise Lack(f"a packet goes from {decoded.source} to {decoded.destination}")
        if not decoded.checksums_ok:
            raise Lack("a packet has a wrong checksum: checksums must not be left to a device")
        return decoded.segment


def check(launcher: Launcher, report: Callable[[str], None], limit_s: float = 10.0) -> bool:
    """Check the adapter that `launcher` starts; report line by line; tell whether it can be used."""
    try:
        line = AdapterLine(launcher.start(), Patience(limit_s))
    except AdapterFailure as error:
        report(f"bad  {error}")
        return False
    fine = True
    try:
        dialogue = Dialogue(line)
        for title, step in dialogue.steps():
            try:
                step()
                report(f"ok   {title}")
            except Lack as lack:
                fine = False
                report(f"bad  {title}\n       {lack}")
        if dialogue.greeting is not None:
            _report_greeting(dialogue.greeting, report)
    except AdapterFailure as error:
        fine = False
        report(f"bad  {title}\n       {error}")
    finally:
        if not line.close():
            fine = False
            report("bad  the end of standard input must end the adapter: it had to be killed")
    return fine


def _report_greeting(greeting: Greeting, report: Callable[[str], None]) -> None:
    claimed = sorted(greeting.capabilities)
    report(f"     {greeting.name} {greeting.version}, claims: {', '.join(claimed) or 'nothing'}")
    without = [name for name in CLAIMABLE if name not in claimed]
    report(f"     not claimed, so their cases are not applicable: {', '.join(without) or 'nothing'}")


USAGE = """usage: tcpspec adapter check COMMAND [ARGUMENT…]    or: tcpspec adapter check docker:IMAGE

Tests the adapter of a stack, step by step, and says what is missing. docker/ADAPTER.md is the protocol."""


def main(arguments: list[str]) -> int:
    """The verb ``adapter``: ``check COMMAND`` or ``check docker:IMAGE``. Exit code 1 if the adapter lacks something."""
    verb, *words = arguments or [""]
    if {verb, *words[:1]} & {"-h", "--help"}:
        print(USAGE)
        return 0
    if verb != "check" or not words:
        print(USAGE, file=sys.stderr)
        return USAGE_ERROR
    try:
        launcher = _launcher(words)
    except UnusableTarget as error:
        print(f"tcpspec adapter: {error}", file=sys.stderr)
        return USAGE_ERROR
    with contextlib.closing(launcher):
        return 0 if check(launcher, print) else 1


def _launcher(words: list[str]) -> Launcher:
    """Return what starts the adapter: one word may be a whole command line, also as ``--target`` takes it."""
    if len(words) > 1:
        return Command(words)
    kind, _colon, image = words[0].partition(":")
    if kind != "docker":
        return Command(command_line(words[0].removeprefix("exec:")))
    if not image:
        raise UnusableTarget("docker: needs an image", "tcpspec adapter check docker:IMAGE")
    return Image(image)
