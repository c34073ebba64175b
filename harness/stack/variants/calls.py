"""Variants of what the user calls do (RFC 9293 §3.10.1 to §3.10.6), and of what an ICMP error does."""

import errno

from harness.spec.segment import ACK, RST, Segment
from harness.spec.states import FIN_WAIT_2, SYN_RECEIVED, SYN_SENT, TIME_WAIT
from harness.stack.calls import BOTH_CLOSED
from harness.stack.connection import Connection
from harness.stack.reception import RECEIVING
from harness.stack.variants.variant import variant


@variant(
    "close-keeps-receiving",
    "CLOSE is for one direction: what comes behind it is acknowledged, and nobody reads it.",
    "MAY-1",
    "SHLD-3",
    "RFC 9293 §3.6",
    allows="Half-duplex close MAY be implemented; the reset for data that is lost SHOULD be sent.",
)
class CloseKeepsReceiving(Connection):
    def close(self) -> None:
        self.owner = None
        self.receive_buffer.clear()
        self.shutdown()
        if self.state is FIN_WAIT_2:
            self.bound_fin_wait_2()

    def advance(self) -> None:
        super().advance()
        if self.owner is None and self.state is not SYN_RECEIVED:
            self.receive_buffer.clear()

    def bound_fin_wait_2(self) -> None:
        self.deaf, deaf = self.owner is None, self.deaf
        super().bound_fin_wait_2()
        self.deaf = deaf


@variant(
    "close-acknowledges-what-it-refuses",
    "Text that comes behind CLOSE is acknowledged, and then a reset says that nobody will read it.",
    "SHLD-3",
    "MAY-1",
    "RFC 9293 §3.10.7.4 seventh",
    allows="A reset SHOULD show that data was lost; that the data is not acknowledged first, no sentence says.",
)
class CloseAcknowledgesWhatItRefuses(Connection):
    def process_text(self, segment: Segment) -> None:
        self.deaf, deaf = False, self.deaf
        super().process_text(segment)
        self.deaf = deaf

    def advance(self) -> None:
        super().advance()
        if self.deaf and self.receive_buffer and self.state in RECEIVING:
            self.send_ack()
            self.send_reset()
            self.delete(errno.ECONNRESET)


@variant(
    "close-forgets-unread-text",
    "CLOSE sends a FIN also where text was not read.",
    "SHLD-3",
    allows="A reset SHOULD be sent, to show that data was lost.",
)
class CloseForgetsUnreadText(Connection):
    def close(self) -> None:
        self.receive_buffer.clear()
        super().close()


@variant(
    "abort-rests-in-time-wait",
    "Who aborts a connection with a reset stays in TIME-WAIT.",
    "RFC 9293 §3.5.2",
    allows="The side that sends a reset should enter TIME-WAIT.",
)
class AbortRestsInTimeWait(Connection):
    def abort(self) -> None:
        if self.state in BOTH_CLOSED | {SYN_SENT, SYN_RECEIVED}:
            super().abort()
            return
        self.send_reset()
        self.owner = None
        self.send_buffer.clear()
        self.enter(TIME_WAIT)
        self.timers.clear()
        self.restart_time_wait()


@variant(
    "hard-errors-are-soft",
    "No ICMP error ends a connection.",
    "SHLD-26",
    "RFC 5927 §5.2",
    allows="Hard errors SHOULD abort; RFC 5927 treats them as soft in synchronized states.",
)
class HardErrorsAreSoft(Connection):
    def hard_error_aborts(self) -> bool:
        return False


@variant(
    "abort-acknowledges",
    "The reset of ABORT has ACK set, and acknowledges what was received.",
    "RFC 9293 §3.1",
    "RFC 9293 §3.10.5",
    allows="Once a connection is established, an acknowledgment is always sent.",
)
class AbortAcknowledges(Connection):
    def send_reset(self) -> None:
        self.transmit(RST | ACK, self.snd_nxt)
