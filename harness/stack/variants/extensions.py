"""Variants of how much of an optional extension is used (RFC 2018, 3168, 7323), and of the size that is asked for."""

from harness.spec import options as coding
from harness.spec.segment import ACK, CWR, ECE, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.options import Options
from harness.stack.stack import Stack
from harness.stack.variants.variant import settings_variant, variant

#: Octets of a SACK block.
BLOCK = 8

settings_variant(
    "mss-of-an-odd-number",
    "Segments of 1,111 octets at most are asked for, and sent.",
    "SHLD-5",
    "MUST-67",
    allows="The MSS option says what fits the receiver's own buffers.",
    mss={4: 1111, 6: 1331},
)


@variant(
    "timestamps-tick-in-hundredths",
    "The timestamp clock ticks a hundred times in a second.",
    "RFC 7323 §5.4",
    allows="A tick takes between a millisecond and a second.",
)
class TimestampsTickInHundredths(Connection):
    def timestamp(self) -> int:
        return (self.now // 10_000_000 + self.ts_offset) & 0xFFFFFFFF


class _OtherBlocks(Connection):
    """Tells of so many SACK blocks as `blocks` says, where the reference stack tells of all."""

    blocks = 0

    def emit(self, segment: Segment) -> None:
        edges = None if segment.flags & SYN else coding.find(segment.options, coding.KIND_SACK)
        if edges is not None:
            others = [each for each in coding.parse(segment.options) if each.kind > coding.KIND_NOP]
            field = b"".join(coding.unknown(each.kind, each.data) for each in others if each.kind != coding.KIND_SACK)
            if self.blocks:
                field += coding.unknown(coding.KIND_SACK, edges[: BLOCK * self.blocks])
            segment.options = coding.NOP * (-len(field) % 4) + field
        super().emit(segment)


@variant(
    "sack-with-one-block",
    "A SACK option has a single block, of the segment that came last.",
    "RFC 2018 §4",
    allows="As many blocks as there is room for SHOULD be named.",
)
class SackWithOneBlock(_OtherBlocks):
    blocks = 1


@variant(
    "sack-permitted-and-not-sent",
    "SACK is permitted on both SYNs, and no ACK has a block.",
    "RFC 2018 §3",
    allows="A receiver that was permitted MAY send blocks; what it does if it sends any at all is another matter.",
)
class SackPermittedAndNotSent(_OtherBlocks):
    blocks = 0


@variant(
    "ecn-granted",
    "A SYN that asks for ECN is granted it: the SYN,ACK has ECE.",
    "RFC 3168 §6.1.1",
    allows="A host that has it may agree; nothing more follows where no mark comes.",
)
class EcnGranted(Connection):
    asked = False

    def open_passive(self, segment: Segment, found: Options) -> None:
        self.asked = segment.flags & (ECE | CWR) == ECE | CWR and not segment.reserved
        super().open_passive(segment, found)

    def emit(self, segment: Segment) -> None:
        if self.asked and segment.flags & (SYN | ACK) == SYN | ACK:
            segment.flags |= ECE
        super().emit(segment)


@variant(
    "timestamps-begin-with-the-connection",
    "The timestamps of each connection begin at 1: those of a later one may lie below those of the one before.",
    "RFC 7323 §5.4",
    "RFC 7323 §7.1",
    allows="The clock is approximately proportional to real time; what it begins with is left open.",
)
class TimestampsBeginWithTheConnection(Stack):
    def choose_timestamp_offset(self, pair: Pair) -> int:
        chosen = self.config.timestamp_offset
        return 1 - self.now // 1_000_000 if chosen is None else super().choose_timestamp_offset(pair)


@variant(
    "timestamps-of-one-clock",
    "All connections have the timestamps of one clock, which begins with the stack.",
    "RFC 7323 §5.4",
    allows="That each connection has an offset of its own is a suggestion (RFC 7323 §7.1).",
)
class TimestampsOfOneClock(Stack):
    def choose_timestamp_offset(self, pair: Pair) -> int:
        return 0 if self.config.timestamp_offset is None else super().choose_timestamp_offset(pair)
