"""Defects of retransmission, giving up, window probes, keep-alive and delayed ACKs (RFC 6298, RFC 9293 §3.8)."""

import errno
from typing import Any

from harness.spec import seqno
from harness.spec.segment import ACK, Segment
from harness.spec.states import CLOSE_WAIT, ESTABLISHED, SYN_SENT
from harness.stack.config import NS
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.timers import Timer

BACK_OFF = "RFC 6298 §5.5"
INITIAL = "RFC 6298 §2.1"
R2 = "MUST-20"
PROBES = "RFC 9293 §3.8.6.1"
KEEP_ALIVE = "RFC 9293 §3.8.4"
DELAYED = "RFC 9293 §3.8.6.3"


@defect("D228", "The retransmission timeout is not doubled.", BACK_OFF)
class NoBackOff(Connection):
    first_timeout = 0

    def start(self, timer: Timer, duration: int) -> None:
        if timer is Timer.RETRANSMISSION:
            self.first_timeout = (self.retransmissions and self.first_timeout) or duration
            duration = self.first_timeout
        super().start(timer, duration)


@defect("D229", "The first retransmission timeout is a fifth of a second.", INITIAL)
class ImpatientFirstTimeout(Connection):
    def choose_numbers(self) -> None:
        super().choose_numbers()
        self.rtt.rto = NS // 5


@defect("D230", "The first retransmission timeout is six seconds.", INITIAL, source="hosts from before RFC 6298")
class LazyFirstTimeout(Connection):
    def choose_numbers(self) -> None:
        super().choose_numbers()
        self.rtt.rto = 6 * NS


@defect("D231", "After a lost SYN data is sent with the first timeout, not with three seconds.", "RFC 6298 §5.7")
class LostSynForgotten(Connection):
    def establish(self) -> None:
        if self.rtt.srtt is None:
            self.rtt.rto = NS
        super().establish()


@defect("D232", "Data is never sent again.", "RFC 9293 §3.8.1", "RFC 6298 §5.4")
class DataNotRepeated(Connection):
    def retransmission_timeout(self) -> None:
        if self.state not in (ESTABLISHED, CLOSE_WAIT):
            super().retransmission_timeout()


@defect("D233", "A timeout sends again what was sent last, not the first unacknowledged segment.", "RFC 6298 §5.4")
class RepeatsTheLast(Connection):
    def output(self) -> None:
        if self.retransmissions and self.cursor == self.snd_una and self.flight > self.send_mss:
            self.cursor = seqno.add(self.snd_nxt, -1)
        super().output()


@defect("D234", "The retransmission timer runs on when everything is acknowledged.", "RFC 6298 §5.2")
class TimerNotStopped(Connection):
    def acknowledge(self, ack: int) -> None:
        last, front = self.snd_una, bytes(self.send_buffer[:1])
        super().acknowledge(ack)
        if front and not self.flight and self.state is ESTABLISHED:
            self.unstopped = (last, front)
            self.start(Timer.RETRANSMISSION, self.rtt.rto)

    def retransmission_timeout(self) -> None:
        if self.flight or not hasattr(self, "unstopped"):
            super().retransmission_timeout()
        else:
            self.transmit(ACK, *self.unstopped)


@defect("D235", "A connection never gives up: data is sent again for ever.", R2)
class DataForEver(Connection):
    def user_timeout(self) -> None:
        if self.state not in (ESTABLISHED, CLOSE_WAIT):
            super().user_timeout()


@defect("D236", "A connection gives up after one repetition of data.", R2)
class GivesUpAtOnce(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is ESTABLISHED and self.retransmissions:
            self.delete(errno.ETIMEDOUT)
        else:
            super().retransmission_timeout()


@defect("D237", "The application is not told that a connection was given up.", "RFC 9293 §3.8.3", "RFC 9293 §3.10.8")
class GivingUpUntold(Connection):
    def user_timeout(self) -> None:
        self.delete()


@defect("D238", "An application's own user timeout is overlooked.", "MUST-21")
class UserTimeoutFixed(Connection):
    def set_user_timeout(self) -> None:
        own, self.settings.user_timeout_s = self.settings.user_timeout_s, None
        super().set_user_timeout()
        self.settings.user_timeout_s = own


@defect("D239", "An acknowledgment of nothing new counts as progress: R2 begins anew.", R2)
class AnyAckIsProgress(Connection):
    def process_ack(self, segment: Segment) -> None:
        super().process_ack(segment)
        if self.timers.runs(Timer.USER_TIMEOUT):
            self.unanswered_since = self.now
            self.set_user_timeout()


@defect("D240", "A closed window is not probed.", "MUST-36")
class NoProbes(Connection):
    def send_probe(self) -> None:
        return


@defect("D241", "Window probes come at constant intervals.", "SHLD-30")
class ProbesAtConstantIntervals(Connection):
    def probe_interval(self) -> int:
        return self.rtt.rto


@defect("D242", "A window probe carries nothing: the peer need not answer it.", "MUST-36")
class EmptyProbes(Connection):
    def send_probe(self) -> None:
        self.transmit(ACK, self.snd_nxt)


@defect("D243", "A connection gives up while the peer answers each probe of its closed window.", "MUST-37")
class ProbesGiveUp(Connection):
    def update_window(self, segment: Segment) -> None:
        runs, since = self.timers.runs(Timer.USER_TIMEOUT), self.unanswered_since
        super().update_window(segment)
        if runs and not self.timers.runs(Timer.USER_TIMEOUT) and self.flight + self.unsent:
            self.unanswered_since = since
            self.set_user_timeout()


@defect("D244", "The octet of a probe is lost: when the window opens, sending goes on behind it.", PROBES)
class ProbeOctetLost(Connection):
    def send_probe(self) -> None:
        super().send_probe()
        self.cursor = self.snd_nxt


@defect("D245", "A window that opens is not used until the next probe.", PROBES)
class OpeningUnnoticed(Connection):
    def update_window(self, segment: Segment) -> None:
        if self.snd_wnd or self.timers.runs(Timer.PROBE) is False or segment.length:
            super().update_window(segment)


@defect("D246", "Keep-alive is on without being asked for.", "MUST-25")
class KeepAliveByDefault(Connection):
    def establish(self) -> None:
        self.settings.keep_alive = True
        super().establish()


@defect("D247", "Keep-alive begins after a minute, unless the application says otherwise.", "MUST-28")
class ImpatientKeepAlive(Stack):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.config.keep_alive_idle_s = 60.0


@defect("D248", "Keep-alive probes have the number SND.NXT: a peer need not answer them.", KEEP_ALIVE)
class KeepAliveInOrder(Connection):
    def send_keep_alive(self) -> None:
        self.transmit(ACK, self.snd_nxt)


@defect("D249", "One unanswered keep-alive probe ends the connection.", "MUST-29")
class OneProbeKills(Connection):
    def keep_alive_timeout(self) -> None:
        if self.keep_alives:
            self.send_reset()
            self.delete(errno.ETIMEDOUT)
        else:
            super().keep_alive_timeout()


@defect("D250", "Keep-alive probes are sent though data was heard of a moment ago.", "MUST-26")
class KeepAliveIgnoresTraffic(Connection):
    def keep_alive_timeout(self) -> None:
        self.last_heard = 0
        super().keep_alive_timeout()


@defect("D251", "Keep-alive is never stopped: what the application asks for later is overlooked.", "MUST-24")
class KeepAliveNotSettable(Connection):
    def settings_changed(self) -> None:
        if not self.settings.keep_alive:
            super().settings_changed()


@defect("D252", "The peer's keep-alive probes are not answered.", KEEP_ALIVE, "RFC 9293 §3.10.7.4 first")
class KeepAliveUnanswered(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        probe = segment.flags == ACK and seqno.add(segment.seq, 1) == self.rcv_nxt and len(segment.payload) < 2
        return not probe and super().check_sequence(segment, found)


@defect("D253", "ACKs are delayed by a second.", "MUST-40")
class AcksDelayedTooLong(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        super().start(timer, NS if timer is Timer.DELAYED_ACK else duration)


@defect("D254", "Only the fourth full-sized segment draws an ACK at once.", "SHLD-19")
class AcksTooRare(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        super().owe_ack(octets // 2, at_once=at_once)


@defect("D255", "A delayed ACK is forgotten when its time has come.", DELAYED)
class DelayedAckForgotten(Connection):
    def delayed_ack_timeout(self) -> None:
        return


@defect("D256", "A hard ICMP error is overlooked: only time ends the connection.", "SHLD-26")
class HardErrorsOverlooked(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=False)


@defect("D257", "A soft ICMP error ends the connection.", "MUST-56")
class SoftErrorsAbort(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=True)


@defect(
    "D258", "An ICMP error counts whatever number it quotes.", "RFC 5927 §4.1", source="the blind attacks of RFC 5927"
)
class AnyQuoteCounts(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(self.snd_una, code, hard=hard)


@defect("D259", "An ICMP error in SYN-SENT is not reported to the application.", "SHLD-25")
class OpeningErrorUntold(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        if self.state is not SYN_SENT:
            super().icmp_error(seq, code, hard=hard)
