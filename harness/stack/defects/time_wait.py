"""Defects of TIME-WAIT: how long it lasts, and which SYNs may end it (RFC 9293 §3.6.1, RFC 6191)."""

from harness.spec import seqno
from harness.spec.segment import FIN, Segment
from harness.spec.states import TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.tcb import Tcb
from harness.stack.timers import Timer

LASTS = "MUST-13"
REOPENING = "MAY-2"
BY_TIMESTAMP = "RFC 6191 §2"


@defect(
    "D64",
    "The peer's FIN, when it comes again, does not let 2 MSL begin anew.",
    "RFC 9293 §3.10.7.4 eighth",
    source="tricep issue 104",
)
class NotRestarted(Connection):
    def restart_time_wait(self) -> None:
        if not self.timers.runs(Timer.TIME_WAIT):
            super().restart_time_wait()


@defect("D66", "No SYN ends TIME-WAIT, though the stack says that a new one does.", REOPENING, BY_TIMESTAMP)
class NeverReopens(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        return False


@defect("D217", "Every SYN ends TIME-WAIT, an old duplicate too.", REOPENING, BY_TIMESTAMP)
class AlwaysReopens(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        return True


@defect("D218", "A SYN in TIME-WAIT is judged by its number though timestamps would tell.", BY_TIMESTAMP)
class TimestampsOverlooked(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        return seqno.leq(self.rcv_nxt, segment.seq)


@defect("D219", "A SYN in TIME-WAIT with an older timestamp counts as new, one with a newer as old.", BY_TIMESTAMP)
class TimestampsReversed(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        new = super().gives_way_to(segment, found)
        return not new if self.stamping and found.timestamps is not None else new


@defect("D220", "A SYN in TIME-WAIT is new only if its number is far beyond the old ones.", REOPENING)
class ReopensTooLate(Connection):
    def gives_way_to(self, segment: Segment, found: Options) -> bool:
        return super().gives_way_to(segment, found) and seqno.lt(seqno.add(self.rcv_nxt, 65_535), segment.seq)


@defect("D221", "TIME-WAIT lasts for one MSL.", LASTS)
class OneMsl(Connection):
    @property
    def two_msl(self) -> int:
        return super().two_msl // 2


@defect("D222", "TIME-WAIT lasts for ever.", "RFC 9293 §3.10.8")
class ForEver(Connection):
    def time_wait_timeout(self) -> None:
        return


@defect("D223", "2 MSL begin with our FIN, not with TIME-WAIT.", LASTS)
class BeginsWithOurFin(Connection):
    fin_sent_at = 0

    def emit(self, segment: Segment) -> None:
        if segment.flags & FIN:
            self.fin_sent_at = self.now
        super().emit(segment)

    @property
    def two_msl(self) -> int:
        return max(0, super().two_msl - (self.now - self.fin_sent_at))


@defect(
    "D224", "Text in TIME-WAIT restarts the conversation: it is taken and acknowledged.", "RFC 9293 §3.10.7.4 seventh"
)
class TextInTimeWait(Connection):
    def process_text_and_fin(self, segment: Segment) -> None:
        if self.state is TIME_WAIT and segment.payload:
            self.rcv_nxt = seqno.add(self.rcv_nxt, len(segment.payload))
            self.ack_due = True
        super().process_text_and_fin(segment)


@defect(
    "D225",
    "An old duplicate that reopened TIME-WAIT and proves old leaves nothing behind.",
    "MAY-2",
)
class NoWayBack(Stack):
    def forget(self, connection: Tcb) -> None:
        connection.replaced = None
        super().forget(connection)


@defect("D226", "A hard ICMP error ends TIME-WAIT.", LASTS, "RFC 9293 §3.9.2.2")
class IcmpEndsTimeWait(Connection):
    def hard_error_aborts(self) -> bool:
        return True


@defect("D227", "A segment that comes in TIME-WAIT without timestamps, though they were negotiated, ends it.", LASTS)
class UnstampedEndsTimeWait(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        if self.state is TIME_WAIT and self.stamping and found.timestamps is None:
            self.delete()
            return False
        return super().check_timestamp(segment, found)
