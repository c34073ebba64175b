"""What every target offers: a wire, an application's sockets, a view of its states, and a clock of its own.

Cases never see a target directly; the vocabulary of `harness.case` stands in
between. One file per kind implements this.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.sockets import AppSocket
from harness.wire.link import Arrival


class Capability(StrEnum):
    """What a target may or may not have. Only what the RFCs leave open, or what is about observing, belongs here."""

    STATES = "states"  # its connection states can be read
    IPV6 = "ipv6"
    RFC5961 = "rfc5961"  # challenge ACKs instead of RFC 793's resets: all three parts
    RFC5961_RST = "rfc5961-rst"  # RFC 5961 §3.2: a reset in the window but not at RCV.NXT is challenged
    RFC5961_SYN = "rfc5961-syn"  # RFC 5961 §4.2: a SYN on a synchronized connection is challenged
    RFC5961_ACK = "rfc5961-ack"  # RFC 5961 §5.2: an ACK more than a window old condemns the whole segment
    TIMESTAMPS = "timestamps"  # RFC 7323 §3
    WINDOW_SCALE = "window-scale"  # RFC 7323 §2
    SACK = "sack"  # RFC 2018
    ECN = "ecn"  # RFC 3168
    SYN_COOKIES = "syn-cookies"  # RFC 4987 §3.6, switched by Linux's setting
    TIME_WAIT_REUSE = "time-wait-reuse"  # a SYN may reopen TIME-WAIT (MAY-2)
    SOCKET_OPTIONS = "socket-options"  # per-socket settings: the two below, TTL, buffers, urgent data, ...
    KEEP_ALIVE = "keep-alive"  # the application may ask for keep-alives (RFC 9293 §3.8.4)
    USER_TIMEOUT = "user-timeout"  # the application may say how long is tried to deliver (RFC 9293 §3.9.1, MUST-21)
    ICMP = "icmp"  # ICMP errors reach TCP
    SETTINGS = "settings"  # its settings can be changed for one case (`Adjustable`)
    READINESS = "readiness"  # poll(2), epoll(7) and all of shutdown(2) (`TellingSocket`)
    WAITING_CALLS = "waiting-calls"  # calls can be begun that wait (`WaitingSocket`)
    GIVES_UP = "gives-up"  # within seconds: its retries can be pinned to few, or its time is virtual
    VIRTUAL_TIME = "virtual-time"


_RFC5961_PARTS = frozenset({Capability.RFC5961_RST, Capability.RFC5961_SYN, Capability.RFC5961_ACK})
#: Who has these answers otherwise than who has not, and both are right.
EITHER_WAY = _RFC5961_PARTS | {Capability.TIME_WAIT_REUSE}


def in_parts(claimed: Iterable[Capability]) -> frozenset[Capability]:
    """Return capabilities with the parts of those that have some; who claims all parts claims the whole."""
    chosen = set(claimed)
    if Capability.RFC5961 in chosen or chosen >= _RFC5961_PARTS:
        chosen |= {Capability.RFC5961, *_RFC5961_PARTS}
    if Capability.SOCKET_OPTIONS in chosen:
        chosen |= {Capability.KEEP_ALIVE, Capability.USER_TIMEOUT}
    return frozenset(chosen)


class TargetError(RuntimeError):
    """The harness's own trouble with a target: the agent is dead, frames were lost. No verdict, but for a death."""


class TargetGone(TargetError):
    """The target is out of order, for every case, until its connections are forgotten."""


class TargetDied(TargetGone):
    """The thing under test has come to its end in the middle of a case, by its own fault: it crashed or panicked.

    That is a verdict. `cause` is one line, the same each time; `last_words` is what it wrote besides.
    """

    def __init__(self, cause: str, last_words: str = "") -> None:
        super().__init__(f"{cause}\n{last_words}" if last_words else cause)
        self.cause = cause
        self.last_words = last_words


class TargetLeft(TargetDied):
    """The thing under test has ended content: a server may do so that has served enough, whichever case that is in.

    That is a verdict where a second try ends the same way.
    """


class TargetHung(TargetDied):
    """The thing under test did not answer in time. That is a verdict where a second try ends the same way."""


#: Ends that may have another reason than the case: a second try decides.
TRIED_TWICE = (TargetHung, TargetLeft)


class TargetStorms(TargetDied):
    """The thing under test sends without end: more than any TCP does because of one step of a case. A verdict."""


class NotOffered(Exception):
    """What a case asks for, nothing at this target can stand for: the case is not applicable there."""


class UnusableTarget(Exception):
    """The target can't be had: a usage error. `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n  hint: {hint}" if hint else message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one IP version: the target's (the first is the usual one) and the peer's."""

    target: tuple[str, ...]
    peer: tuple[str, ...]


@dataclass(slots=True)
class Facts:
    """What the results' header says about a target. `sysctls` are the pinned and recorded values as read back.

    A step of one that is not `hasty` takes milliseconds, so that its timers speak in the middle of a case. One with a
    `throttle_s` can't be told to acknowledge unacceptable segments without text more than once in so many seconds, or
    (`throttles_all`) unacceptable segments of any kind; with `throttles_host` it counts for all connections together.
    Where the target has not told (`throttle_told`), `harness.case.limits` finds out.
    An answer that is due may take up to `answer_s`, where that was measured. With `one_port` it listens on no other, so
    connections differ in their peers' ports; on either side they are of `ports`, the first and the last. A `lonely` one
    takes one connection at a time, and of cases so many as `at_once` says have connections before it is made to forget
    them (0: all). A timer may end up to a `tick_s` early or late where all timers run by a tick. One whose
    throttle was switched off may show its stack for that a clock which is `lifted_s` ahead behind each answer: what the
    stack sets then is so much late. Where a loss probe may come sooner than any time-out, a SYN,ACK is still repeated
    by no timer before `syn_guard_s`. Of what is `untold`, of `EITHER_WAY`, it may have any: what is right with it is so
    beside what is without.
    """

    name: str
    implementation: str
    version: str
    details: dict[str, str] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)
    hasty: bool = True
    throttle_s: float = 0.0
    throttles_all: bool = False
    throttles_host: bool = False
    throttle_told: bool = True
    answer_s: float = 0.0
    one_port: bool = False
    lonely: bool = False
    at_once: int = 0
    ports: tuple[int, int] = (1024, 65_535)
    tick_s: float = 0.0
    lifted_s: float = 0.0
    syn_guard_s: float = 0.0
    untold: frozenset[Capability] = frozenset()

    def as_dict(self) -> dict[str, object]:
        """Return the facts as JSON-able data."""
        return {
            "name": self.name,
            "implementation": self.implementation,
            "version": self.version,
            "details": self.details,
            "sysctls": self.sysctls,
        }


class Clock(Protocol):
    """The target's time."""

    def now_ns(self) -> int:
        """Return the time in nanoseconds, on the same scale as the arrivals' capture times."""

    def wait(self, seconds: float) -> None:
        """Let at most `seconds` pass; return early when a packet arrives."""


class Target(Protocol):
    """A TCP implementation under test."""

    name: str
    facts: Facts
    capabilities: frozenset[Capability]
    silence_proof: str

    @property
    def clock(self) -> Clock:
        """The target's own time."""

    def addresses(self, version: int) -> Addresses:
        """Return the addresses of IP version 4 or 6."""

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the time in seconds before which no timer of the target can make it speak by itself."""

    def socket(self, version: int) -> AppSocket:
        """Return a fresh, unbound application socket."""

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject IP packets and return all that the target sends because of them, and all that had come before."""

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return the state of a connection, None if this target's states can't be read."""

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return the target's own text about a connection (of `ss`), None if there is no such program."""

    def forget_connections(self) -> None:
        """Make the target forget every connection at once, without waiting for timers."""

    def check(self) -> None:
        """Raise TargetError if anything was lost since the last check."""

    def close(self) -> None:
        """End the target and leave nothing behind."""


@runtime_checkable
class Adjustable(Protocol):
    """What a target with the capability SETTINGS offers besides."""

    def setting(self, name: str, value: str) -> AbstractContextManager[None]:
        """Change a setting of the target's own (never of the machine's) for the time of the context."""


@runtime_checkable
class Sizable(Protocol):
    """What a target offers besides that can be told what fits through to the peer."""

    def set_mtu(self, version: int, mtu: int | None) -> None:
        """Set the MTU of the way to the peer, None for the wire's own; a TargetError or OSError where it can't be."""


@runtime_checkable
class Counting(Protocol):
    """What a target offers besides that counts what it does (RFC 4022, and a kernel's own counters)."""

    def counters(self) -> Mapping[str, int]:
        """Return the counters by their names; a TargetError where they can't be had."""


@runtime_checkable
class Remembering(Protocol):
    """What a target offers besides that remembers things of hosts beyond its connections: Fast Open's cookies."""

    def forget_hosts(self) -> None:
        """Forget all that; a TargetError where it may not be."""


@runtime_checkable
class Roomy(Protocol):
    """What a target offers besides whose wire carries larger packets than its MTU, as cards that merge hand them up."""

    #: The length of the largest IP packet that it takes in one piece.
    largest: int

    def merge(self, mss: int | None) -> None:
        """Say of segments with how many octets such packets are merged; None: of two."""


@runtime_checkable
class Outspoken(Protocol):
    """What a target offers besides that says when something in it is wrong, and goes on."""

    def warnings(self) -> list[str]:
        """Return what it has written since this was asked for the last time: a cause, then what belongs to it."""


#: Options of a target spec: ``linux,key=value`` gives {"key": "value"}.
Options = Mapping[str, str]
