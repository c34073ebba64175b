"""Defects of options: which are read, offered and used (RFC 9293 §3.2, §3.7.1, RFC 7323, RFC 2018)."""

from dataclasses import replace

from harness.spec import options
from harness.spec.options import KIND_NOP, KIND_TIMESTAMPS
from harness.spec.segment import RST, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.defects.defect import defect
from harness.stack.listener import Listener
from harness.stack.options import NONE, Options, read

READING = "MUST-4"
UNKNOWN = "MUST-6"
LENGTHS = "MUST-7"
MSS = "RFC 9293 §3.7.1"
STAMPS = "RFC 7323 §3.2"


def kinds(field: bytes) -> list[int]:
    """Return the kinds of the options in a field, the empty list for a malformed one."""
    try:
        return [option.kind for option in options.parse(field)]
    except options.MalformedOptions:
        return []


# --- reading ---------------------------------------------------------------------------------------------------------


@defect(
    "D79",
    "An option of length 0 is read for ever: the listener answers nothing any more.",
    LENGTHS,
    source="TLDK, found by TCP-Fuzz",
)
class ZeroLengthLoops(Listener):
    looping = False

    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        field = datagram.segment.options
        self.looping = self.looping or (len(field) > 1 and field[0] > KIND_NOP and field[1] == 0)
        return None if self.looping else super().arrive(datagram, replaced)


@defect("D292", "A SYN with an option of unknown kind is dropped.", UNKNOWN)
class UnknownOptionDropped(Listener):
    def arrive(self, datagram: Datagram, replaced: Connection | None = None) -> Connection | None:
        if any(kind > KIND_TIMESTAMPS for kind in kinds(datagram.segment.options)):
            return None
        return super().arrive(datagram, replaced)


@defect("D293", "An option of unknown kind ends the reading: what stands behind it is overlooked.", UNKNOWN)
class UnknownOptionEndsReading(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        first = next(iter(kinds(segment.options)), KIND_NOP)
        super().learn_from_syn(segment, NONE if first > KIND_TIMESTAMPS else found)


@defect("D294", "Options are read only from the first place: padding in front hides them.", READING, "RFC 9293 §3.2")
class PaddingEndsReading(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, NONE if segment.options[:1] == options.NOP else found)


@defect("D295", "An unknown option on a segment of an open connection has the segment dropped.", READING, UNKNOWN)
class UnknownOptionLater(Connection):
    def check_sequence(self, segment: Segment, found: Options) -> bool:
        unknown = any(kind > KIND_TIMESTAMPS for kind in kinds(segment.options))
        return not unknown and super().check_sequence(segment, found)


# --- MSS -------------------------------------------------------------------------------------------------------------


@defect(
    "D80",
    "Without an MSS option the peer is sent what our own link holds.",
    "MUST-15",
    source="RFC 2525 §2.18; TLDK",
)
class NoDefaultMss(Connection):
    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        super().learn_from_syn(segment, replace(found, mss=found.mss or self.config.mss_of(self.pair.local.version)))


@defect("D296", "The peer's MSS is overlooked.", "MUST-16")
class PeerMssOverlooked(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(replace(found, mss=None))
        self.peer_mss = self.config.mss_of(self.pair.local.version)


@defect("D297", "The peer's MSS is taken with a header's length added.", "MUST-16", "RFC 6691 §2")
class MssWithHeader(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(replace(found, mss=found.mss + 20 if found.mss else None))


@defect(
    "D298",
    "The octets of timestamps are not counted: segments are larger than the peer's MSS allows.",
    "MUST-16",
    "RFC 6691 §2",
)
class TimestampsNotCounted(Connection):
    @property
    def send_mss(self) -> int:
        return min(self.peer_mss, self.config.mss_of(self.pair.local.version))


@defect("D299", "SYNs have no MSS option.", "SHLD-5")
class NoMssOption(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN:
            segment.options = segment.options[len(options.mss(0)) :]
        super().emit(segment)


@defect("D300", "The MSS option counts the headers: it has the size of the link.", "MUST-67")
class MssIsMtu(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN:
            segment.options = options.mss(1500) + segment.options[len(options.mss(0)) :]
        super().emit(segment)


@defect("D301", "The MSS option is repeated on segments that are no SYNs.", "MUST-14", "RFC 9293 §3.2")
class MssEverywhere(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & (SYN | RST):
            segment.options = options.mss(1460) + segment.options
        super().emit(segment)


@defect("D302", "The MSS of one connection is used for the listener's next, if that has announced none.", "MUST-15")
class MssSurvives(Listener):
    heard = 0

    def open(self, datagram: Datagram, replaced: Connection | None) -> Connection:
        connection = super().open(datagram, replaced)
        announced = read(datagram.segment.options).mss
        if announced is None and self.heard:
            connection.peer_mss = self.heard
        self.heard = announced or self.heard
        return connection


# --- what both sides must have --------------------------------------------------------------------------------------


@defect("D303", "The SYN,ACK has a window scale though the SYN had none.", "RFC 7323 §1.3")
class ScaleUnasked(Connection):
    def offered_shift(self, answers: bool) -> int | None:
        return super().offered_shift(False)


@defect("D304", "The SYN,ACK has timestamps though the SYN had none.", STAMPS)
class TimestampsUnasked(Connection):
    def offers_timestamps(self, answers: bool) -> bool:
        return super().offers_timestamps(False)


@defect("D305", "The SYN,ACK permits SACK though the SYN did not.", "RFC 9293 §3.2")
class SackUnasked(Connection):
    def offers_sack(self, answers: bool) -> bool:
        return super().offers_sack(False)


@defect("D306", "SACK blocks are sent to a peer that has not permitted them.", "RFC 9293 §3.2")
class SackUnpermitted(Connection):
    def negotiate(self, found: Options) -> None:
        super().negotiate(found)
        self.sacking = True

    def offers_sack(self, answers: bool) -> bool:
        return False
