"""Further ones of the first six kinds, each an ordinary course and one ordinary disturbance; nobody had looked."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, Segment
from harness.spec.states import (
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    SYN_RECEIVED,
    TIME_WAIT,
)
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint
from harness.stack.defects.defect import defect
from harness.stack.defects.interactions.fresh_neighbours import kept
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
FIRST = "RFC 9293 §3.10.7.4 first"
SECOND = "RFC 9293 §3.10.7.4 second"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
PROBES = "RFC 9293 §3.8.6.1"


@defect(
    "D599",
    "In TIME-WAIT behind CLOSING an old duplicate lets 2 MSL begin anew.",
    EIGHTH,
    kind="stray-timer",
)
class DuplicateRestartsBehindClosing(Connection):
    crossed = False

    def enter_time_wait(self) -> None:
        self.crossed = self.state is CLOSING
        super().enter_time_wait()

    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.state is TIME_WAIT and self.crossed:
            self.restart_time_wait()


@defect(
    "D600",
    "In FIN-WAIT-1 an acknowledgment of what was never sent ends the repetition of the FIN.",
    REPEATED,
    kind="stray-timer",
)
class ImpossibleAckEndsFin(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        acceptable = super().is_acceptable_ack(segment)
        if not acceptable and self.state is FIN_WAIT_1 and seqno.lt(self.snd_nxt, segment.ack):
            self.timers.stop(Timer.RETRANSMISSION)
        return acceptable


@defect(
    "D601",
    "Text that comes while the FIN is being repeated undoes the back-off.",
    "RFC 6298 §5.5",
    kind="stray-timer",
)
class TextUndoesBackOff(Connection):
    def process_text(self, segment: Segment) -> None:
        super().process_text(segment)
        if self.state is FIN_WAIT_1 and self.retransmissions > 1:
            self.rtt.rto = self.rtt.rto >> self.retransmissions


@defect(
    "D602",
    "Text of the peer that comes while its window is shut ends the probing.",
    "MUST-36",
    PROBES,
    kind="stray-timer",
)
class TextEndsProbing(Connection):
    silenced = False

    def process_text(self, segment: Segment) -> None:
        super().process_text(segment)
        self.silenced = self.silenced or (self.snd_wnd == 0 and self.timers.runs(Timer.PROBE))

    def update_window(self, segment: Segment) -> None:
        super().update_window(segment)
        self.silenced = self.silenced and self.snd_wnd == 0

    def output(self) -> None:
        super().output()
        if self.silenced:
            self.timers.stop(Timer.PROBE)


@defect(
    "D603",
    "When a part of a segment was acknowledged, what is sent again has the octets of the segment's beginning.",
    REPEATED,
    kind="loss-state",
)
class WrongOctetsAgain(Connection):
    shifted, front = 0, b""

    def send_data(self, size: int, *, fin: bool) -> None:
        ends: set[int] = vars(self).setdefault("ends", set())
        whole = bytes(self.send_buffer)
        if self.shifted and self.retransmissions and self.cursor == self.snd_una:
            self.send_buffer[:] = (bytes(self.front) + whole)[: len(whole)]
        super().send_data(size, fin=fin)
        self.send_buffer[:] = whole
        ends.add(self.cursor)

    def acknowledge(self, ack: int) -> None:
        taken = min(max(0, seqno.diff(ack, self.snd_first)), len(self.send_buffer))
        self.front, self.shifted = (
            bytes(self.send_buffer[:taken]),
            taken if ack not in vars(self).get("ends", ()) else 0,
        )
        super().acknowledge(ack)


@defect(
    "D604", "While our FIN is being repeated, a SYN,ACK that comes again is not answered.", FIRST, kind="loss-state"
)
class SynAckBesideFin(Connection):
    def answer_unacceptable(self) -> None:
        if not (self.again and self.state is FIN_WAIT_1 and self.retransmissions):
            super().answer_unacceptable()

    again = False

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        self.again = segment.flags & (SYN | ACK) == SYN | ACK
        return super().check_sequence(segment, found)


@defect(
    "D605",
    "When the acknowledgment of several segments was lost, the one that comes behind the first repetition leaves the "
    "place from where sending goes on as it was.",
    "RFC 9293 §3.4",
    kind="loss-state",
)
class CursorLeftBehind(Connection):
    def acknowledge(self, ack: int) -> None:
        place, late = self.cursor, self.retransmissions > 0 and self.snd_una != self.iss
        super().acknowledge(ack)
        if late and seqno.lt(place, ack):
            self.cursor = place


@defect(
    "D606",
    "A window that text has shut before accept() stays shut when that is read.",
    "RFC 9293 §3.8.6.2.2",
    kind="before-accept",
)
class ShutForEver(Connection):
    full = False

    def offer_window(self, shift: int) -> int:
        if isinstance(self.owner, Listener) and self.receive_buffer and self.rcv_wnd < self.send_mss:
            self.full = True
        return self.rcv_wnd if self.full else super().offer_window(shift)


class Late(Connection):
    """A connection that remembers whether its SYN,ACK was repeated."""

    late = False

    def measure(self, ack: int) -> None:
        self.late = self.late or (self.snd_una == self.iss and self.retransmissions > 0)
        super().measure(ack)


class LateUntold(Socket):
    """Its accept() overlooks the end of a connection that was late."""

    def accept(self) -> "LateUntold":
        accepted = super().accept()
        if isinstance(accepted.connection, Late) and accepted.connection.late:
            accepted._error = 0
        return accepted


@defect(
    "D607",
    "When the SYN,ACK was repeated, a reset before accept() is told as the end of the stream.",
    SECOND,
    kind="before-accept",
)
class LateAndReset(Stack):
    connection_class = Late
    socket_class = LateUntold


@defect(
    "D608", "accept() takes a connection that is in CLOSE-WAIT for one in ESTABLISHED.", EIGHTH, kind="before-accept"
)
class AcceptForgetsFin(Listener):
    def accept(self) -> Connection | None:
        connection = super().accept()
        if connection is not None and connection.state is CLOSE_WAIT:
            connection.enter(ESTABLISHED)
        return connection


@defect(
    "D609",
    "When CLOSE was called, a soft ICMP error throws away what waits for a shut window.",
    "MUST-56",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class SoftErrorDropsWaiting(Connection):
    def icmp_error(self, seq: int, code: int, *, hard: bool) -> None:
        super().icmp_error(seq, code, hard=hard)
        if not hard and self.fin_queued and self.snd_wnd == 0 and self.snd_una == self.snd_nxt:
            self.send_buffer.clear()


@defect(
    "D610",
    "In CLOSE-WAIT a reset is told as an orderly end while data and FIN of ours wait for the window.",
    SECOND,
    kind="close-unsent",
)
class ResetIsOrderlyWhileFinWaits(Connection):
    def reset_arrived(self) -> None:
        if self.state is CLOSE_WAIT and self.fin_queued:
            self.delete()
        else:
            super().reset_arrived()


@defect(
    "D611",
    "When CLOSE was called, a peer that keeps its window shut and answers each probe is given up.",
    "MUST-37",
    kind="close-unsent",
)
class ProbesGiveUpBehindClose(Connection):
    def update_window(self, segment: Segment) -> None:
        since, ran = self.unanswered_since, self.timers.runs(Timer.USER_TIMEOUT)
        super().update_window(segment)
        if ran and self.fin_queued and self.snd_wnd == 0:
            self.unanswered_since = since
            self.set_user_timeout()


@defect(
    "D612",
    "SACK blocks are sent to a peer that permits none, where it did on the connection before.",
    "RFC 9293 §3.2",
    kind="residue",
)
class FormerSack(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former sack")[self.pair] = self.sacking
        super().delete(error)

    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        self.sacking = self.sacking or kept(self, "former sack").get(self.pair, False)

    def offers_sack(self, answers: bool) -> bool:
        return super().offers_sack(answers) and not (answers and kept(self, "former sack").get(self.pair, False))


@defect(
    "D613",
    "A soft ICMP error of the connection before is told when the next one on the pair is given up.",
    "RFC 9293 §3.10.8",
    kind="residue",
)
class FormerSoftError(Connection):
    def delete(self, error: int = 0) -> None:
        kept(self, "former trouble")[self.pair] = self.soft_error
        super().delete(error)

    def user_timeout(self) -> None:
        self.soft_error = self.soft_error or kept(self, "former trouble").get(self.pair, 0)
        super().user_timeout()


@defect(
    "D614",
    "When a listener was closed and opened again, a new SYN to a pair in TIME-WAIT is refused.",
    "RFC 9293 §3.10.7.4 fourth",
    "RFC 6191 §2",
    kind="residue",
)
class TimeWaitOfFormerListener(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        super().unlisten(local, listener)
        former = [pair for pair, each in self.connections.items() if each.state is TIME_WAIT]
        vars(self)["former"] = {pair for pair in former if pair.local.port == local.port}

    def deliver(self, datagram: Datagram) -> None:
        connection = self.connection_for(datagram.pair)
        waits = connection is not None and connection.state is TIME_WAIT
        is_request = datagram.segment.flags & (SYN | ACK | RST) == SYN
        if waits and is_request and datagram.pair in vars(self).get("former", ()):
            self.refuse(datagram)
        else:
            super().deliver(datagram)


class Attempt(Connection):
    """A connection that leaves a note when it was reset in SYN-RECEIVED."""

    def reset_arrived(self) -> None:
        if self.state is SYN_RECEIVED:
            kept(self, "failed attempts")[self.pair] = errno.ECONNRESET
        super().reset_arrived()


class AttemptTold(Socket):
    """Its accept() finds the note."""

    def accept(self) -> "AttemptTold":
        accepted = super().accept()
        connection = accepted.connection
        assert connection is not None
        accepted._error = kept(connection, "failed attempts").pop(connection.pair, accepted._error)
        return accepted


@defect(
    "D615",
    "When an attempt was reset in SYN-RECEIVED, the next connection of the pair is accepted with that error.",
    "RFC 9293 §3.3.1",
    kind="residue",
)
class FormerAttempt(Stack):
    connection_class = Attempt
    socket_class = AttemptTold


@defect(
    "D616",
    "What waits behind a gap is acknowledged, but lost, when the gap is filled while older text is unread.",
    SEVENTH,
    kind="unread",
)
class GapBesideUnread(Connection):
    def advance(self) -> None:
        unread, filled = len(self.receive_buffer), bool(self.reassembly.blocks())
        before = self.rcv_nxt
        waiting = len(self.reassembly)
        super().advance()
        came = len(self.receive_buffer) - unread
        if unread and filled and self.rcv_nxt != before and came == waiting and self.behind and came > self.behind:
            del self.receive_buffer[-self.behind :]

    behind = 0

    def process_text(self, segment: Segment) -> None:
        self.behind = len(self.reassembly)
        super().process_text(segment)


@defect("D617", "ABORT sends no reset while text is unread and the peer has closed.", "RFC 9293 §3.10.5", kind="unread")
class SilentAbortBesideUnread(Connection):
    def send_reset(self) -> None:
        if not (self.receive_buffer and self.state is CLOSE_WAIT):
            super().send_reset()


@defect(
    "D618",
    "When the peer has closed, reading a part of what is unread throws away the rest.",
    "RFC 9293 §3.10.3",
    kind="unread",
)
class PartOfTheRest(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        if self.fin_received and not peek:
            self.receive_buffer.clear()
        return data
