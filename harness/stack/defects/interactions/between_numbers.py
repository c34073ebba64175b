"""Where two ordinary things meet in numbers, tables, packets and calls between the steps of a connection."""

import errno
from collections.abc import Callable, Hashable
from typing import TypeVar

from harness.spec.segment import ACK, RST, Segment
from harness.spec.states import CLOSED, LAST_ACK, SYN_RECEIVED
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint
from harness.stack.defects.defect import defect
from harness.stack.fragments import Fragments
from harness.stack.ip import IpInput
from harness.stack.listener import Listener, reset_for
from harness.stack.options import Options
from harness.stack.pending import Pending
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

T = TypeVar("T")
#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000


# --- wraps -----------------------------------------------------------------------------------------------------------


@defect(
    "D840",
    "A peer that was heard before the clock passed 2**32 milliseconds counts as silent for long: it is probed at once.",
    "MUST-26",
    kind="wraps",
)
class SilentOverTheWrap(Connection):
    def keep_alive_timeout(self) -> None:
        heard = self.last_heard
        if self.now // ROUND_NS != heard // ROUND_NS:
            self.last_heard = heard - ROUND_NS
        super().keep_alive_timeout()
        self.last_heard = heard


@defect(
    "D841",
    "An ACK whose delay ends behind 2**32 milliseconds of the clock is never sent.",
    "MUST-40",
    kind="wraps",
)
class DelayOverTheWrap(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        over = self.now // ROUND_NS != (self.now + duration) // ROUND_NS
        if timer is not Timer.DELAYED_ACK or not over:
            super().start(timer, duration)


@defect(
    "D842",
    "The right edge of our window moves up to 2**32 and no further.",
    "RFC 9293 §3.8.6",
    kind="wraps",
)
class EdgeStopsAtTheWrap(Connection):
    def offer_window(self, shift: int) -> int:
        before = self.rcv_edge
        super().offer_window(shift)
        if self.rcv_edge < before:
            self.rcv_edge = before
        return self.rcv_wnd


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D843",
    "A connection that ends takes one of the other IP version between the same ports with it.",
    "RFC 9293 §3.4",
    kind="many",
)
class PortsOfBothVersions(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        local, remote = connection.pair
        for other in list(self.connections.values()):
            at, to = other.pair
            if at.version != local.version and (at.port, to.port) == (local.port, remote.port):
                other.delete(errno.ECONNRESET)


@defect(
    "D844",
    "What comes to the second address of a host and has no connection is refused from the first.",
    "RFC 9293 §3.10.7.1",
    kind="many",
)
class RefusedFromTheFirst(Stack):
    def refuse(self, datagram: Datagram) -> None:
        answer = reset_for(datagram)
        version = Endpoint(datagram.destination, 0).version
        answer.source = next(own for own in self.addresses if Endpoint(own, 0).version == version)
        self.transmit(answer)


# --- reset-ack -------------------------------------------------------------------------------------------------------


@defect(
    "D845",
    "While an ACK is delayed, a reset with ACK ends the connection at the number that was acknowledged last.",
    "RFC 9293 §3.10.7.4 first",
    source="BSD's last_ack_sent",
    kind="reset-ack",
)
class ResetAtLastAcknowledged(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        delayed = self.timers.runs(Timer.DELAYED_ACK)
        if delayed and segment.flags & (RST | ACK) == RST | ACK and segment.seq == self.last_ack_sent:
            self.reset_arrived()
            return False
        return super().check_sequence(segment, found)


@defect(
    "D846",
    "A reset that acknowledges our SYN,ACK ends a connection that accept() gives all the same.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class ResetIsAccepted(Connection):
    def check_reset(self, segment: Segment) -> bool:
        completes = bool(segment.flags & ACK) and self.acknowledges_our_syn(segment)
        resets = bool(segment.flags & RST) and segment.seq == self.rcv_nxt
        if resets and completes and self.state is SYN_RECEIVED and isinstance(self.owner, Listener):
            self.owner.opened(self)
        return super().check_reset(segment)


# --- options-together ------------------------------------------------------------------------------------------------


@defect(
    "D847",
    "In LAST-ACK no timestamp is too old: whatever acknowledges the FIN ends the connection.",
    "RFC 7323 §5.3",
    kind="options-together",
)
class OldSegmentEnds(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return self.state is not LAST_ACK and super().is_old_timestamp(value)


@defect(
    "D848",
    "Of a scaled window the low 16 bits count.",
    "RFC 7323 §2.3",
    kind="options-together",
)
class LowBitsOfWindow(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=shift)
        self.snd_wnd &= 0xFFFF


# --- packet-form -----------------------------------------------------------------------------------------------------


class CountingFragments(Fragments):
    def __init__(self) -> None:
        super().__init__()
        self.twice: dict[Hashable, int] = {}

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        there = self._assemblies.get(key)
        if there is not None and (at, piece) in there.pieces:
            self.twice[key] = self.twice.get(key, 0) + len(piece)
        whole = super().add(key, at, header, piece, now, more=more, overlap=overlap)
        there = self._assemblies.get(key)
        if there is None:
            self.twice.pop(key, None)
        elif there.end is not None:
            octets = sum(len(old) for _at, old in there.pieces) + self.twice.get(key, 0)
            if octets >= there.end:
                del self._assemblies[key]  # joined with a hole: its checksum is wrong
        return whole


@defect(
    "D849",
    "A fragment that comes twice counts twice: its datagram is taken for whole while a piece is missing.",
    "RFC 1122 §3.3.2",
    kind="packet-form",
)
class FragmentsAreCounted(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = CountingFragments()


@defect(
    "D850",
    "An atomic fragment is discarded when pieces of a datagram with its number wait.",
    "RFC 1122 §3.3.2",
    kind="packet-form",
)
class AtomicMeetsPieces(IpInput):
    def fragment(self, packet: bytes, at: int, now: int) -> bytes | None:
        place = int.from_bytes(packet[at + 2 : at + 4], "big")
        key = (packet[8:40], packet[at + 4 : at + 8], packet[at])
        if not place & 0xFFF9 and key in vars(self.fragments)["_assemblies"]:
            return None
        return super().fragment(packet, at, now)


# --- application -----------------------------------------------------------------------------------------------------


@defect(
    "D851",
    "Of two calls of accept() that wait, the second fails when the first gets a connection.",
    "RFC 9293 §3.10.1",
    kind="application",
)
class SecondAcceptFails(Socket):
    def wait(self, attempt: Callable[[], T]) -> Pending[T]:
        woken = False

        def once() -> T:
            nonlocal woken
            try:
                return attempt()
            except BlockingIOError:
                if woken and self._listener is not None:
                    raise OSError(errno.EINVAL, "woken for nothing") from None
                woken = True
                raise

        return super().wait(once)


@defect(
    "D852",
    "A call of send() that waits says that all is queued when the peer's FIN comes.",
    "RFC 9293 §3.10.2",
    kind="application",
)
class FinEndsSend(Socket):
    def start_send(self, data: bytes) -> Pending[int]:
        left = super().start_send(data)
        connection = self.connection
        if left.done or connection is None or connection.fin_received:
            return left

        def attempt() -> int:
            if connection.state is not CLOSED and connection.fin_received and not left.done:
                return len(data)
            left.resume()
            return left.result()

        return self.wait(attempt)
