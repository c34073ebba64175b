"""Further ones of the later kinds: numbers, many connections, resets, options, packets, the application."""

from typing import Any

from harness.spec.segment import ACK, RST, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.fragments import Fragments
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
GIVEN_UP = "RFC 9293 §3.10.8"
FIRST = "RFC 9293 §3.10.7.4 first"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"


@defect("D569", "An acknowledgment with number 0 acknowledges nothing.", FIFTH, "RFC 9293 §3.4", kind="wraps")
class AckOfZero(Connection):
    def process_ack(self, segment: Segment) -> None:
        if segment.ack:
            super().process_ack(segment)


@defect("D570", "A reset in the window, behind the wrap, is not challenged.", "RFC 5961 §3.2", kind="wraps")
class ResetBehindTheWrap(Connection):
    def is_reset_in_window(self, segment: Segment) -> bool:
        return super().is_reset_in_window(segment) and segment.seq >= self.rcv_nxt


@defect("D571", "In TIME-WAIT a FIN with number 2**32-1 that comes again is not acknowledged.", FIRST, kind="wraps")
class LastFinInTimeWait(Connection):
    def answer_unacceptable(self) -> None:
        if not (self.state is TIME_WAIT and self.rcv_nxt == 0):
            super().answer_unacceptable()


@defect(
    "D572", "When one of two listeners closes, half-open connections of the other end.", "RFC 9293 §3.10.4", kind="many"
)
class ClosesBoth(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        super().unlisten(local, listener)
        for other in self.listeners.values():
            for connection in list(other.opening):
                connection.delete()


@defect(
    "D573", "A hard ICMP error about one connection ends the others to that peer.", "RFC 9293 §3.9.2.2", kind="many"
)
class ErrorEndsAll(Stack):
    def icmp_error(self, pair: Pair, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(pair, seq, code, hard=hard)
        if hard and pair not in self.connections:
            for other, connection in list(self.connections.items()):
                if other.remote.address == pair.remote.address and connection.state is ESTABLISHED:
                    connection.delete(code)


@defect("D574", "A connection that enters TIME-WAIT ends the repetition on those beside it.", REPEATED, kind="many")
class TimeWaitStopsNeighbours(Connection):
    def enter_time_wait(self) -> None:
        super().enter_time_wait()
        for other in getattr(self.host, "connections", {}).values():
            if other is not self:
                other.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D575",
    "A reset with ACK is answered and dropped while our FIN waits for the peer's window.",
    SECOND,
    kind="reset-ack",
)
class ResetWhileFinWaits(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.flags & ACK and self.state is FIN_WAIT_1 and self.unsent:
            self.ack_due = True
            return False
        return super().check_reset(segment)


@defect(
    "D576",
    "Behind crossing SYNs a reset that acknowledges ours opens the connection.",
    SECOND,
    "MUST-10",
    kind="reset-ack",
)
class ResetOpensCrossing(Connection):
    def check_reset(self, segment: Segment) -> bool:
        crossing = self.state is SYN_RECEIVED and not self.passive
        if crossing and segment.flags & RST and segment.flags & ACK and segment.ack == self.snd_nxt:
            return True
        return super().check_reset(segment)


@defect(
    "D577",
    "The ACK that fills a gap still has the SACK block of what waited behind it.",
    "RFC 9293 §3.2",
    kind="options-together",
)
class BlockBehindFilledGap(Connection):
    def advance(self) -> None:
        former, before = self.reassembly.blocks(), self.rcv_nxt
        super().advance()
        if former and self.rcv_nxt != before and self.state is not CLOSED:
            vars(self.reassembly)["blocks"] = lambda: former
            self.send_ack() if self.ack_due else None
            del vars(self.reassembly)["blocks"]


@defect(
    "D578",
    "Behind crossing SYNs the peer's window is taken without its scale.",
    "RFC 7323 §2.3",
    "MUST-10",
    kind="options-together",
)
class CrossingUnscaled(Connection):
    def establish(self) -> None:
        if self.state is SYN_RECEIVED and not self.passive:
            self.snd_shift = 0
        super().establish()


class OneAssemblyOnly(Fragments):
    """Pieces whose number was used once are dropped for good."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[Any] = set()

    def add(self, key: Any, *args: Any, **how: Any) -> tuple[bytes, bytes] | None:
        if key in self.used:
            return None
        whole = super().add(key, *args, **how)
        if whole is not None:
            self.used.add(key)
        return whole


@defect(
    "D579",
    "When a datagram was joined, another in fragments with its number is dropped.",
    "RFC 1122 §3.3.2",
    kind="packet-form",
)
class NumberUsedOnce(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = OneAssemblyOnly()


@defect("D580", "A packet of odd length with IPv4 options is dropped.", "RFC 1122 §3.2.1.8", kind="packet-form")
class OddWithOptions(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        odd = int.from_bytes(packet[2:4], "big") % 2
        return None if packet[0] & 15 > 5 and odd else super().receive_v4(packet, now)


@defect(
    "D581",
    "In CLOSE-WAIT a call of send() that waits is not woken when there is room again.",
    "RFC 9293 §3.10.2",
    kind="application",
)
class SenderSleepsInCloseWait(Connection):
    def notify(self, events: Ready) -> None:
        if not (self.state is CLOSE_WAIT and events is Ready.OUT):
            super().notify(events)


@defect(
    "D582",
    "Of calls that wait on one socket only the one that began first is woken.",
    "RFC 9293 §3.9.1.2",
    kind="application",
)
class OnlyFirstCall(Socket):
    def resume(self) -> None:
        waiting, self._calls = self._calls, self._calls[:1]
        super().resume()
        self._calls += waiting[1:]


@defect("D583", "A connection that is given up after SHUT_WR is told as ended in order.", GIVEN_UP, kind="application")
class GivenUpBehindShutdown(Connection):
    def user_timeout(self) -> None:
        if self.fin_queued:
            self.delete()
        else:
            super().user_timeout()


@defect(
    "D584",
    "A soft ICMP error that is long healed is told as the error of an orderly end.",
    "MUST-56",
    kind="application",
)
class HealedErrorTold(Connection):
    def delete(self, error: int = 0) -> None:
        super().delete(error or self.soft_error)
