"""Unread data × FIN, reset, close: what has come and was not read yet when the connection changes."""

from harness.spec import seqno
from harness.spec.segment import FIN, Segment
from harness.spec.states import CLOSE_WAIT, ESTABLISHED, LAST_ACK, TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.readiness import Ready
from harness.stack.reception import text_start
from harness.stack.sockets import Socket
from harness.stack.tcb import Tcb

KIND = "unread"
defect = of_kind(KIND)

SECOND = "RFC 9293 §3.10.7.4 second"
SEVENTH = "RFC 9293 §3.10.7.4 seventh"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"
RECEIVE = "RFC 9293 §3.10.3"


@defect(
    "D409",
    "A FIN behind unread text changes the state only when the text is read.",
    EIGHTH,
    source="picoTCP issue 21",
)
class FinWaitsForReader(Connection):
    def advance(self) -> None:
        fin = self.reassembly.fin
        self.reassembly.fin = None
        super().advance()
        self.reassembly.fin = fin
        if not self.receive_buffer:
            super().advance()

    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        data = super().receive(limit, peek=peek)
        self.advance()
        self.output()
        return data


@defect("D410", "A reset that finds unread text is told as the end of the stream.", SECOND)
class ResetIsAnEnd(Connection):
    def reset_arrived(self) -> None:
        if self.state is ESTABLISHED and self.receive_buffer:
            self.delete()
        else:
            super().reset_arrived()


@defect("D411", "Text that was unread when a reset came is delivered behind the error.", SECOND)
class TextBehindTheError(Socket):
    unread = b""

    def notify(self, connection: Tcb, events: Ready) -> None:
        super().notify(connection, events)
        self.unread = bytes(connection.receive_buffer)

    def recv(self, limit: int, *, peek: bool = False) -> bytes:
        try:
            return super().recv(limit, peek=peek)
        except ConnectionResetError:
            self._connected().receive_buffer += self.unread
            raise


@defect("D412", "The peer's FIN throws away what has not been read.", EIGHTH)
class FinClearsTheBuffer(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        self.receive_buffer.clear()


@defect("D413", "close() in CLOSE-WAIT with unread text sends a FIN, as if all had been read.", "SHLD-3")
class CloseHidesTheLoss(Connection):
    def close(self) -> None:
        if self.state is CLOSE_WAIT:
            self.receive_buffer.clear()
        super().close()


@defect("D414", "Text that was only peeked at is gone once the peer's FIN has come.", RECEIVE)
class PeekingReads(Connection):
    def receive(self, limit: int, *, peek: bool = False) -> bytes:
        return super().receive(limit, peek=peek and not self.fin_received)


@defect("D415", "In CLOSE-WAIT a reset that finds unread text is not told.", SECOND)
class ResetInCloseWaitUntold(Connection):
    def reset_arrived(self) -> None:
        if self.state is CLOSE_WAIT and self.receive_buffer:
            self.delete()
        else:
            super().reset_arrived()


@defect("D416", "Behind unread text the end of the stream is told while the FIN still waits for a gap.", EIGHTH)
class EndBeforeTheGap(Connection):
    def note_fin(self, segment: Segment) -> None:
        super().note_fin(segment)
        if self.receive_buffer and self.reassembly.fin is not None and self.reassembly.fin != self.rcv_nxt:
            self.fin_received = True


@defect("D417", "close() in TIME-WAIT with unread text sends a reset and ends it.", "MUST-13", "RFC 9293 §3.10.4")
class CloseResetsTimeWait(Connection):
    def close(self) -> None:
        if self.state is TIME_WAIT and self.receive_buffer:
            self.send_reset()
            self.delete()
        else:
            super().close()


@defect("D418", "The text on a reset is delivered.", SECOND, "RFC 9293 §3.5.3")
class TextOfAReset(Connection):
    def check_reset(self, segment: Segment) -> bool:
        going_on = super().check_reset(segment)
        if not going_on:
            self.receive_buffer += segment.payload
        return going_on


@defect("D419", "What is unread is lost when LAST-ACK ends.", RECEIVE)
class LastAckEndsReading(Connection):
    def our_fin_acknowledged(self) -> None:
        if self.state is LAST_ACK:
            self.receive_buffer.clear()
        super().our_fin_acknowledged()


@defect("D420", "What is unread is lost when TIME-WAIT ends.", RECEIVE)
class TimeWaitEndsReading(Connection):
    def time_wait_timeout(self) -> None:
        self.receive_buffer.clear()
        super().time_wait_timeout()


@defect("D421", "Unread text that comes again together with the FIN is delivered twice.", SEVENTH)
class RepeatedTextWithFin(Connection):
    def process_text(self, segment: Segment) -> None:
        super().process_text(segment)
        old = seqno.diff(self.rcv_nxt, text_start(segment))
        if segment.flags & FIN and 0 < old <= len(segment.payload) and self.receive_buffer:
            self.receive_buffer += segment.payload[:old]


@defect("D422", "While text is unread, the FIN's acknowledgment does not count the FIN.", EIGHTH)
class FinUncountedBehindText(Connection):
    def take_fin(self) -> None:
        super().take_fin()
        if self.receive_buffer and self.state is CLOSE_WAIT:
            self.rcv_nxt = seqno.add(self.rcv_nxt, -1)
            self.send_ack()
            self.rcv_nxt = seqno.add(self.rcv_nxt, 1)
