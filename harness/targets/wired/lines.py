"""Targets ``tap:``, ``tun:`` and ``net:`` with ``app=lines``: the packets go over the wire, the application's calls as
lines of the adapter protocol to it (`WIRED.md`)."""

import errno
import time
from collections import Counter
from collections.abc import Iterable

from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, RST, SYN
from harness.targets.adapter.line import ANSWER_LIMIT_S, AdapterFailure, AdapterHung, AdapterLine, Answer, Patience
from harness.targets.adapter.socket import AdapterSocket, ask_state
from harness.targets.adapter.target import PROTOCOL, VERSION, Greeting, read_greeting
from harness.targets.namespace.target import RealClock
from harness.targets.protocol import Capability, Facts, NotOffered, TargetError, TargetStorms, UnusableTarget
from harness.targets.sockets import AppSocket
from harness.targets.wired import asking
from harness.targets.wired.carrier import Streams, open_lines
from harness.targets.wired.channel import GUARD_S, MOST_SYNS
from harness.targets.wired.options import Lines, WireOptions
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.remains import Remains
from harness.targets.wired.wiring import Place, Wiring
from harness.wire.link import Arrival, Flood

#: What makes a stack send nothing.
SILENT = frozenset({"hello", "set", "listen", "accept", "error", "state"})
RETRY_S = 0.05
#: An unacceptable ACK makes Linux repeat its SYN behind two jiffies, of 1 ms at least.
SYN_SENT_GUARD_S = 0.001
#: What is sent in several segments may go on behind the fence's answer: in Linux the queue of a device is fed in parts.
BULK_QUIET_S = 0.02
_HINT = "docker/ADAPTER.md has the lines, and harness/agent/lines.py answers them over the sockets of any machine"
_AGENT_HINT = (
    "harness/agent/lines.py, one file, is to run there: python3 lines.py --listen HOST:PORT, or --serial /dev/…"
)


class LinesTarget(Wiring):
    """A stack on a wire whose application is told what to call. Raises UnusableTarget when it can't be had.

    When the lines fail, every call says so until `forget_connections`, which begins anew.
    """

    def __init__(
        self,
        options: WireOptions,
        place: Place,
        *,
        name: str,
        timers: bool = False,
        limit_s: float = ANSWER_LIMIT_S,
    ) -> None:
        super().__init__(options, place, name=name)
        assert options.lines is not None
        self._lines: Lines = options.lines
        self._timers = timers
        self._patience = Patience(limit_s)
        self._trouble: AdapterFailure | None = None
        self._line: AdapterLine | None = None
        self._early: list[Arrival] = []
        self._remains = Remains()
        #: How often each SYN was sent.
        self._syns: Counter[tuple[bytes, int, bytes, int, int]] = Counter()
        try:
            self._start()
            self.clock = RealClock(self._link)
            self._greeting = self._begin()
            found = asking.find_out(self._link, options.addresses, self, self._greeting)
            self.forget_connections()
        except AdapterFailure as error:
            self.close()
            hint = _AGENT_HINT if self._lines.agent else _HINT
            why = error.last_words if isinstance(error, AdapterHung) else error
            raise UnusableTarget(f"the application on {self._lines}: {why}", hint) from None
        except TargetError as error:
            self.close()
            raise UnusableTarget(f"the application on {self._lines}: {error}") from None
        except BaseException:
            self.close()
            raise
        self.silence_proof, self._guard_s = found.silence_proof, found.guard_s
        self.capabilities = self._greeting.capabilities
        if 6 not in options.addresses:
            self.capabilities -= {Capability.IPV6}
        self.facts = self._facts(found)

    @property
    def calls(self) -> frozenset[str]:
        """Which of the commands there are that are left to an adapter."""
        return self._greeting.calls

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the time before which no retransmission timer speaks."""
        return SYN_SENT_GUARD_S if syn_sent else self._guard_s

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket; the application hears of it when it is opened."""
        return AdapterSocket(self)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, and wait for the fence or for silence."""
        if self._trouble:
            raise AdapterFailure(self._trouble)
        packets = list(packets)
        for packet in packets if self.facts.throttle_s else ():
            self._demand_rare(packet)
        return self._with_early(self._answers(packets, destination_mac))

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        try:
            return self._with_early(self._link.waiting())
        except Flood as error:
            raise TargetStorms(str(error)) from None

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask the application for the state of a connection."""
        if Capability.STATES not in self.capabilities:
            return None
        return ask_state(self, tuple4)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return None: beside states that are told, evidence is the text of `ss`, and there is none here."""
        return None

    def forget_connections(self) -> None:
        """Make the application forget its handles, and reset what is left; who has failed begins anew."""
        self.life += 1
        self._early.clear()
        self._syns.clear()
        if self._trouble or self._is_out_of_order:
            self._end_lines()
            if self._place.restarts:
                self._start_again()
            self._trouble = None
            self._begin()
        elif (answer := self.ask("reset")).error:
            raise self.fail(f"the application refuses 'reset': {' '.join([answer.error, *answer.words])}")
        self._remains.note(self._exchange((), None) + self._early)
        self._exchange(self._remains.resets())
        self._early.clear()
        self._link.waiting()

    def close(self) -> None:
        """End the lines, and what was started."""
        self._end_lines()
        super().close()

    # --- for the sockets ---------------------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether the lines are out of order until `forget_connections`."""
        return bool(self._trouble)

    def ask(self, command: str, *, extra_s: float = 0.0, octets: int = 0) -> Answer:
        """Send a command (as `AdapterLine.ask`), and keep what the stack sends because of it. Raises AdapterFailure."""
        if self._line is None:
            raise self._trouble or AdapterFailure("the lines are closed")
        try:
            answer = self._line.ask(command, extra_s=extra_s, octets=octets)
        except AdapterFailure as error:
            raise self._give_up(error) from None
        verb = command.partition(" ")[0]
        if answer.packets:
            raise self.fail(f"the application answered {verb!r} with a packet: behind a device packets go over that")
        if verb not in SILENT:
            self._early += self._answers([])
        return answer

    def fail(self, message: str) -> AdapterFailure:
        """Give the lines up, and say so to every case until the connections are forgotten."""
        return self._give_up(AdapterFailure(message))

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _answers(self, packets: list[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        arrivals = self._exchange(packets, destination_mac)
        sent = [TcpPacket.read(arrival.packet) for arrival in arrivals]
        if sum(packet is not None and bool(packet.payload) for packet in sent) > 1:
            arrivals += self._until_quiet(BULK_QUIET_S)
        return arrivals

    def _demand_rare(self, octets: bytes) -> None:
        """Raise where a limit hides whether the target answers: a repeated SYN is answered once in a while only."""
        packet = TcpPacket.read(octets)
        if packet is None or packet.flags & (SYN | ACK | RST) != SYN:
            return
        ends = (packet.source, packet.source_port, packet.destination, packet.destination_port, packet.seq)
        self._syns[ends] += 1
        if self._syns[ends] > MOST_SYNS:
            raise NotOffered("the target answers what is repeated once in a while only")

    def _give_up(self, trouble: AdapterFailure) -> AdapterFailure:
        self._trouble = trouble
        self._early.clear()
        self._end_lines()
        return trouble

    def _end_lines(self) -> None:
        if self._line is not None:
            self._line.close(farewell_s=0)
            self._line = None

    def _begin(self) -> Greeting:
        """Open the lines, and greet; whatever another harness has left is forgotten."""
        self._line = AdapterLine(self._open(), self._patience)
        greeting = read_greeting(self.ask(f"hello {PROTOCOL} {VERSION}"))
        if greeting.virtual:
            raise self.fail("the application claims time=virtual, and packets on a wire take their own time")
        self._patience.limit_s = max(self._patience.limit_s, greeting.limit_s)
        commands = ["reset"]
        if "ack" in greeting.settings:
            commands.append(f"set ack {'delayed' if self._timers else 'immediate'}")
        if "throttle" in greeting.settings:
            commands.append(f"set throttle {'on' if self._timers else 'off'}")
        for command in commands:
            if (answer := self.ask(command)).error:
                raise self.fail(f"the application refuses {command!r}: {' '.join([answer.error, *answer.words])}")
        return greeting

    def _open(self) -> Streams:
        deadline = time.monotonic() + self._options.start_s
        while True:
            try:
                return open_lines(self._lines, self._place, self._options.start_s)
            except OSError as error:
                late = error.errno in (errno.ENOENT, errno.ECONNREFUSED) and time.monotonic() < deadline
                if late and self._place.restarts and self._place.exit_code() is None:
                    time.sleep(RETRY_S)
                    continue
                raise self.fail(f"they can't be opened: {error.strerror or error}") from None

    def _with_early(self, arrivals: list[Arrival]) -> list[Arrival]:
        early, self._early = self._early, []
        found = early + arrivals
        self._remains.note(found)
        return found

    def _facts(self, found: asking.Findings) -> Facts:
        greeting = self._greeting
        own = self._timers or "ack" not in greeting.settings
        details = {
            "command": " ".join(self._options.command),
            "application": f"told by lines on {self._lines}",
            "time": "real",
            "ACKs": "its own way" if own else "immediate",
            "silence proof": found.silence_proof,
            "a timer may speak behind": f"{1000 * found.guard_s:.0f} ms",
            **self._found_on_the_wire(),
            **greeting.facts,
        }
        return Facts(
            self.name,
            greeting.name,
            greeting.version,
            details,
            hasty=False,
            throttle_s=found.throttle_s,
            throttles_all=found.throttles_all,
            throttles_host="host" in greeting.throttles and bool(found.throttle_s),
            answer_s=found.answer_s,
            syn_guard_s=GUARD_S,
            tick_s=greeting.tick_s,
        )
