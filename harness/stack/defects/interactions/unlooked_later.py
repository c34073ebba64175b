"""Further ones of all kinds, written behind those of `unlooked_courses` and before anybody had looked for them."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, FIN_WAIT_2, SYN_RECEIVED, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.defects.interactions.fresh_neighbours import kept
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
WAKING = "RFC 9293 §3.9.1.2"


@defect("D639", "A SYN,ACK that comes again lets the timer of data under way begin anew.", REPEATED, kind="stray-timer")
class SynAckRestartsTimer(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        again = segment.flags & (SYN | ACK | RST) == SYN | ACK and segment.seq == self.irs
        if again and self.timers.runs(Timer.RETRANSMISSION) and self.state is not SYN_RECEIVED:
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        return super().check_sequence(segment, found)


@defect("D640", "Each RECEIVE lets the timer of data under way begin anew.", "RFC 6298 §5.3", kind="stray-timer")
class ReadingRestartsTimer(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        if data and self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        return data


@defect(
    "D641",
    "Data that is repeated in CLOSE-WAIT has a FIN, though nobody has called CLOSE.",
    REPEATED,
    kind="loss-state",
)
class FinOnRepetition(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        again = payload and self.retransmissions and self.state is CLOSE_WAIT and not self.fin_queued
        super().transmit(flags | FIN if again else flags, seq, payload)


@defect(
    "D642",
    "What follows data that was lost three times is not sent again when it is lost.",
    REPEATED,
    kind="loss-state",
)
class UnguardedBehindLosses(Connection):
    unguarded = False

    def acknowledge(self, ack: int) -> None:
        self.unguarded = self.retransmissions >= 3
        super().acknowledge(ack)

    def start_retransmission_timer(self) -> None:
        super().start_retransmission_timer()
        if self.unguarded:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D643",
    "The window of the handshake's third segment is overlooked if that carries text.",
    FIFTH,
    kind="before-accept",
)
class WindowOfThirdWithText(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        before = self.snd_wnd
        super().take_window(segment, shift=shift)
        if self.state is SYN_RECEIVED and self.passive and segment.payload:
            self.snd_wnd = before


@defect("D644", "accept() forgets an ACK that is delayed.", "MUST-40", "RFC 9293 §3.8.6.3", kind="before-accept")
class AcceptForgetsAck(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        if connection is not None:
            connection.timers.stop(Timer.DELAYED_ACK)
        return connection


@defect(
    "D645",
    "ACKs count the FIN that still waits for a shut window.",
    "RFC 9293 §3.10.7.4 first",
    kind="close-unsent",
)
class AcksCountWaitingFin(Connection):
    def send_ack(self) -> None:
        waits = self.fin_queued and self.unsent and self.snd_wnd == 0
        self.transmit(ACK, seqno.add(self.snd_nxt, 1) if waits else self.snd_nxt)


@defect(
    "D646",
    "While data and FIN wait for a shut window, a SYN in the window ends the connection.",
    "RFC 5961 §4.2",
    kind="close-unsent",
)
class SynEndsWaiting(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and self.fin_queued and self.unsent and self.snd_wnd == 0:
            self.reset_arrived()
            return False
        return super().check_syn(segment)


@defect(
    "D647",
    "When the connection before ended with a shut window, the next one holds its text until a window comes.",
    "RFC 9293 §3.8.6",
    kind="residue",
)
class FormerShut(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former shut")[self.pair] = self.snd_wnd == 0
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        if kept(self, "former shut").pop(self.pair, False):
            self.snd_wnd = 0

    def probe_timeout(self) -> None:
        if self.snd_wnd or self.max_snd_wnd == 0:
            super().probe_timeout()


@defect("D648", "Keep-alive of the connection before is on for the next one on the pair.", "MUST-25", kind="residue")
class FormerKeepAlive(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former keep-alive")[self.pair] = self.settings
        super().delete(error)

    def arm_keep_alive(self) -> None:
        former = kept(self, "former keep-alive").pop(self.pair, None)
        if former is not None and former.keep_alive:
            self.settings.keep_alive = True
            self.settings.keep_alive_idle_s = former.keep_alive_idle_s
        super().arm_keep_alive()


@defect("D649", "A reset that is challenged throws away what is unread.", "RFC 5961 §3.2", kind="unread")
class ChallengeDropsUnread(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.seq != self.rcv_nxt:
            self.receive_buffer.clear()
        return super().check_reset(segment)


@defect("D650", "In FIN-WAIT-2 with unread text the peer's FIN ends the connection.", "MUST-13", kind="unread")
class NoTimeWaitBesideUnread(Connection):
    def take_fin(self) -> None:
        ends = self.state is FIN_WAIT_2 and bool(self.receive_buffer)
        super().take_fin()
        if ends:
            self.output()
            self.delete()


@defect(
    "D651",
    "That the octet 2**32-1 was taken is not recognized while the window is shut.",
    "RFC 9293 §3.4",
    kind="wraps",
)
class ProbeAtTheWrap(Connection):
    def process_ack(self, segment: Segment) -> None:
        if not (segment.ack == 0 and self.snd_wnd == 0 and self.flight == 1):
            super().process_ack(segment)


@defect(
    "D652",
    "While a connection of a peer lies in TIME-WAIT, requests of that peer to the same port are dropped.",
    "RFC 9293 §3.4",
    "RFC 9293 §3.10.7.2 third",
    kind="many",
)
class TimeWaitBlocksPeer(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        local, remote = datagram.pair
        waits = any(
            pair.local == local and pair.remote.address == remote.address and each.state is TIME_WAIT
            for pair, each in self.connections.items()
        )
        if not (waits and datagram.segment.flags & SYN):
            super().arrive_unclaimed(datagram)


@defect(
    "D653",
    "In CLOSE-WAIT with unread text a reset with an old acknowledgment is challenged.",
    SECOND,
    kind="reset-ack",
)
class OldAckBesideUnread(Connection):
    def check_reset(self, segment: Segment) -> bool:
        old = segment.flags & RST and segment.flags & ACK and seqno.lt(segment.ack, self.snd_nxt)
        if old and self.state is CLOSE_WAIT and self.receive_buffer:
            self.send_challenge()
            return False
        return super().check_reset(segment)


@defect("D654", "What is sent again has our window without its scale.", "RFC 7323 §2.3", kind="options-together")
class RepetitionUnscaled(Connection):
    @property
    def rcv_scale(self) -> int:
        return 0 if self.retransmissions and self.state is not SYN_RECEIVED and self.repeating else super().rcv_scale

    repeating = False

    def send_data(self, size: int, *, fin: bool) -> None:
        self.repeating = self.stamping and seqno.lt(self.cursor, self.snd_nxt)
        super().send_data(size, fin=fin)
        self.repeating = False

    def emit(self, segment: Segment) -> None:
        segment.window = min(segment.window, 0xFFFF)
        super().emit(segment)


@defect(
    "D655",
    "The timestamps of a segment with SACK blocks are overlooked, so that it is dropped.",
    "RFC 7323 §3.2",
    kind="options-together",
)
class StampsBesideBlocks(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        blocks = self.stamping and options.find(segment.options, options.KIND_SACK) is not None
        return not blocks and super().check_timestamp(segment, found)


@defect("D656", "A SYN in a packet with padding is dropped.", "RFC 1122 §3.2.1", kind="packet-form")
class PaddingOnSyn(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        head, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        syn = len(packet) > head + 13 and packet[head + 13] & SYN
        return None if syn and len(packet) > total else super().receive_v4(packet, now)


@defect(
    "D657",
    "A call of send() that waits is not woken by a reset in CLOSE-WAIT.",
    WAKING,
    kind="application",
)
class SenderSleepsAtReset(Connection):
    def reset_arrived(self) -> None:
        sock, waits = self.owner, self.state is CLOSE_WAIT
        if not (isinstance(sock, Socket) and waits):
            super().reset_arrived()
            return
        calls, sock._calls = sock._calls, []
        super().reset_arrived()
        sock._calls = calls


@defect(
    "D658",
    "A call of recv() that waits is not woken when a gap is filled.",
    WAKING,
    kind="application",
)
class ReaderSleepsAtGap(Connection):
    filling = False

    def advance(self) -> None:
        self.filling = len(self.reassembly.blocks()) > 0 and len(self.reassembly) > self.last_text
        super().advance()
        self.filling = False

    last_text = 0

    def process_text(self, segment: Segment) -> None:
        self.last_text = len(segment.payload)
        super().process_text(segment)

    def notify(self, events: Ready) -> None:
        if not (self.filling and events is Ready.IN):
            super().notify(events)
