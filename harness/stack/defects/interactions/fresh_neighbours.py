"""Further ones in the neighbourhood of what was not found at first, written before anybody had looked for them."""

from typing import Any

from harness.spec import seqno
from harness.spec.segment import ACK, RST, URG, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, LAST_ACK
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.defects.defect import defect
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.output import LARGEST_FIELD
from harness.stack.sockets import Socket
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"


def kept(connection: Connection, what: str) -> dict[Pair, Any]:
    """Return what a stack remembers wrongly of connections that are gone, by their pair."""
    remembered: dict[Pair, Any] = vars(connection.host).setdefault(what, {})
    return remembered


@defect(
    "D585",
    "A delayed ACK that goes out lets the retransmission timer begin anew.",
    "RFC 6298 §5.3",
    kind="stray-timer",
)
class DelayedAckRestartsTimer(Connection):
    def delayed_ack_timeout(self) -> None:
        super().delayed_ack_timeout()
        if self.timers.runs(Timer.RETRANSMISSION):
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


@defect("D586", "A window update in LAST-ACK ends the repetition of the FIN.", REPEATED, kind="loss-state")
class UpdateEndsFinInLastAck(Connection):
    def update_window(self, segment: Segment) -> None:
        before = self.snd_wnd
        super().update_window(segment)
        if self.state is LAST_ACK and self.snd_wnd > before and self.retransmissions:
            self.timers.stop(Timer.RETRANSMISSION)


@defect("D587", "When our SYN was repeated, a FIN in front of any text is not taken in.", EIGHTH, kind="loss-state")
class FinBehindLateSyn(Connection):
    late = False

    def measure(self, ack: int) -> None:
        self.late = self.late or (self.snd_una == self.iss and self.retransmissions > 0 and not self.passive)
        super().measure(ack)

    def note_fin(self, segment: Segment) -> None:
        if self.late and self.rcv_nxt == seqno.add(self.irs, 1) and not segment.payload:
            self.ack_due = True
        else:
            super().note_fin(segment)


@defect("D588", "Urgent text that comes before accept() is acknowledged, but lost.", SEVENTH, kind="before-accept")
class UrgentBeforeAccept(Connection):
    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if isinstance(self.owner, Listener) and self.rcv_up is not None:
            del self.receive_buffer[before:]


@defect(
    "D589", "A probe follows the reset of ABORT where the window was shut.", "RFC 9293 §3.10.5", kind="close-unsent"
)
class ProbeBehindAbort(Connection):
    def abort(self) -> None:
        probing, una = self.timers.runs(Timer.PROBE) and self.snd_wnd == 0, self.snd_una
        super().abort()
        if probing:
            self.snd_una = una
            self.start(Timer.PROBE, self.rtt.rto)

    def probe_timeout(self) -> None:
        if self.state is CLOSED:
            self.transmit(ACK, seqno.add(self.snd_una, -1))
        else:
            super().probe_timeout()


@defect("D590", "The end of FIN-WAIT-2 of the connection before ends the next one.", "RFC 9293 §3.3.1", kind="residue")
class FormerFinWait2(Connection):
    until = 0

    def bound_fin_wait_2(self) -> None:
        super().bound_fin_wait_2()
        if self.deaf:
            kept(self, "former fin-wait-2")[self.pair] = self.now + nanoseconds(self.config.fin_wait_2_timeout_s)

    def establish(self) -> None:
        super().establish()
        if (until := kept(self, "former fin-wait-2").pop(self.pair, 0)) > self.now:
            self.start(Timer.FIN_WAIT_2, until - self.now)


@defect(
    "D591",
    "In front of its first acknowledgment the peer's window is that of the connection before, if that was larger.",
    "RFC 9293 §3.8.6",
    kind="residue",
)
class FormerPeerWindow(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former windows")[self.pair] = self.snd_wnd
        super().delete(error)

    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, found)
        self.snd_wnd = max(self.snd_wnd, kept(self, "former windows").pop(self.pair, 0))


@defect("D592", "SHUT_WR in CLOSE-WAIT throws away what is unread.", "RFC 9293 §3.10.3", kind="unread")
class ShutdownLosesUnread(Connection):
    def shutdown(self) -> None:
        if self.state is CLOSE_WAIT and not self.fin_queued:
            self.receive_buffer.clear()
        super().shutdown()


@defect("D593", "A timestamp of 0 counts as none: its segment is dropped.", "RFC 7323 §5.3", kind="wraps")
class StampOfZero(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        none = self.stamping and not segment.flags & RST and found.timestamps is not None and not found.timestamps[0]
        return not none and super().check_timestamp(segment, found)


@defect("D594", "A FIN that comes again lets 2 MSL begin anew for all that wait.", EIGHTH, kind="many")
class RestartsAll(Connection):
    def restart_time_wait(self) -> None:
        for other in getattr(self.host, "connections", {}).values():
            if other.timers.runs(Timer.TIME_WAIT):
                other.start(Timer.TIME_WAIT, other.two_msl)
        super().restart_time_wait()


@defect(
    "D595",
    "In LAST-ACK with text under way a reset with ACK leads to TIME-WAIT.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class ResetToTimeWait(Connection):
    def reset_arrived(self) -> None:
        if self.state is LAST_ACK and self.send_buffer:
            self.enter_time_wait()
        else:
            super().reset_arrived()


@defect("D596", "A window that reading opens is told without its scale.", "RFC 7323 §2.3", kind="options-together")
class UpdateUnscaled(Connection):
    reading = False

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        self.reading = True
        data = super().receive(limit, peek=peek)
        self.reading = False
        return data

    @property
    def rcv_scale(self) -> int:
        return 0 if self.reading else super().rcv_scale

    def offer_window(self, shift: int) -> int:
        window = super().offer_window(shift)
        return min(window, LARGEST_FIELD) if self.reading else window


@defect("D597", "A packet with padding is dropped if it carries no text.", "RFC 1122 §3.2.1", kind="packet-form")
class PaddedBareDropped(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        head, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        bare = len(packet) >= head + 20 and total == head + (packet[head + 12] >> 4) * 4
        urgent = len(packet) >= head + 20 and packet[head + 13] & URG
        return None if bare and not urgent and total < len(packet) else super().receive_v4(packet, now)


@defect(
    "D598",
    "A call of recv() that waits is not woken when the receiving side is closed.",
    "RFC 9293 §3.9.1.2",
    kind="application",
)
class ReaderSleepsBehindShutdown(Socket):
    def shutdown(self, how: int = 1) -> None:
        calls, self._calls = self._calls, []
        super().shutdown(how)
        self._calls = calls
