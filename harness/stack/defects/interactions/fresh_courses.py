"""Further ones of the first six kinds: what a connection goes through, from its opening to its end."""

import errno
from typing import Any

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, Segment
from harness.spec.states import ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
PROBING = "RFC 9293 §3.8.6.1"
URGENT = "RFC 9293 §3.8.5"
GIVEN_UP = "RFC 9293 §3.10.8"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"


def kept(connection: Connection, what: str) -> dict[Pair, Any]:
    """Return what a stack remembers wrongly of connections that are gone, by their pair."""
    remembered: dict[Pair, Any] = vars(connection.host).setdefault(what, {})
    return remembered


@defect(
    "D551",
    "An old duplicate that is answered undoes the back-off of what is repeated.",
    "RFC 6298 §5.5",
    kind="stray-timer",
)
class DuplicateUndoesBackOff(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.retransmissions:
            self.rtt.rto = nanoseconds(self.config.rto_initial_s)


@defect("D552", "What is challenged in TIME-WAIT halves the wait.", "MUST-13", kind="stray-timer")
class ChallengeHalvesTimeWait(Connection):
    def send_challenge(self) -> None:
        super().send_challenge()
        if self.state is TIME_WAIT:
            self.start(Timer.TIME_WAIT, self.two_msl // 2)


@defect(
    "D553",
    "Keep-alive gives up a peer that keeps its window shut and answers each probe.",
    "MUST-37",
    kind="stray-timer",
)
class KeepAliveCountsShutWindow(Connection):
    def keep_alive_timeout(self) -> None:
        if self.snd_wnd == 0 and self.unsent:
            self.delete(errno.ETIMEDOUT)
        else:
            super().keep_alive_timeout()


@defect(
    "D554",
    "What a window lets out that opens behind a probe is not sent again when it is lost.",
    REPEATED,
    kind="loss-state",
)
class OpenedWindowUnguarded(Connection):
    opened_late = False

    def take_window(self, segment: Segment, *, shift: int) -> None:
        self.opened_late = bool(self.probes and self.snd_wnd == 0 and segment.window)
        super().take_window(segment, shift=shift)

    def retransmission_timeout(self) -> None:
        if not self.opened_late:
            super().retransmission_timeout()


@defect(
    "D555",
    "When CLOSE was called behind crossing SYNs, a SYN,ACK that is lost is not repeated, only the FIN.",
    "MUST-10",
    REPEATED,
    kind="loss-state",
)
class OnlyFinBehindCrossingSyns(Connection):
    def send_syn(self) -> None:
        if self.state is FIN_WAIT_1:
            self.transmit(FIN | ACK, self.snd_end)
            self.start_retransmission_timer()
        else:
            super().send_syn()


@defect(
    "D556",
    "When the SYN,ACK was lost several times, data begins with ten segments at once.",
    "MUST-19",
    kind="loss-state",
)
class LargeWindowBehindLostSyn(Connection):
    def measure(self, ack: int) -> None:
        before = self.congestion.window
        super().measure(ack)
        self.congestion.window = max(before, self.congestion.window)


@defect("D557", "A soft ICMP error ends a connection that waits to be accepted.", "MUST-56", kind="before-accept")
class SoftErrorBeforeAccept(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=hard or isinstance(self.owner, Listener))


@defect(
    "D558",
    "What waits behind a gap at accept() is acknowledged when that is filled, but not delivered.",
    SEVENTH,
    kind="before-accept",
)
class GapAtAccept(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        if connection is not None:
            connection.__class__ = type("Gap", (LosesBehindGap,), {"expected": len(connection.reassembly)})
        return connection


class LosesBehindGap(Connection):
    """A connection that loses so many octets at the end of what a gap's filling brings."""

    expected = 0

    def advance(self) -> None:
        before = len(self.receive_buffer)
        super().advance()
        if self.expected and len(self.receive_buffer) - before > self.expected:
            del self.receive_buffer[-self.expected :]
            self.expected = 0


@defect("D559", "While the backlog is full, a reset of one that waits is overlooked.", SECOND, kind="before-accept")
class ResetAtFullBacklog(Connection):
    def check_reset(self, segment: Segment) -> bool:
        if segment.flags & RST and self.state is ESTABLISHED and isinstance(self.owner, Listener) and self.owner.full:
            return False
        return super().check_reset(segment)


@defect("D560", "The window on the peer's FIN is overlooked when it opens a shut one.", FIFTH, kind="close-unsent")
class FinOpensNoWindow(Connection):
    def update_window(self, segment: Segment) -> None:
        if not (segment.flags & FIN and self.snd_wnd == 0):
            super().update_window(segment)


@defect(
    "D561",
    "When a window shrinks below what is under way, the FIN behind that never leaves.",
    "MUST-34",
    kind="close-unsent",
)
class ShrunkWindowHoldsFin(Connection):
    shrunk = False

    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=shift)
        edge = seqno.add(segment.ack, self.snd_wnd)
        self.shrunk = self.shrunk or (self.state is FIN_WAIT_1 and seqno.lt(edge, self.snd_nxt))

    def _fin_fits(self, size: int, usable: int) -> bool:
        return not self.shrunk and super()._fin_fits(size, usable)


@defect("D562", "CLOSE moves the urgent pointer behind the FIN.", "MUST-62", URGENT, kind="close-unsent")
class CloseMovesUrgentPointer(Connection):
    def shutdown(self) -> None:
        if self.snd_up is not None and seqno.lt(self.snd_una, self.snd_up) and not self.fin_queued:
            self.snd_up = seqno.add(self.snd_end, 1)
        super().shutdown()


@defect(
    "D563",
    "An ACK that was delayed when a reset came is sent on the next connection of the pair.",
    "RFC 9293 §3.3.1",
    "MUST-58",
    kind="residue",
)
class FormerDelayedAck(Connection):
    def delete(self, error: int = 0) -> None:
        if self.timers.runs(Timer.DELAYED_ACK):
            kept(self, "former acks")[self.pair] = self.now + nanoseconds(0.2)
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        if (due := kept(self, "former acks").pop(self.pair, 0)) > self.now:
            self.start(Timer.DELAYED_ACK, due - self.now)


@defect(
    "D564",
    "Text that waited behind a gap of the connection before is told in SACK blocks of the next.",
    "RFC 9293 §3.2",
    "RFC 9293 §3.3.1",
    kind="residue",
)
class FormerBlocks(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former blocks")[self.pair] = self.reassembly.blocks()
        super().delete(error)

    def establish(self) -> None:
        super().establish()
        former = kept(self, "former blocks").pop(self.pair, [])
        if former:
            own = self.reassembly.blocks
            vars(self.reassembly)["blocks"] = lambda: own() or former


@defect(
    "D565",
    "When the connection before was in urgent mode, the next one on the pair begins in it.",
    URGENT,
    kind="residue",
)
class FormerUrgency(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former urgency")[self.pair] = self.snd_up is not None and seqno.lt(self.snd_una, self.snd_up)
        super().delete(error)

    def send(self, data: bytes, *, urgent: bool = False) -> int:
        return super().send(data, urgent=urgent or kept(self, "former urgency").pop(self.pair, False))


@defect(
    "D566", "A connection that is given up while text is unread is told as ended in order.", GIVEN_UP, kind="unread"
)
class GivenUpBesideUnread(Connection):
    def user_timeout(self) -> None:
        if self.receive_buffer:
            self.delete()
        else:
            super().user_timeout()


@defect(
    "D567",
    "In FIN-WAIT-2 a probe of our window is not answered while unread text keeps it shut.",
    PROBING,
    kind="unread",
)
class ProbeUnansweredInFinWait2(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        sound = super().check_sequence(segment, found)
        if self.state is FIN_WAIT_2 and self.rcv_wnd == 0 and segment.payload:
            self.ack_due = False
        return sound


@defect("D568", "Text that overlaps unread text is delivered whole.", SEVENTH, kind="unread")
class OverlapBesideUnread(Connection):
    def process_text(self, segment: Segment) -> None:
        old = seqno.diff(self.rcv_nxt, segment.seq)
        if self.receive_buffer and 0 < old < len(segment.payload):
            self.receive_buffer += segment.payload[:old]
        super().process_text(segment)
