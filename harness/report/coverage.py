"""Which requirement is covered by which cases, with which verdict per target, and why the others are not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.spec import requirements
from harness.spec.requirements import Requirement
from harness.trace.results import Results

#: From worst to best: what a requirement's cases came to together is the worst of them.
_WORST_FIRST = (
    "harness error",
    "inconclusive",
    "unstable",
    "violates",
    "gone deviation",
    "known deviation",
    "deviates",
    "unobserved",
    "conforms",
    "not applicable",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement. `verdicts` is the worst verdict of its cases per target, where results were given."""

    requirement: Requirement
    cases: tuple[str, ...]
    verdicts: Mapping[str, str]

    @property
    def is_gap(self) -> bool:
        """Whether a case is missing: the requirement is observable and in scope, and nothing covers it."""
        return not self.cases and self.requirement.expects_case

    @property
    def why_not(self) -> str:
        """Why nothing covers it."""
        return self.requirement.why_not or ("no case yet" if self.is_gap else "observable only in part")


def rows(cited: Mapping[str, Iterable[str]], runs: Sequence[Results] = ()) -> list[Row]:
    """Return a row per requirement; `cited` are the requirement ids that each case id cites.

    A requirement that others repeat (`same_as`) is covered where all of those are.
    """
    cases: dict[str, set[str]] = {}
    for case_id, ids in cited.items():
        for requirement_id in ids:
            cases.setdefault(requirement_id, set()).add(case_id)
    verdicts: dict[tuple[str, str], set[str]] = {}
    for run in runs:
        for record in run.cases:
            verdicts.setdefault((record["target"], record["id"]), set()).add(record["verdict"])
    targets = list(dict.fromkeys(target for target, _case in verdicts))
    table = []
    for requirement in requirements.load():
        covering = set(cases.get(requirement.id, ()))
        twins = [cases.get(other, set()) for other in requirement.same_as]
        if twins and all(twins):
            covering |= set().union(*twins)
        seen = {target: _worst(verdicts, target, covering) for target in targets}
        table.append(Row(requirement, tuple(sorted(covering)), {name: word for name, word in seen.items() if word}))
    return table


def _worst(verdicts: Mapping[tuple[str, str], set[str]], target: str, cases: Iterable[str]) -> str:
    found = {word for case in cases for word in verdicts.get((target, case), ())}
    return next((word for word in _WORST_FIRST if word in found), "")


def print_table(console: Console, table: Sequence[Row], *, every: bool = False) -> None:
    """Print covered requirements with their cases, then those without a case and why; `every`: all case names."""
    targets = list(dict.fromkeys(target for row in table for target in row.verdicts))
    for rfc in dict.fromkeys(row.requirement.rfc for row in table):
        covered = [row for row in table if row.requirement.rfc == rfc and row.cases]
        if not covered:
            continue
        console.print(Text(f"RFC {rfc}", style="bold"))
        grid = Table(box=None, pad_edge=False, show_edge=False)
        for title in ("requirement", "level", *targets, "cases"):
            grid.add_column(title, overflow="fold")
        for row in covered:
            names = ", ".join(row.cases if every else row.cases[:2])
            more = f" and {len(row.cases) - 2} more" if len(row.cases) > 2 and not every else ""
            seen = (Text(row.verdicts.get(target, "not run")) for target in targets)
            grid.add_row(row.requirement.id, row.requirement.level, *seen, names + more)
        console.print(grid)
    _print_uncovered(console, table)
    expected = [row for row in table if row.requirement.expects_case]
    done = sum(1 for row in expected if row.cases)
    console.print(
        f"{done} of {len(expected)} requirements that are observable and about opening, closing, resets and states "
        f"are covered; {sum(1 for row in table if row.cases)} of {len(table)} in all"
    )


def _print_uncovered(console: Console, table: Sequence[Row]) -> None:
    console.print(Text("not covered", style="bold"))
    grid = Table(box=None, pad_edge=False, show_header=False)
    for row in table:
        if not row.cases:
            style = "bold red" if row.is_gap else ""
            grid.add_row(row.requirement.id, row.requirement.level, Text(row.why_not, style=style))
    console.print(grid)
