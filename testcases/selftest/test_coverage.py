"""Every requirement that is observable and about opening, closing, resets and states has a case."""

import io

import pytest
from rich.console import Console

from harness import cli
from harness.report import coverage
from harness.spec import requirements


@pytest.fixture(scope="module")
def cited() -> dict[str, set[str]]:
    code, collector = cli._collect(["--ip", "4"])
    assert code == 0, collector.problems
    return collector.cited()


def test_no_requirement_in_scope_lacks_a_case(cited: dict[str, set[str]]) -> None:
    assert [row.requirement.id for row in coverage.rows(cited) if row.is_gap] == []


def test_what_is_not_covered_has_a_reason(cited: dict[str, set[str]]) -> None:
    assert [row.requirement.id for row in coverage.rows(cited) if not row.cases and not row.requirement.why_not] == []


def test_a_missing_case_is_a_gap_and_is_printed_as_one() -> None:
    table = coverage.rows({"closing/x": {"MUST-13"}})
    gaps = {row.requirement.id for row in table if row.is_gap}
    assert "MUST-10" in gaps
    assert "MUST-13" not in gaps
    console = Console(file=io.StringIO(), width=120)
    coverage.print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    assert "MUST-10" in console.file.getvalue().partition("not covered")[2]


def test_twins_count_only_where_all_of_them_are_covered() -> None:
    twin = next(item for item in requirements.load() if len(item.same_as) > 1)
    one = {row.requirement.id: row for row in coverage.rows({"a/b": {twin.same_as[0]}})}
    every = {row.requirement.id: row for row in coverage.rows({"a/b": set(twin.same_as)})}
    assert one[twin.id].cases == ()
    assert every[twin.id].cases == ("a/b",)
