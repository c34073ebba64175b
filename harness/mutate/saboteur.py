"""A saboteur between a target and the wire: it does one thing to what the target sends, or to what it shows.

A conformance suite is worth what it notices. The saboteur makes a target wrong in one known way at a time (the ways
are the table in `harness.mutate.sabotages`); a suite that stays as green as before has a hole there.
"""

import contextlib
import heapq
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from harness.observe.snapshot import FourTuple, Snapshot
from harness.targets.protocol import Addresses, Adjustable, Capability, Clock, Facts, Target, UnusableTarget
from harness.targets.sockets import AppSocket
from harness.wire import codec
from harness.wire.codec import Packet
from harness.wire.link import Arrival


@dataclass(frozen=True, slots=True)
class Delivery:
    """An IP packet that reaches the peer, `after_s` seconds later than it would have."""

    octets: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the target sent in one step, and the last segment that the peer injected (None behind a user call)."""

    sent: list[Packet]
    cause: Packet | None = None


def honest_delivery(exchange: Exchange) -> list[Delivery]:
    """Deliver everything as it was sent."""
    return [Delivery(packet.raw) for packet in exchange.sent]


def honest_look(now: Snapshot, _before: Snapshot) -> Snapshot:
    """Show the state as it is."""
    return now


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One wrong behaviour: `deliver` says what reaches the peer, `show` what a look at a connection gives.

    `show` gets the true snapshot and the one of another state that was true before.
    """

    name: str
    deliver: Callable[[Exchange], list[Delivery]] = honest_delivery
    show: Callable[[Snapshot, Snapshot], Snapshot] = honest_look

    @property
    def lies(self) -> bool:
        """Whether it falsifies states (a second observer would see through it)."""
        return self.show is not honest_look


#: Changes nothing: a suite that fails under it is wrong itself.
IDENTITY = Sabotage("identity")


class Saboteur:
    """A target with a saboteur on its wire.

    `sabotage` may be exchanged between cases: a connection keeps the one it began under, so that what a timer of an
    earlier case sends is not falsified in the name of a later one.
    """

    def __init__(self, target: Target, sabotage: Sabotage = IDENTITY) -> None:
        self.sabotage = sabotage
        self._target = target
        self._owners: dict[FourTuple, Sabotage] = {}
        self._late: list[tuple[int, int, bytes]] = []
        self._order = itertools.count()
        self._looks: dict[FourTuple, tuple[Snapshot, Snapshot]] = {}
        #: How many packets were held back so far.
        self.delayed = 0
        self.name = target.name
        self.facts: Facts = target.facts
        self.capabilities: frozenset[Capability] = target.capabilities
        self.silence_proof = target.silence_proof

    @property
    def clock(self) -> Clock:
        """The target's own time."""
        return self._target.clock

    def addresses(self, version: int) -> Addresses:
        """Return the target's addresses."""
        return self._target.addresses(version)

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the target's guard time."""
        return self._target.guard_s(syn_sent=syn_sent)

    def socket(self, version: int) -> AppSocket:
        """Return a socket of the target: what the application is told stays true."""
        return self._target.socket(version)

    def setting(self, name: str, value: str) -> AbstractContextManager[None]:
        """Change a setting of the target, if it can do that."""
        if isinstance(self._target, Adjustable):
            return self._target.setting(name, value)
        raise UnusableTarget(f"target {self.name} has no settings")

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, and let the saboteur have what the target sends because of them."""
        injected = list(packets)
        heard = [_decoded(octets) for octets in injected]
        for packet in heard:
            if packet is not None:
                self._owner(_tuple4(packet, of_peer=True))
        arrivals = self._target.exchange(injected, destination_mac)
        return self._due() + self._sabotaged(arrivals, heard[-1] if heard else None)

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself, and what the saboteur had held back."""
        return self._due() + self._sabotaged(self._target.waiting(), None)

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return what the saboteur shows of a connection."""
        now = self._target.snapshot(tuple4)
        if now is None:
            return None
        latest, before = self._looks.get(tuple4, (now, now))
        if latest != now:
            before = latest
        self._looks[tuple4] = now, before
        return self.sabotage.show(now, before)

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return the target's own text, but none while states are falsified: it would give that away."""
        return None if self.sabotage.lies else self._target.evidence(tuple4)

    def forget_connections(self) -> None:
        """Forget all connections, and what was held back."""
        self._owners.clear()
        self._looks.clear()
        self._late.clear()
        self._target.forget_connections()

    def check(self) -> None:
        """Check the target."""
        self._target.check()

    def close(self) -> None:
        """End the target."""
        self._target.close()

    def _sabotaged(self, arrivals: list[Arrival], cause: Packet | None) -> list[Arrival]:
        passed: list[Arrival] = []
        ours: list[Packet] = []
        for arrival in arrivals:
            packet = _decoded(arrival.packet)
            if packet is None:
                passed.append(arrival)
            elif (owner := self._owner(_tuple4(packet))) is self.sabotage:
                ours.append(packet)
            else:
                self._deliver(owner.deliver(Exchange([packet])), arrival.time_ns, passed)
        now = arrivals[-1].time_ns if arrivals else self.clock.now_ns()
        self._deliver(self.sabotage.deliver(Exchange(ours, cause)), now, passed)
        return passed

    def _deliver(self, deliveries: Iterable[Delivery], now: int, passed: list[Arrival]) -> None:
        for delivery in deliveries:
            if delivery.after_s:
                self.delayed += 1
                due = now + int(delivery.after_s * 1e9)
                heapq.heappush(self._late, (due, next(self._order), delivery.octets))
            else:
                passed.append(Arrival(now, delivery.octets))

    def _owner(self, tuple4: FourTuple) -> Sabotage:
        """Return the sabotage that a connection began under."""
        return self._owners.setdefault(tuple4, self.sabotage)

    def _due(self) -> list[Arrival]:
        arrivals = []
        while self._late and self._late[0][0] <= self.clock.now_ns():
            due, _order, octets = heapq.heappop(self._late)
            arrivals.append(Arrival(due, octets))
        return arrivals


def _tuple4(packet: Packet, *, of_peer: bool = False) -> FourTuple:
    """Return the connection of a packet of the target, or of the peer."""
    segment = packet.segment
    sender = (packet.source, segment.source_port)
    receiver = (packet.destination, segment.destination_port)
    return FourTuple(*receiver, *sender) if of_peer else FourTuple(*sender, *receiver)


def _decoded(octets: bytes) -> Packet | None:
    with contextlib.suppress(codec.MalformedPacket):
        return codec.decode(octets)
    return None
