"""RST,ACK with another acknowledgment than SND.NXT: the form that a peer sends while data or FIN are on the way."""

from harness.spec import seqno
from harness.spec.segment import ACK, RST, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN_RECEIVED,
    TIME_WAIT,
    State,
)
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.options import Options

KIND = "reset-ack"
defect = of_kind(KIND)

SECOND = "RFC 9293 §3.10.7.4 second"
RESETS = "RFC 9293 §3.5.3"


class Choosy(Connection):
    """In one state a reset that acknowledges something else than SND.NXT is not obeyed."""

    where: State

    def check_reset(self, segment: Segment) -> bool:
        if self.state is self.where and self.is_odd(segment):
            self.overlook(segment)
            return False
        return super().check_reset(segment)

    def is_odd(self, segment: Segment) -> bool:
        """Tell whether it is a reset with another acknowledgment."""
        return segment.flags & (RST | ACK) == RST | ACK and segment.ack != self.snd_nxt

    def overlook(self, segment: Segment) -> None:
        """Do something else than to obey."""


@defect("D457", "In ESTABLISHED a reset that does not acknowledge the data under way is dropped.", SECOND, RESETS)
class DataUnderWay(Choosy):
    where = ESTABLISHED

    def is_odd(self, segment: Segment) -> bool:
        return super().is_odd(segment) and seqno.lt(segment.ack, self.snd_nxt)


@defect("D458", "In FIN-WAIT-1 a reset that does not acknowledge the FIN is dropped.", SECOND, RESETS)
class FinUnderWay(Choosy):
    where = FIN_WAIT_1


@defect("D459", "In CLOSE-WAIT a reset that does not acknowledge the data under way is dropped.", SECOND, RESETS)
class DataUnderWayInCloseWait(Choosy):
    where = CLOSE_WAIT


@defect("D460", "In LAST-ACK a reset that does not acknowledge the FIN is dropped.", SECOND, RESETS)
class LastAckUnderWay(Choosy):
    where = LAST_ACK


@defect("D461", "In CLOSING a reset that does not acknowledge the FIN is answered with an ACK.", SECOND, RESETS)
class ClosingChallenges(Choosy):
    where = CLOSING

    def overlook(self, segment: Segment) -> None:
        self.send_challenge()


@defect("D462", "In SYN-RECEIVED a reset that does not acknowledge the SYN,ACK is answered with a reset.", SECOND)
class ResetAgainstReset(Choosy):
    where = SYN_RECEIVED

    def overlook(self, segment: Segment) -> None:
        self.refuse(segment)


@defect("D463", "In FIN-WAIT-2 a reset with an old acknowledgment is challenged.", SECOND, "RFC 5961 §3.2")
class OldAckChallenged(Choosy):
    where = FIN_WAIT_2

    def overlook(self, segment: Segment) -> None:
        self.send_challenge()


@defect("D464", "In ESTABLISHED a reset that acknowledges more than was sent is challenged.", SECOND, "RFC 5961 §5.2")
class TooMuchAcknowledged(Choosy):
    where = ESTABLISHED

    def is_odd(self, segment: Segment) -> bool:
        return super().is_odd(segment) and seqno.lt(self.snd_nxt, segment.ack)

    def overlook(self, segment: Segment) -> None:
        self.send_challenge()


@defect("D465", "In TIME-WAIT a reset with an old acknowledgment lets 2 MSL begin anew.", SECOND, "MUST-13")
class TimeWaitRestarted(Choosy):
    where = TIME_WAIT

    def overlook(self, segment: Segment) -> None:
        self.restart_time_wait()


@defect(
    "D466",
    "A reset in the window, not at its left edge, is challenged only if it acknowledges SND.NXT.",
    "RFC 5961 §3.2",
)
class UnchallengedWithOldAck(Choosy):
    where = ESTABLISHED

    def is_odd(self, segment: Segment) -> bool:
        return super().is_odd(segment) and segment.seq != self.rcv_nxt


@defect("D467", "A reset that does not acknowledge the data under way is told as the end of the stream.", SECOND)
class ResetWithOldAckUntold(Choosy):
    where = ESTABLISHED

    def overlook(self, segment: Segment) -> None:
        self.delete()


@defect("D468", "When the SYN was repeated, a reset that acknowledges it is ignored.", "RFC 9293 §3.10.7.3 second")
class RefusalOfRepeatedSyn(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if not (segment.flags & RST and self.retransmissions):
            super().arrives_in_syn_sent(segment, found)


@defect("D469", "After a simultaneous open a reset that acknowledges nothing new does not end SYN-RECEIVED.", SECOND)
class CrossingSynsReset(Choosy):
    where = SYN_RECEIVED

    def is_odd(self, segment: Segment) -> bool:
        return super().is_odd(segment) and not self.passive


@defect("D470", "A reset whose acknowledgment is unacceptable ends the connection, and draws an ACK.", SECOND, RESETS)
class ResetAnswered(Connection):
    def check_reset(self, segment: Segment) -> bool:
        number = self.snd_nxt
        odd = segment.flags & (RST | ACK) == RST | ACK and not self.is_acceptable_ack(segment)
        going_on = super().check_reset(segment)
        if odd and self.state is CLOSED:
            self.transmit(ACK, number)
        return going_on
