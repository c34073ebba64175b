"""Later ones, over all kinds: written when the generators of conversations stood, to see what these find."""

import errno

from harness.spec.segment import ACK, RST, URG, Segment
from harness.spec.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.sockets import Socket
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
ERRORS = "RFC 9293 §3.9.2.2"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"


@defect("D531", "A soft ICMP error ends the repetition of a FIN.", "MUST-56", REPEATED, kind="stray-timer")
class SoftErrorEndsFin(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=hard)
        if self.fin_queued and not hard:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D532", "A bare ACK that comes while an ACK is delayed takes that away.", "MUST-58", SEVENTH, kind="stray-timer"
)
class BareAckTakesDelayedAck(Connection):
    def process_ack(self, segment: Segment) -> None:
        super().process_ack(segment)
        if not segment.length:
            self.timers.stop(Timer.DELAYED_ACK)


@defect("D533", "Behind a FIN that was sent again, ACKs have its number.", "RFC 9293 §3.4", kind="loss-state")
class AckInFrontOfFin(Connection):
    repeated = False

    def retransmission_timeout(self) -> None:
        super().retransmission_timeout()
        self.repeated = self.fin_queued and self.snd_una == self.snd_end

    def send_ack(self) -> None:
        self.transmit(ACK, self.snd_una if self.repeated else self.snd_nxt)


@defect(
    "D534",
    "When the SYN,ACK was repeated, text on the segment that completes the handshake is dropped.",
    SEVENTH,
    kind="loss-state",
)
class TextBehindLateHandshakeDropped(Connection):
    late = False

    def acknowledge(self, ack: int) -> None:
        self.late = self.snd_una == self.iss and self.retransmissions > 0
        super().acknowledge(ack)

    def process_text(self, segment: Segment) -> None:
        if not self.late:
            super().process_text(segment)
        self.late = False


@defect(
    "D535", "The first loss behind half a minute of silence is never made good.", "RFC 6298 §5.1", kind="loss-state"
)
class LossBehindSilence(Connection):
    silent = False

    def send_data(self, size: int, *, fin: bool) -> None:
        self.silent = self.now - self.last_heard > 30_000_000_000 and not self.flight
        super().send_data(size, fin=fin)

    def retransmission_timeout(self) -> None:
        if not self.silent:
            super().retransmission_timeout()


@defect("D536", "Before accept() the peer's window is overlooked when it shuts.", FIFTH, kind="before-accept")
class ShutBeforeAccept(Connection):
    def update_window(self, segment: Segment) -> None:
        if segment.window or not isinstance(self.owner, Listener):
            super().update_window(segment)


@defect("D537", "ABORT while text waits for a closed window sends no reset.", "RFC 9293 §3.10.5", kind="close-unsent")
class SilentAbort(Connection):
    def send_reset(self) -> None:
        if not (self.unsent and self.snd_wnd == 0):
            super().send_reset()


@defect("D538", "In FIN-WAIT-1 text is not acknowledged while our FIN waits to be sent.", SEVENTH, kind="close-unsent")
class NoAckWhileFinWaits(Connection):
    def send_ack(self) -> None:
        if self.state is FIN_WAIT_1 and self.unsent:
            self.note_ack_sent()
        else:
            super().send_ack()


@defect("D539", "The congestion window of the connection before is used.", "MUST-19", kind="residue")
class FormerWindow(Connection):
    def delete(self, error: int = 0) -> None:
        vars(self.host).setdefault("former windows", {})[self.pair] = self.congestion.window
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        former = vars(self.host).get("former windows", {}).get(self.pair, self.congestion.window)
        self.congestion.window = min(self.congestion.window, max(former, self.send_mss))


@defect("D540", "The user timeout of the connection before holds for the next one.", "MUST-21", kind="residue")
class FormerUserTimeout(Connection):
    def delete(self, error: int = 0) -> None:
        if self.settings.user_timeout_s:
            vars(self.host).setdefault("former timeouts", {})[self.pair] = self.settings.user_timeout_s
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        if former := vars(self.host).get("former timeouts", {}).get(self.pair):
            self.settings.user_timeout_s = former


@defect(
    "D541",
    "In FIN-WAIT-2 with unread text an unacceptable segment draws no ACK.",
    "RFC 9293 §3.10.7.4 first",
    kind="unread",
)
class UnansweredBesideUnread(Connection):
    def answer_unacceptable(self) -> None:
        if not (self.state is FIN_WAIT_2 and self.receive_buffer):
            super().answer_unacceptable()


@defect("D542", "Text that ends at 2**32 is acknowledged one octet short.", "RFC 9293 §3.4", kind="wraps")
class ShortAtTheWrap(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        whole = self.rcv_nxt
        self.rcv_nxt = whole or 0xFFFFFFFF
        super().transmit(flags, seq, payload)
        self.rcv_nxt = whole


@defect("D543", "A reset in SYN-RECEIVED ends all half-open connections of its listener.", SECOND, kind="many")
class ResetEndsAllOpenings(Listener):
    def ended(self, connection: Tcb, code: int) -> None:
        was_opening = any(mine is connection for mine in self.opening)
        super().ended(connection, code)
        if was_opening and connection.state is not ESTABLISHED:
            for other in list(self.opening):
                other.delete()


@defect(
    "D544",
    "In FIN-WAIT-1 a reset that acknowledges the FIN is taken for an ACK of it.",
    SECOND,
    kind="reset-ack",
)
class ResetIsAcknowledgment(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and segment.flags & ACK and self.state is FIN_WAIT_1 and segment.ack == self.snd_nxt:
            self.check_ack(segment)
            return False
        return super().check_reset(segment)


@defect(
    "D545",
    "A segment above a gap moves TS.Recent, so that what fills the gap is too old.",
    "RFC 7323 §4.3",
    kind="options-together",
)
class StampAboveTheGap(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        last, self.last_ack_sent = self.last_ack_sent, segment.seq
        super().note_timestamp(segment, found)
        self.last_ack_sent = last


@defect(
    "D546",
    "A SYN without timestamps that reopens TIME-WAIT is answered with those of the connection before.",
    "RFC 7323 §3.2",
    kind="options-together",
)
class StampsOfTheReplaced(Connection):
    def offers_timestamps(self, answers: bool) -> bool:
        before = self.replaced
        return super().offers_timestamps(answers) or (before is not None and before.stamping)


@defect("D547", "A reset in a packet with IPv4 options is dropped.", "RFC 1122 §3.2.1.8", kind="packet-form")
class ResetWithIpOptionsDropped(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        head = (packet[0] & 15) * 4
        return None if head > 20 and packet[head + 13] & RST else super().receive_v4(packet, now)


@defect("D548", "A connection that a hard ICMP error ends is told as closed in order.", ERRORS, kind="application")
class HardErrorUntold(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, 0 if hard else code, hard=hard)


@defect("D549", "Who has peeked at the end of the stream waits for it then.", "RFC 9293 §3.10.3", kind="application")
class PeekedEnd(Socket):
    peeked = False

    def recv(self, limit: int, *, peek: bool = False) -> bytes:
        if self.peeked and not peek:
            raise BlockingIOError(errno.EAGAIN, "the end was told")
        data = super().recv(limit, peek=peek)
        self.peeked = self.peeked or (peek and not data)
        return data


@defect(
    "D550",
    "Urgent text of the peer that comes again is delivered again.",
    "MUST-30",
    "RFC 9293 §3.10.7.4 seventh",
    kind="loss-state",
)
class UrgentTwice(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        again = segment.flags & URG and segment.payload and segment.end == self.rcv_nxt
        if again and self.state is ESTABLISHED:
            self.receive_buffer += segment.payload
        return super().check_sequence(segment, found)
