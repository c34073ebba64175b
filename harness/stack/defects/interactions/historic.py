"""Further ones by another pattern of thought: mended once in the history of a released stack, here in a new place."""

import errno
from dataclasses import replace
from typing import Any

from harness.spec import seqno
from harness.spec.segment import FIN, RST, SYN, Segment
from harness.spec.states import ESTABLISHED, SYN_SENT, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.ip import FIXED, FRAGMENT, MORE, OFFSET, IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.reception import RECEIVING, text_start
from harness.stack.settings import SocketSettings
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SECOND = "RFC 9293 §3.10.7.4 second"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
PROBES = "RFC 9293 §3.8.6.1"
LAST = (1 << 32) - 1


@defect(
    "D714",
    "Asking for keep-alives while data is under way ends its repetition: there is one timer for both.",
    REPEATED,
    source="smoltcp's single timer",
    kind="stray-timer",
)
class KeepAliveReplacesRepetition(Connection):
    def settings_changed(self) -> None:
        super().settings_changed()
        if self.timers.runs(Timer.KEEP_ALIVE):
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D715", "A soft ICMP error ends the probing of a shut window.", "MUST-36", "MUST-56", kind="stray-timer")
class SoftErrorEndsProbing(Connection):
    troubled = False

    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=hard)
        self.troubled = self.troubled or (not hard and self.snd_wnd == 0 and self.soft_error == code)

    def update_window(self, segment: Segment) -> None:
        super().update_window(segment)
        self.troubled = self.troubled and self.snd_wnd == 0

    def probe_timeout(self) -> None:
        if not self.troubled:
            super().probe_timeout()


@defect(
    "D716",
    "When our SYN was repeated, text on the SYN,ACK is acknowledged and lost.",
    "RFC 9293 §3.10.7.3 fourth",
    kind="loss-state",
)
class TextOnLateSynAck(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        late = self.retransmissions > 0
        super().arrives_in_syn_sent(segment, found)
        if late and self.state is ESTABLISHED and segment.payload:
            self.receive_buffer.clear()


@defect(
    "D717",
    "When the window shuts over text under way, that is neither sent again nor probed with.",
    REPEATED,
    PROBES,
    source="smoltcp",
    kind="loss-state",
)
class ShutOverTextUnderWay(Connection):
    def retransmission_timeout(self) -> None:
        if self.snd_wnd or self.snd_una == self.iss:
            super().retransmission_timeout()


@defect(
    "D718",
    "When a listener closes while a connection waits there, SYNs to the port are dropped in silence from then on.",
    "RFC 9293 §3.10.7.1",
    kind="before-accept",
)
class DeafPort(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        deaf: set[int] = vars(self).setdefault("deaf_ports", set())
        if listener.ready:
            deaf.add(local.port)
        super().unlisten(local, listener)

    def listen(self, local: Endpoint, settings: SocketSettings, backlog: int) -> Listener:
        listener = super().listen(local, settings, backlog)
        vars(self).setdefault("deaf_ports", set()).discard(local.port)
        return listener

    def refuse(self, datagram: Datagram) -> None:
        deaf: set[int] = vars(self).setdefault("deaf_ports", set())
        if not (datagram.segment.flags & SYN and datagram.pair.local.port in deaf):
            super().refuse(datagram)


@defect(
    "D719",
    "Text that comes before accept() is given to the connection that waits longest.",
    SEVENTH,
    kind="before-accept",
)
class TextToTheFirst(Connection):
    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if isinstance(self.owner, Listener) and self.owner.ready and self.owner.ready[0] is not self:
            first = self.owner.ready[0]
            first.receive_buffer += self.receive_buffer[before:]
            del self.receive_buffer[before:]


@defect(
    "D720",
    "CLOSE sends no FIN while the send buffer is full: there is no memory for one.",
    "RFC 9293 §3.10.4",
    source="Linux",
    kind="close-unsent",
)
class NoRoomForFin(Connection):
    lacking = False

    def shutdown(self) -> None:
        self.lacking = self.lacking or (not self.fin_queued and self.send_room <= 0)
        super().shutdown()

    def _fin_fits(self, size: int, usable: int) -> bool:
        return not self.lacking and super()._fin_fits(size, usable)


@defect(
    "D721",
    "When what waits fills an opened window exactly, the FIN behind it is forgotten.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class ExactWindowForgetsFin(Connection):
    exact = False

    def _fin_fits(self, size: int, usable: int) -> bool:
        full = size > 0 and size == usable and seqno.add(self.cursor, size) == self.snd_end
        self.exact = self.exact or (self.fin_queued and full and usable < self.send_mss)
        return not self.exact and super()._fin_fits(size, usable)


@defect(
    "D722",
    "When a listener was closed while its backlog was full, the next one on the port is full from the beginning.",
    "MUST-41",
    kind="residue",
)
class FullFromTheBeginning(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        full: set[int] = vars(self).setdefault("full_ports", set())
        if listener.full:
            full.add(local.port)
        super().unlisten(local, listener)

    def listen(self, local: Endpoint, settings: SocketSettings, backlog: int) -> Listener:
        listener = super().listen(local, settings, backlog)
        if local.port in vars(self).setdefault("full_ports", set()):
            listener.backlog = 0
        return listener


@defect(
    "D723",
    "When the application has let go before both FINs came, an active OPEN of the pair is refused for a minute.",
    "RFC 9293 §3.10.5",
    kind="residue",
)
class AbortedPairRests(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        rests: dict[Pair, int] = vars(self).setdefault("rests", {})
        if isinstance(connection, Connection) and connection.owner is None and not connection.fin_received:
            rests[connection.pair] = self.now + 60_000_000_000

    def connect(self, remote: Endpoint, local: Endpoint | None, owner: Any) -> Connection:
        rests: dict[Pair, int] = vars(self).setdefault("rests", {})
        if local is not None and rests.get(Pair(local, remote), 0) > self.now:
            raise OSError(errno.EADDRNOTAVAIL, "connection already exists")
        return super().connect(remote, local, owner)


@defect(
    "D724",
    "When our side has closed, an empty receive buffer reads as the end of the stream.",
    "RFC 9293 §3.10.3",
    kind="unread",
)
class EmptyIsEnd(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        if not self.receive_buffer and self.fin_queued:
            return b""
        return super().receive(limit, peek=peek)


@defect("D725", "A SYN,ACK with number 2**32-1 that is repeated has number 0.", REPEATED, kind="wraps")
class WrappedSynAckAgain(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and segment.seq == LAST and self.retransmissions:
            segment = replace(segment, seq=0)
        super().emit(segment)


@defect("D726", "A FIN with number 2**32-1 behind a gap is forgotten.", EIGHTH, kind="wraps")
class LastNumberIsNone(Connection):
    def note_fin(self, segment: Segment) -> None:
        super().note_fin(segment)
        place = seqno.add(text_start(segment), len(segment.payload))
        if place == LAST and text_start(segment) != self.rcv_nxt and not self.fin_received:
            self.reassembly.fin = None


@defect(
    "D727",
    "A SYN,ACK is given to the oldest connection in SYN-SENT to that address.",
    "RFC 9293 §3.4",
    kind="many",
)
class OldestAttempt(Stack):
    def connection_for(self, pair: Pair) -> Connection | None:
        found = super().connection_for(pair)
        if found is None or found.state is not SYN_SENT:
            return found
        there = pair.remote.address
        waiting = (mine for mine in self.connections.values() if mine.state is SYN_SENT)
        return next((mine for mine in waiting if mine.pair.remote.address == there), found)


@defect("D728", "A listener of which three connections were reset ends.", "MUST-41", kind="many")
class ThreeResetsEndListener(Connection):
    def reset_arrived(self) -> None:
        count = vars(self.host).setdefault("resets", {})
        port = self.pair.local.port
        count[port] = count.get(port, 0) + self.passive
        super().reset_arrived()
        listeners: dict[Endpoint, Listener] = vars(self.host)["listeners"]
        if count[port] == 3:
            for endpoint in [each for each in listeners if each.port == port]:
                del listeners[endpoint]


@defect(
    "D729",
    "A reset at the right edge of what waits behind a gap ends the connection.",
    "RFC 5961 §3.2",
    source="Linux, where SACK was agreed",
    kind="reset-ack",
)
class ResetBehindTheGap(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.seq in [right for _left, right in self.reassembly.blocks()]:
            self.reset_arrived()
            return False
        return super().check_reset(segment)


@defect(
    "D730",
    "In TIME-WAIT timestamps come from another clock, without the connection's offset.",
    "RFC 7323 §4.1",
    source="Linux",
    kind="options-together",
)
class OtherClockInTimeWait(Connection):
    def timestamp(self) -> int:
        return (super().timestamp() - (self.ts_offset if self.state is TIME_WAIT else 0)) & LAST


@defect("D731", "The timestamp of a FIN is not echoed.", "RFC 7323 §4.3", kind="options-together")
class FinNotEchoed(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        if not segment.flags & FIN:
            super().note_timestamp(segment, found)


@defect(
    "D732",
    "Fragments that arrive with a time to live of 1 are dropped.",
    "RFC 1122 §3.2.1",
    kind="packet-form",
)
class LastHopFragments(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        piece = int.from_bytes(packet[6:8], "big") & (MORE | OFFSET)
        return None if piece and packet[8] == 1 else super().receive_v4(packet, now)

    def receive_v6(self, packet: bytes, now: int) -> bytes | None:
        piece = packet[6] == FRAGMENT and len(packet) > FIXED
        return None if piece and packet[7] == 1 else super().receive_v6(packet, now)


@defect(
    "D733",
    "After SHUT_RD the peer's text draws a reset.",
    SEVENTH,
    source="gVisor",
    kind="application",
)
class DeafAfterShutRd(Socket):
    def shutdown(self, how: int = 1) -> None:
        super().shutdown(how)
        if how in (0, 2) and self.connection is not None and self.connection.state in RECEIVING:
            self.connection.deaf = True
