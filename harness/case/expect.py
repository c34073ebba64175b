"""Expectations of a segment: what is not given is not asked."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.case.violation import Code
from harness.spec.segment import ACK, PSH, RST, SYN, Segment, flag_names


@dataclass(frozen=True, slots=True)
class Absolute:
    """A sequence number as it stands on the wire, such as the SEQ=0 of a reset from CLOSED (RFC 9293 §3.5.2)."""

    number: int


Number = int | Absolute | None


@dataclass(frozen=True, slots=True)
class Expected:
    """A segment that is due. Numbers are relative unless `Absolute`; flags are exact, but PSH is the sender's choice.

    So is whether a SYN asks for ECN (RFC 3168 §6.1.1, RFC 9768 §3.1.1): the peer declines, and all goes on as without.
    And whether a reset says why, in a text of its own (RFC 9293 §3.5.3).

    `data` is the exact payload (None: any). `check` looks at anything else and returns what is wrong, or "".
    """

    flags: int
    seq: Number = None
    ack: Number = None
    data: bytes | None = b""
    window: int | None = None
    check: Callable[[Segment], str] | None = None
    cites: tuple[str, ...] = ()

    def notation(self) -> str:
        """Return the expectation in the RFC's notation; what is not asked is left out."""
        parts = []
        if self.seq is not None:
            parts.append(f"<SEQ={_number(self.seq)}>")
        if self.ack is not None:
            parts.append(f"<ACK={_number(self.ack)}>")
        if self.data:
            parts.append(f"<DATA={len(self.data)}>")
        if self.window is not None:
            parts.append(f"<WND={self.window}>")
        return "".join(parts) + f"<CTL={flag_names(self.flags) or 'none'}>"

    def mismatch(self, segment: Segment, wire: Segment) -> Code | None:
        """Return how `segment` (relative; `wire`: the same as on the wire) differs from what is due, None if not."""
        flags = SYN if segment.asks_for_ecn and self.flags == SYN else segment.flags
        if (flags ^ self.flags) & ~(0 if self.flags & PSH else PSH):
            return Code.RESET if segment.flags & RST and not self.flags & RST else Code.WRONG_FLAGS
        if not _equal(self.seq, segment.seq, wire.seq):
            return Code.WRONG_SEQ
        if self.flags & ACK and not _equal(self.ack, segment.ack, wire.ack):
            return Code.WRONG_ACK
        if self.data is not None and segment.payload != self.data and not self.flags & RST:
            return Code.WRONG_DATA
        if self.window is not None and segment.window != self.window:
            return Code.WRONG_WINDOW
        return Code.WRONG_OPTIONS if self.check is not None and self.check(wire) else None


def _number(number: int | Absolute) -> str:
    return str(number.number) if isinstance(number, Absolute) else str(number)


def _equal(due: Number, relative: int, absolute: int) -> bool:
    if due is None:
        return True
    return absolute == due.number if isinstance(due, Absolute) else relative == due


@dataclass(frozen=True, slots=True)
class Silence:
    """The expectation that nothing is sent."""

    cites: tuple[str, ...] = ()

    def notation(self) -> str:
        """Return it in words."""
        return "nothing"


def segment(
    flags: int,
    *,
    seq: Number = None,
    ack: Number = None,
    data: bytes | None = b"",
    window: int | None = None,
    check: Callable[[Segment], str] | None = None,
    cites: str | tuple[str, ...] = (),
) -> Expected:
    """Return one allowed answer for `must_answer`, with the sections that allow it."""
    return Expected(flags, seq, ack, data, window, check, (cites,) if isinstance(cites, str) else cites)


def silence(*, cites: str | tuple[str, ...] = ()) -> Silence:
    """Return silence as one allowed answer for `must_answer`."""
    return Silence((cites,) if isinstance(cites, str) else cites)
