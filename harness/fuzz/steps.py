"""The steps of a sequence, and the compact text that stands for them: ``listen S@i A@n,n A@n,n/4 FA@n+4,n close``.

A segment is ``FLAGS@SEQ[,ACK][/OCTETS][%WINDOW][~OPTIONS]``. Its numbers are positions, not numbers, so that the same
step means the same to two targets with different windows:

    SEQ      n RCV.NXT, e the right edge RCV.NXT+RCV.WND, i the peer's ISS; each with an offset, as in ``e-1``;
             p the peer's own SND.NXT, where the peer's stream goes on even if the target has acknowledged less
    ACK      n SND.NXT, u SND.UNA, i the target's ISS, likewise; r what the peer has received in order
    OPTIONS  joined by dots: s SACK-permitted, w3 a window scale of 3, t+1 a TSval one above the largest so far, m536 an
             MSS of 536 and m0 none on a SYN, b a SACK block: all that is under way has come but its first octet; f no
             more than NOPs behind the others, until all 40 octets are full

Flags are the initials of SYN, FIN, RST, ACK, PSH and URG (all the text of the segment is urgent), ``-`` for none. Calls
are the application's: ``send:100`` SENDs 100 octets, ``recv:10`` RECEIVEs 10 at most.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from harness.spec.segment import ACK, FIN, PSH, RST, SYN, URG, Flags

#: The window of a segment that names none.
USUAL_WINDOW = 65535
#: Calls, and whether they take a number of octets.
CALLS = {
    "listen": False,
    "connect": False,
    "accept": False,
    "send": True,
    "recv": True,
    "shutdown": False,
    "close": False,
    "abort": False,
    "unlisten": False,
}
LARGEST = {"send": 1 << 20, "recv": 1 << 20}
LARGEST_PAYLOAD = 1400
#: ``listen:2`` is a listener with a backlog of 2.
LARGEST_BACKLOG = 4096

_LETTERS = {"S": SYN, "F": FIN, "R": RST, "A": ACK, "P": PSH, "U": URG}
_SEGMENT = re.compile(
    r"(?P<flags>[SFRAPU]+|-)@(?P<seq>[neip][+-]?\d*)(?:,(?P<ack>[nuir][+-]?\d*))?"
    r"(?:/(?P<octets>\d+))?(?:%(?P<window>\d+))?(?:~(?P<options>[a-z0-9.+-]+))?"
)
_OPTION = re.compile(r"s|b|f|[wm]\d{1,4}|t[+-]?\d+")
_POSITION = re.compile(r"([nueipr])([+-]\d+)?")


class BadSequence(ValueError):
    """A text that is no sequence of steps; the message names the step."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in sequence space: a base by its letter, and octets behind it."""

    base: str
    offset: int = 0

    def __str__(self) -> str:
        return f"{self.base}{self.offset:+d}" if self.offset else self.base


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the application at the target; `octets` is None where the call has no such argument."""

    name: str
    octets: int | None = None

    def __str__(self) -> str:
        return self.name if self.octets is None else f"{self.name}:{self.octets}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A segment of the peer. `ack` is None without the ACK bit; `options` are the tokens of the text."""

    flags: Flags
    seq: Position
    ack: Position | None = None
    octets: int = 0
    window: int = USUAL_WINDOW
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        flags = "".join(letter for letter, flag in _LETTERS.items() if self.flags & flag) or "-"
        return "".join(
            (
                f"{flags}@{self.seq}",
                f",{self.ack}" if self.ack is not None else "",
                f"/{self.octets}" if self.octets else "",
                f"%{self.window}" if self.window != USUAL_WINDOW else "",
                f"~{'.'.join(self.options)}" if self.options else "",
            )
        )


Step = Call | Probe
Sequence = tuple[Step, ...]


def text_of(sequence: Iterable[Step]) -> str:
    """Return the text of a sequence."""
    return " ".join(map(str, sequence))


def parse(text: str) -> Sequence:
    """Read the text of a sequence; raises BadSequence."""
    if not text.split():
        raise BadSequence("a sequence has one step at least, such as: listen S@i A@n,n")
    return tuple(_step(word) for word in text.split())


def _plain_octets(step: Step) -> Step:
    return replace(step, octets=1) if step.octets else step


def _no_octets(step: Step) -> Step:
    return replace(step, octets=0) if isinstance(step, Probe) else step


def _usual_window(step: Step) -> Step:
    return replace(step, window=USUAL_WINDOW) if isinstance(step, Probe) else step


def _no_options(step: Step) -> Step:
    return replace(step, options=()) if isinstance(step, Probe) else step


def _next_sequence(step: Step) -> Step:
    return replace(step, seq=Position("n")) if isinstance(step, Probe) else step


def _next_acknowledgment(step: Step) -> Step:
    return replace(step, ack=step.ack and Position("n")) if isinstance(step, Probe) else step


#: Ways to make a step simpler; one that has nothing to simplify leaves it as it is.
SIMPLER = (_plain_octets, _no_octets, _usual_window, _no_options, _next_sequence, _next_acknowledgment)


def _step(word: str) -> Step:
    name, colon, octets = word.partition(":")
    if name in CALLS:
        return _call(word, name, octets if colon else None)
    match = _SEGMENT.fullmatch(word)
    if match is None:
        raise BadSequence(f"{word!r} is no step: calls are {', '.join(CALLS)}; a segment looks like FA@n,n+1/4%0~t+1")
    flags = Flags(sum(_LETTERS[letter] for letter in set(match["flags"]) - {"-"}))
    if bool(flags & ACK) != (match["ack"] is not None):
        raise BadSequence(f"{word!r}: an acknowledgment and the flag A belong together")
    octets_ = int(match["octets"] or 0)
    window = USUAL_WINDOW if match["window"] is None else int(match["window"])
    if octets_ > LARGEST_PAYLOAD or window > USUAL_WINDOW:
        raise BadSequence(f"{word!r}: at most {LARGEST_PAYLOAD} octets, and a window of at most {USUAL_WINDOW}")
    options = tuple((match["options"] or "").split(".")) if match["options"] else ()
    for option in options:
        if not _OPTION.fullmatch(option):
            raise BadSequence(f"{word!r}: {option!r} is no option; options are s, w3, t+1")
    ack = _position(match["ack"], word) if match["ack"] is not None else None
    return Probe(flags, _position(match["seq"], word), ack, octets_, window, options)


def _call(word: str, name: str, octets: str | None) -> Call:
    if name == "listen" and octets is not None and octets.isdecimal() and 0 < int(octets) <= LARGEST_BACKLOG:
        return Call(name, int(octets))
    if not CALLS[name]:
        if octets is not None:
            raise BadSequence(f"{word!r}: {name} takes no number")
        return Call(name)
    if octets is None or not octets.isdecimal() or not 0 < int(octets) <= LARGEST[name]:
        raise BadSequence(f"{word!r}: {name} takes a number of octets, 1 to {LARGEST[name]}: {name}:100")
    return Call(name, int(octets))


def _position(text: str, word: str) -> Position:
    match = _POSITION.fullmatch(text)
    if match is None or abs(int(match[2] or 0)) >= 1 << 31:
        raise BadSequence(f"{word!r}: {text!r} is no position; one looks like n+1 or e-1")
    return Position(match[1], int(match[2] or 0))
