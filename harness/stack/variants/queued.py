"""Variants of calls that wait for the handshake (RFC 9293 §3.10.2, §3.10.4), and of what leaves before a reset."""

import errno

from harness.spec.segment import Segment
from harness.spec.states import CLOSED, CLOSING, ESTABLISHED, FIN_WAIT_1
from harness.stack.connection import Connection
from harness.stack.sockets import Socket
from harness.stack.stack import Stack
from harness.stack.variants.variant import variant


@variant(
    "queue-leaves-before-the-text-counts",
    "What the acknowledgment and the window of a segment let out leaves before its text is looked at.",
    "RFC 9293 §3.10.7.4 fifth",
    allows="The fifth check, with all that it sets free, comes before the seventh.",
)
class QueueLeavesBeforeTheTextCounts(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        if self.state in (ESTABLISHED, FIN_WAIT_1, CLOSING):
            self.ack_due, due = False, self.ack_due
            self.output()
            self.ack_due = due
        super().process_text_and_fin(segment)


@variant(
    "refused-text-is-acknowledged-by-what-waits",
    "Text that comes behind CLOSE is acknowledged, by text or FIN that waits if there is any; then a reset follows.",
    "SHLD-3",
    "MAY-1",
    "MUST-58",
    allows="A reset SHOULD show that data was lost, and a segment may do for several purposes.",
)
class RefusedTextIsAcknowledgedByWhatWaits(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        self.deaf, deaf = False, self.deaf
        super().process_text_and_fin(segment)
        self.deaf = deaf
        if deaf and self.receive_buffer and self.state is not CLOSED:
            self.output()
            self.send_reset()
            self.delete(errno.ECONNRESET)


@variant(
    "send-waits-for-the-handshake",
    "SEND is taken before the connection is open, and its text leaves when it is.",
    "RFC 9293 §3.10.2",
    allows="The data is queued for transmission after entering ESTABLISHED state.",
)
class SendWaitsForTheHandshake(Socket):
    def send(self, data: bytes, *, urgent: bool = False) -> int:
        self._raise_pending()
        return self._connected().send(data, urgent=urgent)


class QueuedClose(Connection):
    """A CLOSE that was queued behind SENDs comes when the segment that establishes has been processed."""

    waits = False

    def establish(self) -> None:
        self.waits, self.fin_queued = self.fin_queued, False
        self.deaf, deaf = False, self.deaf
        super().establish()
        self.deaf = deaf

    def process_text_and_fin(self, segment: Segment) -> None:
        deaf, self.deaf = self.deaf, self.deaf and not self.waits
        super().process_text_and_fin(segment)
        self.deaf = deaf
        if self.waits and self.state is not CLOSED:
            self.waits = False
            self.output()
            if self.deaf:
                self.close()
            else:
                self.shutdown()


@variant(
    "queued-close-waits-for-the-text",
    "SEND and CLOSE of SYN-RECEIVED are queued; CLOSE counts behind text and FIN of the segment that establishes.",
    "RFC 9293 §3.10.4",
    "MAY-1",
    "SHLD-3",
    allows="Nothing says at which point of the segment a queued CLOSE is processed; with text pending it resets.",
)
class QueuedCloseWaitsForTheText(Stack):
    connection_class = QueuedClose
    socket_class = SendWaitsForTheHandshake
