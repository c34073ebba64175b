"""Combinations of two ordinary things in the course of a connection, written before the generators were known."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, ESTABLISHED, FIN_WAIT_1, SYN_RECEIVED, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
FIRST = "RFC 9293 §3.10.7.4 first"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
PROBES = "RFC 9293 §3.8.6.1"


@defect(
    "D674",
    "Each text lets the delay of an ACK begin anew: a peer that goes on in small pieces waits for it.",
    "RFC 9293 §3.8.6.3",
    kind="stray-timer",
)
class TextRestartsDelay(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        super().owe_ack(octets, at_once=at_once)
        if octets and self.timers.runs(Timer.DELAYED_ACK):
            self.start(Timer.DELAYED_ACK, nanoseconds(self.config.delayed_ack_s or 0))


@defect(
    "D675",
    "The answer to an old duplicate lets R2 begin anew: what nobody acknowledges is sent for ever.",
    "MUST-20",
    kind="stray-timer",
)
class DuplicateRestartsR2(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.timers.runs(Timer.USER_TIMEOUT):
            self.timers.stop(Timer.USER_TIMEOUT)
            self.start_user_timeout()


@defect(
    "D676",
    "Keep-alive probes count though they were answered: when there were enough, a silent peer is given up unasked.",
    "RFC 9293 §3.8.4",
    kind="stray-timer",
)
class AnsweredProbesCount(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        before = self.keep_alives
        passed = super().check_sequence(segment, found)
        self.keep_alives = before
        return passed


@defect("D677", "An old SYN that TIME-WAIT drops lets 2 MSL begin anew.", EIGHTH, source="Linux", kind="stray-timer")
class OldSynRestartsWait(Stack):
    def _reopen(self, connection: Connection, datagram: Datagram) -> bool:
        dealt = super()._reopen(connection, datagram)
        if dealt and self.connections.get(datagram.pair) is connection and connection.state is TIME_WAIT:
            connection.restart_time_wait()
        return dealt


@defect(
    "D678",
    "The acknowledgment of a part of what is under way ends the repetition of the rest.",
    REPEATED,
    kind="loss-state",
)
class PartEndsRepetition(Connection):
    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        if self.flight:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D679", "CLOSE that comes while data is being repeated sends no FIN.", "RFC 9293 §3.10.4", kind="loss-state")
class NoFinBehindRepetition(Connection):
    silenced = False

    def shutdown(self) -> None:
        open_still = self.state in (ESTABLISHED, CLOSE_WAIT) and not self.fin_queued
        self.silenced = self.silenced or (open_still and self.retransmissions > 0)
        super().shutdown()

    def _fin_fits(self, size: int, usable: int) -> bool:
        return not self.silenced and super()._fin_fits(size, usable)


@defect(
    "D680",
    "While data is being repeated, text of the peer draws no ACK of its own.",
    "RFC 9293 §3.8.6.3",
    kind="loss-state",
)
class NoAckBesideRepetition(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        if self.retransmissions and self.flight:
            self.unacknowledged += octets
        else:
            super().owe_ack(octets, at_once=at_once)


@defect(
    "D681",
    "When our FIN was repeated, the peer's FIN that acknowledges it leads to CLOSING.",
    EIGHTH,
    kind="loss-state",
)
class CrossedAfterRepetition(Connection):
    repeated, before = False, ESTABLISHED

    def send_data(self, size: int, *, fin: bool) -> None:
        self.repeated = self.repeated or (fin and seqno.lt(self.cursor, self.snd_nxt))
        super().send_data(size, fin=fin)

    def arrive(self, segment: Segment) -> None:
        self.before = self.state
        super().arrive(segment)

    def take_fin(self) -> None:
        super().take_fin()
        if self.state is TIME_WAIT and self.before is FIN_WAIT_1 and self.repeated:
            self.timers.stop(Timer.TIME_WAIT)
            self.enter(CLOSING)


@defect("D682", "Before accept() a SYN in the window ends the connection.", "RFC 5961 §4.2", kind="before-accept")
class SynEndsUnaccepted(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and isinstance(self.owner, Listener) and self.state is not SYN_RECEIVED:
            self.delete(errno.ECONNRESET)
            return False
        return super().check_syn(segment)


@defect("D683", "A FIN that comes again before accept() is not acknowledged.", FIRST, kind="before-accept")
class FinAgainUnaccepted(Connection):
    def answer_unacceptable(self) -> None:
        if not (self.fin_received and isinstance(self.owner, Listener)):
            super().answer_unacceptable()


@defect(
    "D684",
    "Of several texts that come before accept() only the last is delivered.",
    SEVENTH,
    kind="before-accept",
)
class LastTextUnaccepted(Connection):
    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if isinstance(self.owner, Listener) and len(self.receive_buffer) > before:
            del self.receive_buffer[:before]


@defect(
    "D685",
    "When CLOSE was called, a window that shuts for the second time is not probed.",
    "MUST-36",
    PROBES,
    kind="close-unsent",
)
class SecondShutUnprobed(Connection):
    shuts = 0

    def take_window(self, segment: Segment, *, shift: int) -> None:
        before = self.snd_wnd
        super().take_window(segment, shift=shift)
        self.shuts += before > 0 == self.snd_wnd

    def probe_timeout(self) -> None:
        if not (self.fin_queued and self.shuts > 1 and self.snd_wnd == 0):
            super().probe_timeout()


@defect(
    "D686",
    "close() behind SHUT_WR throws away what still waits to be sent.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class SecondCloseDropsData(Connection):
    def close(self) -> None:
        if self.fin_queued:
            del self.send_buffer[max(0, seqno.diff(self.cursor, self.snd_first)) :]
        super().close()


@defect("D687", "A FIN that waits alone for a shut window is no probe of it.", "MUST-36", PROBES, kind="close-unsent")
class FinAloneUnprobed(Connection):
    def _arm_send_timers(self) -> None:
        super()._arm_send_timers()
        if self.snd_wnd == 0 and not self.send_buffer:
            self.timers.stop(Timer.PROBE)


@defect(
    "D701",
    "Before accept() a reset is dropped that does not acknowledge SND.NXT.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class ResetUnaccepted(Connection):
    def check_reset(self, segment: Segment) -> bool:
        other = segment.flags & (RST | ACK) == RST | ACK and segment.ack != self.snd_nxt
        if other and isinstance(self.owner, Listener) and self.state is not SYN_RECEIVED:
            return False
        return super().check_reset(segment)


@defect(
    "D702",
    "An ACK that was delayed when a reset came is sent all the same.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class AckBehindReset(Connection):
    def reset_arrived(self) -> None:
        delayed = self.timers.runs(Timer.DELAYED_ACK)
        super().reset_arrived()
        if delayed:
            self.start(Timer.DELAYED_ACK, nanoseconds(self.config.delayed_ack_s or 0))


@defect(
    "D703",
    "A reset that answers a keep-alive probe counts as an answer: the connection stays.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class ResetAnswersKeepAlive(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and self.keep_alives:
            self.keep_alives, self.last_heard = 0, self.now
            return False
        return super().check_reset(segment)
