"""Where two ordinary things meet in the course of a connection; each is a slip of the pen in some stack."""

from harness.spec import seqno
from harness.spec.segment import PSH, SYN, Segment
from harness.spec.states import SYN_RECEIVED, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Pair
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import Options, read
from harness.stack.reception import text_start
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
OPEN = "RFC 9293 §3.10.1"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000


# --- stray-timer -----------------------------------------------------------------------------------------------------


@defect(
    "D786",
    "Only text is a sign of life: a peer that just acknowledges is probed.",
    "MUST-26",
    kind="stray-timer",
)
class OnlyTextIsHeard(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        heard = self.last_heard
        passed = super().check_sequence(segment, found)
        if not segment.length:
            self.last_heard = heard
        return passed


@defect(
    "D787",
    "The bound of FIN-WAIT-2 outlives that state: TIME-WAIT of a socket that was closed ends with it.",
    "MUST-13",
    kind="stray-timer",
)
class BoundOutlivesFinWait2(Connection):
    bound_until = 0

    def bound_fin_wait_2(self) -> None:
        super().bound_fin_wait_2()
        if self.deaf:
            own = self.settings.fin_wait_2_timeout_s
            self.bound_until = self.now + nanoseconds(self.config.fin_wait_2_timeout_s if own is None else own)

    def enter_time_wait(self) -> None:
        super().enter_time_wait()
        if self.bound_until:
            self.start(Timer.FIN_WAIT_2, max(0, self.bound_until - self.now))


@defect(
    "D788",
    "A user timeout that is over already when the application sets it runs for 49 days.",
    "MUST-21",
    "MUST-20",
    kind="stray-timer",
)
class PastTimeoutWraps(Connection):
    def settings_changed(self) -> None:
        super().settings_changed()
        own = self.settings.user_timeout_s
        if own is not None and self.timers.runs(Timer.USER_TIMEOUT):
            left = self.unanswered_since + nanoseconds(own) - self.now
            self.start(Timer.USER_TIMEOUT, left % ROUND_NS)


# --- loss-state ------------------------------------------------------------------------------------------------------


@defect("D789", "What is sent again has no PSH, though nothing waits behind it.", "MUST-61", kind="loss-state")
class RepeatedWithoutPush(Connection):
    again = False

    def send_data(self, size: int, *, fin: bool) -> None:
        self.again = seqno.lt(self.cursor, self.snd_nxt)
        super().send_data(size, fin=fin)
        self.again = False

    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        super().transmit(flags & ~PSH if self.again else flags, seq, payload)


@defect("D790", "A FIN on text that has all come before is dropped with it.", EIGHTH, kind="loss-state")
class FinOnOldText(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        end = seqno.add(text_start(segment), len(segment.payload))
        if segment.payload and seqno.leq(end, self.rcv_nxt):
            self.ack_due = True
        else:
            super().process_text_and_fin(segment)


@defect(
    "D791",
    "A timeout takes SND.NXT back: who acknowledges all that was sent before acknowledges what never was.",
    FIFTH,
    kind="loss-state",
)
class TimeoutTakesNextBack(Connection):
    def retransmission_timeout(self) -> None:
        if self.snd_una != self.iss and self.snd_wnd:
            self.snd_nxt = self.snd_una
        super().retransmission_timeout()


@defect(
    "D792",
    "A SYN in the window is challenged once: when that challenge was lost, the SYN that comes again draws nothing.",
    "RFC 5961 §4.2",
    kind="loss-state",
)
class OneChallengeForSyn(Connection):
    syn_challenged = False

    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and self.state is not SYN_RECEIVED:
            if self.syn_challenged:
                return False
            self.syn_challenged = True
        return super().check_syn(segment)


# --- before-accept ---------------------------------------------------------------------------------------------------


@defect(
    "D793",
    "The end of any handshake puts the connection into the queue whose handshake began first.",
    OPEN,
    kind="before-accept",
)
class FirstBegunIsReady(Listener):
    def opened(self, connection: Tcb) -> None:
        super().opened(self.opening[0] if self.opening else connection)


@defect(
    "D794",
    "A SYN that would reopen TIME-WAIT ends it also when it finds the backlog full.",
    "MUST-13",
    kind="before-accept",
)
class FullBacklogEndsTimeWait(Stack):
    def _reopen(self, connection: Connection, datagram: Datagram) -> bool:
        listener = self.listener_for(datagram.pair.local)
        no_room = listener is not None and listener.full
        dealt = super()._reopen(connection, datagram)
        if dealt and no_room and connection.gives_way_to(datagram.segment, read(datagram.segment.options)):
            connection.delete()
        return dealt


@defect(
    "D795",
    "The queue holds pairs: of two lives of a pair that wait together accept() gives the second twice.",
    OPEN,
    kind="before-accept",
)
class QueueOfPairs(Listener):
    def accept(self) -> Connection | None:
        found = super().accept()
        connections: dict[Pair, Connection] = vars(self.host)["connections"]
        return found and connections.get(found.pair, found)


# --- close-unsent ----------------------------------------------------------------------------------------------------


@defect(
    "D796",
    "ABORT while text waits to be sent resets with the number behind that text.",
    "RFC 9293 §3.10.5",
    source="lwIP's tcp_abort() once",
    kind="close-unsent",
)
class ResetBehindTheUnsent(Connection):
    def send_reset(self) -> None:
        nxt = self.snd_nxt
        if seqno.lt(nxt, self.snd_end):
            self.snd_nxt = self.snd_end
        super().send_reset()
        self.snd_nxt = nxt


@defect(
    "D797",
    "When the last of the text that waits is a full-sized segment, the FIN behind it never leaves.",
    "RFC 9293 §3.10.4",
    kind="close-unsent",
)
class FinBehindFullSegment(Connection):
    forgotten = False

    def _fin_fits(self, size: int, usable: int) -> bool:
        fits = super()._fin_fits(size, usable)
        self.forgotten = self.forgotten or (fits and size == self.send_mss)
        return fits and not self.forgotten


# --- residue ---------------------------------------------------------------------------------------------------------


@defect(
    "D799",
    "Text on a SYN whose attempt was reset is delivered by the next connection of the pair.",
    "RFC 9293 §3.10.7.2 third",
    kind="residue",
)
class TextOfFormerSyn(Connection):
    syn_text = b""

    def keep_for_later(self, segment: Segment) -> None:
        super().keep_for_later(segment)
        texts: dict[Pair, bytes] = vars(self.host).setdefault("syn_texts", {})
        former = texts.pop(self.pair, b"")
        self.syn_text = segment.payload or former
        if not segment.payload:
            self.reassembly.put(self.rcv_nxt, former)

    def delete(self, error: int = 0) -> None:
        if self.state is SYN_RECEIVED and self.syn_text:
            vars(self.host)["syn_texts"][self.pair] = self.syn_text
        super().delete(error)


@defect(
    "D800",
    "When the connection before was opened actively, so counts the next in SYN-RECEIVED: a SYN does not end it.",
    "RFC 9293 §3.10.7.4 fourth",
    kind="residue",
)
class RoleOfFormer(Connection):
    def open_active(self) -> None:
        vars(self.host).setdefault("active_pairs", set()).add(self.pair)
        super().open_active()

    def open_passive(self, segment: Segment, found: Options) -> None:
        super().open_passive(segment, found)
        self.passive = self.pair not in vars(self.host).get("active_pairs", ())


@defect(
    "D801",
    "When TIME-WAIT was reopened, the next TIME-WAIT of the pair ends when the first would have.",
    "MUST-13",
    kind="residue",
)
class TimeWaitOfFormer(Connection):
    def enter_time_wait(self) -> None:
        super().enter_time_wait()
        ends: dict[Pair, int] = vars(self.host).setdefault("time_wait_ends", {})
        if self.state is TIME_WAIT and ends.get(self.pair, 0) > self.now:
            self.start(Timer.TIME_WAIT, ends[self.pair] - self.now)
        else:
            ends[self.pair] = self.now + self.two_msl


@defect(
    "D802",
    "MAX.SND.WND of the connection before holds for the next: acknowledgments that are too old count.",
    "RFC 5961 §5.2",
    kind="residue",
)
class WidestWindowOfFormer(Connection):
    def open_passive(self, segment: Segment, found: Options) -> None:
        widest: dict[Pair, int] = vars(self.host).setdefault("widest", {})
        self.max_snd_wnd = widest.get(self.pair, 0)
        super().open_passive(segment, found)

    def delete(self, error: int = 0) -> None:
        vars(self.host).setdefault("widest", {})[self.pair] = self.max_snd_wnd
        super().delete(error)
