"""Drafts about scenarios: one entry where all rows of a case deviate, else one for each."""

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.declare.entries import Entry, compact, value
from harness.report.runs import Case

_NUMBER = re.compile(r"-?\d+")
#: How much too early or too late something came: another time by another bit.
_SECONDS = re.compile(r"\b\d+\.\d+(?= s\b)")
#: A relative number is small; what is larger was chosen at random, or follows a clock.
_SMALL = 100_000


def drafts(unexpected: Sequence[Case], others: Iterable[Case]) -> Iterator[Entry]:
    """Yield entries for cases that are not as expected; `others` are those of the run that none may cover.

    Cases that show exactly the same have one entry.
    """
    alike: dict[tuple[str, ...], list[Entry]] = {}
    for entry in _families(unexpected, others):
        alike.setdefault((value(entry.keys["observed"]), str(entry.keys.get("ip"))), []).append(entry)
    for entries in alike.values():
        first = entries[0]
        keys = {**first.keys, "case": compact([entry.keys["case"] for entry in entries])}
        yield Entry("deviation", keys, sum(entry.cases for entry in entries), first.example)


def _families(unexpected: Sequence[Case], others: Iterable[Case]) -> Iterator[Entry]:
    """Yield an entry per case, by a pattern where all of its rows show something."""
    free = {case.key.id for case in others}
    families: dict[str, list[Case]] = {}
    for case in unexpected:
        families.setdefault(case.key.id.partition("[")[0], []).append(case)
    for name, cases in families.items():
        rows = {case.key.id for case in cases}
        whole = len(rows) > 1 and not any(other.partition("[")[0] == name for other in free)
        if whole and len({_versions(cases, row) for row in rows}) == 1:
            yield _entry(f"{name}[*]", cases)
        else:
            for row in sorted(rows):
                yield _entry(row, [case for case in cases if case.key.id == row])


def _versions(cases: Iterable[Case], row: str) -> tuple[int, ...]:
    return tuple(sorted(case.key.ip for case in cases if case.key.id == row))


def _entry(pattern: str, cases: Sequence[Case]) -> Entry:
    versions = {case.key.ip for case in cases}
    ip = {"ip": versions.pop()} if len(versions) == 1 else {}
    observed = compact(signatures(cases))
    return Entry("deviation", {"case": pattern, **ip, "observed": observed}, len(cases), cases[0].title)


def signatures(cases: Iterable[Case]) -> list[str]:
    """Return what all of the cases showed, as an entry pins it, each once; ``*`` for numbers that no rule gives."""
    found = []
    for case in cases:
        if case.verdict == "inconclusive":
            found.append(f"inconclusive: {case.reason}")
        for finding in case.findings:
            seen = _NUMBER.sub(_starred, _SECONDS.sub("*.*", finding["observed"]))
            found.append(f"{finding['code']}: {seen}" if seen else str(finding["code"]))
    return list(dict.fromkeys(found))


def _starred(number: re.Match[str]) -> str:
    return number[0] if abs(int(number[0])) < _SMALL else "*"
