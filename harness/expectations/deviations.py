"""Known deviations of targets: TOML files that pin what a target does instead of what an RFC demands.

A deviation is an assertion too. It names the case (id or pattern), the versions it holds for, exactly what is observed
instead, why that is so, and where one can read it. A target that behaves in yet another way, or as the RFC says, is not
covered by it.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from harness.expectations import changes
from harness.expectations.changes import Scope, release_numbers
from harness.expectations.entries import BrokenExpectations, read

_TEXTS = ("case", "when", "since", "before", "state", "reason", "source", "issue", "setting")
_KEYS = {*_TEXTS, "ip", "observed", "until", "chance"}
_REQUIRED = ("case", "observed", "reason", "source")
#: A version, but no day as it is written in some places: 31.12.2027.
_VERSION = re.compile(r"(?!\d+\.\d+\.20\d\d$)\d+(\.\d+)*")
#: What a draft says where a person has to write.
DRAFT = "?"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One entry. `observed` are signatures of findings ("code: what was seen"), `state` the target's state then.

    `case` is an id or a pattern with ``*``; `scope` says which releases of the target are meant. In a signature ``*``
    stands for a number that is another one in each run, as an initial sequence number is. `issue` is a link to where it
    is tracked, `until` the last version or day (ISO 8601) that it may be seen. `setting` is what a target that is as
    found has told of itself, such as ``congestion-control=bbr``: the entry may show there, and is never gone. One that
    shows by `chance` (a hash of the ports) is neither. An entry of a file may name several cases: it is one
    `Deviation` each.
    """

    case: str
    observed: tuple[str, ...]
    reason: str
    source: str
    scope: Scope = field(default_factory=Scope)
    state: str = ""
    ip: int = 0
    origin: str = ""
    issue: str = ""
    until: str = ""
    setting: str = ""
    chance: bool = False
    #: Whether the target is past `until`: what is still seen then is a gone deviation.
    over: bool = False

    @property
    def is_pattern(self) -> bool:
        """Whether the entry may be about several cases."""
        return "*" in self.case or "?" in self.case

    def covers(self, case_id: str, ip: int, version: str) -> bool:
        """Tell whether this entry is about the case on this IP version, and this release in its range."""
        return self.names(case_id) and self.ip in (0, ip) and self.scope.in_range(version)

    def suits(self, told: Mapping[str, str]) -> bool:
        """Tell whether a target that tells this of itself is as the entry supposes."""
        key, _equals, value = self.setting.partition("=")
        return not self.setting or told.get(key) == value

    @property
    def may_stay_away(self) -> bool:
        """Whether a case that does not show it is as expected too."""
        return bool(self.setting) or self.chance

    def names(self, case_id: str) -> bool:
        """Tell whether the entry's pattern matches a case id."""
        if not self.is_pattern:
            return case_id == self.case
        return fnmatch.fnmatchcase(case_id, _bracket_safe(self.case))

    def explains(self, signature: str, state: str) -> bool:
        """Tell whether what was seen is what this entry pins."""
        return self.state in ("", state) and any(_shows(text, signature) for text in self.observed)


class Declared:
    """Entries, found by the case that they are about."""

    def __init__(self, entries: Iterable[Deviation]) -> None:
        self._by_name: dict[str, list[tuple[int, Deviation]]] = {}
        #: With what stands before the first star: for most cases that alone rules a pattern out.
        self._patterns: list[tuple[str, tuple[int, Deviation]]] = []
        for at, entry in enumerate(entries):
            if entry.is_pattern:
                self._patterns.append((re.split("[*?]", entry.case)[0], (at, entry)))
            else:
                self._by_name.setdefault(entry.case, []).append((at, entry))

    def about(self, case_id: str, ip: int, version: str) -> list[Deviation]:
        """Return the entries that cover a case on this IP version and this release of the target, in their order."""
        alike = (numbered for start, numbered in self._patterns if case_id.startswith(start))
        named = [*self._by_name.get(case_id, ()), *alike]
        found = [(at, entry) for at, entry in named if entry.covers(case_id, ip, version)]
        entries = [entry for _at, entry in sorted(found, key=lambda numbered: numbered[0])]
        return [replace(entry, over=True) if is_over(entry.until, version) else entry for entry in entries]


def is_over(until: str, version: str) -> bool:
    """Tell whether a release of a target, or today, is past what an entry says with `until`."""
    if not until:
        return False
    day = _day(until)
    return datetime.now(UTC).date() > day if day else release_numbers(version) > release_numbers(until)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def load(path: Path, *, drafts: bool = False) -> tuple[Deviation, ...]:
    """Read a file of deviations; raises BrokenExpectations. Only with `drafts` a reason or source may still be "?"."""
    return tuple(
        _entry(each, f"{path}:{line}", drafts=drafts)
        for entry, line in read(path, "deviation", beside=frozenset({"grid", "explore"}))
        for each in _one_by_one(entry)
    )


def _one_by_one(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the entry once for each case that it names."""
    cases = entry.get("case")
    return [{**entry, "case": case} for case in cases] if isinstance(cases, list) and cases else [entry]


def bundled(implementation: str) -> tuple[Deviation, ...]:
    """Return the deviations that come with the tool for an implementation such as ``Linux``: one file per topic."""
    return tuple(entry for path in files_of(implementation) for entry in load(path))


def files_of(implementation: str) -> list[Path]:
    """Return the files with deviations that come with the tool for an implementation."""
    folder = Path(__file__).with_name(implementation.lower())
    return sorted(path for path in folder.glob("*.toml") if path.name != changes.FILE_NAME)


def all_bundled() -> tuple[Deviation, ...]:
    """Return the deviations of all implementations that the tool knows."""
    folders = sorted(path.name for path in Path(__file__).parent.iterdir() if path.is_dir() and path.name[0] != "_")
    return tuple(entry for name in folders for entry in bundled(name))


def demand_no_draft(entry: Mapping[str, Any], origin: str) -> None:
    """Raise BrokenExpectations where a person has not yet written what only a person knows."""
    for key in ("reason", "source", "looks_like"):
        if entry.get(key) == DRAFT:
            raise BrokenExpectations(
                f"{origin}: {key!r} is still {DRAFT!r}: say what it is, or pass --drafts to try it"
            )


def until_of(entry: Mapping[str, Any], origin: str) -> str:
    """Return a version or a day as text; raises BrokenExpectations."""
    text = str(entry.get("until", ""))
    if text and not _day(text) and not _VERSION.fullmatch(text):
        raise BrokenExpectations(f"{origin}: 'until' is a version such as '6.12' or a day such as '2027-03-31'")
    return text


def _entry(entry: dict[str, Any], origin: str, *, drafts: bool) -> Deviation:
    unknown = sorted(set(entry) - _KEYS)
    missing = [key for key in _REQUIRED if not entry.get(key)]
    if unknown or missing:
        problem = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing or empty"
        raise BrokenExpectations(f"{origin}: {problem}; keys are {', '.join(sorted(_KEYS))}")
    observed = entry["observed"] if isinstance(entry["observed"], list) else [entry["observed"]]
    if not all(isinstance(text, str) for text in observed):
        raise BrokenExpectations(f"{origin}: 'observed' is a text or a list of texts")
    for key in _TEXTS:
        if not isinstance(entry.get(key, ""), str):
            raise BrokenExpectations(f"{origin}: {key!r} is a text")
    if not drafts:
        demand_no_draft(entry, origin)
    if entry.get("ip", 0) not in (0, 4, 6):
        raise BrokenExpectations(f"{origin}: 'ip' is 4 or 6")
    if not isinstance(entry.get("chance", False), bool):
        raise BrokenExpectations(f"{origin}: 'chance' is true or false")
    return Deviation(
        entry["case"],
        tuple(observed),
        entry["reason"],
        entry["source"],
        changes.scope(entry, origin),
        entry.get("state", ""),
        entry.get("ip", 0),
        origin,
        entry.get("issue", ""),
        until_of(entry, origin),
        entry.get("setting", ""),
        entry.get("chance", False),
    )


def _shows(observed: str, signature: str) -> bool:
    number = re.escape(observed).replace(re.escape("*"), "-?[0-9]+")
    return observed == signature or re.fullmatch(number, signature) is not None


def _bracket_safe(pattern: str) -> str:
    # A row stands in brackets in a case id; for fnmatch they would be a set of characters.
    return pattern.replace("[", "[[]")
