"""What differs between two columns, case by case. What is the same is counted, never listed.

A case *got worse* where the rules it breaks are stronger than before: none, a SHOULD, a MUST. Whether a deviation is
declared plays no part in that: a comparison is about the targets, not about what is known of them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.report.runs import Case, Column, Key, Run

_NOT_JUDGED = frozenset({"not applicable", "unobserved", "inconclusive", "harness error"})
_BROKEN_DOWN = frozenset({"inconclusive", "harness error"})
_RANKS = {"": 0, "SHOULD": 1, "MUST": 2}
#: What the same timer may take longer on another target: kernel timer wheels are coarse, machines are busy.
COARSENESS = 1 / 8
SLACK_S = 0.06
#: Numbers without meaning for a comparison: absolute ones, where the target's own initial number is not known yet ...
_ABSOLUTE = re.compile(r"(?<==)-?\d{6,}")
#: ... and those of a second connection attempt, which count from the first one's.
_ANOTHER_SYN = re.compile(r"<SEQ=(?!0>)-?\d+>(?=(?:<ACK=[^>]*>)?<CTL=SYN)")
_REMARK = re.compile(r" \((?:after|repeated|on) [^)]*\)")


class IncomparableRuns(ValueError):
    """Columns that have nothing to be held against; the message says which."""


class Change(StrEnum):
    """How a case differs, in the order in which a person wants to read it."""

    WORSE = "newly violates"
    BETTER = "newly conforms"
    DIFFERENT = "behaves differently"
    INCOMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One case. `before` and `after` are what it showed, in a line each; a case that was not run is None."""

    key: Key
    change: Change
    base: Case | None
    other: Case | None
    before: str
    after: str

    @property
    def is_regression(self) -> bool:
        """Whether something got worse: a stronger rule is broken, or what was judged can't be judged any more."""
        if self.change is Change.WORSE:
            return True
        judged = self.base is not None and self.base.verdict not in _NOT_JUDGED
        return judged and self.other is not None and self.other.verdict in _BROKEN_DOWN

    @property
    def cites(self) -> tuple[str, ...]:
        """The rules that the case is about: requirements, or sections where it names none."""
        case = self.other or self.base
        return (case.requirements or case.sections) if case is not None else ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact that is not the same; "" where a column does not know it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One column held against the base. `same` counts the cases that do not differ."""

    base: Column
    other: Column
    facts: tuple[Fact, ...]
    differences: tuple[Difference, ...]
    same: int

    @property
    def partial(self) -> bool:
        """Whether one of the two runs is incomplete."""
        return self.base.partial or self.other.partial

    @property
    def common(self) -> int:
        """How many cases both have."""
        return len(self.base.cases.keys() & self.other.cases.keys())

    def of(self, change: Change) -> tuple[Difference, ...]:
        """Return the differences of one kind."""
        return tuple(found for found in self.differences if found.change is change)

    @property
    def regressions(self) -> tuple[Difference, ...]:
        """What got worse."""
        return tuple(found for found in self.differences if found.is_regression)


def pairs(found: Sequence[Column]) -> list[tuple[Column, Column]]:
    """Return which column is held against which.

    The first run is the base. A run of one target is held against the base's only target, one of several against the
    base's target of the same name; the targets of a single run are held against its first. Raises IncomparableRuns.
    """
    if not found:
        raise IncomparableRuns("the run has no targets")
    base_run = found[0].run
    of_base = [column for column in found if column.run is base_run]
    rest = [column for column in found if column.run is not base_run]
    if not rest:
        if len(of_base) < 2:
            raise IncomparableRuns(f"{base_run.path}: only one run with one target; name another to compare with")
        return [(of_base[0], other) for other in of_base[1:]]
    by_name = {column.target: column for column in of_base}
    chosen = []
    for column in rest:
        base = of_base[0] if len(of_base) == 1 else by_name.get(column.target)
        if base is None:
            known = ", ".join(by_name)
            raise IncomparableRuns(f"{column.run.path}: {base_run.path} has no target {column.target} (it has {known})")
        chosen.append((base, column))
    return chosen


def compare(base: Column, other: Column) -> Comparison:
    """Hold `other` against `base`."""
    seen_states = all("states" in column.facts.get("capabilities", ["states"]) for column in (base, other))
    keys = list(dict.fromkeys([*base.cases, *other.cases]))
    found = [difference(base.cases.get(key), other.cases.get(key), states=seen_states) for key in keys]
    differences = tuple(entry for entry in found if entry is not None)
    return Comparison(base, other, tuple(facts(base, other)), differences, len(keys) - len(differences))


def difference(base: Case | None, other: Case | None, *, states: bool = True) -> Difference | None:
    """Return how a case differs, None if it does not; `states`: whether both targets show theirs."""
    one = base or other
    assert one is not None
    if base is None or other is None:
        missing = "not run"
        return Difference(
            one.key,
            Change.INCOMPARABLE,
            base,
            other,
            describe(base) if base else missing,
            describe(other) if other else missing,
        )
    before, after = describe(base), describe(other)
    if base.verdict in _NOT_JUDGED or other.verdict in _NOT_JUDGED:
        alike = base.verdict == other.verdict
        return None if alike else Difference(one.key, Change.INCOMPARABLE, base, other, before, after)
    if rank(base) != rank(other):
        change = Change.WORSE if rank(other) > rank(base) else Change.BETTER
        return Difference(one.key, change, base, other, before, after)
    if before != after:
        return Difference(one.key, Change.DIFFERENT, base, other, before, after)
    if rank(base) == 0:
        shown, now = _first_shown(base, other, states)
        if shown != now:
            return Difference(one.key, Change.DIFFERENT, base, other, f"{before}: {shown}", f"{after}: {now}")
    return None


def _first_shown(base: Case, other: Case, states: bool) -> tuple[str, str]:
    """Return what two targets that broke no rule showed first where they differ; the same twice if they don't."""
    if base.timer_s is None:
        return _first_difference(behaviour(base, states=states), behaviour(other, states=states))
    if base.ladder and other.ladder:
        return _first_in_time(pace(base), pace(other))
    return "", ""


def rank(case: Case) -> int:
    """Return 0 if the case broke no rule, 1 for a SHOULD, 2 for a MUST; only for cases that were judged."""
    if case.finding is not None:
        return _RANKS[case.level]
    # Without a finding a known deviation is a state that the target could not be brought to.
    return 0 if case.verdict in ("conforms", "gone deviation") else _RANKS["MUST"]


def describe(case: Case) -> str:
    """Return verdict and what was seen, in a line: "violates [silent]", "known deviation [extra] <CTL=RST>"."""
    if case.findings:
        seen = dict.fromkeys(" ".join(filter(None, (f"[{f['code']}]", f["observed"]))) for f in case.findings)
        return f"{case.verdict} {'; '.join(seen)}"
    if case.verdict == "conforms" or not case.reason:
        return case.verdict
    return f"{case.verdict}: {case.reason.removeprefix(case.verdict + ': ')}"


def behaviour(case: Case, *, states: bool = True) -> list[str]:
    """Return what the target itself showed behind the set-up: segments, states, answers to calls; no times."""
    kinds = ("received", "answer", "call", *(("state",) if states else ()))
    events = [event for event in case.trace[case.set_up :] if event.partition(" ")[0] in kinds]
    return [_comparable(event) for event in events if not event.startswith("call ") or " = " in event]


def pace(case: Case) -> list[tuple[str, float]]:
    """Return what the target sent behind the set-up, each with the seconds since the segment or call before it."""
    found, last = [], 0.0
    for event, words in zip(case.ladder, case.trace, strict=True):
        if event["kind"] not in ("sent", "received", "call"):
            continue
        if event["kind"] == "received" and event.get("step") != "set-up":
            found.append((_comparable(words), (event["ms"] - last) / 1000))
        last = event["ms"]
    return found


def _first_in_time(before: Sequence[tuple[str, float]], after: Sequence[tuple[str, float]]) -> tuple[str, str]:
    """Return the first segment that is another, or comes at another time than timers and machines explain."""
    for (one, its_s), (two, others_s) in zip(before, after, strict=False):
        if one != two:
            return one, two
        shorter, longer = sorted((its_s, others_s))
        if longer > shorter * (1 + COARSENESS) + SLACK_S:
            return f"{one} after {its_s:.2f} s", f"{two} after {others_s:.2f} s"
    return _first_difference([one for one, _s in before], [two for two, _s in after])


def _comparable(event: str) -> str:
    return _ABSOLUTE.sub("…", _ANOTHER_SYN.sub("<SEQ=…>", _REMARK.sub("", event)))


def _first_difference(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    length = max(len(before), len(after))
    padded = [[*entries, *["nothing more"] * (length - len(entries))] for entries in (before, after)]
    return next(((one, two) for one, two in zip(*padded, strict=True) if one != two), ("", ""))


def facts(base: Column, other: Column) -> Iterator[Fact]:
    """Yield the facts that differ: target first, then settings, then the tool. Of capabilities, those of one only."""
    ours, theirs = _facts(base), _facts(other)
    has, got = (set(column.facts.get("capabilities", [])) for column in (base, other))
    if has != got:
        yield Fact("capabilities", ", ".join(sorted(has - got)) or "none", ", ".join(sorted(got - has)) or "none")
    for name in dict.fromkeys([*ours, *theirs]):
        if ours.get(name, "") != theirs.get(name, ""):
            yield Fact(name, ours.get(name, ""), theirs.get(name, ""))


def _facts(column: Column) -> dict[str, str]:
    known: Mapping[str, object] = column.facts
    details, sysctls = column.facts.get("details", {}), column.facts.get("sysctls", {})
    found = {name: str(known[name]) for name in ("implementation", "version") if name in known}
    found |= {name: str(value) for name, value in details.items()}
    found |= {name: str(value) for name, value in sysctls.items()}
    return found | _tool(column.run)


def _tool(run: Run) -> dict[str, str]:
    return {"level": run.level, **{name: str(run.header[name]) for name in ("tool", "python", "host")}}
