"""Targets ``tap:``, ``tun:`` and ``net:`` with a server of their own: a program or a board, unchanged (`WIRED.md`)."""

import itertools
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import FIN, SYN
from harness.targets.lane import Lane
from harness.targets.namespace.target import RealClock
from harness.targets.protocol import Facts, NotOffered, TargetError, TargetHung, TargetStorms, UnusableTarget
from harness.targets.sockets import AppSocket
from harness.targets.wired import abreast, manners, probing, refusals, service
from harness.targets.wired.application import ServerSocket
from harness.targets.wired.channel import GUARD_S, Channel
from harness.targets.wired.link import CLOSED_PORT
from harness.targets.wired.options import WireOptions
from harness.targets.wired.packet import TcpPacket
from harness.targets.wired.trial import Call
from harness.targets.wired.wiring import Place, Wiring
from harness.wire import codec
from harness.wire.link import Arrival, Flood, LostFence

#: How long a server may take for what it does by itself, and how long an echo, of which nothing says that it is due.
SERVER_LIMIT_S = 2.0
#: So often a server is asked that does not answer a case's SYN.
OPENINGS = 3

_Ends = tuple[bytes, int]


class WiredTarget(Wiring):
    """A program behind a device, or a board, that serves. Raises UnusableTarget when it does not start or listen."""

    def __init__(
        self, options: WireOptions, place: Place, *, name: str, timers: bool = False, lane: Lane | None = None
    ) -> None:
        super().__init__(options, place, name=name)
        self.server, self._timers, self._lane = options.server, timers, lane or Lane()
        #: What is found out about it, for other processes of the run.
        self.found = b""
        self._early: list[Arrival] = []
        #: The case's ports that stand for the server's, and the connections by their peer's ends.
        self._open: set[int] = set()
        self._channels: dict[_Ends, Channel] = {}
        self._accepted: set[int] = set()
        #: The connection of the case that is under way.
        self._current: Channel | None = None
        try:
            self._start()
            findings = self._found_before() or self._probe()
        except BaseException:
            self.close()
            raise
        self.server = replace(
            self.server, page=findings.page, once=findings.once, closes=findings.closes, hasty=findings.hasty
        )
        self.clock = RealClock(self._link)
        self._lonely = findings.lonely
        self._everywhere = findings.everywhere
        self._guard_s = findings.guard_s
        self.silence_proof = findings.silence_proof
        self.capabilities = findings.capabilities
        details = {
            "command": " ".join(options.command),
            "application": f"{self.server}, of its own",
            "time": "real",
            "silence proof": self.silence_proof,
            "found by asking": ", ".join(sorted(self.capabilities)) or "no options",
            "connections at a time": "one, in its life" if self.server.once else "one" if self._lonely else "several",
            "behind its peer's FIN": manners.in_words(self.server),
            "other ports": "served too" if self._everywhere else "closed",
            "a timer may speak behind": f"{1000 * self._guard_s:.0f} ms",
            **self._found_on_the_wire(),
        }
        self.facts = Facts(
            name,
            "unknown",
            "0",
            details,
            hasty=False,
            throttle_s=findings.throttle_s,
            throttles_all=True,
            answer_s=findings.answer_s,
            syn_guard_s=GUARD_S,
            one_port=True,
            ports=self._lane.ports,
            lonely=self._lonely,
            at_once=1 if self._lonely else max(1, probing.CROWD // (self._lane.count if self._lane.is_shared else 1)),
        )

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the time before which no timer speaks, as it was measured."""
        return self._guard_s

    def socket(self, version: int) -> AppSocket:
        """Return a socket that stands for the server."""
        return ServerSocket(self)

    def exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, wait for the fence or for silence, and for what the server does by itself."""
        packets, before = [*packets], self._current
        sent, spoken_to, opening = [], None, False
        if self._channels:  # what the server has done meanwhile decides on what can be asked
            self._early = self.waiting()
        for packet in packets:
            octets, channel = self._inward(packet)
            sent.append(octets)
            seen = TcpPacket.read(packet)
            # Timer cases take turns: what another one has come to is no matter of this one's.
            self._current = channel if self._timers else channel or self._current
            opening = opening or (channel is not None and channel.is_opening)
            if channel is None or seen is None or channel.told_to_close:
                continue
            closes = seen.flags & FIN and self.server.closes
            if (seen.payload and self.server.echoes) or closes:  # the server is about to speak, or close
                spoken_to = channel
        arrivals = self._take(self._exchange(sent, destination_mac))
        if opening and not arrivals:
            self._demand_openness()
        elif opening and not self._lonely and service.refuses(self._link, self._path(), self.server, arrivals):
            self._start_anew()
            if before is not None:
                raise NotOffered(service.STARTED_AGAIN.format(self.server.name))
            return self.exchange(packets, destination_mac)
        if spoken_to is not None:
            arrivals += self._until_spoken(spoken_to)
        if self._current is not None and self._current.left:
            raise NotOffered("the server has closed the connection by itself")
        return self._with_early(arrivals)

    def waiting(self) -> list[Arrival]:
        """Return what has come by itself."""
        try:
            return self._with_early(self._take(self._link.waiting()))
        except Flood as error:
            raise TargetStorms(str(error)) from None

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return None: the states are proved from outside."""
        return None

    def forget_connections(self) -> None:
        """Reset what is open; a program that has ended, or takes one connection at a time, is started again."""
        self.life += 1
        resets, taken = self._resets(), bool(self._channels)
        self._channels.clear()
        self._open.clear()
        self._accepted.clear()
        self._current = None
        self._early.clear()
        if self.server.once and (taken or self._is_out_of_order):
            self._start_for_one()
            return
        if self._place.restarts and self._is_out_of_order:
            self._start_again()
            return
        self._exchange(resets)
        self._link.waiting()
        if self._lonely and taken and not self._is_free():
            if not self._place.restarts:
                raise TargetError(f"the {self.server.name} server is busy with a connection that was reset")
            self._start_again()
            self._is_free()

    # --- for the sockets ---------------------------------------------------------------------------------------------

    def open_port(self, port: int) -> None:
        """Let a port of the case's be the server's; once only, since nobody can ask a server for a second listener."""
        if port in self._open or any(channel.port == port for channel in self._channels.values()):
            raise NotOffered("listen(): a server listens once")
        self._current = None
        self._open.add(port)

    def close_port(self, port: int) -> None:
        """Let it be closed again, for new connections."""
        self._open.discard(port)
        for channel in self._channels.values():
            if channel.port == port:
                channel.listener_closed = True

    def unaccepted(self, port: int) -> Channel | None:
        """Return an established connection of a port that was not taken yet."""
        for channel in self._channels.values():
            if channel.port == port and channel.established and not channel.reset and id(channel) not in self._accepted:
                self._accepted.add(id(channel))
                return channel
        return None

    def show(self, arrivals: list[Arrival]) -> None:
        """Keep what has come for the next look."""
        self._early += arrivals

    def await_server(self, channel: Channel) -> None:
        """Wait until the server has done what it does by itself; raises NotOffered where it does not."""
        self._await(lambda: not channel.waits_for_echo)
        if self.server.question and channel.waits_for_echo:
            raise NotOffered(f"close(): the {self.server.name} server has not closed within {SERVER_LIMIT_S:g} s")

    def await_echo(self, channel: Channel) -> None:
        """Wait for what the server sends back of text that was acknowledged."""
        self._await(lambda: channel.reset or not channel.expects_an_echo)

    def await_end(self, channel: Channel) -> None:
        """Wait for the server's FIN behind its peer's."""
        self._await(lambda: channel.reset or channel.held is not None)

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _demand_openness(self) -> None:
        """Raise TargetHung where the server answers no SYN of ours either, though the stack answers probes."""
        if self._lonely:
            return
        for _ in range(OPENINGS):
            asked = Call(self._link, self._path(), self.server.port, completed=False)
            asked.end()
            self._early += self._take(asked.strays)  # such as a late answer to the case
            if asked.answer is not None or self._early:
                return
        what = f"the {self.server.name} server answers no SYN any more, this case's nor any other"
        if not self._place.restarts:
            raise TargetError(what)
        self._silent = True
        raise TargetHung(what, self._place.last_words())

    def _await(self, is_done: Callable[[], bool]) -> None:
        """Wait for what the server does by itself; raises NotOffered where it does it for nobody any more."""
        deadline = time.monotonic() + SERVER_LIMIT_S + self._link.patience_s
        while not is_done() and time.monotonic() < deadline:
            self._link.wait(0.05)
            self._early += self._take(self._link.waiting())
        if not is_done():
            self._demand_service()

    def _start_anew(self) -> None:
        """Start a program again whose server serves nobody any more; raises TargetError where nobody can."""
        if not self._place.restarts:
            raise TargetError(service.STOPPED.format(self.server.name))
        self._channels.clear()
        self._accepted.clear()
        self._start_for_one()

    def _demand_service(self) -> None:
        """Raise NotOffered where what the server has not done on a case's connection it does on no other either."""
        if not self._lonely and service.is_idle(self._link, self._path(), self.server):
            self._start_anew()
            raise NotOffered(service.STARTED_AGAIN.format(self.server.name))

    def _until_spoken(self, channel: Channel) -> list[Arrival]:
        """Return what comes until the server has spoken, or may have nothing to say, and what comes right behind."""
        deadline, found = time.monotonic() + self._settle_s, list[Arrival]()
        while not channel.has_spoken and (left_s := deadline - time.monotonic()) > 0:
            self._link.wait(left_s)
            found += self._take(self._link.waiting())
        return found + self._take(self._until_quiet(probing.LEAST_SETTLE_S))

    def _found_before(self) -> probing.Findings | None:
        """Return what another process of the run has found, if it asks the same board."""
        if not self._lane.is_shared:
            return None
        Call.ports = itertools.cycle(self._lane.calls)
        findings = abreast.take_over(self._link, self._lane.handed_on[self.name])
        self._settle_s = findings.settle_s
        return findings

    def _probe(self) -> probing.Findings:
        addresses = self._options.addresses
        # Who answers on a TUN device is not asked for a hardware address first, and may not have started yet.
        limit_s = max(probing.LISTEN_LIMIT_S, self._options.start_s if self._options.layer == 3 else 0.0)
        try:
            again = self._start_for_one if self._place.restarts else None
            findings = probing.probe(self._link, addresses, self.server, self._runs, limit_s, again)
        except (LostFence, UnusableTarget):
            self._demand_start()
            raise
        if not findings.once:
            self._demand_start()
        if not findings.listens:
            raise refusals.nobody_listens(self._options, self._place, self._link, refuses=findings.refuses)
        if self._lane.count > 1:
            findings = abreast.examine(self._link, self._path(), self.server, self._lane.count, findings)
            self.found = abreast.hand_on(self._link, findings)
        self._settle_s = findings.settle_s
        return findings

    def _demand_life(self) -> None:
        """Raise TargetDied where the program has ended, but for one that ends content behind its only connection."""
        if self.server.once and self._place.exit_code() == 0:
            raise NotOffered("the program has ended with its only connection")
        super()._demand_life()

    def _runs(self) -> bool:
        return self._place.exit_code() is None

    def _demand_start(self) -> None:
        """Raise where the program has ended before any case."""
        if (code := self._place.exit_code()) is not None:
            raise refusals.ended_early(self._options, self._place, code)

    def _resets(self) -> list[bytes]:
        return [octets for channel in self._channels.values() if (octets := channel.last_reset())]

    def _start_for_one(self) -> None:
        """Start the program anew, and wait until it listens, without the connection that would be its only one."""
        if self._place.exit_code():
            self._demand_start()
        self._start_again()
        deadline, path = time.monotonic() + probing.LISTEN_LIMIT_S, self._path()
        while time.monotonic() < deadline:
            asked = Call(self._link, path, self.server.port, completed=False)
            asked.end()
            if asked.open:
                break
            time.sleep(0.02)

    def _path(self) -> codec.Path:
        addresses = self._options.addresses[4]
        return codec.Path(addresses.peer[0], addresses.target[0])

    def _is_free(self) -> bool:
        """Tell whether a server that takes one connection at a time has come round to the next.

        It has to come round once more behind the question itself, for which it is given twice as long.
        """
        began = time.monotonic()
        call = probing.patiently(self._link, self._path(), self.server.port, None, SYN)
        took_s = time.monotonic() - began
        call.end()
        self._until_quiet(max(self._settle_s, 2 * took_s))
        return call.open

    def _inward(self, packet: bytes) -> tuple[bytes, Channel | None]:
        seen = TcpPacket.read(packet)
        own = self._options.addresses[4 if packet[0] >> 4 == 4 else 6].target[0]
        family = socket.AF_INET if packet[0] >> 4 == 4 else socket.AF_INET6
        if seen is None or seen.destination != socket.inet_pton(family, own):
            return packet, None
        ends = (seen.source, seen.source_port)
        channel = self._channels.get(ends)
        if channel is not None and channel.port == seen.destination_port:
            return channel.inward(seen), channel
        if seen.destination_port in self._open:
            if channel is not None:
                raise NotOffered("the server has one port")
            if self._lonely and self._channels and seen.flags & 2:
                raise NotOffered("the server takes one connection at a time")
            throttled = bool(self.facts.throttle_s)
            channel = Channel(
                self.server, seen.destination_port, self._link.send, throttled=throttled, timed=self._timers
            )
            self._channels[ends] = channel
            return channel.inward(seen), channel
        if self._everywhere:
            raise NotOffered("the program serves every port: none is closed")
        if seen.destination_port == self.server.port:
            return seen.written(destination_port=CLOSED_PORT), None
        return packet, None

    def _take(self, arrivals: list[Arrival]) -> list[Arrival]:
        """Return what the case sees of what has come."""
        shown = []
        for arrival in arrivals:
            seen = TcpPacket.read(arrival.packet)
            channel = self._channels.get((seen.destination, seen.destination_port)) if seen is not None else None
            if seen is None or channel is None or seen.source_port != self.server.port:
                if seen is None or seen.source_port != self.server.port:
                    shown.append(arrival)
                continue
            shown += [Arrival(arrival.time_ns, octets) for octets in channel.outward(seen, arrival.time_ns)]
        return shown

    def _with_early(self, arrivals: list[Arrival]) -> list[Arrival]:
        early, self._early = self._early, []
        return early + arrivals
