"""What every stack on a wire of ours has: it is started, answers at its address, and is heard behind a fence."""

import ipaddress
import time
from collections.abc import Iterable
from typing import Protocol

from harness.observe.snapshot import FourTuple
from harness.targets.protocol import (
    Addresses,
    NotOffered,
    TargetDied,
    TargetError,
    TargetHung,
    TargetLeft,
    TargetStorms,
)
from harness.targets.wired import numbering, refusals
from harness.targets.wired.channel import GUARD_S
from harness.targets.wired.link import WireLink
from harness.targets.wired.options import WireOptions
from harness.wire.link import Arrival, Flood, LostFence

#: Where silence is timed, one probe that is not answered may be one too many; more than that are those of who hangs.
SIGNS = 4


class Place(Protocol):
    """Where the stack is: in a pod of ours, or on a cable. `restarts`: whether it can be started again.

    `wakes`: whether what hears lines has to boot first.
    """

    restarts: bool

    @property
    def wakes(self) -> bool:
        """Whether lines lead into a machine that boots first."""

    def link(self) -> WireLink:
        """Return the wire to it."""

    def start(self) -> None:
        """Start what is to be tested."""

    def stop(self) -> None:
        """End it."""

    def keep(self) -> str:
        """Keep it as it is for later starts, if that can be; return in words how it is started, "" for as before."""

    def exit_code(self) -> int | None:
        """Return the exit code of what has ended, None while it runs."""

    def has_opened(self) -> bool:
        """Tell whether somebody has its device open."""

    def last_words(self) -> str:
        """Return the end of what it has written."""

    def streams(self) -> tuple[int, int]:
        """Return descriptors of its standard output and input, which are the caller's from now on."""

    def reach(self, host: str, port: int) -> int:
        """Return the descriptor of a TCP connection that the stack under test has no part in; raises OSError."""

    def close(self) -> None:
        """End all that was made."""


class Wiring:
    """A stack behind a device of ours, or on a cable. Raises UnusableTarget when it does not start or answer."""

    def __init__(self, options: WireOptions, place: Place, *, name: str) -> None:
        self.name, self._options, self._place = name, options, place
        #: Sockets of an earlier life of the stack have an earlier number.
        self.life = 0
        #: The wire is the same for all lives: whoever asks on it need not know of a new one.
        self._is_linked = False
        #: Whether it has not answered what it always answers, though it has not ended.
        self._silent = False
        #: How many questions for our hardware address were answered, with a fence behind that.
        self._told = 0

    def addresses(self, version: int) -> Addresses:
        """Return the program's address and those of its peers."""
        return self._options.addresses[version]

    def guard_s(self, *, syn_sent: bool) -> float:
        """Return the time before which no retransmission timer speaks."""
        return GUARD_S

    def evidence(self, tuple4: FourTuple) -> str | None:
        """Return what the program has written, if anything."""
        return self._place.last_words() or None

    def check(self) -> None:
        """Raise TargetError if frames were lost: the capture socket dropped them, or a probe was not answered."""
        lost, self._link.lost_probes = self._link.lost_probes, 0
        if dropped := self._link.dropped():
            raise TargetError(f"the capture socket dropped {dropped} frames: what was seen is not what was sent")
        if lost:
            why = "and those behind them were: the wire, or the stack, loses frames, and silence proves nothing"
            raise TargetError(f"{lost} of the fence's probes were not answered, {why}")

    def close(self) -> None:
        """End what was started."""
        self._place.close()

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._place.start()
        if not self._is_linked:
            self._link, self._is_linked = self._place.link(), True
        deadline = time.monotonic() + self._options.start_s
        while not self._link.greet(0.2):
            code = self._place.exit_code()
            if code is not None or time.monotonic() > deadline:
                raise refusals.no_start(self._options, self._place, self._link, self.name, code)

    @property
    def _is_out_of_order(self) -> bool:
        """Whether nothing but a new start helps."""
        return self._silent or self._place.exit_code() is not None

    def _start_again(self) -> None:
        self._place.stop()
        self._silent = False
        self._link.knows_stack = self._options.layer == 3
        self._start()

    def _found_on_the_wire(self) -> dict[str, str]:
        """Return the addresses, what was seen besides TCP, and how it starts again, for the results' header."""
        peers = ", ".join(each.peer[0] for each in self._options.addresses.values())
        seen = ", ".join(f"{count} {what}" for what, count in self._link.seen.items())
        away = f"up to {1000 * self._link.round_trip_s:.1f} ms"
        details = {
            "has": str(self._options),
            "round trip": away,
            "peers": peers,
            "besides TCP, not judged": seen or "nothing",
        }
        if self._options.mac:
            details["hardware addresses"] = f"{self._options.mac} or its own; peers: {numbering.PEER_MAC}"
        if again := self._place.keep():
            details["started again"] = again
        if self._options.dhcp:
            details["DHCP"] = self._link.given or "not asked for"
        return details

    def _exchange(self, packets: Iterable[bytes], destination_mac: bytes | None = None) -> list[Arrival]:
        """Inject packets, and return what comes; what had to ask for our hardware address comes behind the answer."""
        packets = list(packets)
        if destination_mac is not None and self._options.layer == 3 and any(map(self._is_to_it, packets)):
            raise NotOffered("behind a TUN device there are no frames, and none to everybody")
        try:
            arrivals = self._link.exchange(packets, destination_mac)
            if not arrivals and self._link.quiet_s is not None:  # such a silence may be that of the dead
                self._demand_life()
                arrivals = self._demand_signs()
            if self._link.asked != self._told:
                self._told = self._link.asked
                arrivals += self._link.exchange(())
            return arrivals
        except Flood as error:
            raise TargetStorms(str(error)) from None
        except LostFence as error:
            self._demand_life()
            if not self._place.restarts:
                raise TargetError(str(error)) from None
            self._silent = True
            raise TargetHung(str(error), self._place.last_words()) from None

    def _demand_signs(self) -> list[Arrival]:
        """Raise LostFence where a stack that has answered probes answers none any more; return what it says instead.

        What it repeats by itself is no sign that it hears anything.
        """
        arrivals = list[Arrival]()
        for _ in range(SIGNS):
            if self._link.was_answered:
                return arrivals
            arrivals += self._link.exchange(())
        if self._link.was_answered:
            return arrivals
        raise LostFence(f"no answer to {SIGNS + 1} probes, one behind the other")

    def _is_to_it(self, packet: bytes) -> bool:
        version = packet[0] >> 4
        at, length = (16, 4) if version == 4 else (24, 16)
        own = self._options.addresses[version].target[0]
        return packet[at : at + length] == ipaddress.ip_address(own).packed

    def _demand_life(self) -> None:
        """Raise TargetDied where the program has ended."""
        if (code := self._place.exit_code()) is not None:
            end = TargetDied if code else TargetLeft
            raise end(f"the program {refusals.ending(code)}", self._place.last_words()) from None

    def _until_quiet(self, quiet_s: float) -> list[Arrival]:
        try:
            return self._link.until_quiet(quiet_s)
        except Flood as error:
            raise TargetStorms(str(error)) from None
