"""Variants of the options and header fields that a stack sends (RFC 9293 §3.2, §3.7.1; RFC 7323, 3168, 9768, 7413)."""

from dataclasses import replace

from harness.spec import options as coding
from harness.spec import seqno
from harness.spec.segment import ACK, CWR, ECE, PSH, RST, SYN, Segment
from harness.spec.states import SYN_SENT
from harness.stack.connection import Connection
from harness.stack.datagram import Datagram
from harness.stack.options import DEFAULT_MSS, Options
from harness.stack.stack import Stack
from harness.stack.variants.variant import settings_variant, variant

NO_EXTENSIONS = {"window_scale": False, "timestamps": False, "sack": False}
UNCLAIMED = ("timestamps", "window-scale", "sack")
#: Kind of the Fast Open option (RFC 7413 §2).
FAST_OPEN = 34
#: Kind of the user timeout option (RFC 5482 §3).
USER_TIMEOUT = 28
#: What a segment's time to live is unless somebody chooses another.
DEFAULT_TTL = 64
#: CS6 (RFC 4594 §3.1).
NETWORK_CONTROL = 0xC0
#: The AE flag of RFC 9768 among the four bits that RFC 9293 reserves.
AE = 0b0001

settings_variant(
    "only-mss",
    "A SYN carries the MSS option alone.",
    "MUST-4",
    "RFC 7323 §1.3",
    allows="Window scaling, timestamps and SACK are optional.",
    lacks=UNCLAIMED,
    **NO_EXTENSIONS,
)

settings_variant(
    "timestamps-not-required",
    "A segment without timestamps is taken although they were negotiated.",
    "RFC 7323 §3.2",
    allows="It SHOULD be dropped.",
    require_timestamps=False,
)

settings_variant(
    "no-sack",
    "SACK is not offered.",
    "RFC 2018 §2",
    allows="SACK is optional.",
    lacks=("sack",),
    sack=False,
)

settings_variant(
    "no-window-scale",
    "Window scaling is not offered.",
    "RFC 7323 §2.2",
    allows="Window scaling is optional.",
    lacks=("window-scale",),
    window_scale=False,
)

settings_variant(
    "no-timestamps",
    "Timestamps are not offered.",
    "RFC 7323 §3.2",
    allows="Timestamps are optional.",
    lacks=("timestamps",),
    timestamps=False,
)

settings_variant(
    "small-mss",
    "Segments of 536 octets at most are asked for, and sent.",
    "SHLD-5",
    "MUST-67",
    allows="The MSS option says what fits the receiver's own buffers.",
    mss={4: 536, 6: 1220},
)

settings_variant(
    "small-window",
    "The receive buffer has room for two segments and a half.",
    "RFC 9293 §3.8.6",
    allows="How much a receiver buffers is its own choice.",
    receive_buffer=3650,
)

settings_variant(
    "large-window",
    "The receive buffer is of four megaoctets, the window's scale is 7.",
    "RFC 7323 §2",
    allows="How much a receiver buffers is its own choice.",
    receive_buffer=4 << 20,
)


settings_variant(
    "window-scale-of-zero",
    "The window scale option is offered with a shift of 0.",
    "RFC 7323 §2.2",
    allows="It allows the peer to scale its own windows.",
    receive_buffer=65_535,
)


@variant(
    "no-options",
    "No segment carries an option: whoever sends to this stack sends 536 octets at most (1220 on IPv6).",
    "SHLD-5",
    "MUST-15",
    allows="The MSS option SHOULD be sent where the receiver takes more than the default.",
    lacks=UNCLAIMED,
    mss=dict(DEFAULT_MSS),
    **NO_EXTENSIONS,
)
class NoOptions(Connection):
    def emit(self, segment: Segment) -> None:
        segment.options = b""
        super().emit(segment)


@variant(
    "options-padded-with-end",
    "Options come one behind the other, and the end-of-list option pads them.",
    "RFC 9293 §3.2",
    allows="Options may begin on any octet boundary.",
)
class OptionsPaddedWithEnd(Connection):
    def emit(self, segment: Segment) -> None:
        field = b"".join(
            coding.unknown(option.kind, option.data)
            for option in coding.parse(segment.options)
            if option.kind not in (coding.KIND_EOL, coding.KIND_NOP)
        )
        segment.options = field + bytes(-len(field) % 4)
        super().emit(segment)


@variant(
    "options-dropped-on-repeated-syn",
    "A SYN that is sent again offers the MSS only: something on the way may have disliked the others.",
    "RFC 9293 §3.8.1",
    "RFC 7323 §1.3",
    allows="What an option on a SYN offers is optional; RFC 7413 and RFC 3168 §6.1.1.1 recommend the like.",
)
class OptionsDroppedOnRepeatedSyn(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN and self.retransmissions:
            segment.options = coding.mss(self.config.mss_of(self.pair.local.version))
        super().emit(segment)


@variant(
    "ecn-setup-syn",
    "A SYN has ECE and CWR set: it asks for explicit congestion notification.",
    "RFC 3168 §6.1.1",
    allows="A host MAY send an ECN-setup SYN.",
)
class EcnSetupSyn(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN:
            segment.flags |= ECE | CWR
        super().emit(segment)


@variant(
    "ecn-setup-syn-falls-back",
    "A SYN has ECE and CWR set, and has neither when it is sent again.",
    "RFC 3168 §6.1.1.1",
    allows="A host that hears nothing MAY send its SYN again without ECE and CWR.",
)
class EcnSetupSynFallsBack(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN and not self.retransmissions:
            segment.flags |= ECE | CWR
        super().emit(segment)


@variant(
    "accurate-ecn-syn",
    "A SYN has AE, CWR and ECE set: it asks for accurate ECN feedback.",
    "RFC 9768 §3.1.1",
    allows="AE is the bit that RFC 9293 reserved, used by those who negotiate it.",
)
class AccurateEcnSyn(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN:
            segment.flags |= ECE | CWR
            segment.reserved |= AE
        super().emit(segment)


@variant(
    "accurate-ecn-server",
    "A SYN that asks for ECN in another way than RFC 3168's is granted accurate feedback, and each segment counts.",
    "RFC 9768 §3.1.2",
    "RFC 9768 §3.1.3",
    allows="Any other combination of AE, CWR and ECE is taken for a request of it.",
)
class AccurateEcnServer(Connection):
    accurate = False

    def learn_from_syn(self, segment: Segment, found: Options) -> None:
        asked = (segment.reserved & AE, segment.flags & (ECE | CWR))
        self.accurate = not segment.flags & ACK and self.passive and asked not in ((0, 0), (0, ECE | CWR))
        super().learn_from_syn(segment, found)

    def emit(self, segment: Segment) -> None:
        if self.accurate and segment.flags & SYN:
            segment.flags |= CWR  # the SYN was not ECN-capable
        elif self.accurate and not segment.flags & RST:
            segment.flags |= ECE  # no segment was marked: the count begins at 5
            segment.reserved |= AE
        super().emit(segment)


@variant(
    "fast-open-offered",
    "A SYN asks for a Fast Open cookie; the SYN that is sent again does not.",
    "RFC 7413 §4.1.1",
    "RFC 7413 §4.2.1",
    allows="An empty Fast Open option requests a cookie; where no answer comes the option should be left out.",
)
class FastOpenOffered(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & (SYN | ACK) == SYN and not self.retransmissions:
            segment.options += coding.NOP + coding.NOP + coding.unknown(FAST_OPEN, b"")
        super().emit(segment)


@variant(
    "resets-without-timestamps",
    "A reset carries no timestamps.",
    "RFC 7323 §3.2",
    allows="They are RECOMMENDED on a reset.",
)
class ResetsWithoutTimestamps(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & RST:
            segment.options = b""
        super().emit(segment)


@variant(
    "timestamps-tick-slowly",
    "The timestamp clock ticks once in a second.",
    "RFC 7323 §5.4",
    allows="A tick takes between a millisecond and a second.",
)
class TimestampsTickSlowly(Connection):
    def timestamp(self) -> int:
        return (self.now // 1_000_000_000 + self.ts_offset) & 0xFFFFFFFF


@variant(
    "garbage-in-unused-fields",
    "Fields that mean nothing are not zero: the acknowledgment field without ACK, the window of a reset.",
    "RFC 9293 §3.1",
    allows="The fields are significant only with their flag.",
)
class GarbageInUnusedFields(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & ACK:
            segment.ack = 0x12345678
        if segment.flags & RST:
            segment.window = 4711
        super().emit(segment)


@variant(
    "push-everything",
    "PSH is set on every segment that a connection sends with an acknowledgment, but for SYNs.",
    "RFC 9293 §3.9.1.2",
    "MUST-61",
    allows="Pushes may be collapsed at will, and a receiver takes no harm from one more.",
)
class PushEverything(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.payload and self.state is not SYN_SENT:
            segment.flags |= 0x08
        super().emit(segment)


@variant(
    "push-on-every-segment",
    "PSH is set on every segment but SYNs and resets, with text or without.",
    "RFC 9293 §3.9.1.2",
    "RFC 9293 §3.1",
    allows="It asks the receiver to hand on what it has, which an empty segment does not change.",
)
class PushOnEverySegment(Connection):
    def emit(self, segment: Segment) -> None:
        if not segment.flags & (SYN | RST):
            segment.flags |= PSH
        super().emit(segment)


@variant(
    "options-in-another-order",
    "The options of a segment come in the opposite order.",
    "RFC 9293 §3.2",
    allows="No order is given.",
)
class OptionsInAnotherOrder(Connection):
    def emit(self, segment: Segment) -> None:
        known = [each for each in coding.parse(segment.options) if each.kind not in (coding.KIND_EOL, coding.KIND_NOP)]
        field = b"".join(coding.unknown(option.kind, option.data) for option in reversed(known))
        segment.options = coding.NOP * (-len(field) % 4) + field
        super().emit(segment)


@variant(
    "duplicates-reported",
    "An ACK that a segment of old text draws names that text in a SACK block below what it acknowledges.",
    "RFC 2883 §4",
    allows="A receiver may report by a D-SACK block what it has received twice.",
)
class DuplicatesReported(Connection):
    duplicate_text: tuple[int, int] | None = None

    def arrive(self, segment: Segment) -> None:
        end = seqno.add(segment.seq, len(segment.payload))
        old = segment.payload and not segment.flags & SYN and seqno.leq(end, self.rcv_nxt)
        self.duplicate_text = (segment.seq, end) if old and self.sacking else None
        super().arrive(segment)
        self.duplicate_text = None

    def emit(self, segment: Segment) -> None:
        bare = segment.flags == ACK and not segment.payload
        if self.duplicate_text and bare and coding.find(segment.options, coding.KIND_SACK) is None:
            edges = b"".join(edge.to_bytes(4, "big") for edge in self.duplicate_text)
            segment.options += coding.NOP + coding.NOP + coding.unknown(coding.KIND_SACK, edges)
        super().emit(segment)


@variant(
    "user-timeout-announced",
    "A SYN, and the answer to one, carry the user timeout option.",
    "RFC 5482 §3",
    "MUST-6",
    allows="It may be sent at any time, and whoever does not know it ignores it.",
)
class UserTimeoutAnnounced(Connection):
    def emit(self, segment: Segment) -> None:
        if segment.flags & SYN:
            segment.options += coding.unknown(USER_TIMEOUT, (300).to_bytes(2, "big"))
        super().emit(segment)


@variant(
    "ttl-of-255",
    "Segments leave with the largest time to live, unless the application has chosen one.",
    "MUST-49",
    allows="The value is configurable, no default is given.",
)
class TtlOf255(Stack):
    def transmit(self, datagram: Datagram) -> None:
        super().transmit(replace(datagram, ttl=255 if datagram.ttl == DEFAULT_TTL else datagram.ttl))


@variant(
    "traffic-class-of-network-control",
    "Segments leave with the traffic class of network control, unless the application has chosen one.",
    "MUST-48",
    "RFC 9293 §3.9.2",
    allows="The field is chosen by the application, and no default is given.",
)
class TrafficClassOfNetworkControl(Stack):
    def transmit(self, datagram: Datagram) -> None:
        super().transmit(replace(datagram, traffic_class=datagram.traffic_class or NETWORK_CONTROL))


@variant(
    "resets-say-why",
    "A reset carries a text for people.",
    "SHLD-2",
    "RFC 9293 §3.5.3",
    allows="A reset may contain data that explain its cause.",
)
class ResetsSayWhy(Stack):
    def transmit(self, datagram: Datagram) -> None:
        if datagram.segment.flags & RST:
            datagram.segment.payload = b"no such connection"
        super().transmit(datagram)
