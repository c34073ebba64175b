"""Findings of a run, by what is wrong: one of each kind is told, the shortest; the others are counted."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.case.violation import Finding
from harness.report.runs import Case

#: So many kinds are kept apart; what comes then is counted as one. A target that is quite another has no end of them.
MOST_KINDS = 1000
_NOWHERE = Path()
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Sort:
    """What distinguishes a kind of finding: code and rule, what was due and what came, without numbers."""

    verdict: str
    code: str = ""
    rule: str = ""
    due: str = ""
    came: str = ""

    def is_shown_by(self, findings: Iterable[Finding]) -> bool:
        """Tell whether one of these findings is of this code and by this rule, whatever its numbers are."""
        return any((str(each.code), ", ".join(each.cites)) == (self.code, self.rule) for each in findings)


def sort_of(record: Mapping[str, Any]) -> Sort:
    """Return of which kind the finding is that decides a record's verdict."""
    case = Case(record, _NOWHERE)
    finding = case.finding
    if finding is None:
        return Sort(case.verdict, due=without_numbers(str(record.get("reason", ""))))
    rule = ", ".join(finding["cites"])
    due, came = without_numbers(finding["expected"]), without_numbers(finding["observed"])
    return Sort(case.verdict, finding["code"], rule, due, came)


def without_numbers(text: str) -> str:
    """Return a text with N in place of each number."""
    return _NUMBER.sub("N", text)


@dataclass(slots=True)
class Found:
    """Conversations of one kind of finding: how many, and the record of the shortest."""

    record: dict[str, Any]
    count: int = 0

    def add(self, record: dict[str, Any]) -> None:
        """Take one more."""
        self.count += 1
        if _length(record) < _length(self.record):
            self.record = record


@dataclass(slots=True)
class Tally:
    """What a run has shown: figures by kind of conversation and verdict, and what was not as expected."""

    level: str
    counts: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    found: dict[Sort, Found] = field(default_factory=dict)
    #: Declared deviations that were met, by where they are declared.
    known: dict[str, Found] = field(default_factory=dict)
    #: What was found beyond the kinds that are kept apart.
    further: int = 0
    played: int = 0

    def add(self, record: dict[str, Any]) -> None:
        """Count a record."""
        self.played += 1
        case = Case(record, _NOWHERE)
        key = (case.target, str(record["id"]).split("/")[1])
        self.counts.setdefault(key, Counter())[case.verdict] += 1
        if case.verdict == "known deviation":
            self.known.setdefault(case.declared, Found(record)).add(record)
        elif case.verdict in ("violates", "deviates") or not case.as_expected(self.level):
            self._add_finding(sort_of(record), record)

    def _add_finding(self, sort: Sort, record: dict[str, Any]) -> None:
        if sort in self.found or len(self.found) < MOST_KINDS:
            self.found.setdefault(sort, Found(record)).add(record)
        else:
            self.further += 1

    def unexpected(self, target: str) -> list[tuple[Sort, Found]]:
        """Return what a run at this level fails by, the shortest first."""
        found = [
            (sort, each)
            for sort, each in self.found.items()
            if each.record["target"] == target and not Case(each.record, _NOWHERE).as_expected(self.level)
        ]
        return sorted(found, key=lambda pair: (_length(pair[1].record), pair[1].record["id"]))


def _length(record: Mapping[str, Any]) -> tuple[int, int, str]:
    text = str(record["title"])
    return len(text.split()), len(text), text
