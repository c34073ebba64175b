"""Options and scale together: timestamps, window scale and SACK agreed at once."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, SYN, Segment
from harness.spec.states import SYN_RECEIVED
from harness.stack.connection import Connection
from harness.stack.defects.defect import of_kind
from harness.stack.options import TIMESTAMPS_LENGTH, Options
from harness.stack.output import LARGEST_FIELD
from harness.stack.reassembly import Reassembly
from harness.stack.timers import Timer

KIND = "options-together"
defect = of_kind(KIND)

SCALE = "RFC 7323 §2.3"
STAMPS = "RFC 7323 §3.2"
ECHO = "RFC 7323 §4.3"
SACK = "RFC 9293 §3.2"


@defect("D471", "Where timestamps are agreed too, our window is sent without its scale.", SCALE)
class StampedWindowUnscaled(Connection):
    @property
    def rcv_scale(self) -> int:
        return 0 if self.stamping else super().rcv_scale


@defect("D472", "Where SACK is agreed too, the peer's window is taken without its scale.", SCALE)
class SackedWindowUnscaled(Connection):
    def take_window(self, segment: Segment, *, shift: int) -> None:
        super().take_window(segment, shift=0 if self.sacking else shift)


class Stamping(Connection):
    """A connection that keeps the timestamp of its SYN for another occasion."""

    first: int | None = None
    old = False

    def timestamp(self) -> int:
        stamp = super().timestamp()
        if self.first is None:
            self.first = stamp
        return self.first if self.old else stamp


@defect("D473", "The FIN has the timestamp of the SYN.", STAMPS)
class StaleFin(Stamping):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        self.old = bool(flags & FIN)
        super().transmit(flags, seq, payload)
        self.old = False


@defect("D474", "The reset of ABORT has the timestamp of the SYN.", STAMPS, "RFC 9293 §3.10.5")
class StaleReset(Stamping):
    def send_reset(self) -> None:
        self.old = True
        super().send_reset()
        self.old = False


@defect("D475", "TS.Recent takes the timestamp of a segment outside the window.", ECHO, "RFC 7323 §5.3")
class RecentFromOutside(Connection):
    def answer_unacceptable(self) -> None:
        if self.stamping and self.stray is not None and seqno.lt(self.ts_recent, self.stray):
            self.ts_recent = self.stray
        super().answer_unacceptable()

    stray: int | None = None

    def check_timestamp(self, segment: Segment, found: Options) -> bool:
        self.stray = found.timestamps[0] if found.timestamps is not None else None
        return super().check_timestamp(segment, found)


class LastOctets(Reassembly):
    """The right edge is the last octet of a block, not the number behind it."""

    def blocks(self) -> list[tuple[int, int]]:
        return [(left, seqno.add(right, -1)) for left, right in super().blocks()]


@defect("D476", "The right edge of a SACK block is that of its last octet.", SACK, source="RFC 2018 §3")
class BlocksOneShort(Connection):
    def _init_receiving(self) -> None:
        super()._init_receiving()
        self.reassembly = LastOctets()


@defect("D477", "What is sent again has no timestamps.", STAMPS)
class RepeatedUnstamped(Connection):
    def retransmission_timeout(self) -> None:
        stamping, self.stamping = self.stamping, False
        super().retransmission_timeout()
        self.stamping = stamping


@defect("D478", "A SYN that comes again with other options changes what was agreed.", "RFC 9293 §3.10.7.4 first")
class LearnsFromRepeatedSyn(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        if self.state is SYN_RECEIVED and segment.flags & (SYN | ACK) == SYN and segment.seq == self.irs:
            self.negotiate(found)
        return super().check_sequence(segment, found)


@defect("D479", "Where timestamps are agreed, no SACK blocks are sent.", SACK, source="RFC 2018 §4")
class NoBlocksBesideTimestamps(Connection):
    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        sacking, self.sacking = self.sacking, self.sacking and not self.stamping
        super().transmit(flags, seq, payload)
        self.sacking = sacking


@defect("D480", "The window of a segment with SACK blocks is overlooked.", "RFC 9293 §3.10.7.4 fifth")
class NoWindowBesideBlocks(Connection):
    def update_window(self, segment: Segment) -> None:
        if options.find(segment.options, options.KIND_SACK) is None:
            super().update_window(segment)


@defect("D481", "Segments are not made shorter by the timestamps that they carry.", "MUST-16", "RFC 6691 §2")
class TimestampsBeyondMss(Connection):
    @property
    def send_mss(self) -> int:
        return super().send_mss + (TIMESTAMPS_LENGTH if self.stamping and self.sacking else 0)


@defect("D482", "Windows are scaled only if timestamps are agreed too.", "RFC 7323 §2.2")
class NoScaleAlone(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        if not self.stamping:
            self.snd_shift, self.scaling = 0, False


@defect("D483", "Keep-alive probes have no timestamps: a peer may drop them.", STAMPS, "RFC 9293 §3.8.4")
class UnstampedKeepAlive(Connection):
    def send_keep_alive(self) -> None:
        stamping, self.stamping = self.stamping, False
        super().send_keep_alive()
        self.stamping = stamping


@defect("D484", "A delayed ACK echoes the latest timestamp and not the one that it was delayed for.", ECHO)
class DelayedEcho(Connection):
    def note_timestamp(self, segment: Segment, found: Options) -> None:
        answered, delayed = self.last_ack_sent, self.timers.runs(Timer.DELAYED_ACK)
        self.last_ack_sent = self.rcv_nxt if delayed else answered
        super().note_timestamp(segment, found)
        self.last_ack_sent = answered


@defect("D485", "The window of a segment that carries data is sent without its scale.", SCALE)
class DataWindowUnscaled(Connection):
    with_data = False

    def transmit(self, flags: int, seq: int, payload: bytes = b"") -> None:
        self.with_data = bool(payload)
        super().transmit(flags, seq, payload)
        self.with_data = False

    def emit(self, segment: Segment) -> None:
        if self.with_data:
            segment.window = min(segment.window << self.rcv_scale, LARGEST_FIELD)
        super().emit(segment)


@defect("D486", "Where SACK and scale are agreed, timestamps end with the handshake of a passive open.", STAMPS)
class StampedSynOnly(Connection):
    def establish(self) -> None:
        super().establish()
        if self.passive and self.scaling and self.sacking:
            self.stamping = False
