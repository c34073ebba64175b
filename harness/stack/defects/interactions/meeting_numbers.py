"""Where two ordinary things meet among numbers, neighbours, packets and applications; each likewise."""

import errno
from collections.abc import Hashable
from typing import Any

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import CLOSE_WAIT, ESTABLISHED, FIN_WAIT_2, SYN_RECEIVED
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint
from harness.stack.defects.defect import defect
from harness.stack.fragments import Fragments
from harness.stack.ip import IpInput
from harness.stack.listener import Listener
from harness.stack.options import TIMESTAMPS_LENGTH, Options
from harness.stack.output import LARGEST_FIELD
from harness.stack.plain_socket import PlainSocket
from harness.stack.polled_socket import PolledSocket
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

REPEATED = "RFC 9293 §3.8.1"
RECEIVE = "RFC 9293 §3.10.3"
FIFTH = "RFC 9293 §3.10.7.4 fifth"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
FRAGMENTS = "RFC 1122 §3.3.2"
#: Timestamps as nearly everyone writes them: NOP, NOP, kind and length.
USUAL_STAMPS = options.NOP * 2 + b"\x08\x0a"


# --- unread ----------------------------------------------------------------------------------------------------------


@defect("D803", "While text is unread, the last octet of the window is not taken.", SEVENTH, kind="unread")
class LastOctetNotTaken(Connection):
    def process_text(self, segment: Segment) -> None:
        edge = self.rcv_edge
        if self.receive_buffer and self.rcv_wnd:
            self.rcv_edge = seqno.add(edge, -1)
        super().process_text(segment)
        self.rcv_edge = edge


@defect("D804", "Urgent text throws away what is unread in front of it.", "RFC 9293 §3.8.5", kind="unread")
class UrgentFlushes(Connection):
    def process_urgent(self, segment: Segment) -> None:
        before = self.rcv_up
        super().process_urgent(segment)
        if self.rcv_up != before:
            self.receive_buffer.clear()


@defect("D805", "When a SYN reopens TIME-WAIT, what is unread of the former stream is lost.", RECEIVE, kind="unread")
class ReopeningLosesUnread(Connection):
    def establish(self) -> None:
        if self.replaced is not None:
            self.replaced.receive_buffer.clear()
        super().establish()


# --- wraps -----------------------------------------------------------------------------------------------------------


@defect("D806", "Our FIN is not sent again if its number is 0.", REPEATED, kind="wraps")
class FinZeroIsNone(Connection):
    def _fin_fits(self, size: int, usable: int) -> bool:
        sent = self.snd_end == 0 and seqno.lt(self.snd_end, self.snd_nxt)
        return not sent and super()._fin_fits(size, usable)


@defect(
    "D807",
    "A segment whose own timestamp would be 0 carries none, though they are agreed.",
    "RFC 7323 §3.2",
    kind="wraps",
)
class ZeroIsNoStamp(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        agreed = self.stamping
        self.stamping = agreed and self.timestamp() != 0
        super().transmit(flags, seq, payload)
        self.stamping = agreed


@defect("D808", "A segment that would acknowledge number 0 has no ACK.", "RFC 9293 §3.1", kind="wraps")
class ZeroIsNoAck(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.ack == 0:
            segment.flags &= ~ACK
        super().emit(segment)


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D809",
    "Of listeners on the same port of several addresses the first is given the connections of all.",
    "MUST-42",
    kind="many",
)
class FirstOfPort(Stack):
    def listener_for(self, local: Endpoint) -> Listener | None:
        if local not in self.listeners:
            return super().listener_for(local)
        same = (mine for at, mine in self.listeners.items() if (at.port, at.version) == (local.port, local.version))
        return next(same)


@defect(
    "D810",
    "A listener keeps one MSS for the handshakes under way: that of the latest SYN holds for all.",
    "MUST-16",
    kind="many",
)
class MssOfTheLatest(Connection):
    def open_passive(self, segment: Segment, found: Options) -> None:
        super().open_passive(segment, found)
        vars(self.owner)["latest_mss"] = self.peer_mss

    def establish(self) -> None:
        if isinstance(self.owner, Listener):
            self.peer_mss = vars(self.owner)["latest_mss"]
        super().establish()


@defect(
    "D811",
    "There is room to keep what eight connections have under way: that of a ninth is not sent again.",
    REPEATED,
    kind="many",
)
class EightAreKept(Connection):
    def send_data(self, size: int, *, fin: bool) -> None:
        super().send_data(size, fin=fin)
        kept: list[Connection] = vars(self.host).setdefault("kept", [])
        kept[:] = [mine for mine in kept if mine.flight and mine.timers.runs(Timer.RETRANSMISSION)]
        if self not in kept and len(kept) < 8:
            kept.append(self)

    def retransmission_timeout(self) -> None:
        if self.snd_una == self.iss or self in vars(self.host)["kept"]:
            super().retransmission_timeout()
        else:
            self.rtt.back_off()
            self.start(Timer.RETRANSMISSION, self.rtt.rto)


# --- reset-ack -------------------------------------------------------------------------------------------------------


@defect(
    "D812",
    "In SYN-SENT a reset that acknowledges something else ends the repetition of the SYN.",
    "RFC 9293 §3.10.7.3 first",
    kind="reset-ack",
)
class OtherResetEndsSyn(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.flags & (RST | ACK) == RST | ACK and not self.acknowledges_our_syn(segment):
            self.timers.stop(Timer.RETRANSMISSION)
        super().arrives_in_syn_sent(segment, found)


@defect(
    "D813",
    "The acknowledgment on a reset outside the window counts: what it covers is not sent again.",
    "RFC 9293 §3.10.7.4 first",
    kind="reset-ack",
)
class OutsideResetAcknowledges(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        passed = super().check_sequence(segment, found)
        stray = segment.flags & (RST | ACK) == RST | ACK and not passed and self.state is not SYN_RECEIVED
        if stray and self.is_acceptable_ack(segment) and seqno.lt(self.snd_una, segment.ack):
            self.acknowledge(segment.ack)
        return passed


@defect(
    "D814",
    "In FIN-WAIT-2 a reset with ACK that has a FIN too leads to TIME-WAIT.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class FinBeforeReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        both = segment.flags & (RST | FIN) == RST | FIN
        return (both and self.state is FIN_WAIT_2) or super().check_reset(segment)


# --- options-together ------------------------------------------------------------------------------------------------


@defect(
    "D815",
    "Behind the handshake timestamps are read at their usual place only: elsewhere they count as missing.",
    "MUST-4",
    kind="options-together",
)
class UsualStampsOnly(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        usual = segment.options.startswith(USUAL_STAMPS) or segment.flags & (SYN | RST)
        return super().check_timestamp(segment, found if usual else Options())


@defect("D816", "Where timestamps are agreed, the urgent pointer counts them too.", "MUST-62", kind="options-together")
class UrgentBehindStamps(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & URG and self.stamping:
            segment.urgent = min(segment.urgent + TIMESTAMPS_LENGTH, LARGEST_FIELD)
        super().emit(segment)


@defect(
    "D817",
    "Where timestamps are agreed, a window is taken only from a segment with a later one.",
    FIFTH,
    kind="options-together",
)
class WindowByStamp(Connection):
    later = True

    def note_timestamp(self, segment: Segment, found: Options) -> None:
        self.later = found.timestamps is None or seqno.lt(self.ts_recent, found.timestamps[0])
        super().note_timestamp(segment, found)

    def update_window(self, segment: Segment) -> None:
        if self.later or not self.stamping:
            super().update_window(segment)


# --- packet-form -----------------------------------------------------------------------------------------------------


class WholeHeaders(Fragments):
    """A first fragment that does not hold the whole TCP header is dropped; IPv6 is let alone."""

    def add(
        self, key: Hashable, at: int, header: bytes, piece: bytes, now: int, *, more: bool, overlap: bool
    ) -> tuple[bytes, bytes] | None:
        if overlap and at == 0 and len(piece) < 20:
            return None
        return super().add(key, at, header, piece, now, more=more, overlap=overlap)


@defect(
    "D818",
    "A datagram of IPv4 whose first fragment ends within the TCP header is dropped.",
    FRAGMENTS,
    source="packet filters",
    kind="packet-form",
)
class TinyFragmentDropped(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = WholeHeaders()


class KeptForEver(Fragments):
    """No piece is too old."""

    def _expire(self, now: int) -> None:
        super()._expire(0)


@defect(
    "D819",
    "Pieces of a datagram that was never whole are kept for ever, and joined with a later one of that number.",
    FRAGMENTS,
    kind="packet-form",
)
class FragmentsNeverExpire(IpInput):
    def __init__(self) -> None:
        super().__init__()
        self.fragments = KeptForEver()


@defect(
    "D820",
    "A segment whose checksum is 0, and right, is dropped: as if it had none.",
    "MUST-3",
    kind="packet-form",
)
class ZeroChecksumDropped(Stack):
    def receive(self, packet: bytes) -> bytes | None:
        plain = super().receive(packet)
        if plain is None:
            return None
        at = 16 + (40 if plain[0] >> 4 == 6 else (plain[0] & 15) * 4)
        return plain if len(plain) < at + 2 or any(plain[at : at + 2]) else None


@defect(
    "D821",
    "The TCP options of a SYN in a packet with IPv4 options are overlooked.",
    "RFC 1122 §3.2.1.8",
    "MUST-16",
    kind="packet-form",
)
class OptionsHideOptions(Stack):
    with_options = False

    def receive(self, packet: bytes) -> bytes | None:
        plain = super().receive(packet)
        self.with_options = plain is not None and plain[0] >> 4 == 4 and plain[0] & 15 > 5
        return plain

    def deliver(self, datagram: Datagram) -> None:
        if self.with_options and datagram.segment.flags & SYN:
            datagram.segment.options = b""
        super().deliver(datagram)


# --- application -----------------------------------------------------------------------------------------------------


@defect(
    "D822",
    "A call of recv() that waits is told the end of the stream when text and FIN come in one segment.",
    RECEIVE,
    kind="application",
)
class EndBeforeText(Socket):
    def start_recv(self, limit: int) -> Any:
        waited = False

        def attempt() -> bytes:
            nonlocal waited
            if waited and self.connection is not None and self.connection.fin_received:
                return b""
            waited = True
            return self.recv(limit)

        return self.wait(attempt)


@defect("D823", "Behind SHUT_RD the peer's FIN is overlooked.", EIGHTH, kind="application")
class FinBehindShutRd(Connection):
    def note_fin(self, segment: Segment) -> None:
        if not (isinstance(self.owner, PlainSocket) and self.owner._reads_no_more):
            super().note_fin(segment)


@defect(
    "D824",
    "When the peer has closed and the send buffer is full, SEND fails and does not wait.",
    "RFC 9293 §3.10.2",
    "RFC 9293 §3.6",
    kind="application",
)
class FullAndClosed(Connection):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        if data and self.state is CLOSE_WAIT and self.send_room <= 0:
            raise BrokenPipeError(errno.EPIPE, "connection closing")
        return super().send(data, urgent=urgent)


@defect(
    "D825",
    "What comes on the SYN,ACK that connect() waits for is no edge: its reader sleeps.",
    "RFC 9293 §3.9.1.8",
    kind="application",
)
class OpenedIsTheOnlyEdge(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        super().arrives_in_syn_sent(segment, found)
        if self.state in (ESTABLISHED, CLOSE_WAIT) and isinstance(self.owner, PolledSocket):
            self.owner._edges = Ready.OUT
