"""Where two ordinary things meet in what peers and applications do every day: timers, losses, queues, ends, lives."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, SYN_RECEIVED, TIME_WAIT
from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Pair
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener, answering
from harness.stack.options import Options
from harness.stack.settings import SocketSettings
from harness.stack.stack import Stack
from harness.stack.timers import Timer

# --- stray-timer -----------------------------------------------------------------------------------------------------


@defect(
    "D853",
    "An acknowledgment that comes with text leaves R2 running: the connection ends with it, though nothing is missing.",
    "RFC 9293 §3.8.3",
    kind="stray-timer",
)
class AnswerLeavesTimeout(Connection):
    answered = False

    def check_ack(self, segment: Segment) -> bool:
        self.answered = bool(segment.payload)
        return super().check_ack(segment)

    def acknowledge(self, ack: int) -> None:
        running = self.timers.runs(Timer.USER_TIMEOUT)
        super().acknowledge(ack)
        if self.answered and running and not self.flight:
            self.set_user_timeout()


@defect(
    "D854",
    "A SEND that the window holds back takes away the ACK that is delayed, as if it had gone along.",
    "MUST-40",
    kind="stray-timer",
)
class HeldBackTakesAck(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        taken = super().send(data, urgent=urgent)
        if self.unsent:
            self.timers.stop(Timer.DELAYED_ACK)
        return taken


@defect(
    "D855",
    "When the linger time of close() is over, what is under way is not sent again any more.",
    "RFC 9293 §3.8.1",
    kind="stray-timer",
)
class LingerEndsRepetition(Connection):
    def linger_timeout(self) -> None:
        self.timers.stop(Timer.RETRANSMISSION)
        super().linger_timeout()


# --- loss-state ------------------------------------------------------------------------------------------------------


@defect(
    "D856",
    "When what is sent again takes new text along, SND.NXT stays: its acknowledgment is one of what was never sent.",
    "RFC 9293 §3.10.7.4 fifth",
    source="a class of defects of joining segments in the retransmission queue",
    kind="loss-state",
)
class JoinedBeyondNext(Connection):
    def send_data(self, size: int, *, fin: bool) -> None:
        before, again = self.snd_nxt, seqno.lt(self.cursor, self.snd_nxt)
        super().send_data(size, fin=fin)
        if again and size:
            self.snd_nxt = before


@defect(
    "D857",
    "In TIME-WAIT a FIN that comes again with its text does not let 2 MSL begin anew.",
    "RFC 9293 §3.10.7.4 eighth",
    kind="loss-state",
)
class TextOnFinLeavesWait(Connection):
    with_text = False

    def check_sequence(self, segment: Segment, found: Options) -> bool:
        self.with_text = self.state is TIME_WAIT and bool(segment.payload)
        return super().check_sequence(segment, found)

    def restart_time_wait(self) -> None:
        if not self.with_text:
            super().restart_time_wait()


@defect(
    "D858",
    "What is under way is not sent again while the window is open, but smaller than the segment that was lost.",
    "MUST-34",
    "RFC 9293 §3.8.1",
    source="a class of defects of lwIP",
    kind="loss-state",
)
class WholeSegmentsOnly(Connection):
    def retransmission_timeout(self) -> None:
        if self.snd_una != self.iss and 0 < self.snd_wnd < min(self.send_mss, self.flight):
            self.rtt.back_off()
            self.start(Timer.RETRANSMISSION, self.rtt.rto)
        else:
            super().retransmission_timeout()


# --- before-accept ---------------------------------------------------------------------------------------------------


@defect(
    "D859",
    "When the listener closes, connections that wait in CLOSE-WAIT stay: nobody will ever close them.",
    "RFC 9293 §3.10.4",
    kind="before-accept",
)
class HalfClosedStay(Listener):
    def close(self) -> None:
        for connection in [mine for mine in self.ready if mine.state is CLOSE_WAIT]:
            self.ready.remove(connection)
        super().close()


@defect(
    "D860",
    "The time for a handshake goes on until accept(): who waits longer in the queue is given up.",
    "RFC 9293 §3.8.3",
    kind="before-accept",
)
class HandshakeLastsUntilAccept(Connection):
    waits = False

    def establish(self) -> None:
        super().establish()
        self.waits = isinstance(self.owner, Listener)
        if self.waits:
            self.start(Timer.USER_TIMEOUT, nanoseconds(self.config.syn_ack_timeout_s))

    def start_user_timeout(self) -> None:
        if self.waits and not isinstance(self.owner, Listener):
            self.timers.stop(Timer.USER_TIMEOUT)
            self.waits = False
        super().start_user_timeout()

    def user_timeout(self) -> None:
        if not self.waits or isinstance(self.owner, Listener):
            super().user_timeout()


# --- close-unsent ----------------------------------------------------------------------------------------------------


@defect(
    "D861",
    "A window that was shut from the peer's SYN on is not probed: what waits, and the FIN behind it, waits for ever.",
    "MUST-36",
    kind="close-unsent",
)
class NeverOpenNeverProbed(Connection):
    def _arm_send_timers(self) -> None:
        if self.max_snd_wnd:
            super()._arm_send_timers()


@defect(
    "D862",
    "What still waits to be sent at close() leaves without the application's time to live and traffic class.",
    "MUST-49",
    "MUST-48",
    kind="close-unsent",
)
class SettingsGoWithSocket(Connection):
    def close(self) -> None:
        super().close()
        if self.unsent:
            plain = SocketSettings()
            self.settings = replace(self.settings, ttl=plain.ttl, traffic_class=plain.traffic_class)


# --- residue ---------------------------------------------------------------------------------------------------------


class Challenged(Connection):
    by_syn = False

    def check_syn(self, segment: Segment) -> bool:
        self.by_syn = self.by_syn or bool(segment.flags & SYN)
        return super().check_syn(segment)

    def reset_arrived(self) -> None:
        super().reset_arrived()
        if self.by_syn and self.state is CLOSED:
            vars(self.host).setdefault("challenged", {})[self.pair] = (self.snd_nxt, self.rcv_nxt)


@defect(
    "D863",
    "A peer that was challenged for its SYN and has reset the old connection is challenged for the next SYN again.",
    "RFC 9293 §3.10.7.2 third",
    "RFC 9293 §3.5.1",
    kind="residue",
)
class ChallengedForEver(Stack):
    connection_class = Challenged

    def arrive_unclaimed(self, datagram: Datagram) -> None:
        numbers = vars(self).get("challenged", {}).get(datagram.pair)
        if numbers is not None and datagram.segment.flags & (SYN | ACK | RST) == SYN:
            seq, ack = numbers
            self.transmit(answering(datagram, Segment(ACK, seq, ack, window=0)))
        else:
            super().arrive_unclaimed(datagram)


@defect(
    "D864",
    "When a connection ends that has reopened TIME-WAIT, the former TIME-WAIT is back, and stays.",
    "RFC 9293 §3.10.7.1",
    "RFC 9293 §3.4",
    kind="residue",
)
class FormerLifeReturns(Connection):
    def establish(self) -> None:
        former, self.replaced = self.replaced, None
        super().establish()
        self.replaced = former
        if former is not None:
            former.timers.clear()


class ResetHalfOpen(Connection):
    def reset_arrived(self) -> None:
        opening = self.owner if self.state is SYN_RECEIVED and self.passive else None
        super().reset_arrived()
        if opening is not None:
            self.owner = opening
            kept: dict[Pair, Connection] = vars(self.host).setdefault("half_open", {})
            kept[self.pair] = self


@defect(
    "D865",
    "When an attempt was reset in SYN-RECEIVED, the third segment of its handshake opens it all the same.",
    "RFC 9293 §3.10.7.2 second",
    kind="residue",
)
class LateThirdSegment(Stack):
    connection_class = ResetHalfOpen

    def arrive_unclaimed(self, datagram: Datagram) -> None:
        segment = datagram.segment
        former: Connection | None = vars(self).get("half_open", {}).pop(datagram.pair, None)
        third = segment.flags & (SYN | ACK | RST | FIN) == ACK
        if former is None or not third or (segment.seq, segment.ack) != (former.rcv_nxt, former.snd_nxt):
            super().arrive_unclaimed(datagram)
            return
        former.state = SYN_RECEIVED
        self.connections[former.pair] = former
        if isinstance(former.owner, Listener):
            former.owner.opening.append(former)
        former.arrive(segment)


# --- unread ----------------------------------------------------------------------------------------------------------


@defect(
    "D866",
    "Reading a part opens the window as if all were read: what does not fit then is acknowledged and lost.",
    "RFC 9293 §3.10.7.4 seventh",
    kind="unread",
)
class PartCountsAsAll(Connection):
    partly = False

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        self.partly = self.partly or (not peek and limit < len(self.receive_buffer))
        return super().receive(limit, peek=peek)

    def offer_window(self, shift: int) -> int:
        unread = self.receive_buffer
        self.partly = self.partly and bool(unread)
        if self.partly:
            self.receive_buffer = bytearray()
        offered = super().offer_window(shift)
        self.receive_buffer = unread
        return offered

    def advance(self) -> None:
        super().advance()
        space = min(self.settings.receive_buffer or self.config.receive_buffer, 0xFFFF << self.rcv_scale)
        del self.receive_buffer[space:]


@defect(
    "D867",
    "The octet that a keep-alive probe carries is written over the last one that is unread.",
    "RFC 9293 §3.8.4",
    "RFC 9293 §3.10.7.4 seventh",
    kind="unread",
)
class ProbeOverwritesUnread(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        probe = len(segment.payload) == 1 and seqno.add(segment.seq, 1) == self.rcv_nxt
        if probe and self.receive_buffer:
            self.receive_buffer[-1:] = segment.payload
        return super().check_sequence(segment, found)
