"""Comparisons as JSON-able data, for other tools. (`harness/trace/RESULTS.md` explains the words.)"""

from collections.abc import Sequence
from typing import Any

from harness.report.compare.differences import Change, Comparison, Difference
from harness.report.runs import Case, Column


def render(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return what `tcpspec compare --json` writes."""
    return {"comparisons": [_comparison(comparison) for comparison in comparisons]}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "base": _column(comparison.base),
        "other": _column(comparison.other),
        "partial": comparison.partial,
        "facts": [{"name": fact.name, "base": fact.before, "other": fact.after} for fact in comparison.facts],
        "same": comparison.same,
        "regressions": len(comparison.regressions),
        "counts": {str(change): len(comparison.of(change)) for change in Change},
        "differences": [_difference(difference) for difference in comparison.differences],
    }


def _column(column: Column) -> dict[str, Any]:
    facts = {name: column.facts.get(name, "") for name in ("implementation", "version")}
    return {
        "file": column.run.place,
        "started": column.run.started,
        "target": column.target,
        "partial": column.partial,
        "cases": len(column.cases),
        **facts,
    }


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        "id": difference.key.id,
        "ip": difference.key.ip,
        "change": str(difference.change),
        "regression": difference.is_regression,
        "base": _case(difference.base, difference.before),
        "other": _case(difference.other, difference.after),
        "cites": list(difference.cites),
    }


def _case(case: Case | None, shown: str) -> dict[str, Any] | None:
    return None if case is None else {"verdict": case.verdict, "code": case.code, "shown": shown}
