"""Further ones of all kinds, written without a look at what the generators can say."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, FIN_WAIT_1, FIN_WAIT_2, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Endpoint
from harness.stack.defects.defect import defect
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.readiness import Ready
from harness.stack.reassembly import Reassembly
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
SECOND = "RFC 9293 §3.10.7.4 second"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"


@defect("D764", "A challenged SYN ends the repetition of a FIN.", REPEATED, kind="stray-timer")
class SynEndsFinRepetition(Connection):
    def check_syn(self, segment: Segment) -> bool:
        if segment.flags & SYN and self.state is FIN_WAIT_1:
            self.timers.stop(Timer.RETRANSMISSION)
        return super().check_syn(segment)


@defect("D765", "A window update starts the retransmission timer anew.", "RFC 6298 §5", kind="stray-timer")
class WindowUpdateRestartsTimer(Connection):
    def update_window(self, segment: Segment) -> None:
        before = self.snd_wnd
        super().update_window(segment)
        if self.snd_wnd > before and self.timers.runs(Timer.RETRANSMISSION) and segment.ack == self.snd_una:
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


@defect(
    "D766",
    "Of two segments lost, an ACK of the first repeated one ends the repetition of the second.",
    REPEATED,
    kind="loss-state",
)
class PartialAckEndsRepetition(Connection):
    def acknowledge(self, ack: int) -> None:
        again = self.retransmissions > 0 and self.snd_una != self.iss
        super().acknowledge(ack)
        if again and self.flight:
            self.cursor = self.snd_nxt
            self.timers.stop(Timer.RETRANSMISSION, Timer.USER_TIMEOUT)


@defect("D767", "A FIN that is repeated acknowledges what the first one did.", "MUST-23", kind="loss-state")
class FinWithOldAck(Connection):
    first_ack: int | None = None

    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN:
            if self.first_ack is None:
                self.first_ack = segment.ack
            segment.ack = self.first_ack
        super().emit(segment)


@defect(
    "D768",
    "When the ACK of our SYN,ACK was lost and the peer's FIN establishes, the application is not told of the end.",
    EIGHTH,
    kind="loss-state",
)
class FinThatEstablishes(Connection):
    hidden_end = False

    def arrive(self, segment: Segment) -> None:
        before = self.state
        super().arrive(segment)
        if before is SYN_RECEIVED and self.state is CLOSE_WAIT and not segment.payload:
            self.hidden_end = True

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        if self.hidden_end and not self.receive_buffer:
            raise BlockingIOError
        return super().receive(limit, peek=peek)


@defect(
    "D769",
    "A connection that is reset while it waits in a full queue takes its place with it.",
    "MUST-41",
    kind="before-accept",
)
class PlaceLost(Connection):
    def reset_arrived(self) -> None:
        owner = self.owner
        if isinstance(owner, Listener) and owner.full and self in owner.ready:
            owner.backlog -= 1
        super().reset_arrived()


@defect(
    "D770",
    "Before accept() one segment of text is kept; a second one is dropped, and never taken before the accept().",
    SEVENTH,
    kind="before-accept",
)
class OneSegmentBeforeAccept(Connection):
    def process_text(self, segment: Segment) -> None:
        if isinstance(self.owner, Listener) and self.receive_buffer:
            self.ack_due = True
            return
        super().process_text(segment)


@defect(
    "D771",
    "A FIN that opens the window brings nothing out: what waited is sent by nobody.",
    "RFC 9293 §3.10.7.4 fifth",
    kind="close-unsent",
)
class FinOpensNothing(Connection):
    stuck = False

    def arrive(self, segment: Segment) -> None:
        shut = self.snd_wnd == 0 and self.fin_queued
        self.stuck = self.stuck or (shut and bool(segment.flags & FIN) and segment.window > 0)
        super().arrive(segment)

    def usable_window(self) -> int:
        return 0 if self.stuck else super().usable_window()


@defect(
    "D772",
    "The new connection of a pair that left TIME-WAIT by a SYN is as deaf as the old one, whose socket was closed.",
    SEVENTH,
    kind="residue",
)
class DeafHeir(Connection):
    def establish(self) -> None:
        self.deaf = self.deaf or (self.replaced is not None and self.replaced.two_msl > 0 and self.passive)
        super().establish()


@defect(
    "D773",
    "Keep-alives that an application asks for on an accepted connection hold for those accepted later.",
    "MUST-25",
    kind="residue",
)
class SharedKeepAlive(Connection):
    def settings_changed(self) -> None:
        super().settings_changed()
        asked: set[int] = vars(self.host).setdefault("kept_alive", set())
        if self.passive and self.settings.keep_alive:
            asked.add(self.pair.local.port)

    def establish(self) -> None:
        asked: set[int] = vars(self.host).setdefault("kept_alive", set())
        if self.passive and self.pair.local.port in asked:
            self.settings.keep_alive = True
        super().establish()


@defect("D774", "A FIN that meets a full receive buffer is ignored for ever.", EIGHTH, kind="unread")
class FinAtFullBuffer(Connection):
    met_full = False

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        self.met_full = self.met_full or bool(self.rcv_wnd == 0 and segment.flags & FIN and self.receive_buffer)
        return super().check_sequence(segment, found)

    def note_fin(self, segment: Segment) -> None:
        if not self.met_full:
            super().note_fin(segment)


@defect(
    "D775",
    "close() with text unread and text of ours under way resets with the number of the oldest that is under way.",
    "RFC 9293 §3.10.5",
    kind="unread",
)
class ResetWithOldNumber(Connection):
    def send_reset(self) -> None:
        nxt = self.snd_nxt
        if self.receive_buffer and self.flight:
            self.snd_nxt = self.snd_una
        super().send_reset()
        self.snd_nxt = nxt


@defect("D776", "A timestamp of 0 counts as a wrong one.", "RFC 7323 §5.3", kind="wraps")
class ZeroTimestamp(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        if self.stamping and found.timestamps is not None and found.timestamps[0] == 0:
            self.answer_unacceptable()
            return False
        return super().check_timestamp(segment, found)


@defect("D777", "When the right edge of the window is 0, text is taken for text beyond it.", SEVENTH, kind="wraps")
class EdgeAtZero(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        return super().is_acceptable(segment) and not (segment.payload and self.rcv_edge == 0)


@defect(
    "D778",
    "The end of a connection ends those in TIME-WAIT of other peers with the same port.",
    "MUST-13",
    kind="many",
)
class SamePortEnds(Stack):
    def forget(self, connection: Tcb) -> None:
        super().forget(connection)
        port = connection.pair.remote.port
        for mine in list(self.connections.values()):
            if mine.state is TIME_WAIT and mine.pair.remote.port == port and mine is not connection:
                mine.vanish()
                self.connections.pop(mine.pair, None)


@defect(
    "D779",
    "The end of a listener ends connections that were opened actively from its port.",
    "RFC 9293 §3.10.4",
    kind="many",
)
class ListenerTakesAlong(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        super().unlisten(local, listener)
        for mine in list(self.connections.values()):
            if mine.pair.local.port == local.port and not mine.passive and mine.state is not SYN_SENT:
                mine.abort()


@defect(
    "D780",
    "A reset whose acknowledgment is older than all that is under way is dropped in FIN-WAIT-2 and CLOSE-WAIT.",
    SECOND,
    kind="reset-ack",
)
class OldAckOnReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        old = segment.flags & ACK and seqno.lt(segment.ack, self.snd_una)
        if segment.flags & RST and old and self.state in (FIN_WAIT_2, CLOSE_WAIT):
            return False
        return super().check_reset(segment)


class _ThirdBlock(Reassembly):
    stamping = False

    def blocks(self) -> list[tuple[int, int]]:
        found = super().blocks()
        if self.stamping and len(found) > 2:
            found[2] = (found[2][0], seqno.add(found[2][0], 1))
        return found


@defect(
    "D781", "With timestamps, a third SACK block ends behind its first octet.", "RFC 2018 §3", kind="options-together"
)
class ShortThirdBlock(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = self.third = _ThirdBlock()

    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        self.third.stamping = self.stamping
        super().transmit(flags, seq, payload)


@defect(
    "D782",
    "When both sides scale and the peer's window field is 1, it is taken for a shut window.",
    "RFC 7323 §2.3",
    kind="options-together",
)
class OneIsNothing(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=shift)
        if shift and segment.window == 1:
            self.snd_wnd = 0


@defect("D783", "A FIN with padding behind its datagram is dropped.", "RFC 1122 §3.2.1", kind="packet-form")
class PaddedFin(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        length, total = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
        padded = total < len(packet) and len(packet) > length + 13 and packet[length + 13] & 1
        return None if padded else super().receive_v4(packet, now)

    def receive_v6(self, packet: bytes, now: int) -> bytes | None:
        total = 40 + int.from_bytes(packet[4:6], "big")
        padded = total < len(packet) and packet[6] == 6 and len(packet) > 53 and packet[53] & 1
        return None if padded else super().receive_v6(packet, now)


@defect("D784", "The end of the stream is told once; who asks again waits.", "RFC 9293 §3.10.3", kind="application")
class EndToldOnce(Connection):
    told = False

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        if self.told:
            raise BlockingIOError
        found = super().receive(limit, peek=peek)
        self.told = self.told or (not found and not peek)
        return found


@defect(
    "D785",
    "Room in the send buffer is no edge for epoll when the ACK that makes it comes with the peer's FIN.",
    "RFC 9293 §3.10.2",
    kind="application",
)
class FinMutesRoom(Connection):
    muted = False

    def arrive(self, segment: Segment) -> None:
        self.muted = bool(segment.flags & FIN)
        super().arrive(segment)
        self.muted = False

    def notify(self, events: Ready) -> None:
        super().notify(events & ~(Ready.OUT if self.muted else Ready.NONE))
