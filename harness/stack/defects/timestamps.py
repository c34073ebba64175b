"""Defects of timestamps: what is echoed, and what PAWS makes of an old one (RFC 7323 §3 to §5)."""

from harness.spec import options
from harness.spec.options import KIND_TIMESTAMPS
from harness.spec.segment import RST, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.defects.defect import defect
from harness.stack.defects.options import STAMPS, kinds
from harness.stack.options import Options

PAWS = "RFC 7323 §5.3"


@defect("D260", "Timestamps stand on SYNs only, though they were negotiated.", STAMPS)
class TimestampsStop(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & SYN:
            segment.options = b""
        super().emit(segment)


@defect("D261", "The peer's timestamp is not echoed.", STAMPS)
class NoEcho(Connection):
    def emit(self, segment: Segment) -> None:
        if self.stamping and not segment.flags & (SYN | RST):
            segment.options = options.NOP * 2 + options.timestamps(self.timestamp(), 0)
        super().emit(segment)


@defect("D262", "A SYN,ACK does not echo the SYN's timestamp.", STAMPS)
class NoEchoOnSynAck(Connection):
    def send_syn(self) -> None:
        recent, self.ts_recent = self.ts_recent, 0
        super().send_syn()
        self.ts_recent = recent


@defect("D263", "What is echoed is the first timestamp, for ever.", "RFC 7323 §4.3")
class EchoFrozen(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        return


@defect("D264", "What is echoed is the latest timestamp, also of a segment out of order.", "RFC 7323 §4.3")
class EchoOfTheLatest(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        if self.stamping and found.timestamps is not None:
            self.ts_recent, self.ts_recent_at = found.timestamps[0], self.now


@defect("D265", "The timestamp clock stands still.", "RFC 7323 §5.4")
class ClockStandsStill(Connection):
    def timestamp(self) -> int:
        return self.ts_offset


@defect("D266", "An old timestamp does not make a segment unacceptable: there is no PAWS.", PAWS)
class NoPaws(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return False


@defect("D267", "A segment that PAWS rejects draws no ACK.", PAWS)
class PawsUnanswered(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        old = self.stamping and found.timestamps is not None and self.is_old_timestamp(found.timestamps[0])
        return False if old and not segment.flags & RST else super().check_timestamp(segment, found)


@defect("D268", "PAWS rejects a timestamp that is the same as the one before.", PAWS)
class EqualIsOld(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return super().is_old_timestamp(value) or value == self.ts_recent


@defect("D269", "PAWS compares timestamps as plain numbers: behind the wrap all are old.", PAWS)
class PawsDoesNotWrap(Connection):
    def is_old_timestamp(self, value: int) -> bool:
        return value < self.ts_recent


@defect("D270", "A reset with an old timestamp is dropped.", "RFC 7323 §5.2")
class PawsRejectsResets(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        old = self.stamping and found.timestamps is not None and self.is_old_timestamp(found.timestamps[0])
        return not (old and segment.flags & RST) and super().check_timestamp(segment, found)


@defect("D271", "A segment without timestamps, though they were negotiated, is answered and not dropped.", STAMPS)
class UnstampedAnswered(Connection):
    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        if self.stamping and found.timestamps is None and not segment.flags & RST:
            self.answer_unacceptable()
            return False
        return super().check_timestamp(segment, found)


@defect("D272", "A reset without timestamps, though they were negotiated, is dropped.", STAMPS)
class UnstampedResetDropped(Connection):
    def check_reset(self, segment: Segment) -> bool:
        unstamped = self.stamping and segment.flags & RST and KIND_TIMESTAMPS not in kinds(segment.options)
        return not unstamped and super().check_reset(segment)


@defect("D273", "An active OPEN uses timestamps though the SYN,ACK had none.", STAMPS)
class StampsAlone(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        if not self.passive and self.config.timestamps:
            self.stamping = True
