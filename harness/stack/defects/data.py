"""Defects of the sixth and seventh check, and of what is sent: text in both directions (RFC 9293 §3.10.7.4, §3.7)."""

from harness.spec import seqno
from harness.spec.segment import FIN, PSH, URG, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import Options
from harness.stack.reception import text_start

SEVENTH = "RFC 9293 §3.10.7.4 seventh"
HALF_CLOSE = "RFC 9293 §3.6"


@defect(
    "D57",
    "After CLOSE the peer's text is neither taken nor acknowledged.",
    SEVENTH,
    HALF_CLOSE,
    source="Zephyr issues 33986 and 105740, arduino-esp32 issue 12751",
)
class TextAfterCloseLost(Connection):
    def process_text(self, segment: Segment) -> None:
        if self.state not in (FIN_WAIT_1, FIN_WAIT_2):
            super().process_text(segment)


@defect("D68", "SEND is refused in CLOSE-WAIT, though only the peer has closed.", HALF_CLOSE, "RFC 9293 §3.10.2")
class NoSendInCloseWait(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if self.state is CLOSE_WAIT:
            self.fin_queued = True
            try:
                return super().send(data, urgent=urgent)
            finally:
                self.fin_queued = False
        return super().send(data, urgent=urgent)


@defect("D178", "In FIN-WAIT-2 the peer's text is acknowledged, but not delivered.", SEVENTH, HALF_CLOSE)
class TextInFinWait2Lost(Connection):
    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if self.state is FIN_WAIT_2:
            del self.receive_buffer[before:]


@defect("D179", "Text is acknowledged, but not delivered.", SEVENTH)
class TextLost(Connection):
    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        del self.receive_buffer[before:]


@defect("D180", "Text that comes twice is delivered twice.", SEVENTH)
class TextTwice(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        acceptable = super().check_sequence(segment, found)
        if not acceptable and seqno.add(segment.seq, len(segment.payload)) == self.rcv_nxt:
            self.receive_buffer += segment.payload
        return acceptable


@defect("D181", "The old part of a segment is delivered with the new one.", SEVENTH)
class OldPartAgain(Connection):
    def process_text(self, segment: Segment) -> None:
        old = max(0, seqno.diff(self.rcv_nxt, text_start(segment)))
        super().process_text(segment)
        if old < len(segment.payload):
            self.receive_buffer += segment.payload[:old]


@defect("D182", "Text out of order is delivered at once: the gap is not waited for.", SEVENTH)
class GapSkipped(Connection):
    def process_text(self, segment: Segment) -> None:
        start = text_start(segment)
        if segment.payload and seqno.lt(self.rcv_nxt, start):
            self.rcv_nxt = start
        super().process_text(segment)


@defect("D183", "Text is acknowledged one octet short.", SEVENTH)
class AcksOneShort(Connection):
    def emit(self, segment: Segment) -> None:
        if self.receive_buffer and not self.fin_received:
            segment.ack = seqno.add(segment.ack, -1)
        super().emit(segment)


@defect("D184", "Text is acknowledged beyond a gap.", SEVENTH, "RFC 9293 §3.4")
class AcksBeyondTheGap(Connection):
    def emit(self, segment: Segment) -> None:
        blocks = self.reassembly.blocks()
        if blocks:
            segment.ack = blocks[-1][1]
        super().emit(segment)


@defect("D185", "Text out of order is not acknowledged at once.", "RFC 9293 §3.8.6.3", "RFC 9293 §3.10.7.4 seventh")
class GapUnanswered(Connection):
    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        if not len(self.reassembly):
            super().owe_ack(octets, at_once=at_once)


@defect("D186", "Text that comes behind the peer's FIN is delivered.", SEVENTH)
class TextBehindFin(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        super().process_text_and_fin(segment)
        if self.state in (CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT) and segment.seq == self.rcv_nxt:
            self.receive_buffer += segment.payload
            self.rcv_nxt = seqno.add(self.rcv_nxt, len(segment.payload))
            self.ack_due = self.ack_due or bool(segment.payload)


@defect(
    "D187",
    "Text for an application that has closed is acknowledged, and lost without a word.",
    "SHLD-3",
)
class LostWithoutReset(Connection):
    def process_text(self, segment: Segment) -> None:
        deaf, self.deaf = self.deaf, False
        super().process_text(segment)
        self.deaf = deaf


@defect("D188", "Data that was sent from one call leaves without PSH.", "MUST-61")
class NeverPushes(Connection):
    def emit(self, segment: Segment) -> None:
        segment.flags &= ~PSH
        super().emit(segment)


@defect("D189", "Urgent data is sent as any other: without URG.", "MUST-30")
class NeverUrgent(Connection):
    def emit(self, segment: Segment) -> None:
        segment.flags &= ~URG
        segment.urgent = 0
        super().emit(segment)


@defect(
    "D190",
    "The urgent pointer points to the last octet of urgent data, not behind it.",
    "MUST-62",
    source="BSD",
)
class UrgentOneShort(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & URG:
            segment.urgent -= 1
        super().emit(segment)


@defect("D191", "A segment with URG loses its text.", "RFC 9293 §3.8.5")
class UrgentTextLost(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        if segment.flags & URG and segment.payload:
            return
        super().process_text_and_fin(segment)


@defect("D192", "Data is sent one number too late: the SYN counts twice.", "RFC 9293 §3.4")
class DataOneTooFar(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.payload:
            segment.seq = seqno.add(segment.seq, 1)
        super().emit(segment)


@defect("D193", "The last octet of a queue of more than one segment is not sent.", "RFC 9293 §3.10.2")
class LastOctetLost(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        taken = super().send(data[:-1] if len(data) > self.send_mss else data, urgent=urgent)
        return taken + (len(data) > self.send_mss)


@defect("D194", "Data that was queued before CLOSE is thrown away with it.", "RFC 9293 §3.10.4")
class QueueCleared(Connection):
    def shutdown(self) -> None:
        if self.fin_queued:
            return
        sent = max(0, seqno.diff(self.snd_nxt, self.snd_first))
        if seqno.lt(self.iss, self.snd_una):
            del self.send_buffer[sent:]
        super().shutdown()


@defect("D195", "A FIN behind data has the number of the last octet.", HALF_CLOSE)
class FinOverlapsData(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN and not segment.payload and seqno.lt(seqno.add(self.iss, 1), segment.seq):
            segment.seq = seqno.add(segment.seq, -1)
        super().emit(segment)


@defect("D196", "Data that is sent again is other data.", "RFC 9293 §3.8.1")
class ResendsOtherData(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.payload and self.retransmissions:
            segment.payload = segment.payload[::-1]
        super().emit(segment)
