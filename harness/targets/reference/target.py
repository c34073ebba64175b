"""Target ``reference``: the reference stack, in this process and in virtual time."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness import __version__
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.states import CLOSED
from harness.stack import Config, Datagram, Endpoint, Pair, Stack
from harness.stack.config import NS
from harness.targets import quoted
from harness.targets.addresses import ADDRESSES
from harness.targets.protocol import Addresses, Capability, Facts, TargetHung, TargetStorms, UnusableTarget, in_parts
from harness.targets.reference.socket import ReferenceSocket
from harness.targets.sockets import AppSocket
from harness.wire import codec
from harness.wire.link import MAX_ARRIVALS, Arrival, Flood

#: The key of the initial sequence numbers: always the same, so that two runs are.
KEY = b"tcpspec reference"
#: Virtual time begins here: not at 0, so that nothing mistakes it for "never".
BEGINNING_NS = 1_000 * NS
#: What its timers may take on the clock on the wall without that anything comes of it.
IDLE_LIMIT_S = 10.0
#: So many challenges in a period are more than a case or a conversation provokes.
FEW_CHALLENGES = 1000
#: The directed broadcast addresses of the networks that the addresses belong to.
BROADCASTS = ("198.51.100.0", "198.51.100.255")
CAPABILITIES = in_parts(
    {
        Capability.STATES,
        Capability.IPV6,
        Capability.RFC5961,
        Capability.TIMESTAMPS,
        Capability.WINDOW_SCALE,
        Capability.SACK,
        Capability.TIME_WAIT_REUSE,
        Capability.SOCKET_OPTIONS,
        Capability.ICMP,
        Capability.SETTINGS,
        Capability.READINESS,
        Capability.WAITING_CALLS,
        Capability.GIVES_UP,
        Capability.VIRTUAL_TIME,
    }
)
#: Settings by the names that the cases know from Linux: the field of `Config`, and what its value counts in.
SETTINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "net.ipv4.tcp_challenge_ack_limit": ("challenge_limit", int),
    "net.ipv4.tcp_invalid_ratelimit": ("invalid_interval_s", lambda text: int(text) / 1000),
    "net.ipv4.tcp_timestamps": ("timestamps", lambda text: text != "0"),
    "net.ipv4.tcp_window_scaling": ("window_scale", lambda text: text != "0"),
    "net.ipv4.tcp_sack": ("sack", lambda text: text != "0"),
    "net.ipv4.tcp_rfc1337": ("keep_time_wait", lambda text: text != "0"),
    "net.ipv4.tcp_fin_timeout": ("fin_wait_2_timeout_s", float),
    "net.ipv4.ip_local_port_range": ("ephemeral_ports", lambda text: _port_range(text)),
    # Where this target's own numbers begin, "" for at random: to have them wrap soon.
    "reference.iss": ("iss", lambda text: int(text) & 0xFFFFFFFF if text else None),
    # For how many milliseconds it delays an ACK, "" for not at all.
    "reference.delayed_ack": ("delayed_ack_s", lambda text: int(text) / 1000 if text else None),
    "reference.timestamp_offset": ("timestamp_offset", lambda text: int(text) & 0xFFFFFFFF if text else None),
}


def _port_range(text: str) -> tuple[int, int]:
    """Read the first and the last port; raises ValueError."""
    first, last = map(int, text.split())
    if not 0 < first <= last < 1 << 16:
        raise ValueError(text)
    return first, last


def quick_config() -> Config:
    """Return the settings for ordinary cases: every ACK at once, every challenge due."""
    return Config(delayed_ack_s=None, challenge_limit=1 << 31)


def timers_config(rto_initial_s: float = 1.0) -> Config:
    """Return the settings for timer cases: giving up within seconds, as a pod's pins have it for the kernel.

    An active open takes its own time: an application asks for less where a case needs it.
    """
    return Config(
        challenge_limit=1 << 31,
        syn_ack_timeout_s=7 * rto_initial_s,  # 2 repetitions
        user_timeout_s=10 * rto_initial_s,  # 3 repetitions, and a little
        fin_wait_2_timeout_s=3,
        msl_s=30,  # as many systems have it
    )


def _config_for(timers: bool, config: Mapping[str, object]) -> Config:
    """Return the settings that `config` changes; who begins with a longer timeout repeats as often all the same."""
    if not timers:
        return quick_config()
    initial_s = config.get("rto_initial_s", 1.0)
    assert isinstance(initial_s, float)
    return timers_config(initial_s)


def _throttle_s(config: Config) -> float:
    """Return how long a stack may hold back an answer to what it has just answered; 0 where nothing meets the limit."""
    limited = config.challenge_limit < FEW_CHALLENGES
    period_s = config.challenge_period_s if limited else 0.0
    return max(config.invalid_interval_s, config.challenge_interval_s, period_s)


class VirtualClock:
    """Time that passes only when it is waited for."""

    def __init__(self, target: "ReferenceTarget") -> None:
        self._target = target

    def now_ns(self) -> int:
        """Return nanoseconds since some beginning."""
        return self._target.stack.now

    def wait(self, seconds: float) -> None:
        """Let at most `seconds` pass, until the stack sends something."""
        self._target.pass_time(max(0, round(seconds * NS)))


class ReferenceTarget:
    """The reference stack as a target; another `stack_class` is a stack with a difference, which `details` may tell.

    `beginning_ns` is the time at which its virtual time begins. The settings ``reference.iss`` and
    ``reference.timestamp_offset`` choose where the numbers of its connections begin; its timestamps count milliseconds
    of `clock`, with that offset. Packets may have any form that IP knows: `harness.wire.forms` makes them.
    `config` are fields of the stack's `Config` with other values, `lacks` what such a stack does not claim.
    Raises UnusableTarget for a setting that it does not have.
    """

    silence_proof = "idle in virtual time"

    def __init__(
        self,
        *,
        name: str = "reference",
        timers: bool = False,
        settings: Mapping[str, str] | None = None,
        stack_class: type[Stack] = Stack,
        config: Mapping[str, object] | None = None,
        lacks: Collection[str] = (),
        details: Mapping[str, str] | None = None,
        beginning_ns: int = BEGINNING_NS,
    ) -> None:
        self.name = name
        self.capabilities = CAPABILITIES - set(lacks)
        chosen = replace(_config_for(timers, config or {}), **(config or {}))  # type: ignore[arg-type]
        for setting, value in (settings or {}).items():
            _configure(chosen, setting, value)
        self.stack = stack_class(
            [address for version in (4, 6) for address in ADDRESSES[version].target],
            config=chosen,
            key=KEY,
            broadcasts=BROADCASTS,
            now=beginning_ns,
        )
        self._sent: list[Arrival] = []
        self._ip_id = 0
        self.clock = VirtualClock(self)
        self.facts = Facts(
            name=name,
            implementation="reference",
            version=__version__,
            details={"silence proof": self.silence_proof, "time": "virtual", **(details or {})},
            sysctls={full: _shown(getattr(chosen, field)) for full, (field, _read) in SETTINGS.items()},
            throttle_s=_throttle_s(chosen),
            throttles_all=chosen.invalid_interval_s > 0,
            throttles_host=chosen.challenge_limit < FEW_CHALLENGES,
            tick_s=chosen.tick_s,
        )

    def addresses(self, version: int) -> Addresses:
        """Return the same addresses as a pod has."""
        return ADDRESSES[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the delay of ACKs, or else the smallest retransmission timeout."""
        config = self.stack.config
        shortest_s = config.rto_min_s if syn_sent or config.delayed_ack_s is None else config.delayed_ack_s
        return max(0.0, shortest_s - config.tick_s)

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket."""
        return ReferenceSocket(self.stack.socket())

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Let packets arrive and return what the stack sends: it is idle when it returns."""
        for packet in packets:
            # What comes by link-layer broadcast is not for TCP (RFC 1122 §3.3.6).
            if destination_mac is None or not destination_mac[0] & 1:
                self._arrive(packet)
            self._collect()
        return self.waiting()

    def waiting(self) -> list[Arrival]:
        """Return what was sent by itself."""
        self._collect()
        sent, self._sent = self._sent, []
        return sent

    def snapshot(self, tuple4: FourTuple) -> Snapshot:
        """Look at the stack's own records."""
        pair = _pair(tuple4)
        connection = self.stack.connections.get(pair)
        if connection is None:
            return Snapshot(CLOSED, listening=self.stack.listener_for(pair.local) is not None)
        unsent = len(connection.send_buffer)
        return Snapshot(connection.state, receive_queue=len(connection.receive_buffer), send_queue=unsent)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return nothing: there is no second observer to hold against the first."""
        return None

    @contextlib.contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Change a setting for the time of the context."""
        before = replace(self.stack.config)
        _configure(self.stack.config, name, value)
        try:
            yield
        finally:
            for field in before.__dataclass_fields__:
                setattr(self.stack.config, field, getattr(before, field))

    def forget_connections(self) -> None:
        """Drop every record, without a word to anyone."""
        self.stack.clear()

    def check(self) -> None:
        """Nothing can be lost on the way."""

    def close(self) -> None:
        """There is nothing to leave behind."""
        self.stack.clear()

    def pass_time(self, duration_ns: int) -> None:
        """Advance the clock, from timer to timer, until it is over or something was sent; raises TargetHung."""
        self._collect()
        deadline = time.monotonic() + IDLE_LIMIT_S
        until = self.stack.now + duration_ns
        while not self._sent and self.stack.now < until:
            timer = self.stack.next_timer()
            self.stack.advance(until if timer is None else min(timer, until))
            self._collect()
            if time.monotonic() > deadline:
                raise TargetHung("its timers run out without end")

    def _arrive(self, raw: bytes) -> None:
        packet = self.stack.receive(raw)
        if packet is None:
            return
        if not codec.is_tcp(packet):
            self._icmp(packet)
            return
        try:
            decoded = codec.decode(packet)
        except codec.MalformedPacket:
            return
        datagram = Datagram(
            decoded.source,
            decoded.destination,
            decoded.segment,
            decoded.ttl,
            decoded.traffic_class,
            decoded.checksums_ok,
            _flow_label(packet),
            packet[len(decoded.raw) :],
        )
        self.stack.arrive(datagram)

    def _icmp(self, packet: bytes) -> None:
        error = quoted.read(packet)
        if error is not None:
            pair = Pair(Endpoint(error.source, error.source_port), Endpoint(error.destination, error.destination_port))
            self.stack.icmp_error(pair, error.seq, error.errno, hard=error.hard)

    def _collect(self) -> None:
        for datagram in self.stack.poll():
            self._sent.append(Arrival(self.stack.now, self._encoded(datagram)))
            if len(self._sent) > MAX_ARRIVALS:
                self._sent.clear()
                raise TargetStorms(str(Flood()))

    def _encoded(self, datagram: Datagram) -> bytes:
        self._ip_id = (self._ip_id + 1) & 0xFFFF
        path = codec.Path(datagram.source, datagram.destination)
        ttl, traffic_class = datagram.ttl, datagram.traffic_class
        return codec.encode(path, datagram.segment, ttl=ttl, traffic_class=traffic_class, ip_id=self._ip_id)


def _configure(config: Config, name: str, value: str) -> None:
    full = name if "." in name else f"net.ipv4.{name}"
    if full not in SETTINGS:
        known = ", ".join(sorted(SETTINGS))
        raise UnusableTarget(f"the reference stack has no setting {name!r}", f"it has: {known}")
    field, read = SETTINGS[full]
    try:
        setattr(config, field, read(value))
    except ValueError:
        raise UnusableTarget(f"the reference stack's setting {name} can't be {value!r}", "give a number") from None


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else f"{value:g}" if isinstance(value, bool | float) else str(value)


def _flow_label(packet: bytes) -> int:
    return int.from_bytes(packet[1:4], "big") & 0xFFFFF if packet[0] >> 4 == 6 else 0


def _pair(tuple4: FourTuple) -> Pair:
    return Pair(Endpoint(tuple4.address, tuple4.port), Endpoint(tuple4.peer_address, tuple4.peer_port))
