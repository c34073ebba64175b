"""Variants of how a connection opens (RFC 9293 §3.5, §3.10.7.2 to §3.10.7.4)."""

import errno

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.spec.states import CLOSED, SYN_RECEIVED, SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.readiness import Ready
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.variants.variant import variant


@variant(
    "syn-again-draws-syn-ack",
    "A SYN that is repeated in SYN-RECEIVED is answered with the SYN,ACK again.",
    "RFC 9293 §3.10.8",
    "MUST-58",
    allows="Retransmission is always open to a sender, and the SYN,ACK carries the acknowledgment that is due.",
)
class SynAgainDrawsSynAck(Connection):
    def answer_unacceptable(self) -> None:
        if self.state is SYN_RECEIVED:
            self.send_syn()
        else:
            super().answer_unacceptable()


@variant(
    "syn-text-dropped",
    "Text and FIN on a SYN are not kept: they must be sent again.",
    "RFC 9293 §3.10.7.2 third",
    "SHLD-31",
    allows="What is not acknowledged is sent again; only the SYN itself is acknowledged before ESTABLISHED.",
)
class SynTextDropped(Connection):
    def keep_for_later(self, segment: Segment) -> None:
        """Keep nothing."""


@variant(
    "syn-text-acknowledged",
    "The SYN,ACK acknowledges the text of the SYN too, which waits to be read until the connection is established.",
    "RFC 9293 §3.5",
    "RFC 9293 §3.10.7.2 third",
    allows="Text on a SYN must not be delivered early, and is queued: what has been kept may be acknowledged.",
)
class SynTextAcknowledged(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, found)
        if not segment.flags & ACK:
            self.receive_buffer += segment.payload
            self.rcv_nxt = self.rcv_edge = self.last_ack_sent = seqno.add(self.rcv_nxt, len(segment.payload))

    def keep_for_later(self, segment: Segment) -> None:
        """The text is taken already; a FIN must come again."""

    def establish(self) -> None:
        super().establish()
        if self.receive_buffer:
            self.notify(Ready.IN)

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        if self.state is SYN_RECEIVED:
            raise BlockingIOError(errno.EAGAIN, "the connection is not open yet")
        return super().receive(limit, peek=peek)


@variant(
    "syn-ack-text-dropped",
    "Text and FIN on the SYN,ACK are not taken: only the SYN is acknowledged.",
    "RFC 9293 §3.10.7.3 fourth",
    allows="What is not acknowledged is sent again.",
)
class SynAckTextDropped(Connection):
    def arrives_in_syn_sent(self, segment: Segment, found: Options) -> None:
        if segment.payload:
            segment.flags, segment.payload = segment.flags & ~FIN, b""
        super().arrives_in_syn_sent(segment, found)


@variant(
    "syn-ack-text-acknowledged-apart",
    "The SYN of a SYN,ACK with text is acknowledged at once, the text by a second ACK.",
    "RFC 9293 §3.10.7.3 fourth",
    "RFC 9293 §3.10.7.4 seventh",
    allows="The acknowledgment of the SYN is formed before the text is looked at.",
)
class SynAckTextAcknowledgedApart(Connection):
    def establish(self) -> None:
        opening = self.state is SYN_SENT
        super().establish()
        if opening:
            self.send_ack()

    def output(self) -> None:
        super().output()


@variant(
    "half-open-challenges-acks",
    "In SYN-RECEIVED an ACK outside of what is acceptable is answered with an ACK, not with a reset.",
    "RFC 9293 §3.10.7.4 fifth",
    "RFC 5961 §5.2",
    allows="RFC 5961 puts its range check before the states.",
)
class HalfOpenChallengesAcks(Connection):
    def refuse(self, segment: Segment) -> None:
        below = seqno.lt(segment.ack, seqno.add(self.snd_una, -self.max_snd_wnd))
        if self.state is SYN_RECEIVED and (below or seqno.lt(self.snd_nxt, segment.ack)):
            self.send_challenge()
        else:
            super().refuse(segment)


@variant(
    "half-open-resets-first",
    "In SYN-RECEIVED an unacceptable ACK draws its reset before anything else of the segment is looked at.",
    "RFC 9293 §3.5.2 group 2",
    allows="Before synchronization any unacceptable ACK draws a reset, whatever else the segment is.",
)
class HalfOpenResetsFirst(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        bad = bool(segment.flags & ACK) and not segment.flags & RST and not self.acknowledges_our_syn(segment)
        if self.state is SYN_RECEIVED and bad:
            self.refuse(segment)
            return False
        return super().check_sequence(segment, found)


class _CountsWhatIsReady(Listener):
    @property
    def full(self) -> bool:
        return len(self.ready) >= self.backlog


class _WaitsForRoom(Connection):
    def check_ack(self, segment: Segment) -> bool:
        owner = self.owner
        if self.state is SYN_RECEIVED and isinstance(owner, Listener) and owner.full:
            return False
        return super().check_ack(segment)


@variant(
    "third-segment-waits-for-room",
    "A connection counts against the backlog only when it is established; the third ACK is ignored while it is full.",
    "RFC 9293 §3.9.1.1",
    allows="Backlogs are the implementation's own; the SYN,ACK is repeated, and the peer's ACK comes again.",
)
class ThirdSegmentWaitsForRoom(Stack):
    listener_class = _CountsWhatIsReady
    connection_class = _WaitsForRoom


@variant(
    "backlog-full-resets",
    "A SYN for which there is no room in the backlog is refused with a reset.",
    "RFC 9293 §3.10.7.1",
    allows="Who can't open a connection behaves as if nobody listened.",
)
class BacklogFullResets(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (SYN | ACK | RST) == SYN and self.full:
            self.refuse(datagram)
            return None
        return super().arrive(datagram, replaced)


@variant(
    "oldest-half-open-gives-way",
    "A SYN for which there is no room takes the place of the connection that has waited longest in SYN-RECEIVED.",
    "RFC 4987 §3.4",
    "RFC 9293 §3.9.1.1",
    allows="Backlogs are the implementation's own; to recycle the oldest half-open connection is one of the defences.",
)
class OldestHalfOpenGivesWay(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (SYN | ACK | RST) == SYN and self.full and self.opening:
            self.opening[0].delete()
        return super().arrive(datagram, replaced)


@variant(
    "text-with-third-segment",
    "What the application sends in SYN-SENT is queued, and leaves with the ACK that completes the handshake.",
    "RFC 9293 §3.10.2",
    "MUST-58",
    allows="SEND in SYN-SENT queues the data for transmission after entering ESTABLISHED.",
)
class TextWithThirdSegment(Socket):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        connection = self._connected()
        if connection.state in (SYN_SENT, SYN_RECEIVED):
            self._raise_pending()
            return connection.send(data, urgent=urgent)
        return super().send(data, urgent=urgent)


@variant(
    "nothing-on-third-segment",
    "The ACK that completes a handshake is sent by itself, whatever waits to be sent.",
    "RFC 9293 §3.10.7.3 fourth",
    allows="Data or controls that were queued MAY be included in it.",
)
class NothingOnThirdSegment(Connection):
    def output(self) -> None:
        if self.ack_due and self.unsent and self.state is not CLOSED and self.cursor == seqno.add(self.iss, 1):
            self.send_ack()
        super().output()
