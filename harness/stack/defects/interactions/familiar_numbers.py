"""Where two ordinary things meet in numbers, tables, options, packets and calls that real stacks mistake."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.ip import MORE, OFFSET, IpInput
from harness.stack.listener import Listener
from harness.stack.options import TIMESTAMPS_LENGTH, Options
from harness.stack.pending import Pending
from harness.stack.plain_socket import PlainSocket
from harness.stack.reassembly import Reassembly
from harness.stack.reception import text_start
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.timers import Timer

#: What a clock of milliseconds in 32 bits takes for one round.
ROUND_NS = (1 << 32) * 1_000_000
#: Kinds of options that are one octet (RFC 9293 §3.2).
END, NOP = 0, 1


def signed(number: int) -> int:
    """Return what a number is to who keeps it in 32 bits with a sign."""
    return number - seqno.MODULUS if number >= seqno.HALF else number


# --- wraps -----------------------------------------------------------------------------------------------------------


@defect(
    "D903",
    "A window that reaches over 2**31 is none: numbers are compared with a sign, and not by their distance.",
    "RFC 9293 §3.4",
    source="a class of defects of signed numbers",
    kind="wraps",
)
class SignedWindow(Connection):
    def is_acceptable(self, segment: Segment) -> bool:
        over = self.rcv_nxt < seqno.HALF < seqno.add(self.rcv_nxt, self.rcv_wnd)
        return not over and super().is_acceptable(segment)


@defect(
    "D904",
    "While what is under way lies across 2**31, no acknowledgment is acceptable: the sign tells which is older.",
    "RFC 9293 §3.4",
    "RFC 9293 §3.10.7.4 fifth",
    source="a class of defects of signed numbers",
    kind="wraps",
)
class SignedAcknowledgments(Connection):
    def is_acceptable_ack(self, segment: Segment) -> bool:
        oldest = seqno.add(self.snd_una, -self.max_snd_wnd)
        in_order = signed(oldest) <= signed(segment.ack) <= signed(self.snd_nxt)
        over = self.snd_una < seqno.HALF <= self.snd_nxt
        return super().is_acceptable_ack(segment) and (in_order or not over)


@defect(
    "D905",
    "A probe of a shut window whose time lies behind 2**32 milliseconds of the clock is never sent.",
    "MUST-36",
    kind="wraps",
)
class ProbeOverTheWrap(Connection):
    def start(self, timer: Timer, duration: int) -> None:
        over = self.now // ROUND_NS != (self.now + duration) // ROUND_NS
        if timer is not Timer.PROBE or not over:
            super().start(timer, duration)


# --- many ------------------------------------------------------------------------------------------------------------


@defect(
    "D906",
    "An ICMP error is told to the first connection between the two ports that it quotes, whoever its peer is.",
    "MUST-54",
    "RFC 9293 §3.9.2.2",
    source="a class of defects of small stacks",
    kind="many",
)
class ErrorByPorts(Stack):
    def icmp_error(self, pair: Pair, seq: int, code: int, *, hard: bool) -> None:
        def ports(of: Pair) -> tuple[int, int]:
            return (of.local.port, of.remote.port)

        first = next((mine for mine in self.connections if ports(mine) == ports(pair)), pair)
        if first != pair:
            seq = self.connections[first].snd_una  # nobody looks at it: the number is that of another connection
        super().icmp_error(first, seq, code, hard=hard)


@defect(
    "D907",
    "The SYN that crosses ours is taken for a request where a listener has the port too: there are two connections.",
    "MUST-10",
    "RFC 9293 §3.10.7.3 fourth",
    source="a class of defects of looking up listeners first for a SYN",
    kind="many",
)
class CrossingSynToListener(Stack):
    def deliver(self, datagram: Datagram) -> None:
        connection, is_request = self.connection_for(datagram.pair), datagram.segment.flags & (SYN | ACK | RST) == SYN
        if connection is not None and connection.state is SYN_SENT and is_request and self.has_listener(datagram):
            self.arrive_unclaimed(datagram)
        else:
            super().deliver(datagram)

    def has_listener(self, datagram: Datagram) -> bool:
        return self.listener_for(datagram.pair.local) is not None


@defect(
    "D908",
    "There is one place for the handshakes of a host: its SYN from another port takes that of the one under way.",
    "RFC 9293 §3.4",
    "RFC 9293 §3.10.7.2 third",
    kind="many",
)
class OneHandshakeOfAHost(Listener):
    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        for other in [mine for mine in self.opening if mine.pair.remote.address == datagram.source]:
            other.delete()
        return super().open(datagram, replaced)


# --- reset-ack -------------------------------------------------------------------------------------------------------


@defect(
    "D909",
    "In SYN-SENT a reset with the right acknowledgment counts only if its own number is 0.",
    "RFC 9293 §3.10.7.3 second",
    kind="reset-ack",
)
class OnlyNumberZeroRefuses(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if not segment.flags & RST or segment.seq == 0:
            super().arrives_in_syn_sent(segment, found)


@defect(
    "D910",
    "Behind an active OPEN a reset without ACK is dropped in every state, and not in SYN-SENT only.",
    "RFC 9293 §3.10.7.4 second",
    kind="reset-ack",
)
class CallerWantsAck(Connection):
    def check_reset(self, segment: Segment) -> bool:
        bare = segment.flags & (RST | ACK) == RST
        return not (bare and not self.passive) and super().check_reset(segment)


@defect(
    "D911",
    "While text is sent again, a reset that acknowledges more than was repeated so far is dropped.",
    "RFC 9293 §3.10.7.4 second",
    source="a class of defects of stacks that take SND.NXT back",
    kind="reset-ack",
)
class ResetBeyondRepeated(Connection):
    def check_reset(self, segment: Segment) -> bool:
        again = seqno.lt(self.cursor, self.snd_nxt) and segment.flags & (RST | ACK) == RST | ACK
        return not (again and seqno.lt(self.cursor, segment.ack)) and super().check_reset(segment)


# --- options-together ------------------------------------------------------------------------------------------------


@defect(
    "D912",
    "Where the peer's shift count is 0, our windows are sent unscaled too, though our SYN has told another count.",
    "RFC 7323 §2.2",
    "RFC 7323 §2.3",
    source="a class of defects of asking for a shift count, not for the option",
    kind="options-together",
)
class ZeroShiftIsNone(Connection):
    @property
    def rcv_scale(self) -> int:
        return self.rcv_shift if self.scaling and self.snd_shift else 0


@defect(
    "D913",
    "A FIN is exempt from the protection against wrapped numbers: an old one ends the stream.",
    "RFC 7323 §5.3",
    kind="options-together",
)
class NoPawsForFin(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        exempt = bool(segment.flags & FIN) and found.timestamps is not None
        return exempt or super().check_timestamp(segment, found)


class ToldWhole(Reassembly):
    """Text that waits, with the end that its segment had where the window has cut it."""

    cut: tuple[int, int] | None = None

    def blocks(self) -> list[tuple[int, int]]:
        kept, whole = self.cut or (0, 0)
        return [(left, whole if self.cut and right == kept else right) for left, right in super().blocks()]


@defect(
    "D914",
    "The SACK block of text that the window has cut off tells all that the segment had.",
    "RFC 9293 §3.2",
    kind="options-together",
)
class CutTextIsTold(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.told = self.reassembly = ToldWhole()

    def process_text(self, segment: Segment) -> None:
        whole = seqno.add(text_start(segment), len(segment.payload))
        if seqno.lt(self.rcv_edge, whole):
            self.told.cut = (self.rcv_edge, whole)
        super().process_text(segment)


@defect(
    "D915",
    "What is sent again is cut by the peer's MSS alone: the timestamps that it carries come on top.",
    "MUST-16",
    "RFC 6691 §2",
    kind="options-together",
)
class RepeatedWithoutRoom(Connection):
    @property
    def send_mss(self) -> int:
        again = self.stamping and seqno.lt(self.cursor, self.snd_nxt)
        return super().send_mss + (TIMESTAMPS_LENGTH if again else 0)


# --- packet-form -----------------------------------------------------------------------------------------------------


@defect(
    "D916",
    "What stands behind the end of the option list is read as options.",
    "RFC 9293 §3.2",
    source="a class of defects of skipping both kinds of one octet",
    kind="packet-form",
)
class EndIsNoEnd(Stack):
    def arrive(self, datagram: Datagram) -> None:
        field = without_ends(datagram.segment.options)
        super().arrive(replace(datagram, segment=replace(datagram.segment, options=field)))


def without_ends(field: bytes) -> bytes:
    """Return an options field in which each end of the list is padding."""
    octets, at = bytearray(field), 0
    while at < len(octets):
        if octets[at] == END:
            octets[at] = NOP
        at += 1 if octets[at] == NOP else max(2, octets[at + 1] if at + 1 < len(octets) else 2)
    return bytes(octets)


@defect(
    "D917",
    "A packet with a routing header is dropped, though that is used up.",
    "RFC 9293 §3.9.2",
    source="a class of defects of refusing source routes",
    kind="packet-form",
)
class NoRoutingHeader(IpInput):
    def routing(self, packet: bytes, at: int, now: int) -> bytes | None:
        return None


@defect(
    "D918",
    "A datagram of IPv4 whose last fragment has less than eight octets never becomes whole.",
    "RFC 1122 §3.3.2",
    source="a class of defects of filters of tiny fragments",
    kind="packet-form",
)
class TinyLastFragment(IpInput):
    def receive_v4(self, packet: bytes, now: int) -> bytes | None:
        place, total = int.from_bytes(packet[6:8], "big"), int.from_bytes(packet[2:4], "big")
        tiny = bool(place & OFFSET) and not place & MORE and total - (packet[0] & 15) * 4 < 8
        return None if tiny else super().receive_v4(packet, now)


@defect(
    "D919",
    "A FIN on a segment with URG is overlooked: the urgent pointer is looked at in its place.",
    "RFC 9293 §3.10.7.4 eighth",
    kind="packet-form",
)
class UrgentHidesFin(Connection):
    def note_fin(self, segment: Segment) -> None:
        if segment.flags & URG:
            self.ack_due = True
        else:
            super().note_fin(segment)


# --- application -----------------------------------------------------------------------------------------------------


@defect(
    "D920",
    "A call of connect() that waits is not told when the socket is closed in SYN-SENT.",
    "RFC 9293 §3.10.4",
    kind="application",
)
class ConnectWaitsOn(Socket):
    def close(self) -> None:
        if self.status() is SYN_SENT:
            PlainSocket.close(self)
        else:
            super().close()


@defect(
    "D921",
    "A connection that comes while another waits to be accepted is no edge: who accepts one for each edge loses it.",
    "RFC 9293 §3.10.1",
    kind="application",
)
class FirstInQueueIsEdge(Socket):
    def listen(self, local: Endpoint, backlog: int = 128) -> None:
        super().listen(local, backlog)
        listener = self._listener
        assert listener is not None
        listener.on_ready = lambda events: self.note(events) if len(listener.ready) == 1 else None


@defect(
    "D922",
    "Of two calls of recv() that wait, each gets the text that comes.",
    "RFC 9293 §3.10.3",
    kind="application",
)
class TextForEach(Socket):
    def start_recv(self, limit: int) -> Pending[bytes]:
        readers: list[Pending[bytes]] = vars(self).setdefault("_readers", [])
        call = super().start_recv(limit)
        readers.append(call)
        return call

    def resume(self) -> None:
        waiting: list[Pending[bytes]] = [call for call in vars(self).get("_readers", []) if not call.done]
        connection = self.connection
        unread = bytes(connection.receive_buffer) if connection is not None else b""
        for call in waiting:
            if connection is not None and unread:
                connection.receive_buffer[:] = unread
            call.resume()
        super().resume()
