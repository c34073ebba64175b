"""Where two ordinary things meet in courses that real stacks stumble over: timers, losses, queues, ends, lives."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import FIN, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, SYN_RECEIVED, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.settings import SocketSettings
from harness.stack.timers import Timer

#: What 16 bits count.
SHORT = 1 << 16

# --- stray-timer -----------------------------------------------------------------------------------------------------


@defect(
    "D883",
    "R2 never begins again when a window was shut once: what nobody acknowledges behind it is sent for ever.",
    "MUST-20",
    "RFC 9293 §3.8.3",
    source="a class of defects of telling persistence and repetition apart",
    kind="stray-timer",
)
class ShutWindowEndsTimeout(Connection):
    was_shut = False

    def update_window(self, segment: Segment) -> None:
        super().update_window(segment)
        self.was_shut = self.was_shut or self.snd_wnd == 0

    def start_user_timeout(self) -> None:
        if not self.was_shut or self.snd_wnd == 0:
            super().start_user_timeout()


@defect(
    "D884",
    "A SEND undoes the back-off of what is being repeated.",
    "MUST-19",
    "RFC 6298 §5.5",
    kind="stray-timer",
)
class SendUndoesBackOff(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if self.retransmissions:
            self.rtt.rto = nanoseconds(self.config.rto_initial_s)
            self.retransmissions = 0
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        return super().send(data, urgent=urgent)


@defect(
    "D885",
    "A soft ICMP error that quotes the SYN,ACK ends its repetition.",
    "MUST-56",
    "RFC 9293 §3.8.1",
    kind="stray-timer",
)
class SoftErrorEndsSynAck(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        if self.state is SYN_RECEIVED and not hard:
            self.timers.stop(Timer.RETRANSMISSION)
        super().icmp_error(seq, code, hard=hard)


@defect(
    "D886",
    "The peer's FIN turns keep-alives off: that a half-closed peer is gone is never noticed.",
    "MUST-24",
    source="a class of defects of keep-alives that are armed in ESTABLISHED only",
    kind="stray-timer",
)
class FinEndsKeepAlive(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSE_WAIT:
            self.timers.stop(Timer.KEEP_ALIVE)


@defect(
    "D887",
    "A FIN that leaves while an ACK is delayed acknowledges what was acknowledged before, and takes the ACK away.",
    "MUST-40",
    "RFC 9293 §3.8",
    kind="stray-timer",
)
class FinWithFormerAck(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        if not flags & FIN or not self.timers.runs(Timer.DELAYED_ACK):
            super().transmit(flags, seq, payload)
            return
        rcv_nxt, self.rcv_nxt = self.rcv_nxt, self.last_ack_sent
        super().transmit(flags, seq, payload)
        self.rcv_nxt = rcv_nxt


# --- loss-state ------------------------------------------------------------------------------------------------------


@defect(
    "D888",
    "What three duplicate ACKs bring again is measured from its first transmission: the timeout grows by it.",
    "RFC 6298 §3",
    source="a class of defects of Karn's algorithm",
    kind="loss-state",
)
class FastButMeasured(Connection):
    def resend_front(self) -> None:
        timed = self.timed
        super().resend_front()
        self.timed = timed


@defect(
    "D889",
    "When CLOSE was called, a timeout brings all at once that is under way, and not one segment.",
    "RFC 5681 §3.1",
    kind="loss-state",
)
class ClosingKnowsNoCongestion(Connection):
    def usable_window(self) -> int:
        return self.snd_wnd if self.fin_queued and self.retransmissions else super().usable_window()


@defect(
    "D890",
    "A FIN that was lost is not sent again when the window has shut behind it.",
    "RFC 9293 §3.8.1",
    "MUST-36",
    source="a class of defects of stacks that probe with text only",
    kind="loss-state",
)
class ShutOverFin(Connection):
    def retransmission_timeout(self) -> None:
        if self.snd_wnd or not self.fin_queued or self.snd_una != self.snd_end:
            super().retransmission_timeout()


# --- before-accept ---------------------------------------------------------------------------------------------------


@defect(
    "D891",
    "The SYN,ACK leaves without the time to live and the traffic class that the listener's application has set.",
    "MUST-49",
    "MUST-48",
    source="Linux, the type of service of a SYN,ACK",
    kind="before-accept",
)
class PlainSynAck(Connection):
    def emit(self, segment: Segment) -> None:
        own = self.settings
        if self.passive and segment.flags & SYN:
            plain = SocketSettings()
            self.settings = replace(own, ttl=plain.ttl, traffic_class=plain.traffic_class)
        super().emit(segment)
        self.settings = own


@defect(
    "D892",
    "When the handshake's third segment was lost, the text that establishes is where the stream begins.",
    "RFC 9293 §3.10.7.4 seventh",
    kind="before-accept",
)
class StreamBeginsWhereItOpens(Connection):
    def check_ack(self, segment: Segment) -> bool:
        opening = self.state is SYN_RECEIVED and self.passive
        acceptable = super().check_ack(segment)
        if opening and acceptable and seqno.lt(self.rcv_nxt, segment.seq):
            self.rcv_nxt = segment.seq
        return acceptable


@defect(
    "D893",
    "Before accept() no timestamp is too old.",
    "RFC 7323 §5.3",
    kind="before-accept",
)
class NoPawsInQueue(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return not isinstance(self.owner, Listener) and super().is_old_timestamp(value)


# --- close-unsent ----------------------------------------------------------------------------------------------------


@defect(
    "D894",
    "A FIN that waits alone leaves only when the window has opened as far as is worth sending text into.",
    "RFC 9293 §3.10.4",
    "RFC 9293 §3.8.6.2.1",
    kind="close-unsent",
)
class FinWorthSending(Connection):
    def _fin_fits(self, size: int, usable: int) -> bool:
        worth = size > 0 or 2 * usable >= min(self.max_snd_wnd, self.send_mss)
        return worth and super()._fin_fits(size, usable)


@defect(
    "D895",
    "The bound of FIN-WAIT-2 begins with close(): what a slow peer takes piece by piece is cut off by it.",
    "RFC 9293 §3.10.4",
    "RFC 9293 §3.8.3",
    source="a class of defects of orphaned connections",
    kind="close-unsent",
)
class BoundBeginsWithClose(Connection):
    def close(self) -> None:
        super().close()
        if self.state is FIN_WAIT_1:
            self.bound_fin_wait_2()

    def fin_wait_2_timeout(self) -> None:
        if self.state in (FIN_WAIT_1, FIN_WAIT_2):
            super().fin_wait_2_timeout()


@defect(
    "D896",
    "CLOSE ends urgent mode: urgent text that still waits to be sent leaves without URG.",
    "MUST-30",
    "RFC 9293 §3.8.5",
    kind="close-unsent",
)
class CloseEndsUrgency(Connection):
    def shutdown(self) -> None:
        if self.unsent:
            self.snd_up = None
        super().shutdown()


# --- residue ---------------------------------------------------------------------------------------------------------


@defect(
    "D897",
    "In SYN-SENT a SYN,ACK for the SYN of the attempt before, between the same two, opens the connection.",
    "RFC 9293 §3.10.7.3 first",
    kind="residue",
)
class FormerSynAcknowledged(Connection):
    def acknowledges_our_syn(self, segment: Segment) -> bool:
        used: dict[object, int] = vars(self.host)["_used"]
        return super().acknowledges_our_syn(segment) or segment.ack == used.get(self.pair)


@defect(
    "D898",
    "While a SYN that ends TIME-WAIT is being answered, old duplicates draw the ACK of the connection before.",
    "RFC 9293 §3.10.7.4 first",
    kind="residue",
)
class FormerStillAnswers(Connection):
    def answer_unacceptable(self) -> None:
        former = self.replaced
        if self.state is SYN_RECEIVED and isinstance(former, Connection) and former.state is TIME_WAIT:
            former.send_ack()
        else:
            super().answer_unacceptable()


@defect(
    "D899",
    "The CLOSE of the connection before holds for the one that leaves its TIME-WAIT by a SYN: a FIN follows at once.",
    "RFC 9293 §3.6.1",
    "RFC 9293 §3.10.7.4 fifth",
    kind="residue",
)
class ClosedAlready(Connection):
    def open_passive(self, segment: Segment, found: Options) -> None:
        super().open_passive(segment, found)
        self.fin_queued = isinstance(self.replaced, Connection) and self.replaced.fin_queued


# --- unread ----------------------------------------------------------------------------------------------------------


@defect(
    "D900",
    "When our side has closed, a window that unread text has shut stays shut when that is read.",
    "RFC 9293 §3.8.6",
    "RFC 9293 §3.8.6.1",
    kind="unread",
)
class HalfClosedStaysShut(Connection):
    def offer_window(self, shift: int) -> int:
        shut = self.state in (FIN_WAIT_1, FIN_WAIT_2) and self.rcv_wnd == 0
        return 0 if shut else super().offer_window(shift)


@defect(
    "D901",
    "How much is unread is counted in 16 bits: of 65,536 octets and more the rest is lost.",
    "RFC 9293 §3.10.3",
    source="lwIP, the length of a chain of buffers",
    kind="unread",
)
class ShortCount(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        unread = len(self.receive_buffer)
        if unread >= SHORT:
            del self.receive_buffer[unread % SHORT or 1 :]
        return super().receive(limit, peek=peek)


@defect(
    "D902",
    "When both sides have closed, a reset throws away what is unread, though the stream was whole.",
    "RFC 9293 §3.10.7.4 second",
    "RFC 9293 §3.10.3",
    kind="unread",
)
class LateResetEmpties(Connection):
    def reset_arrived(self) -> None:
        if self.state in (CLOSING, LAST_ACK, TIME_WAIT):
            self.receive_buffer.clear()
        super().reset_arrived()
