"""Many runs of releases of one implementation: which behaviours there were, and when each changed.

The releases stand in their order. For each case they fall into behaviours: a release shows that of an earlier one if
the comparison of the two finds no difference. Cases whose behaviours changed with the same releases in the same way
are one line of history.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.report import changes
from harness.report.changes import HAS, LACKS, UNSEEN, Seen
from harness.report.compare.differences import IncomparableRuns, describe, difference
from harness.report.runs import Case, Column, Key
from harness.trace.schema import UNEXPECTED

_NUMBERS = re.compile(r"(\d+(?:\.\d+)*)(?:-rc(\d+))?")
_UNJUDGED = frozenset({"not applicable", "unobserved", "inconclusive", "harness error", "unstable"})


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What some of the releases show in a case. `releases` are their places in the history's order."""

    shown: str
    releases: tuple[int, ...]


@dataclass(slots=True)
class Line:
    """Cases that went through the same behaviours with the same releases."""

    behaviours: tuple[Behaviour, ...]
    keys: list[Key] = field(default_factory=list)

    @property
    def breaks_a_rule(self) -> bool:
        """Whether one of the releases does not simply conform."""
        return any(not behaviour.shown.startswith("conforms") for behaviour in self.behaviours)

    @property
    def names(self) -> list[str]:
        """The ids of the cases, each once."""
        return list(dict.fromkeys(key.id for key in self.keys))


@dataclass(frozen=True)
class History:
    """Columns in the order of their releases, and what changed in between. `same` counts the cases without a change."""

    columns: Sequence[Column]
    lines: Sequence[Line]
    same: int

    @property
    def releases(self) -> list[str]:
        """The releases, in their order."""
        return [release_of(column) for column in self.columns]

    def counts(self) -> Iterator[tuple[str, Mapping[str, int]]]:
        """Yield for each release how many cases came to what: conforms, known, unexpected, not applicable, other."""
        for column in self.columns:
            found = dict.fromkeys(("conforms", "known", "unexpected", "not applicable", "other"), 0)
            for case in column.cases.values():
                found[_class_of(case.verdict)] += 1
            yield release_of(column), found

    def ran(self) -> list[str]:
        """Return for each release what was run: on which IP versions, with or without timers, in which time."""
        return [_ran(column) for column in self.columns]

    def changes(self) -> list[tuple[Seen, list[str]]]:
        """Return each known change with what every release showed of it: has, lacks, both ways, not seen."""
        told = [{change.name: change for change in changes.of_column(column)} for column in self.columns]
        known = {name: change for column in told for name, change in column.items()}
        return [
            (change, [column[name].word if name in column else UNSEEN for column in told])
            for name, change in known.items()
        ]

    def ranges(self, places: Sequence[int]) -> str:
        """Return releases as ranges of the order: "5.10.218–6.1.192, 6.12.95"."""
        names, parts, at = self.releases, [], 0
        while at < len(places):
            end = at
            while end + 1 < len(places) and places[end + 1] == places[end] + 1:
                end += 1
            first, last = names[places[at]], names[places[end]]
            parts.append(first if at == end else f"{first}–{last}")
            at = end + 1
        return ", ".join(parts)


def trace(found: Sequence[Column]) -> History:
    """Return the history that columns of one implementation tell; raises IncomparableRuns."""
    if len(found) < 2:
        raise IncomparableRuns("a history needs two runs or more")
    if unknown := [column.label for column in found if not column.facts]:
        raise IncomparableRuns(f"{unknown[0]} says of no release what it is")
    if len(stacks := dict.fromkeys(column.facts["implementation"] for column in found)) > 1:
        raise IncomparableRuns(f"a history is of one implementation, not of {' and '.join(stacks)}")
    columns = sorted(found, key=lambda column: _order(release_of(column)))
    lines: dict[tuple[Behaviour, ...], Line] = {}
    same = 0
    for key in dict.fromkeys(key for column in columns for key in column.cases):
        behaviours = _behaviours([column.cases.get(key) for column in columns])
        if len(behaviours) > 1:
            lines.setdefault(behaviours, Line(behaviours)).keys.append(key)
        else:
            same += 1
    ordered = sorted(lines.values(), key=lambda line: (line.behaviours[1].releases[0], -len(line.keys)))
    return History(columns, ordered, same)


def release_of(column: Column) -> str:
    """Return the release that a column is of."""
    return str(column.facts["version"])


def _order(release: str) -> tuple[tuple[int, ...], int, str]:
    match = _NUMBERS.match(release)
    if match is None:
        return (), 0, release
    numbers = tuple(int(number) for number in match[1].split("."))
    return (*numbers, *[0] * (3 - len(numbers))), int(match[2] or 10**6), release


def _behaviours(cases: Sequence[Case | None]) -> tuple[Behaviour, ...]:
    """Return the different behaviours in a case, in the order of the first release with each."""
    groups: list[tuple[Case, list[int]]] = []
    for place, case in enumerate(cases):
        if case is None or case.verdict in _UNJUDGED:
            continue
        group = next((members for first, members in groups if _alike(first, case)), None)
        if group is None:
            groups.append((case, [place]))
        else:
            group.append(place)
    if len(groups) < 2:
        return ()
    shown = [_shown(case, groups[0][0]) for case, _members in groups]
    return tuple(Behaviour(text, tuple(members)) for text, (_case, members) in zip(shown, groups, strict=True))


def _alike(one: Case, other: Case) -> bool:
    """Tell whether two releases show the same, whatever is declared about the one or the other."""
    if one.findings and other.findings:
        return _seen(describe(one)) == _seen(describe(other))
    return difference(one, other) is None


def _shown(case: Case, first: Case) -> str:
    """Return what a case shows; where it keeps the rule as the first release did, with what is different."""
    other = difference(first, case)
    return _seen(describe(first) if other is None else other.after)


def _seen(text: str) -> str:
    """Return a description without the verdict, where it says what was seen."""
    return re.sub(r"^(known deviation|gone deviation|violates|deviates) (?=\[)", "", text)


def _ran(column: Column) -> str:
    versions = " and ".join(f"IPv{ip}" for ip in sorted({key.ip for key in column.cases}))
    timers = ", timers" if any(case.timer_s is not None for case in column.cases.values()) else ""
    return f"{versions}{timers}, {column.facts.get('details', {}).get('time', 'real')} time"


def _class_of(verdict: str) -> str:
    if verdict in UNEXPECTED:
        return "unexpected"
    known = {"conforms": "conforms", "known deviation": "known", "not applicable": "not applicable"}
    return known.get(verdict, "other")


MARKS = {HAS: "✓", LACKS: "–", UNSEEN: "·"}
