"""Alphabets: the inputs that a machine is learned over, by role and size, or from a file.

A letter is a step of `harness.fuzz.steps`, or a stretch of time: ``2MSL`` lets 2 MSL of RFC 9293 §3.4.2 pass (240 s),
``R2`` an hour, in which whoever repeats a segment has given up (§3.8.3), ``RTO`` what it takes until the target speaks
by itself. A file has lines such as ``setup: listen S@i`` (what happens before the first question) and letters, one or
many in a line; behind ``#`` stands what only people read.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.explore.talk import AWAIT_S
from harness.fuzz.steps import BadSequence, Call, Probe, Step, parse

#: From the least to the most: each has the letters of those before it.
SIZES = ("small", "usual", "full")
ROLES = ("server", "client", "closes")
#: Stretches of time, in seconds; ``RTO`` ends where the target speaks, and is as patient as `explore`. None is near a
#: time that a stack waits for: which of the two ends first would depend on what came before, and that is no state.
TIMES = {"2MSL": 240.0, "RTO": AWAIT_S, "R2": 3600.0}
MOST_LETTERS = 100
#: Positions that need what only a conversation of `explore` knows.
_FOREIGN = frozenset("pr")


class BadAlphabet(ValueError):
    """An alphabet that can't be had; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Time:
    """A letter that lets time pass: at most `seconds`; `until_heard` ends it where the target speaks."""

    name: str
    seconds: float
    until_heard: bool

    def __str__(self) -> str:
        return self.name


Letter = Step | Time


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Letters in their order, and the steps that come before each query. `name` is the size or the file's name."""

    name: str
    role: str
    letters: tuple[Letter, ...]
    setup: tuple[Step, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The letters as they are written."""
        return tuple(map(str, self.letters))

    @property
    def accepts_at_once(self) -> bool:
        """No letter accepts, so that each connection is accepted where that is possible: else dead ones would queue."""
        return Call("accept") not in self.letters

    @property
    def times(self) -> tuple[str, ...]:
        """The letters that let time pass."""
        return tuple(str(each) for each in self.letters if isinstance(each, Time))

    @property
    def reach(self) -> int:
        """How far all letters together move a number of the connection: what is further away is none of it."""
        found = 2  # a SYN and a FIN
        for step in (*self.setup, *self.letters):
            if isinstance(step, Probe) and step.octets:
                found += step.octets + abs(step.seq.offset)
            elif isinstance(step, Call) and step.name == "send":
                found += step.octets or 0
        return found

    @property
    def digest(self) -> str:
        """What is the same for the same letters and set-up only."""
        text = f"{self.role}|{' '.join(map(str, self.setup))}|{' '.join(self.texts)}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def letter(text: str) -> Letter:
    """Read one letter; raises BadAlphabet."""
    if text in TIMES:
        return Time(text, TIMES[text], text == "RTO")
    return _step(text)


def _step(text: str) -> Step:
    try:
        (step,) = parse(text)
    except BadSequence as error:
        raise BadAlphabet(f"{error}; stretches of time are {', '.join(TIMES)}") from None
    if isinstance(step, Probe):
        bases = {step.seq.base, *([step.ack.base] if step.ack else [])}
        if bases & _FOREIGN:
            raise BadAlphabet(f"{text!r}: positions of a letter are n, e, i and u")
    return step


def bundled(role: str, size: str, times: Iterable[str] = ()) -> Alphabet:
    """Return an alphabet that comes with the tool, with these stretches of time besides; raises BadAlphabet."""
    if role not in ROLES or size not in SIZES:
        raise BadAlphabet(f"there is no alphabet {size!r} of the role {role!r}; roles are {', '.join(ROLES)}")
    lines = dict(_lines(Path(__file__).with_name("alphabets") / f"{role}.txt"))
    words = [word for name in SIZES[: SIZES.index(size) + 1] for word in lines[name].split()]
    name = "+".join((size, *times))
    return Alphabet(name, role, _letters((*words, *times), name), _setup(lines.get("setup", "")))


def load(path: Path, role: str, times: Iterable[str] = ()) -> Alphabet:
    """Read an alphabet from a file; raises BadAlphabet."""
    try:
        lines = list(_lines(path))
    except OSError as error:
        raise BadAlphabet(
            f"the alphabet {path}: {error.strerror}; alphabets are {', '.join(SIZES)}, or a file"
        ) from None
    except UnicodeDecodeError:
        raise BadAlphabet(f"the alphabet {path} is no text; it has letters such as S@i A@n,n close") from None
    try:
        setup = _setup(" ".join(text for name, text in lines if name == "setup"))
        words = [word for name, text in lines if name != "setup" for word in text.split()]
        return Alphabet(path.name, role, _letters((*words, *times), path.name), setup)
    except BadAlphabet as error:
        raise BadAlphabet(f"the alphabet {path}: {error}") from None


def of_texts(name: str, role: str, letters: Iterable[str], setup: str) -> Alphabet:
    """Return the alphabet of a machine that was learned before; raises BadAlphabet."""
    return Alphabet(name, role, _letters(tuple(letters), name), _setup(setup))


def _lines(path: Path) -> Iterable[tuple[str, str]]:
    """Yield what a file says, line by line: a name before a colon (a call such as send:4 is none), and the rest."""
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        text = line.partition("#")[0].strip()
        head, colon, rest = text.partition(": ")
        if text:
            yield (head, rest) if colon and head in ("setup", *SIZES) else ("", text)


def _setup(text: str) -> tuple[Step, ...]:
    return tuple(_step(word) for word in text.split())


def _letters(words: tuple[str, ...], name: str) -> tuple[Letter, ...]:
    if not words:
        raise BadAlphabet(f"{name} has no letter; letters look like S@i A@n,n close")
    if len(words) > MOST_LETTERS:
        raise BadAlphabet(f"{name} has {len(words)} letters; with more than {MOST_LETTERS} nothing comes to an end")
    found = tuple(letter(word) for word in words)
    texts = [str(each) for each in found]
    twice = [text for text in texts if texts.count(text) > 1]
    if twice:
        raise BadAlphabet(f"{twice[0]!r} stands in {name} twice")
    return found
