"""The other parts of the page: stories of what does not conform, requirements, transitions, facts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.report import changes, ladder_svg, rungs
from harness.report.diagram import SIGNS as EDGE_SIGNS
from harness.report.diagram import Walked
from harness.report.html_data import LETTERS
from harness.report.html_data import SIGNS as VERDICT_SIGNS
from harness.report.runs import Case, Column
from harness.report.transitions import Edge, edges
from harness.spec import requirements
from harness.spec.requirements import Requirement
from harness.trace.schema import VERDICTS

#: So many stories of a verdict and a column stand in the page itself; the others are in the matrix.
STORIES = 40
#: And so many of them have a drawing that needs no script.
DRAWN = 8


class Story(NamedTuple):
    """Cases that ended alike for the same reason, told by the first of them."""

    case: Case
    letter: str
    expected: bool
    ids: tuple[str, ...]
    words: str
    drawing: str


class Chapter(NamedTuple):
    """All stories of one verdict in a column, and how many cases and reasons there are."""

    column: str
    verdict: str
    letter: str
    expected: bool
    stories: tuple[Story, ...]
    cases: int
    reasons: int

    @property
    def untold(self) -> int:
        """How many reasons have no story in the page itself."""
        return self.reasons - len(self.stories)


def chapters(columns: Sequence[Column]) -> list[Chapter]:
    """Return what is as expected and does not simply conform, the worst first; the rest is told by kind."""
    found = []
    for verdict in reversed(VERDICTS):
        for column in columns:
            groups: dict[str, list[Case]] = {}
            for case in column.cases.values():
                if case.verdict == verdict != "conforms" and case.as_expected(column.run.level):
                    groups.setdefault(case.reason, []).append(case)
            if groups:
                found.append(_chapter(column, verdict, list(groups.values())))
    return found


def _chapter(column: Column, verdict: str, groups: Sequence[Sequence[Case]]) -> Chapter:
    expected = groups[0][0].as_expected(column.run.level)
    stories = []
    for at, cases in enumerate(groups[:STORIES]):
        ladder = rungs.of_record(cases[0].record)
        title = f"{cases[0].key.id} on {column.label}"
        drawing = ladder_svg.draw(ladder, title=title) if ladder.rungs and not expected and at < DRAWN else ""
        ids = tuple(dict.fromkeys(case.key.id for case in cases))
        stories.append(Story(cases[0], LETTERS[verdict], expected, ids, ladder.in_words(), drawing))
    count = sum(map(len, groups))
    return Chapter(column.label, verdict, LETTERS[verdict], expected, tuple(stories), count, len(groups))


class Covered(NamedTuple):
    """A requirement, how many cases cite it, and per column the worst verdict of these and its count."""

    requirement: Requirement
    cases: tuple[str, ...]
    seen: tuple[tuple[str, str, int] | None, ...]


def covered(columns: Sequence[Column], cases: Mapping[str, Case]) -> list[Covered]:
    """Return all requirements of the catalogue, in its order."""
    citing: dict[str, list[str]] = {}
    for case_id, case in cases.items():
        for name in case.requirements:
            citing.setdefault(name, []).append(case_id)
    verdicts: list[dict[str, Counter[str]]] = []
    for column in columns:
        counts: dict[str, Counter[str]] = {}
        for case in column.cases.values():
            for name in case.requirements:
                counts.setdefault(name, Counter())[LETTERS[case.verdict]] += 1
        verdicts.append(counts)
    return [
        Covered(item, tuple(citing.get(item.id, ())), tuple(_worst(counts.get(item.id)) for counts in verdicts))
        for item in requirements.load()
    ]


def _worst(counts: Counter[str] | None) -> tuple[str, str, int] | None:
    letter = next((letter for letter in "hvsigkducn" if counts and counts[letter]), None)
    if letter is None or counts is None:
        return None
    return letter, VERDICT_SIGNS[letter][0], counts[letter]


class Transition(NamedTuple):
    """A change of state in the machine, and per column (class, sign, cases, cases whose verdict is about it)."""

    edge: Edge
    seen: tuple[tuple[str, str, int, int], ...]


def transitions(walked: Sequence[Walked]) -> list[Transition]:
    """Return all edges of the machine with what each column showed."""
    table = []
    for at, edge in enumerate(edges()):
        counts = [walk.counts[at] for walk in walked]
        seen = tuple((count.status, EDGE_SIGNS[count.status], count.cases, count.bad) for count in counts)
        table.append(Transition(edge, seen))
    return table


class Strange(NamedTuple):
    """A change of state that the machine does not have for what was done: how often per column, and a case."""

    before: str
    stimulus: str
    after: str
    counts: tuple[int, ...]
    case: str


def strange(walked: Sequence[Walked]) -> list[Strange]:
    """Return the changes of state that are in no row of the table, by the state before."""
    changes = dict.fromkeys(change for walk in walked for change in walk.strange)
    return [
        Strange(
            *change,
            tuple(len(walk.strange.get(change, ())) for walk in walked),
            next(walk.strange[change][0] for walk in walked if change in walk.strange),
        )
        for change in sorted(changes)
    ]


class Fact(NamedTuple):
    """A line of the facts: a value per column, and whether they differ."""

    name: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether not all columns have the same."""
        return len(set(self.values)) > 1


def facts(columns: Sequence[Column]) -> dict[str, list[Fact]]:
    """Return the facts by heading: the target, the run, details, settings."""
    tables = {
        "Target": [_of_target(column.facts) for column in columns],
        "Run": [_of_run(column) for column in columns],
        "Details": [dict(column.facts.get("details", {})) for column in columns],
        "Known changes of behaviour": [_of_changes(column) for column in columns],
        "Settings as read back": [dict(column.facts.get("sysctls", {})) for column in columns],
        "Not run": [_not_run(column) for column in columns],
    }
    return {
        heading: [
            Fact(name, tuple(str(table.get(name, "")) for table in found))
            for name in dict.fromkeys(name for table in found for name in table)
        ]
        for heading, found in tables.items()
    }


def _of_changes(column: Column) -> dict[str, str]:
    return {f"{change.name}: {change.now}": change.word for change in changes.of_column(column)}


def _of_target(found: Mapping[str, Any]) -> dict[str, str]:
    facts = {name: str(found.get(name, "")) for name in ("name", "implementation", "version")}
    return facts | {"capabilities": ", ".join(found.get("capabilities", ()))}


def _of_run(column: Column) -> dict[str, str]:
    run = column.run
    return {
        "file": run.name,
        "state": "incomplete: it has no footer" if run.partial else "complete",
        "started": run.started,
        "took": f"{run.seconds:.1f} s" if run.seconds is not None else "",
        "tool": str(run.header["tool"]),
        "python": str(run.header["python"]),
        "machine": str(run.header["host"]),
        "level": run.level,
        "command": " ".join(run.command),
    }


def _not_run(column: Column) -> dict[str, str]:
    counts = Counter(case.reason for case in column.cases.values() if case.verdict == "not applicable")
    told = {reason: f"{count} cases" for reason, count in counts.items()}
    return told | {f"left out: {reason}": f"{count} cases" for reason, count in column.run.left_out.items()}
