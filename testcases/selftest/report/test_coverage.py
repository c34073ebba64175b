"""Every requirement that is observable and about opening, closing, resets and states has a case."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.report import by_catalogue, coverage
from harness.spec import requirements
from harness.spec.citations import Citation
from harness.trace.results import Results
from harness.verbs import starting
from testcases.selftest.made_runs import SILENT, case


@pytest.fixture(scope="module")
def cited() -> dict[str, set[str]]:
    code, collector = starting.collect(["--ip", "4"])
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


# --- by other suites -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every_case() -> dict[str, list[Citation]]:
    code, collector = starting.collect(["--ip", "4", "--grid", "full"])
    assert code == 0, collector.problems
    return {case.case_id: list(case.meta.citations()) for case, _item in collector.items}


@pytest.mark.parametrize(("name", "count"), [("tc8", 116), ("packetimpact", 30)])
def test_each_case_of_another_suite_has_cases_of_ours_or_a_reason(
    name: str, count: int, every_case: dict[str, list[Citation]]
) -> None:
    items = by_catalogue.load(name)
    assert len({item.id for item in items}) == count
    assert by_catalogue.unknown(items, every_case) == []
    lines = by_catalogue.lines(items, every_case)
    assert [line.item.id for line in lines if line.is_gap] == []
    assert [line.item.id for line in lines if line.cases and line.item.why_not] == []


def test_sections_are_those_that_cases_cite(every_case: dict[str, list[Citation]]) -> None:
    items = {item.id: item for item in by_catalogue.of_sections(every_case)}
    assert items["RFC 9293 §3.6"].about
    assert "simultaneous-close/simultaneous-close[active-open]" in items["RFC 9293 §3.6"].cases


def test_a_line_counts_the_verdicts_of_its_cases_and_names_a_gap() -> None:
    item = by_catalogue.Item("X_1", "LISTEN", "a SYN", ("a/b", "c/*"))
    run = Results(Path(), {}, cases=[case("a/b[1]", "violates", SILENT), case("c/d"), case("e/f")])
    (line,) = by_catalogue.lines([item], ["a/b[1]", "c/d", "e/f"], [run])
    assert line.words("linux") == "1 conforms, 1 violates"
    assert line.words("lwip") == "not run"
    (gap,) = by_catalogue.lines([item], ["e/f"])
    assert gap.is_gap
    assert "| `X_1` | `LISTEN` | `a SYN` | `–` | `no case yet` |" in by_catalogue.as_markdown([gap], ["linux"])
