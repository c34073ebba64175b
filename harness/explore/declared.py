"""Known deviations that generated conversations meet: `[[explore]]` entries, beside those about cases and cells.

An entry is about a finding, wherever it comes up, and pins it: what was seen, and what was due, by which rule, in which
state. Its `example` is a conversation that shows it; a run that does not meet the entry plays that, and one that shows
nothing any more is a gone deviation.

    observed   code and what was seen, "silent" or "extra: <SEQ=*><ACK=*><CTL=ACK>", or a list; ``*`` is anything,
               ``?`` a character, and brackets stand for themselves
    due        what was due, likewise; rule: what the finding cites; state: the target's state then
    behind     what was done last, as the ladder has it, with N for each number: "<SEQ=N><CTL=SYN>", "close()"
    plan       what the conversation is like, in its notation: "*{form=fragments}*"
    when, since, before, ip   releases, changes that the target has or lacks, the IP version: as in a [[deviation]]
    reason, source, example
"""

import fnmatch
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness import expectations
from harness.case.record import short_origin
from harness.case.violation import Finding
from harness.expectations import changes
from harness.expectations.changes import Scope
from harness.expectations.deviations import Deviation, demand_no_draft
from harness.expectations.entries import BrokenExpectations, read
from harness.explore import notation
from harness.explore.circumstances import CHOSEN
from harness.explore.findings import without_numbers
from harness.explore.plan import Special, ip_of, with_traits, without_traits
from harness.explore.run import Generated
from harness.fuzz.steps import BadSequence

#: The kind of a conversation that is the example of an entry.
KIND = "declared"
_REQUIRED = ("observed", "reason", "source", "example")
_PATTERNS = ("observed", "due", "rule", "state", "behind", "plan")
_KEYS = {*_REQUIRED, *_PATTERNS, "when", "since", "before", "ip"}
#: Words in which minutes may pass.
_SLOW = ("wait", "await", "recover", "lose")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `patterns` are what a finding must be like, by field."""

    origin: str
    patterns: Mapping[str, tuple[str, ...]]
    reason: str
    source: str
    scope: Scope
    ip: int
    example: str

    def explains(self, finding: Finding, plans: Sequence[str]) -> bool:
        """Tell whether this finding in such a conversation, written in one of these ways, is what the entry pins."""
        facts: dict[str, Sequence[str]] = {
            "plan": plans,
            "observed": (finding.signature,),
            "due": (finding.expected,),
            "rule": (", ".join(finding.cites),),
            "state": (finding.state,),
            "behind": (without_numbers(finding.details.get("behind", "")),),
        }
        return all(
            any(fnmatch.fnmatchcase(fact, pattern) for pattern in patterns for fact in facts[name])
            for name, patterns in self.patterns.items()
        )

    def as_deviation(self, finding: Finding) -> Deviation:
        """Return the entry as the declaration of one finding."""
        return Deviation("*", (finding.signature,), self.reason, self.source, self.scope, origin=self.origin)

    @property
    def name(self) -> str:
        """File and line, the path from the package on."""
        return short_origin(self.origin)

    def as_generated(self) -> Generated:
        """Return the example as a conversation."""
        name = "-".join(Path(self.name).parts[-2:])
        read_ = notation.generated_from(self.example, name, KIND)
        slow = any(isinstance(move.step, Special) and move.step.name in _SLOW for move in read_.plan)
        on_ip = (f"ip={self.ip}",) if self.ip and not ip_of(read_.plan) else ()
        twin = with_traits(read_.twin, on_ip) if read_.twin is not None else None
        return Generated(KIND, name, with_traits(read_.plan, on_ip), twin, slow)


def _readings(generated: Generated) -> tuple[str, ...]:
    """Return the text of a conversation, also without what a run chooses for each (`harness.explore.circumstances`)."""
    twin = generated.twin
    plain = replace(
        generated,
        plan=without_traits(generated.plan, CHOSEN),
        twin=without_traits(twin, CHOSEN) if twin is not None else None,
    )
    return tuple(dict.fromkeys((notation.text_of(generated), notation.text_of(plain))))


class Declared:
    """What holds for one target; `having` are the changes that it is known to have or to lack, others are open."""

    def __init__(
        self,
        entries: Iterable[Entry],
        ip: int,
        version: str,
        having: Mapping[str, bool] = MappingProxyType({}),
        *,
        both: bool = False,
    ) -> None:
        self._having, self._ip = having, ip
        of_ip = (0, 4, 6) if both else (0, ip)
        self.entries = tuple(
            entry
            for entry in entries
            if entry.ip in of_ip and entry.scope.in_range(version) and entry.scope.holds(having)
        )

    def about(self, findings: Iterable[Finding], generated: Generated) -> list[Deviation]:
        """Return the declarations of what a conversation has shown: of each finding the first that explains it."""
        findings = list(findings)
        if not findings:
            return []
        found, ip = [], ip_of(generated.plan) or self._ip
        plans = _readings(generated)
        for finding in findings:
            entry = next((each for each in self.entries if each.ip in (0, ip) and each.explains(finding, plans)), None)
            if entry is not None:
                found.append(entry.as_deviation(finding))
        return found

    def unmet(self, origins: Iterable[str]) -> list[Generated]:
        """Return the examples of the entries that are not among these (file and line)."""
        met = set(origins)
        due = [entry for entry in self.entries if set(entry.scope.changes) <= self._having.keys()]
        return [entry.as_generated() for entry in due if entry.name not in met]

    def example_of(self, generated: Generated) -> Entry | None:
        """Return the entry whose example a conversation is, None if it is none."""
        if generated.kind != KIND:
            return None
        return next((entry for entry in self.entries if entry.as_generated().name == generated.name), None)


@lru_cache(maxsize=16)
def bundled(implementation: str) -> tuple[Entry, ...]:
    """Return the entries that come with the tool for an implementation such as ``Linux``."""
    folder = Path(expectations.__path__[0], implementation.lower())
    return tuple(entry for path in sorted(folder.glob("*.toml")) for entry in load(path))


@lru_cache(maxsize=16)
def load(path: Path, *, drafts: bool = False) -> tuple[Entry, ...]:
    """Read the entries about generated conversations in a file; raises BrokenExpectations."""
    found = read(path, "explore", beside=frozenset({"deviation", "grid", "change", "measured"}))
    return tuple(_entry(entry, f"{path}:{line}", drafts=drafts) for entry, line in found)


def _entry(entry: dict[str, Any], origin: str, *, drafts: bool) -> Entry:
    unknown, missing = sorted(set(entry) - _KEYS), [key for key in _REQUIRED if not entry.get(key)]
    if unknown or missing:
        problem = f"unknown key {unknown[0]!r}" if unknown else f"{missing[0]!r} is missing or empty"
        raise BrokenExpectations(f"{origin}: {problem}; keys are {', '.join(sorted(_KEYS))}")
    for key in ("reason", "source", "example"):
        if not isinstance(entry[key], str):
            raise BrokenExpectations(f"{origin}: {key!r} is a text")
    if entry.get("ip", 0) not in (0, 4, 6):
        raise BrokenExpectations(f"{origin}: 'ip' is 4 or 6")
    if not drafts:
        demand_no_draft(entry, origin)
    scope = changes.scope(entry, origin)
    try:
        notation.generated_from(entry["example"])
    except BadSequence as error:
        raise BrokenExpectations(f"{origin}: example: {error}") from None
    patterns = {name: tuple(_texts(entry[name], name, origin)) for name in _PATTERNS if name in entry}
    return Entry(origin, patterns, entry["reason"], entry["source"], scope, entry.get("ip", 0), entry["example"])


def _texts(value: Any, name: str, origin: str) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str) for each in values):
        raise BrokenExpectations(f"{origin}: {name!r} is a text or a list of texts")
    for each in values:
        yield each.replace("[", "[[]")
