"""The steps of `tcpspec adapter check`: a dialogue with one adapter that tries each sentence of the protocol.

A step that can't be passed raises Lack; what only the stack can be blamed for raises Peculiar. Each begins on ports of
its own, so that it can be tried whatever became of the one before.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.targets.adapter.line import AdapterLine, Answer
from harness.targets.adapter.remote import Remote, notation, readable
from harness.targets.adapter.target import COMMAND_TAKES_NS, PROTOCOL, SWITCHES, VERSION, Greeting, read_greeting
from harness.targets.addresses import ADDRESSES
from harness.targets.protocol import Capability
from harness.wire import codec

PORT, PEER_PORT = 80, 60000
#: A stack with a clock of its own sees somewhat later that it has sent something, and its clock is measured so exactly.
REAL_TIME_SLACK_NS = 1_000_000_000
CLOCK_SLACK = 0.25
#: How long is waited for what should have come at once, in milliseconds, to tell how late it is.
LATE_MS = 500
#: How long SEND may collect text (MUST-60), and within what a SYN is sent again, by whether time is virtual.
COLLECTED_MS = 300
FIRST_RTO_MS = {True: 60_000, False: 8000}
#: What is sent to fill a window, and behind how much one that does not close never will, in octets.
FILL_OCTETS, FILL_LIMIT = 1400, 4 << 20
#: The options of a socket that a capability brings, each with a value to be set and asked for.
OPTIONS = {
    Capability.KEEP_ALIVE: {"keep-idle": 3600, "keep-interval": 60, "keep-count": 4, "keep-alive": 1},
    Capability.USER_TIMEOUT: {"user-timeout": 90_000},
}


class Lack(Exception):
    """What is wrong at this step."""


class Peculiar(Exception):
    """What the stack does otherwise at this step, through no fault of its adapter: the cases will judge it."""


class Dialogue:
    """A walk through the protocol with one adapter."""

    def __init__(self, line: AdapterLine) -> None:
        self.line = line
        self.greeting: Greeting | None = None
        #: What was asked in this step, and what came.
        self.asked: list[str] = []

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield the steps in order: a title, and what raises Lack or AdapterFailure."""
        yield f"hello: speaks {PROTOCOL} {VERSION}, tells name, version and time", self._hello
        yield "address, set: takes what the harness sends first", self._addresses
        yield "an unknown command is refused, and nothing else happens", self._unknown
        yield "passive open, data both ways, the peer closes first (IPv4)", lambda: self._passive(4)
        if self.greeting is not None and Capability.IPV6 in self.greeting.capabilities:
            yield "the same on IPv6", lambda: self._passive(6)
        yield "a second address: connections to it are served, from it", self._second_address
        yield "active open: refused by the peer, and reported once", self._refused
        yield "advance: time passes, and stops where the stack sends something", self._advance
        yield "the clock: neither stands still nor drifts", self._clock
        yield "send: all that goes out without time passing comes with the answer", self._everything
        yield "recv: what nobody reads closes the window", self._window
        yield "abort: a reset goes out", self._abort
        if self.greeting is not None and "shutdown" in self.greeting.calls:
            yield "shutdown of the receiving direction: recv gives eof, both at once are a FIN", self._shut_receiving
        for port, (capability, options) in enumerate(OPTIONS.items(), PORT + 6):
            if self.greeting is not None and capability in self.greeting.capabilities:
                yield f"option: {', '.join(options)}", partial(self._options, port, options)
        yield "reset: everything is forgotten, silently", self._reset

    def _hello(self) -> None:
        self.greeting = read_greeting(self.ask(f"hello {PROTOCOL} {VERSION}"))

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
        self._delivers(handle, b"ping")
        answer = self._ok(f"send {handle} {b'pong'.hex()}")
        if answer.words != ["4"]:
            raise Lack(f"'send' of 4 octets answers {' '.join(answer.words)!r}, not '4'")
        if not answer.packets:
            answer = self._ok(f"advance {COLLECTED_MS}", extra_s=1)
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
        answer = self._ok(f"error {handle}")
        if answer.words == ["0"]:
            ended = self._sees_state(remote) == "CLOSED"
            self.ask(f"close {handle}")
            if ended:
                raise Peculiar("the stack takes the reset, and tells its application nothing (RFC 9293 §3.10.7.3)")
            raise Peculiar("the stack does not take a reset that acknowledges its SYN (RFC 9293 §3.10.7.3)")
        if answer.words != ["ECONNREFUSED"]:
            raise Lack(f"'error' must answer 'ok ECONNREFUSED', not {' '.join(['ok', *answer.words])!r}")
        self._words(f"error {handle}", "0")
        self._ok(f"close {handle}")

    def _advance(self) -> None:
        assert self.greeting is not None
        before = self._time("advance 0")
        remote, _answer = self._connect(1026)
        begin = self._time("advance 0")
        if self.greeting.virtual and begin - before > COMMAND_TAKES_NS / 1e6:
            raise Lack(f"'connect' takes {begin - before:g} ms of the stack's time, which is to pass in 'advance' only")
        later = self._time("advance 100")
        if self.greeting.virtual and round(later - begin, 6) != 100:
            raise Lack(f"'advance 100' makes the time {later:g} ms, and it was {begin:g} ms")
        answer = self._ok(f"advance {FIRST_RTO_MS[self.greeting.virtual]}", extra_s=8)
        self._sent(remote, answer, SYN)
        now = float(answer.words[0])
        passed_ns = round(now * 1e6) - answer.packets[0][0]
        if not 0 <= passed_ns <= (0 if self.greeting.virtual else REAL_TIME_SLACK_NS):
            raise Lack(f"a packet at {answer.packets[0][0] / 1e6:g} ms, and 'advance' goes on to {now:g} ms")
        self._end(self._last_handle)

    def _abort(self) -> None:
        remote, _answer = self._connect(1027)
        self._in(remote, SYN | ACK, expect=ACK)
        answer = self.ask(f"abort {self._last_handle}")
        if answer.error == "ENOSYS":
            self._ok(f"close {self._last_handle}")
            raise Peculiar("the stack has no ABORT: cases that need it are not applicable")
        if answer.error or len(answer.packets) != 1 or not self._read(remote, answer.packets[0][1]).flags & RST:
            seen = answer.error or f"{len(answer.packets)} packets"
            raise Lack(f"'abort' of an established connection sends one reset, not {seen}")
        self._state(remote, "CLOSED", "TIME-WAIT")

    def _shut_receiving(self) -> None:
        for port, how in ((1030, "rd"), (1031, "rdwr")):
            remote, _answer = self._connect(port)
            self._in(remote, SYN | ACK, expect=ACK)
            answer = self._ok(f"shutdown {self._last_handle} {how}")
            self._words(f"recv {self._last_handle} 100", "eof")
            sent = [self._read(remote, packet).flags for _ms, packet in answer.packets]
            if any(flags & FIN for flags in sent) is not (how == "rdwr"):
                raise Lack(f"'shutdown HANDLE {how}' sends {'a' if how == 'rdwr' else 'no'} FIN")
            self._end(self._last_handle)

    def _options(self, port: int, options: dict[str, int]) -> None:
        _remote, handle = self._served(port)
        taken = 0
        for name, value in options.items():
            answer = self.ask(f"option {handle} {name} {value}")
            if answer.error == "ENOSYS":
                continue
            if answer.error:
                raise Lack(f"'option HANDLE {name} {value}' is refused: {answer.error} {' '.join(answer.words)}")
            self._words(f"option {handle} {name}", str(value))
            taken += 1
        self._end(handle)
        if not taken:
            raise Lack(f"of its options ({', '.join(options)}) the adapter has none")

    def _second_address(self) -> None:
        own, peer = ADDRESSES[4].target[1], ADDRESSES[4].peer[0]
        remote = Remote(codec.Path(peer, own), PORT + 1, PEER_PORT)
        listener = self._handle(f"listen 0.0.0.0 {PORT + 1} 5")
        self._in(remote, SYN, expect=SYN | ACK)
        self._in(remote, RST)
        self._ok(f"close {listener}")

    def _clock(self) -> None:
        assert self.greeting is not None
        begin, begin_s = self._time("advance 0"), time.monotonic()
        times = [self._time("advance 200") for _turn in range(3)]
        passed, wall_ms = round(times[-1] - begin, 6), (time.monotonic() - begin_s) * 1000
        if self.greeting.virtual and (passed != 600 or self._time("advance 0") != times[-1]):
            raise Lack(f"three times 'advance 200', and the time is {passed:g} ms later; nothing else may move it")
        if not self.greeting.virtual and abs(passed - wall_ms) > CLOCK_SLACK * wall_ms:
            raise Lack(f"TIME went on by {passed:g} ms while {wall_ms:.0f} ms have passed")

    def _everything(self) -> None:
        _remote, handle = self._served(PORT + 2)
        answer = self._ok(f"send {handle} {'78' * 6000}")
        later = self._ok("advance 0").packets
        if later:
            raise Lack(f"{len(answer.packets)} packets come with the answer to 'send', {len(later)} with the next one")
        if not answer.packets:
            raise Lack("'send' to an open window sends nothing")
        self._end(handle)

    def _window(self) -> None:
        remote, handle = self._served(PORT + 3)
        window, sent = 1, 0
        while window and sent < FILL_LIMIT:
            size = min(FILL_OCTETS, window)
            answer = self._ok(f"in {remote.packet(ACK, bytes(size)).hex()}")
            if not answer.packets:
                answer = self._ok(f"advance {LATE_MS}", extra_s=1)
            if not answer.packets:
                raise Peculiar("the stack acknowledges no text here")
            window, sent = self._read(remote, answer.packets[-1][1]).window, sent + size
        if window:
            raise Lack(f"{sent} octets that nobody has read, and the window is {window}: read only when 'recv' asks")
        self._end(handle)

    def _reset(self) -> None:
        remote, _handle = self._served(PORT + 4)
        waiting, _answer = self._connect(1028)
        self._handle(f"listen 0.0.0.0 {PORT + 5} 5")
        answer = self._ok("reset")
        if answer.packets:
            raise Lack(f"'reset' sends {len(answer.packets)} packets")
        self._state(waiting, "CLOSED")
        self._refused_with(None, f"recv {self._last_handle} 1")
        for packet, what in (
            (remote.packet(ACK, b"more"), "a connection"),
            (Remote(remote.path, PORT + 5, PEER_PORT).packet(SYN), "a listener"),
        ):
            for _time_ns, sent in self._ok(f"in {packet.hex()}").packets:
                if not self._read(remote, sent, anywhere=True).flags & RST:
                    raise Lack(f"'reset' has not forgotten {what}: it still answers")

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _served(self, port: int) -> tuple[Remote, str]:
        """Return a connection that the peer has opened, and its handle; the listener is closed."""
        own, peer = ADDRESSES[4].target[0], ADDRESSES[4].peer[0]
        remote = Remote(codec.Path(peer, own), port, PEER_PORT)
        listener = self._handle(f"listen {own} {port} 5")
        self._in(remote, SYN, expect=SYN | ACK)
        self._in(remote, ACK)
        handle = self._handle(f"accept {listener}")
        self._ok(f"close {listener}")
        return remote, handle

    def ask(self, command: str, extra_s: float = 0.0) -> Answer:
        """Ask, and keep what was said in readable form."""
        self.asked.append(f"> {readable(command)}")
        answer = self.line.ask(command, extra_s=extra_s, octets=1 << 16)
        self.asked += [f"out {sent_ns / 1e6:g} {notation(packet)}" for sent_ns, packet in answer.packets]
        self.asked.append(" ".join([f"err {answer.error}" if answer.error else "ok", *answer.words])[:100])
        return answer

    def _connect(self, port: int) -> tuple[Remote, Answer]:
        own, peer = ADDRESSES[4].target[0], ADDRESSES[4].peer[0]
        remote = Remote(codec.Path(peer, own), port, PEER_PORT)
        answer = self._ok(f"connect {own} {port} {peer} {PEER_PORT}")
        if len(answer.words) != 1:
            raise Lack(f"'connect' answers {' '.join(answer.words)!r}, not a handle")
        self._last_handle = answer.words[0]
        self._sent(remote, answer, SYN)
        return remote, answer

    def _end(self, handle: str) -> None:
        """Make a connection end that is not needed any more, with ABORT where the stack has it."""
        if self.ask(f"abort {handle}").error:
            self._ok(f"close {handle}")

    def _ok(self, command: str, extra_s: float = 0.0) -> Answer:
        answer = self.ask(command, extra_s)
        if answer.error:
            raise Lack(f"{command!r} is refused: {' '.join([answer.error, *answer.words])}")
        return answer

    def _refused_with(self, name: str | None, command: str) -> None:
        answer = self.ask(command)
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

    def _sees_state(self, remote: Remote) -> str:
        """Return the state that the stack tells of a connection, "" if it tells none."""
        if self.greeting is None or Capability.STATES not in self.greeting.capabilities:
            return ""
        return next(iter(self._ok(remote.state_command()).words), "")

    def _delivers(self, handle: str, text: bytes) -> None:
        """Demand this text, of which a RECEIVE may return less than there is."""
        had, due, command = "", text.hex(), f"recv {handle} 100"
        while had != due:
            words = self._ok(command).words
            had += " ".join(words).lower() or "?"
            if not due.startswith(had):
                raise Lack(f"{command!r} must answer 'ok {due}', not {' '.join(['ok', *words])!r}")

    def _state(self, remote: Remote, *due: str) -> None:
        if self.greeting is None or Capability.STATES not in self.greeting.capabilities:
            return
        words = self._ok(remote.state_command()).words
        if not words or words[0] not in due:
            raise Lack(f"{remote.state_command()!r} must answer 'ok {due[0]} …', not {' '.join(['ok', *words])!r}")

    def _in(self, remote: Remote, flags: int, data: bytes = b"", expect: int | None = None) -> None:
        answer = self._ok(f"in {remote.packet(flags, data).hex()}")
        if expect is not None:
            self._sent(remote, answer, expect)

    def _sent(self, remote: Remote, answer: Answer, flags: int, data: bytes = b"") -> None:
        """Demand one packet with these flags (PSH, and ECN on a SYN, are free) and this data; learn its numbers."""
        segments = [self._read(remote, packet) for _time_ns, packet in answer.packets]
        due = Segment(flags, payload=data).notation()
        if len(segments) != 1 or segments[0].plain_flags != flags or segments[0].payload != data:
            seen = " ".join(segment.notation() for segment in segments) or f"no packet{self._late()}"
            raise Lack(f"{due} must come out (numbers aside), not {seen}")
        remote.ack = (segments[0].seq + len(data) + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF

    def _late(self) -> str:
        """Return what comes when time passes, where something was due at once."""
        before = self._time("advance 0")
        answer = self.ask(f"advance {LATE_MS}", extra_s=LATE_MS / 1000)
        if not answer.packets:
            return ""
        late_ms = answer.packets[0][0] / 1e6 - before
        return f"; {notation(answer.packets[0][1])} comes {late_ms:g} ms later, and must not need time to pass"

    def _read(self, remote: Remote, packet: bytes, *, anywhere: bool = False) -> Segment:
        try:
            decoded = codec.decode(packet)
        except codec.MalformedPacket as error:
            raise Lack(f"an 'out' line is {error}") from None
        if not anywhere and (decoded.source, decoded.destination) != (remote.path.destination, remote.path.source):
            raise Lack(f"a packet goes from {decoded.source} to {decoded.destination}")
        if not decoded.checksums_ok:
            raise Lack("a packet has a wrong checksum: checksums must not be left to a device")
        return decoded.segment
