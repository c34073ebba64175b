"""What cases are called, and which of them a command line picks."""

from pathlib import Path

import pytest

from harness.case.marks import CaseMeta
from harness.case.selection import Binding, Case, Selection, case_id, idle_deviations, in_order, matches
from harness.case.walks import Walk
from harness.expectations.deviations import Deviation
from harness.spec.citations import parse_selector
from harness.spec.states import CLOSED
from harness.targets.registry import TargetSpec


def case(name: str, *cites: str, timer_s: float | None = None, order: int = 0) -> Case:
    meta = CaseMeta(cites=list(cites or ("RFC 9293 §3.6",)), timer_s=timer_s, order=order)
    return Case(name, Binding(TargetSpec("linux", "linux"), 6, "", Walk(CLOSED)), meta)


@pytest.mark.parametrize(
    ("path", "function", "row", "name"),
    [
        ("/a/b/closing/test_fin.py", "test_fin_is_acked", "", "closing/fin-is-acked"),
        ("closing/test_fin.py", "test_fin_is_acked", "", "closing/fin-is-acked"),
        ("/x/time_wait/test_a.py", "test_old_syn", "by-close", "time-wait/old-syn[by-close]"),
    ],
)
def test_an_id_depends_on_folder_function_and_row_only(path: str, function: str, row: str, name: str) -> None:
    assert case_id(Path(path), function, row) == name


@pytest.mark.parametrize(
    ("pattern", "hit", "missed"),
    [
        ("closing/fin", ["closing/fin", "closing/fin[a]"], ["closing/fin-2", "opening/fin"]),
        ("fin", ["closing/fin", "closing/fin[a]", "opening/fin"], ["closing/fin-2", "closing/xfin"]),
        ("closing/fin[a]", ["closing/fin[a]"], ["closing/fin", "closing/fin[b]", "closing/fina"]),
        ("fin[a]", ["closing/fin[a]"], ["closing/fin", "closing/fin[b]"]),
        ("closing", ["closing/fin", "closing/fin[a]"], ["closing-late/fin", "opening/closing-late"]),
        ("closing/", ["closing/fin"], ["closing-late/fin"]),
        ("closing/*", ["closing/fin", "closing/fin[a]"], ["opening/fin"]),
        ("*[a]", ["closing/fin[a]"], ["closing/fin", "closing/fin[b]"]),
        ("*fin*", ["closing/fin", "closing/xfin[b]"], ["closing/rst"]),
        ("closing/f?n", ["closing/fin", "closing/fan"], ["closing/fn"]),
        ("", [], ["closing/fin"]),
    ],
)
def test_a_pattern_is_an_id_a_part_of_it_or_has_stars(pattern: str, hit: list[str], missed: list[str]) -> None:
    assert [name for name in hit + missed if matches(pattern, name)] == hit


CASES = [
    case("closing/fin", "RFC 9293 §3.6"),
    case("closing/time-wait", "RFC 9293 §3.6.1", "MUST-13"),
    case("opening/syn", "RFC 9293 §3.5"),
    case("timers/last-ack", "RFC 6298 §2.1", timer_s=10),
]


def picked(selection: Selection) -> list[str]:
    return [found.case_id for found in CASES if selection.takes(found)]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(), ["closing/fin", "closing/time-wait", "opening/syn"]),
        (Selection(timers_s=9.9), ["closing/fin", "closing/time-wait", "opening/syn"]),
        (Selection(timers_s=10), ["closing/fin", "closing/time-wait", "opening/syn", "timers/last-ack"]),
        (Selection(cases=("closing", "syn")), ["closing/fin", "closing/time-wait", "opening/syn"]),
        (Selection(cases=("timers",)), []),
        (Selection(sections=(parse_selector("9293/3.6"),)), ["closing/fin", "closing/time-wait"]),
        (Selection(sections=(parse_selector("9293/3.6.1"),)), ["closing/time-wait"]),
        (Selection(cases=("fin",), sections=(parse_selector("9293/3.5"),)), []),
        (Selection(requirements=("MUST-13",)), ["closing/time-wait"]),
        (
            Selection(sections=(parse_selector("9293/3.5"),), requirements=("MUST-13",)),
            ["closing/time-wait", "opening/syn"],
        ),
    ],
)
def test_a_selection_takes(selection: Selection, names: list[str]) -> None:
    assert picked(selection) == names


def test_a_pattern_that_names_nothing_is_told_with_what_is_near() -> None:
    assert Selection(cases=("closing/fin", "syn")).unknown(CASES) == ""
    assert "there is no case 'closing/tiem-wait'; did you mean time-wait?" in Selection(
        cases=("fin", "closing/tiem-wait")
    ).unknown(CASES)
    assert "`tcpspec list` prints them" in Selection(cases=("quux",)).unknown(CASES)


def test_sanity_comes_first_and_last_and_the_rest_keeps_its_order() -> None:
    cases = [case("a/1"), case("s/last", order=1), None, case("a/2"), case("s/first", order=-1), case("a/0")]
    assert in_order(cases) == [4, 0, 2, 3, 5, 1]


def test_a_deviation_whose_case_does_not_exist_is_idle() -> None:
    names = ("closing/fin", "closing/*", "closing/gone", "fin")
    entries = [Deviation(name, ("silent",), "reason", "source") for name in names]
    assert [entry.case for entry in idle_deviations(entries, CASES)] == ["closing/gone", "fin"]


def test_the_command_that_runs_a_case_again() -> None:
    assert case("closing/fin[a]").reproduce() == "tcpspec run --target linux --ip 6 --case 'closing/fin[a]'"
    assert " --timers 2.5 " in case("timers/x", timer_s=2.5).reproduce()
