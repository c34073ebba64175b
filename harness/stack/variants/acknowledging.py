"""Variants of when received text is acknowledged, and with what window (RFC 9293 §3.8.6, §3.10.7.4; RFC 5681 §4)."""

from harness.spec import seqno
from harness.spec.segment import ACK, Segment
from harness.spec.states import CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, SYN_RECEIVED
from harness.stack.connection import Connection
from harness.stack.reception import RECEIVING, text_start
from harness.stack.variants.variant import settings_variant, variant

settings_variant(
    "acks-delayed",
    "The ACK of text in sequence is delayed by 450 ms, or until a second full-sized segment has come.",
    "SHLD-18",
    "MUST-40",
    "MUST-59",
    allows="Delayed ACKs SHOULD be implemented; the delay is less than half a second.",
    delayed_ack_s=0.45,
)

settings_variant(
    "acks-never-delayed",
    "Every segment is acknowledged at once.",
    "SHLD-18",
    allows="Delayed ACKs SHOULD be implemented.",
    delayed_ack_s=None,
)


class _OutOfOrder(Connection):
    """Knows of a segment whether its text begins behind a gap."""

    def behind_a_gap(self, segment: Segment) -> bool:
        return seqno.lt(self.rcv_nxt, text_start(segment))


@variant(
    "text-behind-a-gap-dropped",
    "Text and FIN that come out of order are acknowledged and dropped.",
    "SHLD-31",
    allows="They SHOULD be held for when their turn comes.",
)
class TextBehindAGapDropped(_OutOfOrder):
    def process_text_and_fin(self, segment: Segment) -> None:
        if self.behind_a_gap(segment) and segment.length and self.state in RECEIVING:
            self.ack_due = True
        else:
            super().process_text_and_fin(segment)


@variant(
    "text-behind-a-gap-dropped-in-silence",
    "Text and FIN that come out of order are dropped without an answer.",
    "SHLD-31",
    "MAY-13",
    allows="They SHOULD be held, and MAY be acknowledged (RFC 5681 §4.2: SHOULD).",
)
class TextBehindAGapDroppedInSilence(_OutOfOrder):
    def process_text_and_fin(self, segment: Segment) -> None:
        if not (self.behind_a_gap(segment) and segment.length):
            super().process_text_and_fin(segment)


@variant(
    "text-behind-a-gap-held-in-silence",
    "Text and FIN that come out of order are held without an answer.",
    "MAY-13",
    "RFC 9293 §3.10.7.4 seventh",
    allows="An ACK of RCV.NXT MAY be sent (RFC 5681 §4.2: SHOULD).",
)
class TextBehindAGapHeldInSilence(_OutOfOrder):
    def process_text_and_fin(self, segment: Segment) -> None:
        waits = self.behind_a_gap(segment) and segment.length
        super().process_text_and_fin(segment)
        if waits and self.behind_a_gap(segment):
            self.ack_due = False


@variant(
    "ack-waits-with-its-text",
    "Of a segment behind a gap the acknowledgment too waits until the gap is filled.",
    "RFC 9293 §3.10.7.4 first",
    "SHLD-31",
    allows="Segments that begin behind the left edge SHOULD be held for later processing, as a whole.",
)
class AckWaitsWithItsText(_OutOfOrder):
    held: tuple[Segment, ...] = ()

    def check_ack(self, segment: Segment) -> bool:
        whole = self.state in RECEIVING and segment.flags & ACK and self.is_acceptable_ack(segment)
        if whole and segment.length and self.behind_a_gap(segment):
            self.held = (*self.held, segment)
            return True
        return super().check_ack(segment)

    def process_text_and_fin(self, segment: Segment) -> None:
        super().process_text_and_fin(segment)
        due = [each for each in self.held if not self.behind_a_gap(each)]
        self.held = tuple(each for each in self.held if self.behind_a_gap(each))
        for each in due:
            if self.state is not CLOSED:
                super().check_ack(each)


@variant(
    "ack-apart-from-text",
    "An ACK that is due is sent by itself, in front of what the connection has to send.",
    "MUST-58",
    allows="Piggybacking what is at hand is a matter of efficiency: each segment is acknowledged once and in order.",
)
class AckApartFromText(Connection):
    def output(self) -> None:
        if self.ack_due and self.unsent:
            self.send_ack()
        super().output()


@variant(
    "window-update-after-every-recv",
    "Each RECEIVE is followed by an ACK with the window as it is then.",
    "RFC 9293 §3.8.6.2.2",
    allows="When an ACK that updates the window is sent is left open, as long as its right edge avoids silly windows.",
)
class WindowUpdateAfterEveryRecv(Connection):
    def window_update_due(self, offered: int) -> bool:
        if self.state not in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
            return False
        self.offer_window(self.rcv_scale)
        return True


@variant(
    "window-update-at-half-the-buffer",
    "An ACK tells of the window when half the buffer is free again.",
    "RFC 9293 §3.8.6.2.2",
    allows="The recommended algorithm waits for min(Fr*RCV.BUFF, Eff.snd.MSS), with Fr = 1/2.",
)
class WindowUpdateAtHalfTheBuffer(Connection):
    def window_update_due(self, offered: int) -> bool:
        if self.state not in (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2):
            return False
        self.offer_window(self.rcv_scale)
        buffer = self.settings.receive_buffer or self.config.receive_buffer
        return self.rcv_wnd - offered >= min(buffer // 2, self.send_mss)


@variant(
    "window-shown-in-whole-segments",
    "The window that is offered is a multiple of the MSS, or of the whole buffer if that is less.",
    "RFC 9293 §3.8.6.2.2",
    allows="A receiver may hold its edge back until a whole segment fits.",
)
class WindowShownInWholeSegments(Connection):
    def offer_window(self, shift: int) -> int:
        before = self.rcv_edge
        super().offer_window(shift)
        buffer = self.settings.receive_buffer or self.config.receive_buffer
        unit = min(self.config.mss_of(self.pair.local.version), buffer)
        edge = seqno.add(self.rcv_nxt, self.rcv_wnd // unit * unit)
        self.rcv_edge = edge if seqno.lt(before, edge) else before  # it never moves left
        return self.rcv_wnd


@variant(
    "window-told-with-the-next-ack",
    "RECEIVE sends nothing: the window that it opens is told by the next segment that leaves for another reason.",
    "MAY-8",
    "RFC 9293 §3.8.6.1",
    allows="The window may stay closed for as long as the receiver likes, and whoever meets a closed one probes.",
)
class WindowToldWithTheNextAck(Connection):
    def window_update_due(self, offered: int) -> bool:
        return False


@variant(
    "acks-for-every-second-segment",
    "Of two segments of any size the second is acknowledged at once, a single one after 200 ms.",
    "SHLD-18",
    "SHLD-19",
    "MUST-40",
    allows="An ACK SHOULD be sent for every second full-sized segment at least.",
    delayed_ack_s=0.2,
)
class AcksForEverySecondSegment(Connection):
    waiting = 0

    def owe_ack(self, octets: int, *, at_once: bool) -> None:
        self.waiting += bool(octets)
        super().owe_ack(octets, at_once=at_once or self.waiting > 1)

    def note_ack_sent(self) -> None:
        self.waiting = 0
        super().note_ack_sent()


@variant(
    "window-opens-behind-the-handshake",
    "The SYN,ACK shows a window of zero; an ACK opens it as soon as the connection is established.",
    "RFC 9293 §3.8.6",
    "MAY-8",
    allows="What window is offered is the receiver's choice, and it may stay closed for as long as it likes.",
)
class WindowOpensBehindTheHandshake(Connection):
    def offer_window(self, shift: int) -> int:
        if self.state is SYN_RECEIVED and self.passive:
            return self.rcv_wnd
        return super().offer_window(shift)

    def establish(self) -> None:
        super().establish()
        if self.passive and self.offer_window(self.rcv_scale):
            self.ack_due = True


@variant(
    "window-grows-with-use",
    "The window begins with four segments, and grows by two octets for each that was received.",
    "RFC 9293 §3.8.6",
    allows="What window is offered is the receiver's choice, as long as its edge does not move left.",
)
class WindowGrowsWithUse(Connection):
    def offer_window(self, shift: int) -> int:
        before, mss = self.rcv_edge, self.config.mss_of(self.pair.local.version)
        super().offer_window(shift)
        taken = seqno.diff(self.rcv_nxt, self.irs) if self.irs else 0
        edge = seqno.add(self.rcv_nxt, min(self.rcv_wnd, ((4 * mss + 2 * taken) >> shift) << shift))
        self.rcv_edge = edge if seqno.lt(before, edge) else before
        return self.rcv_wnd
