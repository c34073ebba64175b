"""Where two ordinary things meet between the steps of a connection, or between two of its lives."""

import errno
from typing import Self

from harness.spec import seqno
from harness.spec.segment import FIN, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, FIN_WAIT_1, LAST_ACK, SYN_RECEIVED
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.pending import Pending
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

#: States in which the peer sends nothing new.
PASSIVE_END = frozenset({CLOSED, CLOSE_WAIT, LAST_ACK})

# --- stray-timer -----------------------------------------------------------------------------------------------------


@defect(
    "D826",
    "Where a user timeout is set, keep-alive gives up unasked who was silent for longer than that.",
    "MUST-29",
    source="Linux's tcp_keepalive_timer() once",
    kind="stray-timer",
)
class SilenceIsTimeout(Connection):
    def keep_alive_timeout(self) -> None:
        limit_s = self.settings.user_timeout_s
        idle = not self.flight and not self.unsent
        if limit_s is not None and idle and self.now - self.last_heard >= nanoseconds(limit_s):
            self.send_reset()
            self.delete(errno.ETIMEDOUT)
        else:
            super().keep_alive_timeout()


@defect(
    "D827",
    "When the FIN had to be repeated, R2 goes on behind its acknowledgment: FIN-WAIT-2 ends with it.",
    "RFC 9293 §3.8.3",
    kind="stray-timer",
)
class TimeoutOutlivesRepeatedFin(Connection):
    fin_repeated = False

    def send_data(self, size: int, *, fin: bool) -> None:
        self.fin_repeated = self.fin_repeated or (fin and seqno.lt(self.snd_end, self.snd_nxt))
        super().send_data(size, fin=fin)

    def our_fin_acknowledged(self) -> None:
        if self.state is FIN_WAIT_1 and self.fin_repeated:
            self.set_user_timeout()
        super().our_fin_acknowledged()


@defect(
    "D828",
    "A shut window that opens by less than is worth sending ends the probing, and no other timer runs.",
    "RFC 9293 §3.8.6.2.1",
    kind="stray-timer",
)
class SmallWindowStopsTimers(Connection):
    def _arm_send_timers(self) -> None:
        if self.snd_wnd:
            self.timers.stop(Timer.PROBE)
        else:
            super()._arm_send_timers()


# --- loss-state ------------------------------------------------------------------------------------------------------


@defect(
    "D829",
    "When fast recovery leaves only the FIN under way, its repetition ends.",
    "RFC 9293 §3.8.1",
    kind="loss-state",
)
class RecoveryForgetsFin(Connection):
    def acknowledge(self, ack: int) -> None:
        recovering = self.congestion.recover is not None
        super().acknowledge(ack)
        if recovering and self.fin_queued and self.snd_una == self.snd_end:
            self.timers.stop(Timer.RETRANSMISSION, Timer.USER_TIMEOUT)


@defect(
    "D830",
    "What three duplicate ACKs bring again is cut by our own MSS, not by the peer's.",
    "MUST-16",
    kind="loss-state",
)
class OwnMssForTheFront(Connection):
    def resend_front(self) -> None:
        mss, self.peer_mss = self.peer_mss, self.config.mss_of(self.pair.local.version)
        super().resend_front()
        self.peer_mss = mss


# --- before-accept ---------------------------------------------------------------------------------------------------


class CountedRepetition(Connection):
    def arrive(self, segment: Segment) -> None:
        if self.state is SYN_RECEIVED and segment.flags & SYN and segment.seq == self.irs:
            places = vars(self.host).setdefault("places", {})
            places[self.pair.local] = places.get(self.pair.local, 0) + 1
        super().arrive(segment)


class CountingListener(Listener):
    @property
    def full(self) -> bool:
        places = vars(self.host).get("places", {})
        local = next((endpoint for endpoint, mine in vars(self.host)["listeners"].items() if mine is self), None)
        taken = sum(count for endpoint, count in places.items() if local and endpoint.port == local.port)
        return bool(len(self.opening) + len(self.ready) + taken >= self.backlog)


@defect(
    "D831",
    "A SYN that comes again takes another place in the backlog, and never gives it back.",
    "RFC 9293 §3.10.1",
    kind="before-accept",
)
class RepeatedSynTakesPlace(Stack):
    connection_class = CountedRepetition
    listener_class = CountingListener


@defect(
    "D832",
    "While the backlog is half full, SYN,ACKs have no options but MSS, and those of the SYN hold all the same.",
    "RFC 7323 §1.3",
    source="a class of defects of SYN cookies",
    kind="before-accept",
)
class HalfFullSaysLess(Connection):
    @property
    def saves(self) -> bool:
        owner = self.owner
        others = len(owner.opening) + len(owner.ready) - 1 if isinstance(owner, Listener) else 0
        return isinstance(owner, Listener) and others > 0 and 2 * others >= owner.backlog

    def offered_shift(self, answers: bool) -> int | None:
        return None if self.saves else super().offered_shift(answers)

    def offers_timestamps(self, answers: bool) -> bool:
        return not self.saves and super().offers_timestamps(answers)

    def offers_sack(self, answers: bool) -> bool:
        return not self.saves and super().offers_sack(answers)


class CalmSocket(Socket):
    def accept(self) -> Self:
        accepted = super().accept()
        if accepted._error == errno.ETIMEDOUT:
            accepted._error = 0
        return accepted


@defect(
    "D833",
    "A connection that keep-alive gives up before accept() is told as ended in order.",
    "RFC 9293 §3.8.4",
    kind="before-accept",
)
class GivenUpBeforeAccept(Stack):
    socket_class = CalmSocket


# --- close-unsent ----------------------------------------------------------------------------------------------------


class Boasting(Pending[int]):
    def __init__(self, call: Pending[int], whole: int, sock: Socket) -> None:
        self.call, self.whole, self.sock = call, whole, sock
        super().__init__(lambda: 0)

    @property
    def done(self) -> bool:
        return self.call.done

    def resume(self) -> None:
        self.call.resume()

    def result(self) -> int:
        taken = self.call.result()
        connection = self.sock.connection
        return self.whole if connection is not None and connection.fin_queued else taken


@defect(
    "D834",
    "A call of send() that waits when SHUT_WR comes says that all was taken.",
    "RFC 9293 §3.10.2",
    kind="close-unsent",
)
class ShutdownTakesAll(Socket):
    def start_send(self, data: bytes) -> Pending[int]:
        return Boasting(super().start_send(data), len(data), self)


@defect(
    "D835",
    "A FIN that went out as a probe of a shut window has the next number when the window opens.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class ProbedFinMovesOn(Connection):
    probed = False

    def send_probe(self) -> None:
        self.probed = self.probed or self.snd_una == self.snd_end
        super().send_probe()

    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        moved = self.probed and self.snd_wnd and flags & FIN and not payload
        super().transmit(flags, seqno.add(seq, 1) if moved else seq, payload)


# --- residue ---------------------------------------------------------------------------------------------------------


@defect(
    "D836",
    "The TIME-WAIT to which an attempt falls back that was reset has the attempt's numbers.",
    "RFC 9293 §3.10.7.4 eighth",
    kind="residue",
)
class FallsBackToNewNumbers(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        former = self.connections.get(connection.pair)
        if former is not None and former is connection.replaced:
            former.rcv_nxt, former.rcv_edge = connection.rcv_nxt, connection.rcv_edge
            former.snd_nxt = former.snd_una = connection.snd_nxt


@defect(
    "D837",
    "Text on the SYN that reopens TIME-WAIT is acknowledged, but lost.",
    "RFC 9293 §3.10.7.2 third",
    kind="residue",
)
class ReopeningLosesText(Connection):
    on_the_syn = 0

    def keep_for_later(self, segment: Segment) -> None:
        super().keep_for_later(segment)
        self.on_the_syn = len(self.reassembly) if self.replaced is not None else 0

    def advance(self) -> None:
        first = self.rcv_nxt == seqno.add(self.irs, 1)
        super().advance()
        if first:
            del self.receive_buffer[: self.on_the_syn]


# --- unread ----------------------------------------------------------------------------------------------------------


@defect(
    "D838",
    "The octet of a probe is acknowledged and lost when reading has made less room than is worth telling.",
    "RFC 9293 §3.10.7.4 seventh",
    kind="unread",
)
class ProbeFindsLittleRoom(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        space = self.settings.receive_buffer or self.config.receive_buffer
        room = min(space, 0xFFFF << self.rcv_scale) - len(self.receive_buffer)
        if self.fills_a_closed_window(segment) and segment.payload and room > 0 and self.state not in PASSIVE_END:
            self.rcv_nxt = self.rcv_edge = seqno.add(self.rcv_nxt, 1)
        return super().check_sequence(segment, found)


@defect(
    "D839",
    "Who has peeked, and read then, sees at the next peek what was there at the first.",
    "RFC 9293 §3.10.3",
    kind="unread",
)
class StalePeek(Connection):
    peeked = b""

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        if not peek or not data:
            return data
        self.peeked = self.peeked or data
        return self.peeked[:limit]
