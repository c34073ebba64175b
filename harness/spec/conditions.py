"""Conditions on a connection and an arriving segment: values that print as the RFC writes them.

``(SND_UNA < SEG_ACK) & (SEG_ACK <= SND_NXT)`` is an object. It is asked with `holds`, prints as
``SND.UNA < SEG.ACK and SEG.ACK =< SND.NXT``, and lists with `variants` the small mistakes one could make in writing it,
which is how the tests of the harness prove their own power.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from harness.spec import options, seqno
from harness.spec.connection import Connection, Origin
from harness.spec.segment import Flags, Segment

Variant = tuple[str, "Condition"]


class Condition:
    """Something that is true or false of a connection at the arrival of a segment."""

    def holds(self, connection: Connection, segment: Segment) -> bool:
        raise NotImplementedError

    def variants(self) -> Iterator[Variant]:
        """Yield (what was altered, altered condition); first of all the opposite."""
        yield f"{self} → not so", Not(self)

    def __and__(self, other: "Condition") -> "All":
        return All((self, other))

    def __or__(self, other: "Condition") -> "Any":
        return Any((self, other))

    def __invert__(self) -> "Not":
        return Not(self)


@dataclass(frozen=True)
class Fact(Condition):
    """A named property without an edge."""

    name: str
    test: Callable[[Connection, Segment], bool]

    def holds(self, connection: Connection, segment: Segment) -> bool:
        return self.test(connection, segment)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Number:
    """A named sequence number; ``<`` and ``<=`` compare modulo 2**32 and give conditions."""

    name: str
    read: Callable[[Connection, Segment], int]

    def __lt__(self, other: "Number") -> "Compare":
        return Compare(self, "<", other)

    def __le__(self, other: "Number") -> "Compare":
        return Compare(self, "=<", other)

    def equals(self, other: "Number") -> "Compare":
        return Compare(self, "=", other)


@dataclass(frozen=True)
class Compare(Condition):
    """A comparison of two sequence numbers; `shift` octets are added to the right-hand side."""

    left: Number
    operator: Literal["<", "=<", "="]
    right: Number
    shift: int = 0

    def holds(self, connection: Connection, segment: Segment) -> bool:
        distance = seqno.diff(self.left.read(connection, segment), self.right.read(connection, segment) + self.shift)
        if self.operator == "<":
            return distance < 0
        return distance <= 0 if self.operator == "=<" else distance == 0

    def variants(self) -> Iterator[Variant]:
        yield from super().variants()
        for octets in (1, -1):
            shifted = replace(self, shift=self.shift + octets)
            yield f"{self} → {shifted}", shifted

    def __str__(self) -> str:
        shift = f"{self.shift:+d}" if self.shift else ""
        return f"{self.left.name} {self.operator} {self.right.name}{shift}"


@dataclass(frozen=True)
class Not(Condition):
    """The opposite of a condition."""

    part: Condition

    def holds(self, connection: Connection, segment: Segment) -> bool:
        return not self.part.holds(connection, segment)

    def variants(self) -> Iterator[Variant]:
        yield f"{self} → {self.part}", self.part
        for text, part in list(self.part.variants())[1:]:
            yield text, Not(part)

    def __str__(self) -> str:
        return f"no {self.part}" if isinstance(self.part, Fact) else f"not ({self.part})"


@dataclass(frozen=True)
class _Group(Condition):
    parts: tuple[Condition, ...]
    #: Stands for the parts in print.
    name: str = ""

    def variants(self) -> Iterator[Variant]:
        yield from super().variants()
        for index, part in enumerate(self.parts):
            for text, altered in part.variants():
                yield text, replace(self, parts=(*self.parts[:index], altered, *self.parts[index + 1 :]), name="")

    def _join(self, word: str) -> str:
        return self.name or word.join(f"({part})" if isinstance(part, Any) else str(part) for part in self.parts)


@dataclass(frozen=True)
class All(_Group):
    """True when every part is."""

    def holds(self, connection: Connection, segment: Segment) -> bool:
        for part in self.parts:  # noqa: SIM110 (a generator takes as long as what it asks)
            if not part.holds(connection, segment):
                return False
        return True

    def __and__(self, other: Condition) -> "All":
        return All((self, other)) if self.name else All((*self.parts, other))

    def __str__(self) -> str:
        return self._join(" and ")


@dataclass(frozen=True)
class Any(_Group):
    """True when at least one part is."""

    def holds(self, connection: Connection, segment: Segment) -> bool:
        for part in self.parts:  # noqa: SIM110 (as above)
            if part.holds(connection, segment):
                return True
        return False

    def __or__(self, other: Condition) -> "Any":
        return Any((self, other)) if self.name else Any((*self.parts, other))

    def __str__(self) -> str:
        return self._join(" or ")


def on(flag: Flags) -> Fact:
    """Return the condition that `flag` is set in the segment."""
    return Fact(str(flag.name), lambda connection, segment: bool(segment.flags & flag))


def timestamp_of(segment: Segment) -> int | None:
    """Return the TSval of the segment, None without a legible Timestamps option."""
    try:
        found = options.timestamps_of(segment.options)
    except options.MalformedOptions:
        return None
    return found[0] if found else None


def _rfc6191_honours(connection: Connection, segment: Segment) -> bool:
    """The decision of RFC 6191 §2 about a SYN in TIME-WAIT, on timestamps first and sequence numbers second."""
    # "Greater than the last number seen" is measured from the peer's FIN, which is RCV.NXT - 1.
    later = seqno.leq(connection.rcv_nxt, segment.seq)
    value = timestamp_of(segment) if connection.offers_timestamps else None
    if value is None:
        return later
    if connection.last_tsval is None or seqno.lt(connection.last_tsval, value):
        return True
    return value == connection.last_tsval and later


ALWAYS = Fact("always", lambda connection, segment: True)

SYN_ON, ACK_ON, FIN_ON, RST_ON, URG_ON = (on(flag) for flag in (Flags.SYN, Flags.ACK, Flags.FIN, Flags.RST, Flags.URG))
HAS_TEXT = Fact("text", lambda connection, segment: bool(segment.payload))
OCCUPIES = Fact("SEG.LEN > 0", lambda connection, segment: segment.length > 0)

ZERO_WINDOW = Fact("RCV.WND = 0", lambda connection, segment: connection.rcv_wnd == 0)
PASSIVE = Fact("passive OPEN", lambda connection, segment: connection.origin is Origin.PASSIVE)
FIN_SENT = Fact("FIN sent", lambda connection, segment: connection.fin_sent)
READER_GONE = Fact("no reader", lambda connection, segment: connection.reader_gone)
LISTENER_OPEN = Fact("listener open", lambda connection, segment: connection.listener_open)
RFC6191_HONOURS = Fact("new by RFC 6191 §2", _rfc6191_honours)

SEG_SEQ = Number("SEG.SEQ", lambda connection, segment: segment.seq)
SEG_ACK = Number("SEG.ACK", lambda connection, segment: segment.ack)
SEG_UP = Number("SEG.SEQ+SEG.UP", lambda connection, segment: segment.seq + segment.urgent)
SEG_LAST = Number("SEG.SEQ+SEG.LEN-1", lambda connection, segment: segment.end - 1)
ISS = Number("ISS", lambda connection, segment: connection.iss)
SND_UNA = Number("SND.UNA", lambda connection, segment: connection.snd_una)
SND_NXT = Number("SND.NXT", lambda connection, segment: connection.snd_nxt)
OLDEST_ACK = Number("SND.UNA-MAX.SND.WND", lambda connection, segment: connection.snd_una - connection.max_snd_wnd)
OLDEST_PERMISSIBLE_ACK = Number(
    "SND.UNA-65535", lambda connection, segment: connection.snd_una - connection.permissible_snd_wnd
)
RCV_NXT = Number("RCV.NXT", lambda connection, segment: connection.rcv_nxt)
IRS = Number("IRS", lambda connection, segment: connection.rcv_nxt - connection.syn_text - 1)
RCV_NXT_LESS_1 = Number("RCV.NXT-1", lambda connection, segment: connection.rcv_nxt - 1)
RCV_END = Number("RCV.NXT+RCV.WND", lambda connection, segment: connection.rcv_nxt + connection.rcv_wnd)

AT_LEFT_EDGE = SEG_SEQ.equals(RCV_NXT)
SEQ_IN_WINDOW = (RCV_NXT <= SEG_SEQ) & (SEG_SEQ < RCV_END)
LAST_IN_WINDOW = (RCV_NXT <= SEG_LAST) & (SEG_LAST < RCV_END)

#: Table 6 of RFC 9293 §3.10.7.4, its four rows in order (the third one, data into a zero window, is never acceptable).
ACCEPTABLE = Any(
    (
        All((~OCCUPIES, ZERO_WINDOW, AT_LEFT_EDGE)),
        All((~OCCUPIES, ~ZERO_WINDOW, SEQ_IN_WINDOW)),
        All((OCCUPIES, ~ZERO_WINDOW, SEQ_IN_WINDOW | LAST_IN_WINDOW)),
    ),
    name="acceptable by table 6",
)

#: Old at the left and too long at the right: it overlaps the window, but begins and ends outside.
SPANS_WINDOW = All((~ZERO_WINDOW, SEG_SEQ < RCV_NXT, RCV_END <= SEG_LAST), name="spanning the window")

#: What validates an RST (RFC 9293 §3.5.3): its number alone, not its length; a zero window still has a left edge.
RST_IN_WINDOW = Any((AT_LEFT_EDGE, SEQ_IN_WINDOW), name="SEG.SEQ in the window")

#: An "acceptable ACK" of RFC 9293 §3.4: one that acknowledges something new.
ACK_IS_NEW = (SND_UNA < SEG_ACK) & (SEG_ACK <= SND_NXT)
ACK_IS_UNSENT = SND_NXT < SEG_ACK
ACK_IS_TOO_OLD = SEG_ACK < OLDEST_ACK
ACK_IS_FAR_TOO_OLD = ACK_IS_TOO_OLD & (SEG_ACK < OLDEST_PERMISSIBLE_ACK)
ACKS_OUR_FIN = FIN_SENT & (SND_UNA < SEG_ACK) & SEG_ACK.equals(SND_NXT)
