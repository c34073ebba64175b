"""Defects of LISTEN: what opens a connection and what does not (RFC 9293 §3.10.7.2), the queue, the listener's life."""

from dataclasses import replace

from harness.spec import seqno
from harness.spec.segment import ACK, CWR, ECE, FIN, RST, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram, Endpoint, Pair
from harness.stack.defects.defect import defect
from harness.stack.isn import TICK_NS, keyed_offset
from harness.stack.listener import Listener
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb

FIRST = "RFC 9293 §3.10.7.2 first"
SECOND = "RFC 9293 §3.10.7.2 second"
THIRD = "RFC 9293 §3.10.7.2 third"
FOURTH = "RFC 9293 §3.10.7.2 fourth"


@defect("D06", "An ACK that arrives in LISTEN is ignored.", SECOND)
class AckToListenIgnored(Listener):
    def refuse(self, datagram: Datagram) -> None:
        return


@defect("D07", "A SYN,ACK that arrives in LISTEN is taken for a SYN.", SECOND)
class SynAckOpens(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        segment = datagram.segment
        if segment.flags & SYN:
            datagram = replace(datagram, segment=replace(segment, flags=segment.flags & ~ACK))
        return super().arrive(datagram, replaced)


@defect("D08", "A FIN that arrives in LISTEN is answered with a reset.", FOURTH, source="NuttX pull request 17713")
class FinToListenRefused(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (FIN | SYN | ACK | RST) == FIN:
            self.refuse(datagram)
        return super().arrive(datagram, replaced)


@defect(
    "D09",
    "Text that comes with the SYN is delivered, and acknowledged, before the handshake has ended.",
    THIRD,
    "RFC 9293 §3.4",
    source="TLDK, found by TCP-Fuzz",
)
class TextOfSynDelivered(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, found)
        self.receive_buffer += segment.payload
        self.rcv_nxt = seqno.add(self.rcv_nxt, len(segment.payload))

    def keep_for_later(self, segment: Segment) -> None:
        super().keep_for_later(replace(segment, payload=b""))
        if segment.payload and self.owner is not None:
            self.owner.opened(self)


@defect("D10", "The SYN,ACK has no ACK bit.", THIRD)
class SynAckWithoutAck(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN:
            segment.flags &= ~ACK
        super().emit(segment)


@defect(
    "D11",
    "A connection between the same endpoints as one before begins below the numbers that that one has used.",
    "RFC 9293 §3.4.1",
    "RFC 6191 §2",
)
class IssBelowTheOldOne(Stack):
    def choose_iss(self, pair: Pair) -> int:
        used = self.last_number(pair)
        return super().choose_iss(pair) if used is None else seqno.add(used, -100)


@defect("D12", "The listener ends with its first connection.", "RFC 9293 §3.9.1.1", THIRD)
class OneConnectionOnly(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        listener = self.listener_for(datagram.pair.local)
        super().arrive_unclaimed(datagram)
        if listener is not None and listener.opening:
            self.listeners = {place: other for place, other in self.listeners.items() if other is not listener}


@defect(
    "D13",
    "A SYN from the host's own address is answered.",
    "RFC 1122 §3.2.1.3",
    "RFC 9293 §3.9.2.3",
    source="the LAND attack of 1997",
)
class OwnAddressAsSource(Stack):
    def is_for_us(self, datagram: Datagram) -> bool:
        return super().is_for_us(datagram) or datagram.source in self.addresses


@defect(
    "D75", "Half-open connections outlive their listener: their third segment still opens them.", "RFC 9293 §3.10.4"
)
class HalfOpenSurvives(Listener):
    def close(self) -> None:
        self.opening.clear()
        super().close()


@defect(
    "D76",
    "A SYN that finds the backlog full is answered with a reset, though a repetition may find room.",
    "RFC 9293 §3.10.7.2",
    source="FreeRTOS+TCP issue 700",
)
class FullBacklogRefuses(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (SYN | ACK | RST) == SYN and self.full:
            self.refuse(datagram)
        return super().arrive(datagram, replaced)


@defect("D82", "A SYN with ECE and CWR, or with reserved bits, is dropped.", "RFC 9293 §3.1")
class EcnSetupDropped(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (ECE | CWR) or datagram.segment.reserved:
            return None
        return super().arrive(datagram, replaced)


@defect("D90", "A reset that arrives in LISTEN with ACK is answered with a reset.", FIRST)
class ResetToListenRefused(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if datagram.segment.flags & (RST | ACK) == RST | ACK:
            self.refuse(datagram)
        return super().arrive(datagram, replaced)


@defect("D91", "A SYN with FIN is dropped in LISTEN, as a filter would.", THIRD)
class SynFinDropped(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        both = datagram.segment.flags & (SYN | FIN) == SYN | FIN
        return None if both else super().arrive(datagram, replaced)


@defect("D92", "The text of a SYN is lost: after the handshake it is acknowledged, but not delivered.", THIRD)
class TextOfSynLost(Connection):
    lost = 0

    def keep_for_later(self, segment: Segment) -> None:
        self.lost = len(segment.payload)

    def establish(self) -> None:
        super().establish()
        self.rcv_nxt = seqno.add(self.rcv_nxt, self.lost)
        self.ack_due = self.ack_due or bool(self.lost)


@defect("D93", "The SYN,ACK acknowledges SEG.SEQ and not SEG.SEQ+1.", THIRD)
class SynAckOneShort(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN and segment.flags & ACK:
            segment.ack = self.irs
        super().emit(segment)


@defect("D94", "A listener has room for one half-open connection only.", "MUST-41")
class OneHalfOpen(Listener):
    @property
    def full(self) -> bool:
        return bool(self.opening)


@defect("D95", "After CLOSE in LISTEN the port still opens connections.", "RFC 9293 §3.10.4")
class ListenerStays(Stack):
    def unlisten(self, local: Endpoint, listener: Listener) -> None:
        listener.close()


@defect("D96", "A connection that is reset while it opens is given to accept().", "RFC 9293 §3.10.7.4 second")
class DeadConnectionAccepted(Listener):
    def ended(self, connection: Tcb, code: int) -> None:
        if any(mine is connection for mine in self.opening):
            self.opened(connection)
        else:
            super().ended(connection, code)

    def opened(self, connection: Tcb) -> None:
        """Queue it, whatever became of it."""
        self.ready += [mine for mine in self.opening if mine is connection]
        super().ended(connection, 0)


@defect("D97", "Initial sequence numbers don't depend on the time: the same endpoints get the same.", "RFC 9293 §3.4.1")
class IssWithoutClock(Stack):
    def choose_iss(self, pair: Pair) -> int:
        return keyed_offset(pair, b"without clock")


@defect(
    "D98",
    "Initial sequence numbers are the clock alone: a connection to one port tells those of all others.",
    "SHLD-1",
    "RFC 6528 §3",
)
class IssWithoutSecret(Stack):
    def choose_iss(self, pair: Pair) -> int:
        return seqno.add(self.now // TICK_NS, 0)


@defect("D99", "A listener on one address opens connections to every address of the host.", "RFC 9293 §3.10.1")
class EveryAddress(Stack):
    def listener_for(self, local: Endpoint) -> Listener | None:
        anywhere = (other for place, other in self.listeners.items() if place.port == local.port)
        return super().listener_for(local) or next(anywhere, None)
