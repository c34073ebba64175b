"""Where two ordinary things meet in everyday numbers, tables, options, packets and calls."""

import errno
from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import FIN_WAIT_2, TIME_WAIT
from harness.stack import options
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.ip import DESTINATION, IpInput
from harness.stack.isn import initial_sequence_number
from harness.stack.options import Options
from harness.stack.pending import Pending
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000

# --- wraps -----------------------------------------------------------------------------------------------------------


@defect(
    "D868",
    "When a connection's numbers have wrapped, the next one of the pair begins below what was used.",
    "RFC 9293 §3.4.1",
    "RFC 6191 §2",
    kind="wraps",
)
class PlainlyAboveTheFormer(Stack):
    def choose_iss(self, pair: Pair) -> int:
        iss, used = self.config.iss, self.last_number(pair)
        if iss is None:
            iss = initial_sequence_number(pair, self.now, self._key)
        return iss if used is None or used < iss else seqno.add(used, 1)


@defect(
    "D869",
    "A round trip during which the clock passes 2**32 milliseconds is measured as 49 days: what is lost then waits.",
    "RFC 6298 §2.3",
    kind="wraps",
)
class LongTripOverTheWrap(Connection):
    def measure(self, ack: int) -> None:
        if self.timed is not None and self.timed[1] // ROUND_NS != self.now // ROUND_NS:
            self.timed = (self.timed[0], self.timed[1] - ROUND_NS)
        super().measure(ack)


@defect(
    "D870",
    "A segment from in front of the wrap that comes late takes the window back that one from behind it has told.",
    "RFC 9293 §3.10.7.4 fifth",
    kind="wraps",
)
class LateOverTheWrap(Connection):
    def update_window(self, segment: Segment) -> None:
        if self.snd_wl1 < 1 << 31 <= segment.seq:
            self.snd_wl1, self.snd_wl2 = segment.seq, segment.ack
        super().update_window(segment)


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D871",
    "Of several connections with keep-alives only the one is probed that has asked last.",
    "MUST-24",
    kind="many",
)
class OneKeepAlive(Connection):
    def arm_keep_alive(self) -> None:
        super().arm_keep_alive()
        if self.timers.runs(Timer.KEEP_ALIVE):
            connections: dict[Pair, Connection] = vars(self.host)["connections"]
            for other in connections.values():
                if other is not self:
                    other.timers.stop(Timer.KEEP_ALIVE)


@defect(
    "D872",
    "Of two listeners only the one that was opened last is told that a connection waits.",
    "RFC 9293 §3.10.1",
    kind="many",
)
class LastListenerHears(Socket):
    def listen(self, local: Endpoint, backlog: int = 128) -> None:
        super().listen(local, backlog)
        for listener in vars(self._stack)["listeners"].values():
            listener.on_ready = self.note


@defect(
    "D873",
    "A SYN is dropped whose timestamp is below that of another connection of its host that lies in TIME-WAIT.",
    "RFC 9293 §3.10.7.2 third",
    source="Linux's tcp_tw_recycle",
    kind="many",
)
class TimestampsOfTheHost(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        stamps = options.read(datagram.segment.options).timestamps
        if stamps is None or not datagram.segment.flags & SYN or not self.seems_old(datagram.source, stamps[0]):
            super().arrive_unclaimed(datagram)

    def seems_old(self, source: str, value: int) -> bool:
        former = [mine for mine in self.connections.values() if mine.state is TIME_WAIT and mine.stamping]
        return any(mine.pair.remote.address == source and seqno.lt(value, mine.ts_recent) for mine in former)


# --- reset-ack -------------------------------------------------------------------------------------------------------


@defect(
    "D874",
    "While unread text shuts our window, a reset with ACK counts as its ACK and no more.",
    "MUST-66",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class OnlyTheAckCounts(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        if segment.flags & RST and self.fills_a_closed_window(segment):
            self.ack_due = self.check_ack(segment)
            return False
        return super().check_sequence(segment, found)


@defect(
    "D875",
    "In FIN-WAIT-2 a reset with ACK is dropped when the application has let go.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class NobodyToReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        dropped = segment.flags & (RST | ACK) == RST | ACK and self.state is FIN_WAIT_2 and self.deaf
        return not dropped and super().check_reset(segment)


# --- options-together ------------------------------------------------------------------------------------------------


@defect(
    "D876",
    "The ACK that answers an unacceptable segment has no timestamps, though they are agreed.",
    "RFC 7323 §3.2",
    kind="options-together",
)
class PlainAnswer(Connection):
    def answer_unacceptable(self) -> None:
        stamping, self.stamping = self.stamping, False
        super().answer_unacceptable()
        self.stamping = stamping


@defect(
    "D877",
    "Of a scaled window the bare field tells how old an acknowledgment may be: text with an older one is dropped.",
    "RFC 5961 §5.2",
    kind="options-together",
)
class UnscaledOldest(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        field = self.snd_wnd >> self.snd_shift
        too_old = bool(self.snd_shift and field) and seqno.lt(segment.ack, seqno.add(self.snd_una, -field))
        return not too_old and super().is_acceptable_ack(segment)


@defect(
    "D878",
    "The timestamp of a segment without text is not echoed, however new it is.",
    "RFC 7323 §4.3",
    kind="options-together",
)
class OnlyTextIsEchoed(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        if segment.length:
            super().note_timestamp(segment, found)


# --- packet-form -----------------------------------------------------------------------------------------------------


@defect(
    "D879",
    "A datagram in fragments that has destination options behind the fragment header is dropped.",
    "RFC 9293 §3.9.2",
    kind="packet-form",
)
class OptionsBehindFragments(IpInput):
    def fragment(self, packet: bytes, at: int, now: int) -> bytes | None:
        atomic = not int.from_bytes(packet[at + 2 : at + 4], "big") & 0xFFF9
        return None if packet[at] == DESTINATION and not atomic else super().fragment(packet, at, now)


@defect(
    "D880",
    "The text of a segment whose options take all 40 octets is overlooked.",
    "MUST-4",
    "RFC 9293 §3.10.7.4 seventh",
    kind="packet-form",
)
class FullHeaderHidesText(Connection):
    def arrive(self, segment: Segment) -> None:
        if len(segment.options) == 40 and segment.payload:
            segment = replace(segment, payload=b"", flags=segment.flags & ~FIN)
        super().arrive(segment)


# --- application -----------------------------------------------------------------------------------------------------


@defect(
    "D881",
    "A call of send() that has waited twice queues again what it had queued in between.",
    "RFC 9293 §3.10.2",
    kind="application",
)
class QueuedTwice(Socket):
    def start_send(self, data: bytes) -> Pending[int]:
        left, tries = bytearray(data), 0

        def attempt() -> int:
            nonlocal tries
            tries += 1
            rest = bytes(left)
            try:
                while rest:
                    rest = rest[self.send(rest) :]
            except BlockingIOError:
                if tries == 1:
                    left[:] = rest
                raise
            except OSError as error:
                if len(left) == len(data):
                    raise
                self._error = 0 if error.errno == errno.EPIPE else error.errno or 0
                return len(data) - len(left)
            return len(data)

        return self.wait(attempt)


@defect(
    "D882",
    "Behind the peer's FIN poll() does not tell any more that a socket is writable.",
    "RFC 9293 §3.10.2",
    "RFC 9293 §3.6",
    kind="application",
)
class NotWritableBehindFin(Socket):
    def _outgoing(self) -> Ready:
        connection = self.connection
        half_closed = connection is not None and connection.fin_received and not connection.fin_queued
        return Ready.NONE if half_closed else super()._outgoing()
