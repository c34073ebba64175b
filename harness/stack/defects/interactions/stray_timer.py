"""Stray × timer: a segment that must change nothing stops, restarts or doubles a timer that runs."""

from harness.spec import seqno
from harness.spec.segment import SYN, Segment
from harness.spec.states import CLOSING, ESTABLISHED, FIN_WAIT_1, LAST_ACK, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from harness.stack.config import NS
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.timers import Timer

KIND = "stray-timer"
defect = of_kind(KIND)

REPEATED = "RFC 9293 §3.8.1"
RTO = "RFC 6298 §5.1"


@defect(
    "D329",
    "When an unacceptable ACK was answered in SYN-SENT, the SYN is not repeated any more.",
    "RFC 9293 §3.10.7.3 first",
    REPEATED,
    source="NuttX pull request 14216",
)
class SynNotRepeatedAfterReset(Connection):
    def refuse(self, segment: Segment) -> None:
        super().refuse(segment)
        if self.state is SYN_SENT:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D330", "The peer's FIN, when it comes again in CLOSING, ends the repetition of ours.", REPEATED)
class RepeatedFinEndsOurs(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.state is CLOSING:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D331", "A reset that is challenged ends the repetition of data.", "RFC 5961 §3.2", REPEATED)
class ChallengeEndsRepetition(Connection):
    def send_challenge(self) -> None:
        super().send_challenge()
        if self.state is ESTABLISHED:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D332", "Only the first repeated FIN lets 2 MSL begin anew.", "RFC 9293 §3.10.7.4 eighth")
class RestartsOnce(Connection):
    restarts = 0

    def restart_time_wait(self) -> None:
        self.restarts += 1
        if self.restarts <= 2:
            super().restart_time_wait()


@defect("D333", "Each SEND lets R2 begin anew: an application that goes on sending is never told.", "MUST-20")
class SendRestartsGivingUp(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if self.timers.runs(Timer.USER_TIMEOUT):
            self.timers.stop(Timer.USER_TIMEOUT)
            self.start_user_timeout()
        return super().send(data, urgent=urgent)


@defect("D334", "Keep-alive goes on in TIME-WAIT.", "MUST-26", "MUST-13")
class KeepAliveInTimeWait(Connection):
    def enter_time_wait(self) -> None:
        super().enter_time_wait()
        if self.settings.keep_alive:
            self.start(Timer.KEEP_ALIVE, self._keep_alive_idle())

    def keep_alive_timeout(self) -> None:
        if self.state is TIME_WAIT:
            self.send_keep_alive()
        super().keep_alive_timeout()


@defect("D335", "A reset that comes while an ACK is delayed is dropped.", "RFC 9293 §3.10.7.4 second")
class DelayedAckHidesReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        sound = not self.timers.runs(Timer.DELAYED_ACK)
        return super().check_reset(segment) if sound else not segment.flags & 0x04


@defect("D336", "An old duplicate that is answered lets the retransmission timer begin anew.", RTO)
class OldDuplicateRestartsTimer(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


@defect("D337", "Each answer to a window probe lets their intervals begin anew: they never grow.", "SHLD-30")
class AnsweredProbesDontBackOff(Connection):
    def update_window(self, segment: Segment) -> None:
        super().update_window(segment)
        if self.snd_wnd == 0:
            self.probes = 0


@defect("D338", "A SYN that comes again in SYN-RECEIVED lets R2 begin anew.", "MUST-20")
class RepeatedSynRestartsGivingUp(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.state is SYN_RECEIVED:
            self.timers.stop(Timer.USER_TIMEOUT)
            self.start_user_timeout()


@defect("D339", "An ACK of nothing new lets the retransmission timer begin anew.", "RFC 6298 §5.3")
class EveryAckRestartsTimer(Connection):
    def process_ack(self, segment: Segment) -> None:
        again = segment.ack == self.snd_una and self.timers.runs(Timer.RETRANSMISSION)
        super().process_ack(segment)
        if again and self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


@defect("D340", "A soft ICMP error in SYN-SENT ends the repetition of the SYN.", "MUST-56", REPEATED)
class SoftErrorEndsRepetition(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=hard)
        if self.state is SYN_SENT and not hard:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D341", "The answer to an old duplicate leaves a delayed ACK due, which follows by itself.", "MUST-58")
class DelayedAckDoubled(Connection):
    def answer_unacceptable(self) -> None:
        delayed = self.timers.runs(Timer.DELAYED_ACK)
        super().answer_unacceptable()
        if delayed:
            self.start(Timer.DELAYED_ACK, NS // 5)


@defect("D342", "An old acknowledgment in LAST-ACK ends the repetition of the FIN.", REPEATED)
class OldAckEndsRepetition(Connection):
    def process_ack(self, segment: Segment) -> None:
        super().process_ack(segment)
        if self.state is LAST_ACK and seqno.lt(segment.ack, self.snd_una):
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D343", "A reset outside the window lets 2 MSL begin anew.", "MUST-13", "RFC 9293 §3.10.7.4 first")
class StrayResetRestartsTimeWait(Connection):
    def is_reset_in_window(self, segment: Segment) -> bool:
        counts = super().is_reset_in_window(segment)
        if not counts and self.state is TIME_WAIT:
            self.restart_time_wait()
        return counts


@defect("D344", "A SYN that is challenged ends the probing of a closed window.", "RFC 5961 §4.2", "MUST-36")
class ChallengedSynEndsProbing(Connection):
    def check_syn(self, segment: Segment) -> bool:
        stray = bool(segment.flags & SYN)
        going_on = super().check_syn(segment)
        if stray:
            self.timers.stop(Timer.PROBE)
        return going_on

    def _arm_send_timers(self) -> None:
        if not self.probes or self.timers.runs(Timer.PROBE):
            super()._arm_send_timers()


@defect("D345", "The peer's keep-alive probe stops the repetition of our FIN.", "RFC 9293 §3.8.4", REPEATED)
class KeepAliveEndsRepetition(Connection):
    def check_sequence(self, segment: Segment, found: object) -> bool:
        probe = segment.seq == seqno.add(self.rcv_nxt, -1) and not segment.length
        acceptable = super().check_sequence(segment, found)  # type: ignore[arg-type]
        if probe and self.state is FIN_WAIT_1:
            self.timers.stop(Timer.RETRANSMISSION)
        return acceptable
