"""CLOSE with something unsent × the peer's next step: its FIN, its silence, its window."""

from harness.spec import seqno
from harness.spec.segment import ACK, FIN, Segment
from harness.spec.states import CLOSE_WAIT, CLOSING, FIN_WAIT_1, LAST_ACK
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.timers import Timer

KIND = "close-unsent"
defect = of_kind(KIND)

CLOSE = "RFC 9293 §3.10.4"
PROBES = "MUST-36"
UPDATE = "RFC 9293 §3.10.7.4 fifth"
EIGHTH = "RFC 9293 §3.10.7.4 eighth"


@defect(
    "D377",
    "When the peer's FIN comes before data and FIN of ours could leave, they never do.",
    CLOSE,
    EIGHTH,
    source="smoltcp pull request 398",
)
class UnsentIsStuck(Connection):
    stuck = False

    def take_fin(self) -> None:
        super().take_fin()
        self.stuck = self.state is CLOSING and self.unsent
        if self.stuck:
            self.timers.stop(Timer.PROBE)

    def _send_next(self) -> bool:
        return not self.stuck and super()._send_next()

    def _arm_send_timers(self) -> None:
        if not self.stuck:
            super()._arm_send_timers()


@defect("D378", "After CLOSE in CLOSE-WAIT a closed window is not probed.", PROBES, CLOSE)
class NoProbesAfterCloseInCloseWait(Connection):
    def _arm_send_timers(self) -> None:
        if self.state is CLOSE_WAIT and self.fin_queued:
            self.timers.stop(Timer.PROBE)
        else:
            super()._arm_send_timers()


@defect("D379", "A window that closes in LAST-ACK, before data and FIN are acknowledged, is not probed.", PROBES)
class NoProbesInLastAck(Connection):
    def retransmission_timeout(self) -> None:
        if self.state is not LAST_ACK or self.snd_wnd:
            super().retransmission_timeout()


@defect("D380", "A window update that comes in CLOSING is overlooked.", UPDATE)
class NoUpdateInClosing(Connection):
    def update_window(self, segment: Segment) -> None:
        if self.state is not CLOSING:
            super().update_window(segment)


@defect("D381", "A window update that comes in LAST-ACK is overlooked.", UPDATE)
class NoUpdateInLastAck(Connection):
    def update_window(self, segment: Segment) -> None:
        if self.state is not LAST_ACK:
            super().update_window(segment)


@defect("D382", "CLOSE in CLOSE-WAIT enters LAST-ACK at once, while the FIN still waits for the window.", CLOSE)
class LastAckBeforeFin(Connection):
    def shutdown(self) -> None:
        waits = self.state is CLOSE_WAIT
        super().shutdown()
        if waits and self.state is CLOSE_WAIT:
            self.enter(LAST_ACK)


@defect("D383", "Data that Nagle's algorithm holds back when CLOSE is called is thrown away.", CLOSE, "SHLD-7")
class NagleLosesTheRest(Connection):
    def shutdown(self) -> None:
        if not self.may_send_small() and not self.fin_queued:
            del self.send_buffer[max(0, seqno.diff(self.cursor, self.snd_first)) :]
        super().shutdown()


@defect("D384", "In FIN-WAIT-1 only one probe is sent to a closed window.", PROBES)
class OneProbeInFinWait1(Connection):
    def probe_timeout(self) -> None:
        if not (self.state is FIN_WAIT_1 and self.probes and self.snd_wnd == 0):
            super().probe_timeout()


@defect("D385", "close() while data waits for a closed window resets the connection.", CLOSE)
class CloseResetsWhatWaits(Connection):
    def close(self) -> None:
        if self.unsent and self.snd_wnd == 0:
            self.abort()
        else:
            super().close()


@defect("D386", "When CLOSE has been called, a closed window is probed with the FIN, in the place of the data.", CLOSE)
class FinAsProbe(Connection):
    def send_probe(self) -> None:
        if self.fin_queued and self.send_buffer:
            self.transmit(FIN | ACK, self.snd_una)
        else:
            super().send_probe()


@defect("D387", "The peer's FIN leads from FIN-WAIT-1 to TIME-WAIT while our FIN waits to be sent.", EIGHTH)
class TimeWaitBeforeFin(Connection):
    def take_fin(self) -> None:
        waits = self.state is FIN_WAIT_1 and self.unsent
        super().take_fin()
        if waits:
            self.enter_time_wait()


@defect("D388", "The FIN leaves with the first part of the data that a small window lets through.", CLOSE)
class FinWithTheFirstPart(Connection):
    hasty = True

    def _send_next(self) -> bool:
        queued = seqno.diff(self.snd_end, self.cursor)
        usable = seqno.diff(seqno.add(self.snd_una, self.usable_window()), self.cursor)
        if self.fin_queued and self.hasty and 0 < usable < queued:
            self.hasty = False
            seq, at = self.cursor, seqno.diff(self.cursor, self.snd_first)
            self.transmit(FIN | ACK, seq, bytes(self.send_buffer[at : at + usable]))
            self.start_retransmission_timer()
        return super()._send_next()


@defect("D389", "An acknowledgment of a part of the data makes the FIN forgotten that waits behind the rest.", CLOSE)
class PartialAckForgetsFin(Connection):
    def acknowledge(self, ack: int) -> None:
        super().acknowledge(ack)
        if self.fin_queued and self.state is FIN_WAIT_1 and self.send_buffer and self.unsent:
            self.fin_queued = False


@defect("D390", "What waits after CLOSE for the window of a peer that is silent waits for ever.", "MUST-20")
class SilentPeerAfterClose(Connection):
    def start_user_timeout(self) -> None:
        if not (self.fin_queued and self.snd_wnd == 0):
            super().start_user_timeout()

    def set_user_timeout(self) -> None:
        if not (self.fin_queued and self.snd_wnd == 0):
            super().set_user_timeout()


@defect(
    "D391", "The probe's octet is sent, but what is behind it waits for the next probe when CLOSE was called.", CLOSE
)
class OneOctetPerProbe(Connection):
    def usable_window(self) -> int:
        usable = super().usable_window()
        return min(usable, 1) if self.fin_queued and self.probes else usable
