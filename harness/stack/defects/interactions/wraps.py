"""Wraps: one comparison, or one clock, that does not go on behind 2**32 or 2**31."""

from harness.spec import seqno
from harness.spec.segment import SYN, Segment
from harness.spec.states import SYN_SENT
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.options import Options
from harness.stack.reassembly import Reassembly
from harness.stack.timers import Timer

KIND = "wraps"
defect = of_kind(KIND)

NUMBERS = "RFC 9293 §3.4"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
STAMPS = "RFC 7323 §5.2"
#: Milliseconds in a clock of 31 and of 32 bits.
HALF_MS, WHOLE_MS = 1 << 31, 1 << 32
MS = 1_000_000


@defect("D423", "The acknowledgment of a FIN with number 2**32-1 is not recognized.", NUMBERS, FIFTH)
class LastNumberFin(Connection):
    @property
    def fin_acknowledged(self) -> bool:
        return self.fin_queued and self.snd_end < self.snd_una


@defect("D424", "Windows are not updated any more when the peer's numbers have wrapped.", NUMBERS, FIFTH)
class UpdatesEndAtTheWrap(Connection):
    def update_window(self, segment: Segment) -> None:
        if segment.seq >= self.snd_wl1:
            super().update_window(segment)


@defect("D425", "Windows are not updated when acknowledgments have wrapped and the peer sends nothing.", NUMBERS, FIFTH)
class UpdatesEndAtOurWrap(Connection):
    def update_window(self, segment: Segment) -> None:
        if segment.seq != self.snd_wl1 or segment.ack >= self.snd_wl2:
            super().update_window(segment)


@defect("D426", "A reset with number 0 is never the expected one: it is challenged.", NUMBERS, "RFC 5961 §3.2")
class ResetNumberZero(Connection):
    def reset_arrived(self) -> None:
        if self.rcv_nxt:
            super().reset_arrived()
        else:
            self.send_challenge()


@defect("D427", "What is echoed stays as it is when the peer's timestamps have wrapped.", "RFC 7323 §4.3", STAMPS)
class EchoEndsAtTheWrap(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        if found.timestamps is None or found.timestamps[0] >= self.ts_recent:
            super().note_timestamp(segment, found)


@defect("D428", "A timestamp that was heard of 24 days ago still rejects segments.", "RFC 7323 §5.5")
class TimestampsNeverAge(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return seqno.lt(value, self.ts_recent)


@defect("D429", "A retransmission timer that runs over 2**31 milliseconds of the clock never expires.", "RFC 6298 §5.1")
class TimerLostInTheClock(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        now_ms, end_ms = self.now // MS, (self.now + duration) // MS
        if timer is Timer.RETRANSMISSION and now_ms < HALF_MS <= end_ms:
            duration = 1 << 62
        super().start(timer, duration)


@defect("D430", "TIME-WAIT ends at once where 2 MSL reach over 2**32 milliseconds of the clock.", "MUST-13")
class NoTimeWaitAtTheWrap(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        now_ms, end_ms = self.now // MS, (self.now + duration) // MS
        if timer is Timer.TIME_WAIT and now_ms < WHOLE_MS <= end_ms:
            duration = 0
        super().start(timer, duration)


@defect("D431", "Text behind a gap is forgotten if the wrap lies between.", NUMBERS, "RFC 9293 §3.10.7.4 seventh")
class GapAtTheWrap(Connection):
    def process_text(self, segment: Segment) -> None:
        if segment.seq != self.rcv_nxt and segment.seq < self.rcv_nxt <= seqno.MASK and self.rcv_nxt > seqno.HALF:
            self.ack_due = True
        else:
            super().process_text(segment)


@defect("D432", "A FIN whose number is 0 is taken for none.", NUMBERS, EIGHTH)
class FinNumberZero(Connection):
    def note_fin(self, segment: Segment) -> None:
        if seqno.add(segment.end, -1):
            super().note_fin(segment)


@defect("D433", "Urgent data whose end lies behind the wrap is sent without URG.", NUMBERS, "RFC 9293 §3.8.5")
class UrgentAtTheWrap(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        urgent = self.snd_up
        if urgent is not None and seq >= urgent:
            self.snd_up = None
        super().transmit(flags, seq, payload)
        self.snd_up = urgent


@defect("D434", "When our numbers have wrapped, small segments wait though nothing is under way.", NUMBERS, "SHLD-7")
class SmallSegmentsWaitBehindTheWrap(Connection):
    def may_send_small(self) -> bool:
        return self.settings.no_delay or self.small_end <= self.snd_una


@defect("D435", "An acknowledgment from before the wrap is not old but unacceptable: its text is lost.", NUMBERS, FIFTH)
class OldAckFromBeforeTheWrap(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        return super().is_acceptable_ack(segment) and (segment.ack <= self.snd_nxt or self.snd_una > self.snd_nxt)


@defect("D436", "A SYN with number 2**32-1 can't be acknowledged: the SYN,ACK is refused.", NUMBERS)
class LastNumberSyn(Connection):
    def acknowledges_our_syn(self, segment: Segment) -> bool:
        return super().acknowledges_our_syn(segment) and (self.state is not SYN_SENT or segment.ack > self.iss)


@defect("D437", "A SYN whose number has wrapped since does not reopen TIME-WAIT.", NUMBERS, "MAY-2")
class NoReopeningBehindTheWrap(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        return super().gives_way_to(segment, found) and (found.timestamps is not None or segment.seq >= self.rcv_nxt)


class BlocksBelow(Reassembly):
    """Blocks whose right edge has wrapped are left out."""

    def blocks(self) -> list[tuple[int, int]]:
        return [(left, right) for left, right in super().blocks() if left < right]


@defect("D438", "A SACK block that reaches over the wrap is left out.", NUMBERS)
class NoBlockAtTheWrap(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = BlocksBelow()


@defect("D439", "A connection whose peer begins at 2**32-1 acknowledges its SYN with 2**32.", NUMBERS)
class AckOfTheLastSyn(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and self.irs == seqno.MASK and self.rcv_nxt == 0:
            segment.ack = seqno.MASK  # what is left where 2**32 is cut to fit
        super().emit(segment)


@defect("D527", "A segment whose last octet is 2**32-1 is unacceptable when it does not begin at RCV.NXT.", NUMBERS)
class EndsAtTheWrap(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and (segment.end != 0 or segment.seq == self.rcv_nxt)


@defect("D528", "Our timestamps stand still when they have reached 2**32-1.", "RFC 7323 §5.4")
class TimestampsEnd(Connection):
    def timestamp(self) -> int:
        return min(self.now // MS + self.ts_offset, seqno.MASK)
