"""Combinations of two ordinary things among numbers, neighbours and applications, written likewise."""

import errno
from dataclasses import replace
from typing import Any

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSING, FIN_WAIT_1, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Pair
from harness.stack.defects.defect import defect
from harness.stack.defects.interactions.fresh_neighbours import kept
from harness.stack.ip import FIXED, FRAGMENT, HOP_BY_HOP, MORE, OFFSET, IpInput
from harness.stack.listener import Listener, answering
from harness.stack.options import Options
from harness.stack.output import LARGEST_FIELD
from harness.stack.readiness import Ready
from harness.stack.reception import text_start
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
#: The size of the sequence space.
SPACE = 1 << 32
#: So many connections a stack keeps in TIME-WAIT that has a table for them.
PLACES = 8


# --- residue ---------------------------------------------------------------------------------------------------------


@defect("D688", "A connection that has reopened TIME-WAIT is never given to accept().", "MAY-2", kind="residue")
class ReopenedUnaccepted(Listener):
    def opened(self, connection: Tcb) -> None:
        if connection.replaced is not None:
            self.ended(connection, 0)
        else:
            super().opened(connection)


@defect(
    "D689",
    "When TIME-WAIT is over, the FIN that comes again is still acknowledged.",
    "RFC 9293 §3.10.7.1",
    kind="residue",
)
class FinBehindTimeWait(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        ghosts: dict[Pair, Tcb] = vars(self).setdefault("ghosts", {})
        if (connection.pair, f"{Timer.TIME_WAIT} timer") in list(self.events)[-2:]:
            ghosts[connection.pair] = connection

    def arrive_unclaimed(self, datagram: Datagram) -> None:
        ghosts: dict[Pair, Tcb] = vars(self).setdefault("ghosts", {})
        ghost, segment = ghosts.get(datagram.pair), datagram.segment
        if ghost is not None and segment.flags & FIN and segment.end == ghost.rcv_nxt:
            self.transmit(answering(datagram, Segment(ACK, ghost.snd_nxt, ghost.rcv_nxt, LARGEST_FIELD)))
        else:
            super().arrive_unclaimed(datagram)


@defect(
    "D690",
    "When the application had closed both directions, text on the next connection of the pair is refused.",
    SEVENTH,
    kind="residue",
)
class DeafNext(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "deaf")[self.pair] = self.deaf
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        self.deaf = self.deaf or bool(kept(self, "deaf").pop(self.pair, False))


# --- unread ----------------------------------------------------------------------------------------------------------


@defect(
    "D691",
    "The FIN behind text that the window cuts off is taken with what fits.",
    EIGHTH,
    kind="unread",
)
class FinBehindTheEdge(Connection):
    def note_fin(self, segment: Segment) -> None:
        super().note_fin(segment)
        place = seqno.add(text_start(segment), len(segment.payload))
        if seqno.lt(self.rcv_edge, place) and seqno.lt(segment.seq, self.rcv_edge) and not self.fin_received:
            self.reassembly.end_at(self.rcv_edge)


@defect("D692", "What is unread is lost when the FINs cross.", "RFC 9293 §3.6", kind="unread")
class CrossingLosesUnread(Connection):
    def take_fin(self) -> None:
        before = self.state
        super().take_fin()
        if before is FIN_WAIT_1 and self.state is CLOSING:
            self.receive_buffer.clear()


@defect("D693", "Text that comes while a part is still unread is delivered in front of that.", SEVENTH, kind="unread")
class NewInFrontOfUnread(Connection):
    partly = False

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        self.partly = not peek and bool(self.receive_buffer)
        return data

    def advance(self) -> None:
        before = bytes(self.receive_buffer)
        super().advance()
        if self.partly:
            self.receive_buffer[:] = self.receive_buffer[len(before) :] + before


# --- wraps -----------------------------------------------------------------------------------------------------------


@defect("D694", "What is under way across the wrap is not sent again.", REPEATED, kind="wraps")
class NoRepetitionAcrossWrap(Connection):
    def retransmission_timeout(self) -> None:
        if self.snd_una > self.snd_nxt and self.snd_una != self.iss:
            self.rtt.back_off()
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        else:
            super().retransmission_timeout()


@defect(
    "D695",
    "While the right edge of the peer's window lies behind the wrap, nothing is sent.",
    "RFC 9293 §3.10.2",
    kind="wraps",
)
class EdgeBehindWrap(Connection):
    def usable_window(self) -> int:
        usable = super().usable_window()
        return usable if self.snd_una + usable < SPACE else 0


@defect(
    "D696",
    "An acknowledgment across the wrap takes only what lies behind that from the queue: older octets follow.",
    FIFTH,
    kind="wraps",
)
class HalfTakenAcrossWrap(Connection):
    def acknowledge(self, ack: int) -> None:
        across = ack < self.snd_una != self.iss
        before = bytes(self.send_buffer)
        super().acknowledge(ack)
        taken = len(before) - len(self.send_buffer)
        if across and ack < taken:
            self.send_buffer[:0] = before[ack:taken]


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D697",
    "What comes from a port that has a connection to another port of ours is taken for a segment of that.",
    "RFC 9293 §3.4",
    kind="many",
)
class OwnPortOverlooked(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        found = super().connection_for(pair)
        if found is not None:
            return found
        ends = (pair.remote, pair.local.address)
        same = [mine for mine in self.connections.values() if (mine.pair.remote, mine.pair.local.address) == ends]
        return same[0] if same else None


@defect("D698", "Each SYN that finds the backlog full takes a place of it for ever.", "MUST-41", kind="many")
class BacklogLeaks(Listener):
    lost = 0

    @property
    def full(self) -> bool:
        return len(self.opening) + len(self.ready) + self.lost >= self.backlog

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        opened = super().arrive(datagram, replaced)
        self.lost += opened is None and datagram.segment.flags & (SYN | ACK | RST) == SYN
        return opened


@defect(
    "D699",
    "There is one place for a delayed ACK: that of a connection is forgotten when another one delays its own.",
    "RFC 9293 §3.8.6.3",
    kind="many",
)
class OneDelayedAck(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        super().owe_ack(octets, at_once=at_once)
        if self.timers.runs(Timer.DELAYED_ACK):
            host = vars(self.host)
            holder: Any = host.get("delaying")
            if holder is not None and holder is not self:
                holder.timers.stop(Timer.DELAYED_ACK)
            host["delaying"] = self


@defect(
    "D700",
    "The ninth connection in TIME-WAIT ends the oldest: their table is full.",
    "MUST-13",
    source="Linux (tcp_max_tw_buckets)",
    kind="many",
)
class SmallTimeWaitTable(Connection):
    def enter_time_wait(self) -> None:
        super().enter_time_wait()
        table: list[Connection] = vars(self.host).setdefault("waiting", [])
        table[:] = [*(mine for mine in table if mine.state is TIME_WAIT), self]
        if len(table) > PLACES:
            table.pop(0).delete()


# --- options ---------------------------------------------------------------------------------------------------------


@defect("D704", "The SYN,ACK of crossing SYNs echoes no timestamp.", "RFC 7323 §3.2", kind="options-together")
class CrossingEchoesNothing(Connection):
    def send_syn(self) -> None:
        recent, self.ts_recent = self.ts_recent, self.ts_recent if self.passive else 0
        super().send_syn()
        self.ts_recent = recent


@defect(
    "D705",
    "The timestamp of text that begins left of RCV.NXT, and has more behind it, is not echoed.",
    "RFC 7323 §4.3",
    kind="options-together",
)
class PartlyOldNotEchoed(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        if not (segment.payload and seqno.lt(segment.seq, self.rcv_nxt)):
            super().note_timestamp(segment, found)


@defect("D706", "The window on a FIN is sent without its scale.", "RFC 7323 §2.2", kind="options-together")
class FinUnscaled(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN:
            segment.window = min(segment.window << self.rcv_scale, LARGEST_FIELD)
        super().emit(segment)


@defect(
    "D707",
    "In TIME-WAIT what PAWS rejects lets 2 MSL begin anew.",
    EIGHTH,
    source="Linux",
    kind="options-together",
)
class OldTimestampRestartsWait(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        passed = super().check_timestamp(segment, found)
        if not passed and found.timestamps is not None and self.state is TIME_WAIT:
            self.restart_time_wait()
        return passed


# --- the form of the packet ------------------------------------------------------------------------------------------


@defect(
    "D708",
    "The text of a packet with IPv4 options loses as many octets at its end as they take.",
    SEVENTH,
    kind="packet-form",
)
class OptionsShortenText(Stack):
    surplus = 0

    def receive(self, packet: bytes) -> bytes | None:
        plain = super().receive(packet)
        self.surplus = ((plain[0] & 15) - 5) * 4 if plain and plain[0] >> 4 == 4 else 0
        return plain

    def deliver(self, datagram: Datagram) -> None:
        left = len(datagram.segment.payload) - self.surplus
        if self.surplus > 0 and datagram.segment.payload:
            short = replace(datagram.segment, payload=datagram.segment.payload[: max(0, left)])
            datagram = replace(datagram, segment=short)
        super().deliver(datagram)


@defect(
    "D709",
    "A packet with hop-by-hop options that comes in fragments is dropped.",
    "RFC 9293 §3.1",
    kind="packet-form",
)
class OptionsInFrontOfFragment(IpInput):
    def receive_v6(self, packet: bytes, now: int) -> bytes | None:
        if packet[6] == HOP_BY_HOP and packet[FIXED] == FRAGMENT:
            return None
        return super().receive_v6(packet, now)


@defect(
    "D710",
    "There is one place for a datagram in fragments: the pieces of one that is not whole go when another comes.",
    "RFC 1122 §3.3.2",
    source="uIP",
    kind="packet-form",
)
class OneReassemblyBuffer(IpInput):
    latest = b""

    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        if int.from_bytes(packet[6:8], "big") & (MORE | OFFSET) and packet[4:6] != self.latest:
            self.fragments.clear()
            self.latest = packet[4:6]
        return super().receive_v4(packet, now)


# --- the application -------------------------------------------------------------------------------------------------


@defect(
    "D711",
    "A call that waits is not woken when its open connection is given up.",
    "RFC 9293 §3.10.8",
    kind="application",
)
class GivenUpUnheard(Socket):
    def ended(self, connection: Tcb, code: int) -> None:
        unheard = code == errno.ETIMEDOUT and connection.snd_una != connection.iss
        calls = self._calls
        self._calls = [] if unheard else calls
        super().ended(connection, code)
        self._calls = calls


@defect("D712", "poll() tells no hang-up when the FINs have crossed.", "RFC 9293 §3.6", kind="application")
class NoHangUpInClosing(Socket):
    def _both_closed(self) -> Ready:
        assert self.connection is not None
        return Ready.NONE if self.connection.state is CLOSING else super()._both_closed()


@defect(
    "D713",
    "poll() takes away the error that it tells: the call behind it does not fail.",
    SECOND,
    kind="application",
)
class PollTakesError(Socket):
    def poll(self) -> Ready:
        told = super().poll()
        if told & Ready.ERR:
            self._error = 0
        return told
