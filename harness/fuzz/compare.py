"""Holds what two targets showed in one step against each other, in terms that don't depend on their own numbers.

A reply is written like a step, from the target's end: ``A@n,n+4`` is an ACK with SEQ=SND.NXT and ACK=RCV.NXT+4, as both
were before the step; ``R@seg.ack`` and ``RA@0,seg.end`` are the resets of RFC 9293 §3.5.2. Windows count as open or
closed (``%0``), and as ``%less`` where the right edge has moved left. What a target is free to choose does not count:
initial sequence numbers, TSval, how data is cut.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from harness.case.received import Received
from harness.fuzz.side import Outcome
from harness.spec import options
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.targets.protocol import Capability

_LETTERS = {SYN: "S", FIN: "F", RST: "R", ACK: "A"}
_OPTIONS = {
    options.KIND_MSS: "mss",
    options.KIND_WINDOW_SCALE: "scale",
    options.KIND_SACK_PERMITTED: "sack",
}
#: What an option is called in a reply, by the capability that stands for it; timestamps go on with their number.
OPTION_OF = {Capability.WINDOW_SCALE: "scale", Capability.SACK: "sack", Capability.TIMESTAMPS: "t"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What one target showed in one step: the call's answer, its segments, its state ("" where none can be read)."""

    answer: str
    replies: tuple[str, ...]
    state: str

    def __str__(self) -> str:
        said = " + ".join(self.replies) or "nothing"
        return f"{f'{self.answer}; ' if self.answer else ''}{said} → {self.state or '?'}"


def shown(outcome: Outcome, missing: Collection[Capability] = ()) -> Shown:
    """Return what a target showed in comparable terms, without the options of what one of the two does not claim."""
    replies = [_reply(each, outcome) for each in joined(outcome.received)]
    hidden = tuple(OPTION_OF[capability] for capability in missing)
    return Shown(outcome.answer, tuple(_without(reply, hidden) for reply in replies), outcome.state)


def _without(reply: str, hidden: tuple[str, ...]) -> str:
    numbers, tilde, names = reply.partition("~")
    kept = [name for name in names.split(".") if name and not (hidden and name.startswith(hidden))]
    return numbers + (tilde + ".".join(kept) if kept else "")


def alike(one: Shown, other: Shown) -> bool:
    """Tell whether two targets showed the same; a state that can't be read is like any."""
    same_state = one.state == other.state or not (one.state and other.state)
    return one.answer == other.answer and one.replies == other.replies and same_state


def core(seen: Shown) -> tuple[tuple[str, ...], str]:
    """Return flags and numbers of the replies, and the state: what the rules of §3.10.7 speak of."""
    return tuple(re.split("[%~]", reply)[0] for reply in seen.replies), seen.state


@dataclass(frozen=True, slots=True)
class Joined:
    """A segment with relative numbers, data that was cut put together again; `zero`: its number on the wire is 0."""

    segment: Segment
    zero: bool


def joined(received: Sequence[Received]) -> list[Joined]:
    """Return the target's segments; PSH is the sender's choice and left out."""
    found: list[Joined] = []
    for each in received:
        now = replace(each.segment, flags=each.segment.flags & ~PSH)
        if found and _continues(found[-1].segment, now):
            last = found[-1].segment
            payload = last.payload + now.payload
            found[-1] = Joined(replace(now, flags=now.flags, seq=last.seq, payload=payload), False)
        else:
            found.append(Joined(now, each.wire.seq == 0))
    return found


def _continues(last: Segment, now: Segment) -> bool:
    behind = last.payload and not last.flags & (SYN | FIN | RST) and now.seq == last.seq + len(last.payload)
    return bool(behind and now.length and now.ack == last.ack and not now.flags & RST)


def _reply(reply: Joined, outcome: Outcome) -> str:
    segment, probe = reply.segment, outcome.segment
    flags = "".join(letter for flag, letter in _LETTERS.items() if segment.flags & flag) or "-"
    return "".join(
        (
            f"{flags}@{_sequence(reply, outcome)}",
            f",{_acknowledgment(segment, outcome)}" if segment.flags & ACK else "",
            f"/{len(segment.payload)}" if segment.payload else "",
            _window(segment, outcome),
            _shown_options(segment, outcome, answers=probe is not None),
        )
    )


def _window(segment: Segment, outcome: Outcome) -> str:
    """Return whether the window is closed, or open no further than a right edge that was promised before."""
    if segment.flags & RST:
        return ""
    if not segment.window:
        return "%0"
    return "%less" if outcome.before.would_move_left(segment) else ""


def _sequence(reply: Joined, outcome: Outcome) -> str:
    segment, probe, before = reply.segment, outcome.segment, outcome.before
    if segment.flags & RST:
        if reply.zero:
            return "0"
        if probe is not None and probe.flags & ACK and segment.seq == probe.ack != before.snd_nxt:
            return "seg.ack"
    if segment.flags & SYN:
        return "iss"
    return _offset(segment.seq - before.snd_nxt)


def _acknowledgment(segment: Segment, outcome: Outcome) -> str:
    probe, before = outcome.segment, outcome.before
    opens = segment.flags & SYN or not before.synchronized
    if probe is not None and segment.ack == probe.seq + probe.length and (segment.flags & RST or opens):
        return "seg.end"
    if probe is not None and opens and segment.ack == probe.seq + 1:
        return "seg.seq+1"
    return _offset(segment.ack - before.rcv_nxt)


def _offset(octets: int) -> str:
    return f"n{octets:+d}" if octets else "n"


def _shown_options(segment: Segment, outcome: Outcome, *, answers: bool) -> str:
    try:
        kinds = {option.kind for option in options.parse(segment.options)}
        stamps = options.timestamps_of(segment.options)
    except options.MalformedOptions:
        return "~malformed"
    names = [name for kind, name in _OPTIONS.items() if kind in kinds] if segment.flags & SYN else []
    if stamps is not None and not segment.flags & RST:
        echoes = answers and segment.flags & ACK
        names.append(f"t{stamps[1] - outcome.before.last_tsval:+d}" if echoes else "t")
    return f"~{'.'.join(names)}" if names else ""
