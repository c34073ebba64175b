"""Declared differences: a table per target of what it does otherwise than others, beside what the grid declares of it.

A `[[difference]]` names the step and where it comes, pins what the target shows and what others show, and says why,
with the source. Its `example` is a sequence that shows it: an entry that a full run has not met is tried with that, and
one that still does not fire is idle, which is an error.

    step     a call ("shutdown"), the initials of a segment's flags ("FA"), "late", or a list of them; "*" for any
    text     the step as it is written: "*@e+1,*"
    place    as the grid has it ("fin-wait-1-close"; for a call the state, "fin-wait-1"), or a list; "*" for any
    seq, ack, payload     positions as the grid names them, or lists (segments only)
    stamp    the TSval beside those before it: "older", "equal", "newer", "absent"; "-" without timestamps
    after    what the steps before must be like: "*@e,*" for a segment at the right edge of the window
    shows    what the target shows, `*` standing for anything; `others` what the other one shows
    goes_on  the two are in the same condition afterwards
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.expectations import changes
from harness.expectations.changes import Scope
from harness.expectations.entries import BrokenExpectations, read
from harness.fuzz.difference import Difference, Explanation
from harness.fuzz.steps import BadSequence, Sequence, parse, text_of

_REQUIRED = ("step", "shows", "reason", "source", "example")
_SELECTORS = ("step", "text", "place", "seq", "ack", "payload", "stamp", "after", "shows", "others")
_KEYS = {*_REQUIRED, *_SELECTORS, "when", "since", "before", "goes_on", "ip"}


@dataclass(frozen=True)
class Entry:
    """One declared difference. `selectors` are patterns by field; `example` is the sequence that shows it."""

    origin: str
    selectors: Mapping[str, tuple[str, ...]]
    reason: str
    source: str
    scope: Scope
    ip: int
    goes_on: bool
    example: Sequence

    def holds_for(self, ip: int, version: str) -> bool:
        """Tell whether the entry is about this IP version, and this release in its range."""
        return self.ip in (0, ip) and self.scope.in_range(version)

    def explains(self, difference: Difference, side: int) -> bool:
        """Tell whether this is what the target on `side` (0 or 1) shows here."""
        reading = difference.readings[1 - side] or difference.readings[side]
        facts = {
            "step": difference.event,
            "text": str(difference.step or ""),
            "place": difference.place,
            "seq": (reading.cell.seq or "-") if reading else "-",
            "ack": (reading.cell.ack or "-") if reading else "-",
            "payload": reading.cell.payload if reading else "none",
            "stamp": (reading.stamp or "-") if reading else "-",
            "after": text_of(difference.sequence[: difference.at]),
            "shows": str(difference.seen[side]),
            "others": str(difference.seen[1 - side]),
        }
        return all(
            any(fnmatch.fnmatchcase(facts[name], pattern) for pattern in patterns)
            for name, patterns in self.selectors.items()
        )


@dataclass(slots=True)
class Table:
    """The entries that hold for one target, and which of them have fired (by origin).

    `having` are the changes that it is known to have or to lack; an entry about another one may hold, or may not.
    """

    entries: tuple[Entry, ...] = ()
    having: Mapping[str, bool] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)

    def explain(self, difference: Difference, side: int) -> Explanation | None:
        """Return what the first entry that fits says; None if none does."""
        for entry in self.entries:
            if entry.explains(difference, side):
                self.fired[entry.origin] = self.fired.get(entry.origin, 0) + 1
                return Explanation(entry.origin, entry.reason, entry.goes_on)
        return None

    def idle(self) -> list[Entry]:
        """Return the entries that have explained nothing so far, and would have to."""
        due = [entry for entry in self.entries if set(entry.scope.changes) <= self.having.keys()]
        return [entry for entry in due if entry.origin not in self.fired]


def table_for(implementation: str, ip: int, version: str) -> Table:
    """Return what is declared of an implementation such as ``Linux`` in this release."""
    having = changes.history(implementation).standing(version)
    holding = [entry for entry in bundled(implementation) if entry.holds_for(ip, version)]
    return Table(tuple(entry for entry in holding if entry.scope.holds(having)), having)


@lru_cache(maxsize=16)
def bundled(implementation: str) -> tuple[Entry, ...]:
    """Return the entries that come with the tool for an implementation; none is fine."""
    path = Path(__file__).with_name(f"{implementation.lower()}.toml")
    return load(path) if path.exists() else ()


def load(path: Path) -> tuple[Entry, ...]:
    """Read a file of declared differences; raises BrokenExpectations."""
    return tuple(_entry(entry, f"{path.name}:{line}") for entry, line in read(path, "difference"))


def _entry(entry: dict[str, Any], origin: str) -> Entry:
    unknown, missing = sorted(set(entry) - _KEYS), [key for key in _REQUIRED if not entry.get(key)]
    if unknown or missing:
        problem = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing or empty"
        raise BrokenExpectations(f"{origin}: {problem}; keys are {', '.join(sorted(_KEYS))}")
    for key in ("reason", "source", "example"):
        if not isinstance(entry[key], str):
            raise BrokenExpectations(f"{origin}: {key!r} is a text")
    if entry.get("ip", 0) not in (0, 4, 6) or not isinstance(entry.get("goes_on", False), bool):
        raise BrokenExpectations(f"{origin}: 'ip' is 4 or 6, 'goes_on' true or false")
    scope = changes.scope(entry, origin)
    try:
        example = parse(entry["example"])
    except BadSequence as error:
        raise BrokenExpectations(f"{origin}: example: {error}") from None
    selectors = {name: _patterns(entry[name], name, origin) for name in _SELECTORS if name in entry}
    reason, source = entry["reason"], entry["source"]
    return Entry(origin, selectors, reason, source, scope, entry.get("ip", 0), entry.get("goes_on", False), example)


def _patterns(value: Any, name: str, origin: str) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) for each in values):
        raise BrokenExpectations(f"{origin}: {name!r} is a text or a list of texts")
    return tuple(values)
