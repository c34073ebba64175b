"""Defects of CLOSED: the reset that answers a segment without connection (RFC 9293 §3.10.7.1)."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.listener import reset_for
from harness.stack.stack import Stack

SECTION = "RFC 9293 §3.10.7.1"
GROUP_1 = "RFC 9293 §3.5.2 group 1"


class Refusing(Stack):
    """A stack whose resets out of CLOSED can be spoilt: `reset` is to be sent, `asked` what it answers."""

    def refuse(self, datagram: Datagram) -> None:
        """Send the spoilt reset."""
        reset = reset_for(datagram)
        self.spoil(reset, datagram)
        self.transmit(reset)

    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        """Change `reset` in place."""


@defect(
    "D01",
    "The reset that answers a SYN acknowledges SEG.SEQ: the SYN is not counted.",
    SECTION,
    GROUP_1,
    source="FreeRTOS+TCP issue 700, Zephyr issue 90087",
)
class SynNotCounted(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        if asked.segment.flags & (SYN | ACK) == SYN:
            reset.segment.ack = seqno.add(reset.segment.ack, -1)


@defect(
    "D02",
    "The reset that answers text without ACK does not count the text.",
    SECTION,
    GROUP_1,
    source="picoTCP issue 56",
)
class TextNotCounted(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        if not asked.segment.flags & ACK:
            reset.segment.ack = seqno.add(reset.segment.ack, -len(asked.segment.payload))


@defect(
    "D03",
    "The reset that answers a segment with ACK has number 0 and not SEG.ACK.",
    SECTION,
    GROUP_1,
    source="NuttX pull request 17683",
)
class ResetNumberedZero(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        reset.segment.seq = 0


@defect(
    "D04",
    "A reset for which there is no connection is answered with a reset.",
    SECTION,
    source="picoTCP issue 142",
)
class ResetsAreAnswered(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        super().arrive_unclaimed(datagram)
        if datagram.segment.flags & RST:
            self.refuse(datagram)


@defect("D05", "The reset that answers a segment without connection has the ports of that segment.", GROUP_1)
class PortsNotSwapped(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        reset.segment.source_port = asked.segment.source_port
        reset.segment.destination_port = asked.segment.destination_port


@defect("D83", "The reset that answers a FIN without ACK does not count the FIN.", SECTION, GROUP_1)
class FinNotCounted(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        if asked.segment.flags & (FIN | ACK) == FIN:
            reset.segment.ack = seqno.add(reset.segment.ack, -1)


@defect("D84", "The reset that answers a segment with ACK carries ACK itself.", SECTION)
class ResetWithAck(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        if asked.segment.flags & ACK:
            reset.segment.flags, reset.segment.ack = RST | ACK, asked.segment.end


@defect("D85", "The reset that answers a segment without ACK has no ACK bit.", SECTION)
class ResetWithoutAck(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        reset.segment.flags, reset.segment.ack = RST, 0


@defect("D86", "Segments to a closed port are dropped in silence.", SECTION, source="hosts that hide behind a filter")
class ClosedPortIsSilent(Stack):
    def refuse(self, datagram: Datagram) -> None:
        return


@defect("D87", "Over IPv6 no reset answers a segment without connection.", SECTION)
class ClosedPortIsSilentOnIpv6(Stack):
    def refuse(self, datagram: Datagram) -> None:
        if datagram.pair.local.version == 4:
            super().refuse(datagram)


@defect("D88", "The reset that answers a stamped segment without connection has no timestamps.", "RFC 7323 §5.2")
class ResetWithoutTimestamps(Refusing):
    def spoil(self, reset: Datagram, asked: Datagram) -> None:
        reset.segment.options = b""


@defect("D89", "What arrives for a connection that has ended is dropped in silence.", SECTION)
class RecordStays(Stack):
    def arrive_unclaimed(self, datagram: Datagram) -> None:
        if self.last_number(datagram.pair) is None:
            super().arrive_unclaimed(datagram)
