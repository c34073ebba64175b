"""Defects of windows: the one that the peer offers and the one that we do (RFC 9293 §3.8.6, RFC 7323 §2)."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.options import window_scale_of
from harness.spec.segment import ACK, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import MAX_SHIFT, Options

MANAGING = "RFC 9293 §3.8.6"
UPDATE = "RFC 9293 §3.10.7.4 fifth"
SCALE = "RFC 7323 §2.2"


@defect("D81", "The window of a SYN,ACK is scaled.", SCALE)
class SynWindowScaled(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and segment.flags & ACK:
            segment.window >>= self.rcv_scale
        super().emit(segment)


@defect("D274", "The peer's window is taken without its scale.", SCALE)
class PeerScaleOverlooked(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=0)


@defect("D275", "The window of the peer's SYN is taken with its scale.", SCALE)
class PeerSynScaled(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=self.snd_shift)


@defect("D276", "Our window is sent without its scale: the peer takes it for many times as much.", SCALE)
class OwnScaleOverlooked(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & SYN:
            segment.window = min(segment.window << self.rcv_scale, 0xFFFF)
        super().emit(segment)


@defect("D277", "Our window is scaled though the peer has sent no scale.", "RFC 7323 §2.2", "RFC 7323 §1.3")
class ScaledAlone(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & SYN and not self.scaling:
            segment.window >>= self.rcv_shift
        super().emit(segment)


@defect("D278", "A shift count above 14 turns window scaling off, and does not count as 14.", "RFC 7323 §2.3")
class LargeShiftRefused(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        if found.window_scale == MAX_SHIFT and window_scale_of(segment.options) != MAX_SHIFT:
            found = replace(found, window_scale=None)
        super().learn_from_syn(segment, found)


@defect("D279", "The peer's window is taken from old segments too.", UPDATE)
class OldWindowTaken(Connection):
    def update_window(self, segment: Segment) -> None:
        self.snd_wl1, self.snd_wl2 = segment.seq, segment.ack
        super().update_window(segment)


@defect("D280", "The peer's window is only taken with an acknowledgment of something new.", UPDATE)
class WindowOnlyWithNews(Connection):
    def process_ack(self, segment: Segment) -> None:
        new, window = seqno.lt(self.snd_una, segment.ack), self.snd_wnd
        super().process_ack(segment)
        if not new:
            self.snd_wnd = window


@defect("D281", "The peer's window is not looked at: data is sent beyond it.", MANAGING)
class WindowOverlooked(Connection):
    def usable_window(self) -> int:
        return max(1, self.congestion.window)


@defect("D282", "Data may reach one octet beyond the peer's window.", MANAGING)
class WindowOneTooFar(Connection):
    def usable_window(self) -> int:
        return super().usable_window() + (self.snd_wnd > 0)


@defect(
    "D283",
    "A peer that takes its window back is not believed: it stays as large as it ever was.",
    "MUST-34",
)
class WindowNeverShrinks(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        before = self.snd_wnd
        super().take_window(segment, shift=shift)
        self.snd_wnd = max(before, self.snd_wnd)


@defect("D284", "Our window does not shrink with what waits to be read: the peer may send without end.", MANAGING)
class WindowAlwaysOpen(Connection):
    def offer_window(self, shift: int) -> int:
        text, self.receive_buffer = self.receive_buffer, bytearray()
        window = super().offer_window(shift)
        self.receive_buffer = text
        return window


@defect("D285", "The right edge of our window moves left.", "SHLD-14")
class WindowTakenBack(Connection):
    def offer_window(self, shift: int) -> int:
        super().offer_window(shift)
        if self.receive_buffer:
            self.rcv_edge = seqno.add(self.rcv_nxt, self.rcv_wnd // 2)
        return self.rcv_wnd


@defect("D286", "Our window opens by every octet that is read: the silly window syndrome.", "MUST-39")
class SillyReceiver(Connection):
    def offer_window(self, shift: int) -> int:
        space = self.settings.receive_buffer or self.config.receive_buffer
        free = min(space, 0xFFFF << shift) - len(self.receive_buffer)
        if free > self.rcv_wnd:
            self.rcv_edge = seqno.add(self.rcv_nxt, free)
        return self.rcv_wnd


@defect("D287", "A window that reading has opened is not told.", "RFC 9293 §3.8.6.2.2", "RFC 9293 §3.8.6.1")
class OpeningUntold(Connection):
    def window_update_due(self, offered: int) -> bool:
        return False


@defect("D288", "The sender fills windows of any size with small segments.", "MUST-38")
class SillySender(Connection):
    def worth_sending(self, size: int, queued: int) -> bool:
        return True


@defect("D289", "Nagle's algorithm can't be switched off.", "MUST-17")
class NagleAlways(Connection):
    def may_send_small(self) -> bool:
        return seqno.leq(self.small_end, self.snd_una)


@defect(
    "D290",
    "Small segments leave while others are under way, as if there were no Nagle's algorithm.",
    "SHLD-7",
)
class NagleNever(Connection):
    def may_send_small(self) -> bool:
        return True


@defect("D291", "A FIN is sent beyond a closed window.", MANAGING)
class FinBeyondWindow(Connection):
    def shutdown(self) -> None:
        super().shutdown()
        if self.snd_wnd == 0 and self.fin_queued and self.snd_nxt == self.snd_end:
            self.send_data(0, fin=True)
