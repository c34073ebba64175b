"""Thirty further ones, written from sentences of the RFCs before the generators were read: courses of a connection."""

import errno
from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, FIN_WAIT_2, SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Pair
from harness.stack.defects.defect import defect
from harness.stack.defects.interactions.fresh_neighbours import kept
from harness.stack.listener import Listener
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"


# --- stray x timer ---------------------------------------------------------------------------------------------------


@defect("D734", "The peer's FIN that comes while text is under way ends its repetition.", REPEATED, kind="stray-timer")
class FinEndsRepetition(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.state is CLOSE_WAIT and self.flight:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D735",
    "A window that shuts and opens again while text is under way ends its repetition.",
    REPEATED,
    kind="stray-timer",
)
class OpenedWindowEndsRepetition(Connection):
    def update_window(self, segment: Segment) -> None:
        before = self.snd_wnd
        super().update_window(segment)
        if not before and self.snd_wnd and self.flight and not self.unsent:
            self.timers.stop(Timer.RETRANSMISSION)


@defect(
    "D736",
    "RECEIVE takes the ACK away that is delayed for what it reads.",
    "RFC 9293 §3.8.6.3",
    kind="stray-timer",
)
class ReceiveEndsDelayedAck(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        if data and not peek:
            self.timers.stop(Timer.DELAYED_ACK)
        return data


# --- loss x state ----------------------------------------------------------------------------------------------------


@defect("D737", "In CLOSE-WAIT what nobody acknowledges is sent for ever.", "MUST-20", kind="loss-state")
class NoUserTimeoutInCloseWait(Connection):
    def user_timeout(self) -> None:
        if self.state is not CLOSE_WAIT:
            super().user_timeout()


@defect(
    "D738",
    "In FIN-WAIT-2 a FIN whose turn comes when a gap is filled is acknowledged, but the state stays.",
    EIGHTH,
    kind="loss-state",
)
class FilledGapLeavesState(Connection):
    def take_fin(self) -> None:
        before = self.state
        waited = not self.heard_fin
        super().take_fin()
        if before is FIN_WAIT_2 and waited:
            self.timers.stop(Timer.TIME_WAIT)
            self.enter(FIN_WAIT_2)

    heard_fin = False

    def arrive(self, segment: Segment) -> None:
        self.heard_fin = bool(segment.flags & FIN)
        super().arrive(segment)


@defect(
    "D739",
    "A segment that fills a gap and repeats what waits behind it is delivered with that twice.",
    SEVENTH,
    kind="loss-state",
)
class WaitingTextTwice(Connection):
    def advance(self) -> None:
        pieces = self.reassembly.blocks()
        super().advance()
        if self.covered and pieces:
            self.receive_buffer += self.covered
        self.covered = b""

    covered = b""

    def process_text(self, segment: Segment) -> None:
        blocks = self.reassembly.blocks()
        if len(blocks) == 1 and segment.seq == self.rcv_nxt and not segment.flags & SYN:
            left, right = blocks[0]
            self.covered = segment.payload[seqno.diff(left, segment.seq) : seqno.diff(right, segment.seq)]
        super().process_text(segment)


# --- before accept() -------------------------------------------------------------------------------------------------


@defect(
    "D740",
    "Before accept() an unacceptable segment draws no ACK.",
    "RFC 9293 §3.10.7.4 first",
    kind="before-accept",
)
class UnansweredBeforeAccept(Connection):
    def answer_unacceptable(self) -> None:
        if not (isinstance(self.owner, Listener) and self in self.owner.ready):
            super().answer_unacceptable()


@defect(
    "D741",
    "A connection that waits to be accepted moves behind the others when text comes for it.",
    "RFC 9293 §3.9.1.1",
    kind="before-accept",
)
class TextMovesBack(Connection):
    def process_text(self, segment: Segment) -> None:
        super().process_text(segment)
        if isinstance(self.owner, Listener) and self in self.owner.ready:
            self.owner.ready.remove(self)
            self.owner.ready.append(self)


# --- CLOSE with something unsent -------------------------------------------------------------------------------------


@defect(
    "D742",
    "CLOSE throws away what the congestion window holds back.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class CloseInSlowStart(Connection):
    def shutdown(self) -> None:
        held = seqno.diff(self.snd_end, self.cursor)
        narrow = self.congestion.window < min(self.snd_wnd, self.flight + self.send_mss)
        if held > 0 and narrow and not self.fin_queued:
            del self.send_buffer[-held:]
        super().shutdown()


@defect(
    "D743",
    "A FIN that leaves in CLOSING does not acknowledge the peer's.",
    EIGHTH,
    kind="close-unsent",
)
class LateFinAcknowledgesLess(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN and self.state is CLOSING:
            segment = replace(segment, ack=seqno.add(segment.ack, -1))
        super().emit(segment)


# --- residue ---------------------------------------------------------------------------------------------------------


@defect(
    "D744",
    "When an attempt was refused, R2 of the next SYN between the two runs from the first.",
    "MUST-23",
    kind="residue",
)
class RefusedTimeoutGoesOn(Connection):
    def delete(self, error: int = 0) -> None:
        if self.state is SYN_SENT and error == errno.ECONNREFUSED:
            kept(self, "began")[self.pair] = self.unanswered_since
        super().delete(error)

    def start_user_timeout(self) -> None:
        fresh = not self.timers.runs(Timer.USER_TIMEOUT)
        super().start_user_timeout()
        began: dict[Pair, int] = kept(self, "began")
        if fresh and self.state is SYN_SENT and self.pair in began:
            self.unanswered_since = began.pop(self.pair)
            self.set_user_timeout()


@defect(
    "D745",
    "The SYN,ACK with which a SYN reopens TIME-WAIT is not repeated.",
    REPEATED,
    kind="residue",
)
class ReopeningOnce(Connection):
    def retransmission_timeout(self) -> None:
        if self.replaced is None or self.snd_una != self.iss:
            super().retransmission_timeout()


@defect(
    "D746",
    "A SYN with the number that the connection before began with is taken for an old one and dropped.",
    "RFC 9293 §3.10.7.2 third",
    kind="residue",
)
class SameNumberAgain(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        numbers: dict[Pair, int] = vars(self.host).setdefault("numbers", {})
        if datagram.segment.flags & (SYN | ACK) == SYN and numbers.get(datagram.pair) == datagram.segment.seq:
            return None
        opened = super().arrive(datagram, replaced)
        if opened is not None:
            numbers[datagram.pair] = datagram.segment.seq
        return opened


# --- unread ----------------------------------------------------------------------------------------------------------


@defect(
    "D747",
    "While our FIN is under way, a window that reading opens is told with the FIN's number.",
    "RFC 9293 §3.10.3",
    kind="unread",
)
class UpdateWithTheFinsNumber(Connection):
    reading = False

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        self.reading = True
        try:
            return super().receive(limit, peek=peek)
        finally:
            self.reading = False

    def send_ack(self) -> None:
        if self.reading and self.flight and self.fin_queued and seqno.lt(self.snd_end, self.snd_nxt):
            self.transmit(ACK, seqno.add(self.snd_nxt, -1))
        else:
            super().send_ack()


@defect("D748", "A FIN that comes again throws away what is unread.", EIGHTH, kind="unread")
class RepeatedFinEmptiesBuffer(Connection):
    def answer_unacceptable(self) -> None:
        super().answer_unacceptable()
        if self.fin_received and self.heard_fin:
            self.receive_buffer.clear()

    heard_fin = False

    def arrive(self, segment: Segment) -> None:
        self.heard_fin = bool(segment.flags & FIN)
        super().arrive(segment)
