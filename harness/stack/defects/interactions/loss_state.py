"""Loss × state: what was lost does not come again, or comes without something that it carried."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import CLOSING, ESTABLISHED, FIN_WAIT_1, LAST_ACK, SYN_RECEIVED, TIME_WAIT, State
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.options import Options
from harness.stack.timers import Timer

KIND = "loss-state"
defect = of_kind(KIND)

REPEATED = "RFC 9293 §3.8.1"


class OnlyFinRepeated(Connection):
    """Data and FIN are under way, but only the FIN is in the queue."""

    where: State

    def retransmission_timeout(self) -> None:
        if self.state is self.where and self.send_buffer and self.snd_wnd:
            self.rtt.back_off()
            self.cursor = self.snd_end
            self.send_data(0, fin=True)
        else:
            super().retransmission_timeout()


@defect("D346", "Of data and FIN lost in LAST-ACK only the FIN is repeated.", REPEATED, source="tricep issue 27")
class OnlyFinInLastAck(OnlyFinRepeated):
    where = LAST_ACK


@defect("D347", "Of data and FIN lost in CLOSING only the FIN is repeated.", REPEATED, source="tricep issue 27")
class OnlyFinInClosing(OnlyFinRepeated):
    where = CLOSING


@defect("D348", "The acknowledgment of the data ends the repetition of the FIN behind it.", REPEATED)
class AckOfDataEndsFin(Connection):
    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        if self.state is FIN_WAIT_1 and not self.fin_acknowledged and not self.send_buffer:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D349",
    "The count of repetitions is never cleared: after four losses, long healed, the next one ends the connection.",
    "MUST-20",
    source="NuttX pull request 6874",
)
class CountNeverCleared(Connection):
    losses = 0

    def retransmission_timeout(self) -> None:
        self.losses += 1
        if self.losses > 4 and self.state is ESTABLISHED:
            self.delete(errno.ETIMEDOUT)
        else:
            super().retransmission_timeout()


@defect("D350", "A SYN,ACK that is repeated has no window scale.", REPEATED, "RFC 7323 §2.2")
class RepeatedSynAckUnscaled(Connection):
    def offered_shift(self, answers: bool) -> int | None:
        return None if answers and self.retransmissions else super().offered_shift(answers)


@defect("D351", "A SYN that is repeated offers no timestamps.", REPEATED, "RFC 7323 §3.2")
class RepeatedSynUnstamped(Connection):
    def offers_timestamps(self, answers: bool) -> bool:
        return not self.retransmissions and super().offers_timestamps(answers)


@defect("D352", "Data that is repeated has the timestamp of its first transmission.", "RFC 7323 §3.2")
class RepeatedWithOldTimestamp(Connection):
    first: int | None = None
    repeating = False

    def retransmission_timeout(self) -> None:
        self.repeating = True
        super().retransmission_timeout()
        self.repeating = False

    def timestamp(self) -> int:
        if not self.repeating or self.first is None:
            self.first = super().timestamp()
        return self.first


@defect("D353", "Urgent data that is repeated has no URG any more.", REPEATED, "RFC 9293 §3.8.5")
class RepeatedWithoutUrgent(Connection):
    def retransmission_timeout(self) -> None:
        self.snd_up = None
        super().retransmission_timeout()


@defect(
    "D354",
    "Data that is repeated acknowledges what it did at first, not what has come since.",
    REPEATED,
    "RFC 9293 §3.4",
    source="passt",
)
class RepeatedWithOldAck(Connection):
    first: int | None = None

    def send_data(self, size: int, *, fin: bool) -> None:
        if self.first is None or not seqno.lt(self.cursor, self.snd_nxt):
            self.first = self.rcv_nxt
        present, self.rcv_nxt = self.rcv_nxt, self.first
        super().send_data(size, fin=fin)
        self.rcv_nxt = present


@defect("D355", "In TIME-WAIT the peer's FIN is acknowledged once more, but not twice.", "RFC 9293 §3.10.7.4 eighth")
class SecondLostAckUnrepeated(Connection):
    answers = 0

    def answer_unacceptable(self) -> None:
        self.answers += self.state is TIME_WAIT
        if self.answers < 2:
            super().answer_unacceptable()


@defect("D356", "A FIN is repeated once: when that is lost too, no other follows.", REPEATED)
class FinRepeatedOnce(Connection):
    def retransmission_timeout(self) -> None:
        if not (self.fin_queued and self.snd_una == self.snd_end and self.retransmissions):
            super().retransmission_timeout()


@defect("D357", "After a fast retransmit no timer runs: when that is lost too, nothing follows.", "RFC 6298 §5.1")
class FastRetransmitUntimed(Connection):
    def duplicate(self, segment: Segment) -> None:
        before = self.congestion.recover
        super().duplicate(segment)
        if self.congestion.recover != before:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D358",
    "A SYN,ACK that comes again is not answered while data is under way: the handshake's third segment stays lost.",
    "RFC 9293 §3.10.7.4 first",
)
class SynAckUnansweredBesideData(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        repeated = segment.flags & (SYN | ACK) == SYN | ACK and segment.seq == self.irs
        return not (repeated and self.flight) and super().check_sequence(segment, found)


@defect(
    "D359",
    "Once the SYN,ACK was repeated, the peer's repeated SYN is not answered.",
    "RFC 9293 §3.10.7.4 first",
)
class RepeatedSynUnansweredAfterLoss(Connection):
    def answer_unacceptable(self) -> None:
        if not (self.state is SYN_RECEIVED and self.retransmissions):
            super().answer_unacceptable()


@defect("D360", "R2 counts from the first loss of all, also when that was healed long ago.", "MUST-20")
class GivingUpCountsFromTheFirstLoss(Connection):
    first_loss: int | None = None

    def retransmission_timeout(self) -> None:
        if self.first_loss is None and self.state is ESTABLISHED:
            self.first_loss = self.unanswered_since
        super().retransmission_timeout()

    def set_user_timeout(self) -> None:
        if self.first_loss is not None:
            self.unanswered_since = self.first_loss
        super().set_user_timeout()
