"""What is found out about a stack whose application is told what to call: its pace, its limit, and the fence.

What it has, it tells itself. A listener of the application's is asked as a server is (`harness.targets.wired.probing`).
"""

import contextlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.spec.segment import SYN
from harness.targets.adapter.socket import AdapterSocket, Dialogue
from harness.targets.adapter.target import Greeting
from harness.targets.protocol import Addresses, Capability, NotOffered, UnusableTarget
from harness.targets.wired import probing, soundness
from harness.targets.wired.channel import GUARD_S
from harness.targets.wired.link import WireLink
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.servers import SERVERS
from harness.targets.wired.trial import ANSWER_LIMIT_S, ECHO_LIMIT_S, Call
from harness.wire import codec
from harness.wire.link import Arrival

#: A port beyond those of the cases; connections are opened from those below it.
PORT = 64_999
BACKLOG = 16
#: Text of so many segments is left unacknowledged. A loss probe follows two round trips behind several (RFC 8985 §7.2),
#: which take next to nothing; but a busy machine makes them long now and then. The probe of a lone one comes later.
UNHEARD, SEGMENT, PROBED_S = (1, 2, 2, 2), 1460, 0.0025
#: So many connections are opened by the application, each of whose SYNs must come before the fence's answer.
OPENED = 10


class Told(Dialogue, Protocol):
    """An application that is told what to call, and the stack's packets."""

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, in seconds; `throttles_all`: the limit is one of all that is unacceptable.

    What is sent `guard_s` behind what it repeats may be a timer's.
    """

    silence_proof: str
    answer_s: float
    throttle_s: float
    throttles_all: bool
    guard_s: float


def find_out(link: WireLink, addresses: Mapping[int, Addresses], told: Told, greeting: Greeting) -> Findings:
    """Find out what the cases need to know. Raises UnusableTarget where the application and the wire don't match."""
    desk = _Desk(link, addresses[4], told)
    first = desk.first()
    if first is None or not first.open:
        own = addresses[4].target[0]
        raise UnusableTarget(
            f"the application says that it listens, and {own} answers no SYN to port {PORT}",
            "is the stack that it calls the one on this wire?",
        )
    soundness.examine(link, ANSWER_LIMIT_S + link.patience_s)
    late_s, _settle_s = probing.paces(first, SERVERS["discard"])
    first.end()
    throttle_s, throttles_all = greeting.throttle_s, "text" in greeting.throttles
    if "throttle" in greeting.settings:
        throttle_s = 0.0
    elif not greeting.throttle_told and probing.is_throttled(desk.call):
        throttle_s, throttles_all = probing.THROTTLE_S, True
    proof = probing.silence_proof(link, desk.call)
    proof = _proof_of_calls(link, addresses[4], told, proof)
    guard_s = _guard_s([desk.again_s(segments * SEGMENT) for segments in UNHEARD])
    desk.close()
    if Capability.IPV6 in greeting.capabilities and 6 in addresses:
        _demand_ipv6(link, addresses[6], told)
    return Findings(proof, probing.awaited_s(link, late_s), throttle_s, throttles_all, guard_s)


def _guard_s(again_s: Sequence[float]) -> float:
    """Return behind what time a timer may speak; `again_s` is how soon it has spoken, in the order of UNHEARD."""
    probed_s = PROBED_S if min(again_s[1:]) < GUARD_S else GUARD_S
    return min([GUARD_S, probed_s, *(each_s / probing.SLACK for each_s in again_s)])


class _Desk:
    """A listener of the application's, and calls to it: each is accepted and ended before the next."""

    def __init__(self, link: WireLink, addresses: Addresses, told: Told) -> None:
        self._link, self._told, self._listener = link, told, AdapterSocket(told)
        self._path = codec.Path(addresses.peer[0], addresses.target[0])
        try:
            self._listener.listen(addresses.target[0], PORT, BACKLOG)
        except OSError as error:
            hint = "its own address is option ip=… (net: target=…)"
            raise UnusableTarget(f"the application can't listen on {addresses.target[0]}: {error}", hint) from None

    def first(self) -> Call | None:
        """Open the first connection, of which nobody knows how long an answer is on its way."""
        return probing.first_call(self._link, self._path, PORT, lambda: True, probing.LISTEN_LIMIT_S)

    def call(self, offer: bytes | None = None, flags: int = SYN) -> Call:
        """Open a connection."""
        with contextlib.suppress(OSError):
            while True:
                _end(self._listener.accept())
        return probing.patiently(self._link, self._path, PORT, offer, flags)

    def again_s(self, octets: int) -> float:
        """Return how soon text is sent again that nobody acknowledges: a loss probe may come before any time-out."""
        call, first = self.call(probing.OFFER), dict[int, int]()  # with SACK, where probes are for that alone
        with contextlib.suppress(OSError):
            self._listener.accept().send(bytes(octets))
        deadline = time.monotonic() + GUARD_S + self._link.patience_s
        try:
            while True:
                for arrival in self._told.waiting():
                    segment = call.mine(arrival.packet)
                    if segment is not None and segment.payload:
                        began_ns = first.setdefault(segment.seq, arrival.time_ns)
                        if 0 < arrival.time_ns - began_ns < GUARD_S * 1e9:
                            return (arrival.time_ns - began_ns) / 1e9
                if (left := deadline - time.monotonic()) <= 0:
                    return math.inf
                self._link.wait(left)
        finally:
            call.end()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()


def _proof_of_calls(link: WireLink, addresses: Addresses, told: Told, proof: str) -> str:
    """Try whether what a call sends comes before the fence's answer too; else silence is timed by how late it comes."""
    late, slowest_s = 0, 0.0
    for number in range(OPENED):
        begin, app, port = time.monotonic(), AdapterSocket(told), PORT - 1 - number
        try:
            app.connect((addresses.target[0], port), (addresses.peer[0], PORT))
        except (OSError, NotOffered):  # it opens none
            return proof
        limit_s = ECHO_LIMIT_S + link.patience_s
        while not _has_syn(told.waiting(), port) and time.monotonic() < begin + limit_s:
            late += 1
            link.wait(limit_s)
        slowest_s = max(slowest_s, time.monotonic() - begin)
        _end(app)
    if not late:
        return proof
    link.quiet_s = max(link.quiet_s or 0.0, probing.LEAST_QUIET_S, probing.SLACK * slowest_s)
    return f"timed silence of {1000 * link.quiet_s:.0f} ms (what the application's calls send comes behind the fence)"


def _end(app: AdapterSocket) -> None:
    """Abort a connection; a stack that has no ABORT closes it."""
    try:
        app.abort()
    except NotOffered:
        app.close()


def _has_syn(arrivals: list[Arrival], port: int) -> bool:
    packets = (TcpPacket.read(arrival.packet) for arrival in arrivals)
    return any(packet is not None and packet.flags & SYN and packet.source_port == port for packet in packets)


def _demand_ipv6(link: WireLink, addresses: Addresses, told: Told) -> None:
    listener, own = AdapterSocket(told), addresses.target[0]
    with contextlib.suppress(OSError):
        listener.listen(own, PORT, BACKLOG)
        if probing.speaks_ipv6(link, addresses, PORT):
            listener.close()
            return
    hint = "leave ipv6 out of capabilities=, or name the address: ip6=… (net: target6=…)"
    raise UnusableTarget(f"the application claims ipv6, and has no connection on {own}", hint)
