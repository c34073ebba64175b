"""Target ``exec:COMMAND``: a third-party stack behind the adapter protocol (`docker/ADAPTER.md`).

The harness owns the time of a stack in virtual time, so a wait costs nothing, and silence is proved by the protocol:
behind the final line of an answer the stack is idle until time passes.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.adapter.line import (
    ANSWER_LIMIT_S,
    AdapterFailure,
    AdapterLine,
    Answer,
    Launcher,
    Patience,
    time_ns,
)
from harness.targets.adapter.socket import AdapterSocket, ask_state
from harness.targets.addresses import ADDRESSES
from harness.targets.protocol import EITHER_WAY, Addresses, Capability, Facts, UnusableTarget, in_parts
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival

PROTOCOL = "tcpspec-adapter"
VERSION = 1
_OF_VIRTUAL_TIME = {Capability.VIRTUAL_TIME, Capability.GIVES_UP}
#: What an adapter may claim; the other capabilities have no command in the protocol.
CLAIMABLE = (
    Capability.STATES,
    Capability.IPV6,
    Capability.RFC5961,
    Capability.RFC5961_RST,
    Capability.RFC5961_SYN,
    Capability.RFC5961_ACK,
    Capability.TIMESTAMPS,
    Capability.WINDOW_SCALE,
    Capability.SACK,
    Capability.ECN,
    Capability.TIME_WAIT_REUSE,
    Capability.ICMP,
    Capability.KEEP_ALIVE,
    Capability.USER_TIMEOUT,
)
#: Commands, or forms of them, that an adapter may have.
OPTIONAL_CALLS = ("shutdown",)
#: What it may let the harness switch.
SWITCHES = ("ack", "throttle")
#: RFC 5961 §7 leaves the limit of challenge ACKs open; stacks that have one for each connection wait for a second.
LIFTED_S = 1.0
#: What a throttle may be of besides a connection's answers to segments without text, and how long it may last.
THROTTLED = frozenset({"host", "text"})
LONGEST_THROTTLE_MS = 60_000
#: How much time a command other than `advance` may take at a stack in virtual time, for its initial sequence numbers.
COMMAND_TAKES_NS = 10_000
#: The granularity of a clock (RFC 6298 §2) that is made allowance for, at most.
LONGEST_TICK_MS = 1000
#: The longest limit for an answer that an adapter may ask for.
LONGEST_LIMIT_S = 600.0
_PREFIX_BITS = {4: 24, 6: 64}
#: A stack's name is also the folder of its known deviations.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,39}")
_TIME = re.compile(r"\d{1,15}(?:\.\d{1,6})?")
BROADCAST = b"\xff" * 6


@dataclass(frozen=True, slots=True)
class Greeting:
    """What an adapter says of itself in its answer to `hello`."""

    name: str
    version: str
    virtual: bool
    capabilities: frozenset[Capability]
    settings: frozenset[str] = frozenset()
    #: How long an answer may take, in seconds; 0 for the protocol's limit.
    limit_s: float = 0.0
    #: For how long, in seconds, a challenge that was sent may keep others back; 0 for not at all.
    throttle_s: float = 0.0
    #: What of: "host" (all connections together), "text" (answers to text too).
    throttles: frozenset[str] = frozenset()
    throttle_told: bool = False
    #: By what tick its timers run, in seconds; 0 for none.
    tick_s: float = 0.0
    #: Which of the commands it has that are left to it.
    calls: frozenset[str] = frozenset()
    #: What it may have or not: it claims it no more than it says that it lacks it.
    untold: frozenset[Capability] = frozenset()
    facts: dict[str, str] = field(default_factory=dict)


def read_greeting(answer: Answer) -> Greeting:
    """Read the answer to `hello`; raises AdapterFailure."""
    if answer.error:
        text = " ".join([answer.error, *answer.words])
        raise AdapterFailure(f"the adapter refuses {PROTOCOL} version {VERSION}: {text}")
    if answer.words[:2] != [PROTOCOL, str(VERSION)]:
        seen = " ".join(answer.words[:2])
        raise AdapterFailure(f"the adapter speaks {seen!r}, and this harness {PROTOCOL} {VERSION}")
    pairs = dict(word.partition("=")[::2] for word in answer.words[2:])
    name, version, pace = pairs.pop("name", ""), pairs.pop("version", ""), pairs.pop("time", "")
    if not _NAME.fullmatch(name) or not version:
        raise AdapterFailure(f"the adapter's answer to 'hello' needs name= and version=: {' '.join(answer.words)!r}")
    if pace not in ("virtual", "real"):
        raise AdapterFailure(f"the adapter's answer to 'hello' needs time=virtual or time=real, not {pace!r}")
    claimed = [word for word in pairs.pop("capabilities", "").split(",") if word]
    unknown = [word for word in claimed if word not in CLAIMABLE]
    if unknown:
        raise AdapterFailure(f"the adapter claims {unknown[0]!r}; capabilities are {', '.join(CLAIMABLE)}")
    settings = frozenset(word for word in pairs.pop("settings", "").split(",") if word)
    capabilities = {Capability(word) for word in claimed} | (_OF_VIRTUAL_TIME if pace == "virtual" else set())
    limit_s = _limit(pairs.pop("limit")) if "limit" in pairs else 0.0
    told = "throttle" in pairs
    throttle_s, throttles = _throttle(pairs.pop("throttle", "0"))
    tick_s = _tick(pairs.pop("tick", "0"))
    virtual = pace == "virtual"
    claims = in_parts(capabilities)
    lacks = [word for word in pairs.get("lacks", "").split(",") if word]
    if odd := [word for word in lacks if word not in CLAIMABLE or word in claims]:
        raise AdapterFailure(f"the adapter has lacks={odd[0]}, which is no capability, or claimed as well")
    untold = EITHER_WAY - claims - in_parts({Capability(word) for word in lacks})
    calls = frozenset(word for word in pairs.get("calls", "").split(",") if word)
    if unknown := sorted(calls.difference(OPTIONAL_CALLS)):
        raise AdapterFailure(f"the adapter has calls={unknown[0]}; there are {', '.join(OPTIONAL_CALLS)}")
    return Greeting(
        name, version, virtual, claims, settings, limit_s, throttle_s, throttles, told, tick_s, calls, untold, pairs
    )


def _throttle(text: str) -> tuple[float, frozenset[str]]:
    """Read for how long, and of what, answers may be held back: ``500``, ``5000,host``; raises AdapterFailure."""
    milliseconds, *words = text.split(",")
    if not milliseconds.isdecimal() or int(milliseconds) > LONGEST_THROTTLE_MS or not set(words) <= THROTTLED:
        form = f"milliseconds up to {LONGEST_THROTTLE_MS}, and then ',host', ',text' or both"
        raise AdapterFailure(f"the adapter's answer to 'hello' has throttle={text}; it takes {form}")
    return int(milliseconds) / 1000, frozenset(words)


def _tick(text: str) -> float:
    """Read by what tick the timers run, in milliseconds; raises AdapterFailure."""
    if not text.isdecimal() or int(text) > LONGEST_TICK_MS:
        form = f"milliseconds up to {LONGEST_TICK_MS}"
        raise AdapterFailure(f"the adapter's answer to 'hello' has tick={text}; it takes {form}")
    return int(text) / 1000


def _limit(text: str) -> float:
    """Read how many seconds an answer may take; raises AdapterFailure."""
    if not text.isdecimal() or not ANSWER_LIMIT_S <= int(text) <= LONGEST_LIMIT_S:
        bounds = f"whole seconds from {ANSWER_LIMIT_S:g} to {LONGEST_LIMIT_S:g}"
        raise AdapterFailure(f"the adapter's answer to 'hello' has limit={text}; it takes {bounds}")
    return float(text)


class AdapterTarget:
    """A stack behind an adapter. Raises UnusableTarget when the adapter can't be started or greets wrongly.

    When the adapter fails, every call says so until `forget_connections`, which starts a fresh process: no case may
    take the silence of a new process for that of its own connection.
    """

    def __init__(self, launcher: Launcher, *, name: str, timers: bool = False, limit_s: float = ANSWER_LIMIT_S) -> None:
        self.name = name
        self._launcher = launcher
        self._timers = timers
        self._patience = Patience(limit_s)
        self._trouble: AdapterFailure | None = None
        self._line: AdapterLine | None = None
        self._arrivals: list[Arrival] = []
        #: How many commands were sent since the time was last told.
        self._commands = 0
        #: Sockets of an earlier life of the stack have an earlier number.
        self.life = 0
        self.clock = AdapterClock(self)
        try:
            self._greeting = self._start()
        except AdapterFailure as error:
            self.close()
            raise UnusableTarget(str(error), "`tcpspec adapter check COMMAND` tests an adapter step by step") from None
        self.capabilities = self._greeting.capabilities
        self.silence_proof = "the adapter's final line: the stack is idle"
        self.facts = self._facts()

    @property
    def virtual(self) -> bool:
        """Whether the harness owns the stack's time."""
        return self._greeting.virtual

    @property
    def calls(self) -> frozenset[str]:
        """Which of the commands there are that are left to an adapter."""
        return self._greeting.calls

    def addresses(self, version: int) -> Addresses:
        """Return the addresses that the stack has been given."""
        return ADDRESSES[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return a little less than the shortest retransmission time-out in use; a repeat after that is a timer's."""
        return 0.19

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket; the stack hears of it when it is opened."""
        return AdapterSocket(self)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Let packets arrive at the stack and return all that it sends."""
        for packet in packets:
            self.ask(f"in {packet.hex()}{_frame(destination_mac)}")
        if self._trouble:
            raise AdapterFailure(self._trouble)
        return self.waiting()

    def waiting(self) -> list[Arrival]:
        """Return what the stack has sent by itself."""
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Ask the stack for the state of a connection."""
        if Capability.STATES not in self.capabilities:
            return None
        return ask_state(self, tuple4)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return None: there is no `ss` here."""
        return None

    def forget_connections(self) -> None:
        """Make the stack forget everything; a failed adapter gets a fresh process."""
        self.life += 1
        self._arrivals.clear()
        if self._trouble:
            self._trouble = None
            self._start()
        elif self._line is not None and self._line.is_bloated:
            self._line.close()
            self._start()
        elif self.ask("reset").error:
            raise self.fail("the adapter refuses 'reset'")

    def check(self) -> None:
        """Nothing can be lost on a pipe."""

    def close(self) -> None:
        """End the adapter."""
        if self._line is not None:
            self._line.close()
            self._line = None
        self._launcher.close()

    # --- for the sockets and the clock -------------------------------------------------------------------------------

    @property
    def failed(self) -> bool:
        """Whether the adapter is out of order until `forget_connections`."""
        return bool(self._trouble)

    def ask(self, command: str, *, extra_s: float = 0.0, octets: int = 0) -> Answer:
        """Send a command (as `AdapterLine.ask`); keep the packets it brings for `waiting`. Raises AdapterFailure."""
        if self._line is None:
            raise self._trouble or AdapterFailure("the adapter is closed")
        before_ns = self.clock.elapsed_ns
        self._commands += 1
        try:
            answer = self._line.ask(command, extra_s=extra_s, octets=octets)
        except AdapterFailure as error:
            raise self._give_up(error) from None
        for sent_ns, packet in answer.packets:
            if sent_ns < before_ns and self.virtual:
                raise self.fail(f"the adapter sent a packet at {sent_ns / 1e6:g} ms, before {command.split()[0]!r}")
            self._arrivals.append(Arrival(self.clock.origin_ns + sent_ns, packet))
        return answer

    def advance(self, milliseconds: int) -> int:
        """Let time pass at the stack, up to its next packet; return its time in nanoseconds."""
        answer = self.ask(f"advance {milliseconds}", extra_s=0 if self.virtual else milliseconds / 1000)
        text = answer.words[0] if answer.words and not answer.error else ""
        now_ns = time_ns(text) if _TIME.fullmatch(text) else -1
        latest_ns = self.clock.elapsed_ns + milliseconds * 1_000_000 + self._commands * COMMAND_TAKES_NS
        self._commands = 0
        if now_ns < 0 or (self.virtual and not self.clock.elapsed_ns <= now_ns <= latest_ns):
            words = " ".join([answer.error, *answer.words]).strip()
            raise self.fail(f"the adapter answered 'advance {milliseconds}' with {words!r}: not a time it can be then")
        return now_ns

    def fail(self, message: str) -> AdapterFailure:
        """Give the process up, and say so to every case until the connections are forgotten."""
        return self._give_up(AdapterFailure(message))

    def _give_up(self, trouble: AdapterFailure) -> AdapterFailure:
        self._trouble = trouble
        self._arrivals.clear()
        if self._line is not None:
            self._line.close(farewell_s=0)
            self._line = None
        return trouble

    def _start(self) -> Greeting:
        try:
            self._line = AdapterLine(self._launcher.start(), self._patience)
            answer = self._line.ask(f"hello {PROTOCOL} {VERSION}")
            greeting = read_greeting(answer)
        except AdapterFailure as error:
            raise self._give_up(error) from None
        self._greeting = greeting
        self._patience.limit_s = max(self._patience.limit_s, greeting.limit_s)
        self.clock.restart()
        versions = (4, 6) if Capability.IPV6 in greeting.capabilities else (4,)
        commands = [f"address {text}/{_PREFIX_BITS[v]}" for v in versions for text in ADDRESSES[v].target]
        if "ack" in greeting.settings:
            commands.append(f"set ack {'delayed' if self._timers else 'immediate'}")
        if "throttle" in greeting.settings:
            commands.append(f"set throttle {'on' if self._timers else 'off'}")
        for command in commands:
            if (answer := self.ask(command)).error:
                raise self.fail(f"the adapter refuses {command!r}: {' '.join([answer.error, *answer.words])}")
        return greeting

    def _facts(self) -> Facts:
        greeting = self._greeting
        acks = "its own way" if self._timers or "ack" not in greeting.settings else "immediate"
        throttle = "unlimited" if "throttle" in greeting.settings and not self._timers else "its own way"
        details = {
            "adapter": str(self._launcher),
            "time": "virtual" if greeting.virtual else "real",
            "ACKs": acks,
            "challenge ACKs": throttle,
            "silence proof": self.silence_proof,
            **greeting.facts,
        }
        lifted = throttle == "unlimited"
        return Facts(
            self.name,
            greeting.name,
            greeting.version,
            details,
            throttle_s=0.0 if lifted else greeting.throttle_s,
            throttle_told=lifted or greeting.throttle_told,
            throttles_all="text" in greeting.throttles,
            throttles_host="host" in greeting.throttles and not lifted,
            tick_s=greeting.tick_s,
            untold=greeting.untold,
            lifted_s=LIFTED_S if lifted else 0.0,
        )


class AdapterClock:
    """The stack's time; `origin_ns` is when its process was started on the scale of all its processes."""

    def __init__(self, target: AdapterTarget) -> None:
        self._target = target
        self.origin_ns = 0
        self.elapsed_ns = 0
        self._started_ns = time.monotonic_ns()

    def restart(self) -> None:
        """A fresh process counts from 0 again; on the scale of the arrivals time goes on."""
        self.origin_ns = self.now_ns()
        self.elapsed_ns = 0
        self._started_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the time on the scale of the arrivals."""
        if not self._target.virtual:
            self.elapsed_ns = time.monotonic_ns() - self._started_ns
        return self.origin_ns + self.elapsed_ns

    def wait(self, seconds: float) -> None:
        """Let at most `seconds` pass; return at the instant of a packet. A failed stack has nothing to say.

        Raises AdapterFailure if that is what makes it fail.
        """
        milliseconds = max(1, -int(-seconds * 1000 // 1))
        if self._target.failed:
            if self._target.virtual:
                self.elapsed_ns += milliseconds * 1_000_000
            else:
                time.sleep(seconds)
            return
        self.elapsed_ns = self._target.advance(milliseconds)


def _frame(destination_mac: bytes | None) -> str:
    """Return the word that tells of a frame to several hosts, for stacks that look at that."""
    if destination_mac is None or not destination_mac[0] & 1:
        return ""
    return " broadcast" if destination_mac == BROADCAST else " multicast"
