"""Variants of how a connection closes and what remains of it (RFC 9293 §3.6, §3.10.4, §3.10.7.4 eighth)."""

from harness.spec import seqno
from harness.spec.segment import FIN, RST, Segment
from harness.spec.states import CLOSING, FIN_WAIT_1, LAST_ACK, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.options import Options
from harness.stack.variants.variant import settings_variant, variant

settings_variant(
    "time-wait-of-30-s",
    "TIME-WAIT lasts 30 s.",
    "MUST-13",
    "RFC 9293 §3.4.2",
    allows="MSL is two minutes by an engineering choice that may be changed.",
    msl_s=15.0,
)

settings_variant(
    "time-wait-of-60-s",
    "TIME-WAIT lasts 60 s.",
    "MUST-13",
    "RFC 9293 §3.4.2",
    allows="MSL is two minutes by an engineering choice that may be changed.",
    msl_s=30.0,
)

settings_variant(
    "time-wait-of-four-minutes",
    "TIME-WAIT lasts four minutes.",
    "MUST-13",
    "RFC 9293 §3.4.2",
    allows="MSL is two minutes.",
    msl_s=120.0,
)


@variant(
    "fin-wait-2-for-ever",
    "FIN-WAIT-2 has no time limit, with an application or without.",
    "RFC 9293 §3.6",
    allows="No RFC has such a limit.",
    lacks=("socket-options",),  # among which one would be to set it
)
class FinWait2ForEver(Connection):
    def bound_fin_wait_2(self) -> None:
        """Set no timer."""


@variant(
    "fin-behind-the-window",
    "The FIN goes along with text that fills the window: it stands behind that.",
    "RFC 9293 §3.1",
    allows="The window is the number of data octets that are accepted, and a FIN is none.",
)
class FinBehindTheWindow(Connection):
    def _fin_fits(self, size: int, usable: int) -> bool:
        return super()._fin_fits(size, usable + (size > 0))


@variant(
    "fin-again-with-each-new-ack",
    "In FIN-WAIT-1, CLOSING and LAST-ACK what acknowledges the peer's text or FIN carries our FIN again.",
    "RFC 9293 §3.10.8",
    "MUST-58",
    allows="Retransmission is always open to a sender, and a segment may do for several purposes.",
)
class FinAgainWithEachNewAck(Connection):
    def send_ack(self) -> None:
        alone = self.fin_queued and self.snd_una == self.snd_end and self.snd_nxt != self.snd_end
        news = self.last_ack_sent != self.rcv_nxt
        if alone and news and self.state in (FIN_WAIT_1, CLOSING, LAST_ACK):
            self.send_data(0, fin=True)
            self.note_ack_sent()
        else:
            super().send_ack()

    def send_data(self, size: int, *, fin: bool) -> None:
        if not size and fin and self.snd_una == self.snd_end:
            self.cursor = self.snd_una
        super().send_data(size, fin=fin)


@variant(
    "fin-of-last-ack-again-with-ack",
    "In LAST-ACK a FIN of the peer that comes again is answered with our FIN again.",
    "RFC 9293 §3.10.8",
    "RFC 9293 §3.10.7.4 first",
    allows="It carries the acknowledgment that is due, and retransmission is always open to a sender.",
)
class FinOfLastAckAgainWithAck(Connection):
    hears_fin = False

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        self.hears_fin = bool(segment.flags & FIN)
        return super().check_sequence(segment, found)

    def answer_unacceptable(self) -> None:
        waits = self.state is LAST_ACK and self.snd_una == self.snd_end and self.hears_fin
        if waits and not self.answered_lately():
            self.cursor = self.snd_end
            self.send_data(0, fin=True)
        else:
            super().answer_unacceptable()


@variant(
    "reset-when-giving-up",
    "A connection that gives up says so with a reset.",
    "RFC 9293 §3.8.3",
    "RFC 9293 §3.10.8",
    allows="The user timeout flushes queues and deletes the TCB; that nothing is sent, no sentence says.",
)
class ResetWhenGivingUp(Connection):
    def user_timeout(self) -> None:
        self.send_reset()
        super().user_timeout()


@variant(
    "reset-at-the-oldest-when-giving-up",
    "A connection that gives up says so with a reset at SND.UNA.",
    "RFC 9293 §3.8.3",
    "RFC 9293 §3.10.8",
    allows="No sentence gives this reset a number.",
)
class ResetAtTheOldestWhenGivingUp(Connection):
    def user_timeout(self) -> None:
        self.emit(Segment(RST, self.snd_una, window=0))
        super().user_timeout()


@variant(
    "reset-when-fin-wait-2-ends",
    "Where FIN-WAIT-2 has a limit, a reset tells the peer that it is over.",
    "RFC 9293 §3.10.5",
    allows="What ends a connection before its time is an abort.",
)
class ResetWhenFinWait2Ends(Connection):
    def fin_wait_2_timeout(self) -> None:
        self.send_reset()
        super().fin_wait_2_timeout()


@variant(
    "second-fin-answered-once-more",
    "A FIN in TIME-WAIT that lies in the window and not at its left edge is acknowledged.",
    "RFC 9293 §3.10.7.4 eighth",
    "MAY-13",
    allows="TIME-WAIT remains, and an ACK of RCV.NXT may answer any valid segment.",
)
class SecondFinAnsweredOnceMore(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        super().process_text_and_fin(segment)
        if self.state is TIME_WAIT and segment.flags & FIN and seqno.leq(segment.end, self.rcv_edge):
            self.ack_due = True
