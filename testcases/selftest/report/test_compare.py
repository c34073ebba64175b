"""How two runs differ, case by case: what is the same is no difference."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.report.compare.differences import (
    Change,
    Comparison,
    IncomparableRuns,
    behaviour,
    compare,
    difference,
    pairs,
)
from harness.report.compare.differences import (
    facts as differing,
)
from harness.report.compare.groups import grouped
from harness.report.runs import Case, Column, Run, columns, load
from harness.trace.schema import VERDICTS
from testcases.selftest.made_runs import LAX, RESET, SILENT, case, facts, write

NO_JUDGEMENT = ("not applicable", "unobserved", "inconclusive", "harness error")


def made(*found: Any, **more: Any) -> Case:
    return Case(case("closing/fin", *found, **more), Path())


def shown(*events: str, **more: Any) -> Case:
    return made(trace=["state LISTEN", *events], set_up=1, **more)


@pytest.mark.parametrize(
    ("base", "other", "change", "worse"),
    [
        (made(), made("violates", SILENT), Change.WORSE, True),
        (made(), made("known deviation", SILENT), Change.WORSE, True),
        (made(), made("gone deviation", SILENT), Change.WORSE, True),
        (made(), made("deviates", LAX), Change.WORSE, True),
        (made("deviates", LAX), made("violates", LAX, SILENT), Change.WORSE, True),
        (made(), made("known deviation", reason="can't be reached"), Change.WORSE, True),
        (made("known deviation", SILENT), made(), Change.BETTER, False),
        (made("violates", SILENT), made("deviates", LAX), Change.BETTER, False),
        (made("violates", SILENT), made("violates", RESET), Change.DIFFERENT, False),
        (made("known deviation", SILENT), made("known deviation", RESET), Change.DIFFERENT, False),
        (made("violates", SILENT), made("known deviation", SILENT), Change.DIFFERENT, False),
        (made("gone deviation"), made(), Change.DIFFERENT, False),
        (shown("received <CTL=RST>"), shown("received <CTL=ACK>"), Change.DIFFERENT, False),
        (shown("received <CTL=RST>"), shown(), Change.DIFFERENT, False),
        (shown("call SEND = EPIPE"), shown("call SEND = ENOTCONN"), Change.DIFFERENT, False),
        (made(), made("not applicable"), Change.INCOMPARABLE, False),
        (made(), made("unobserved"), Change.INCOMPARABLE, False),
        (made(), made("inconclusive"), Change.INCOMPARABLE, True),
        (made("violates", SILENT), made("harness error"), Change.INCOMPARABLE, True),
        (made("unobserved"), made("harness error"), Change.INCOMPARABLE, False),
        (made("inconclusive"), made(), Change.INCOMPARABLE, False),
        (made(), None, Change.INCOMPARABLE, False),
        (None, made("violates", SILENT), Change.INCOMPARABLE, False),
    ],
)
def test_how_a_case_differs(base: Case | None, other: Case | None, change: Change, worse: bool) -> None:
    found = difference(base, other)
    assert found is not None
    assert (found.change, found.is_regression) == (change, worse)


@pytest.mark.parametrize(
    ("base", "other"),
    [
        (made(), made(reproduce="another command", replays=2)),
        (made("violates", SILENT), made("violates", SILENT)),
        (made("not applicable", reason="no IPv6"), made("not applicable", reason="no SACK")),
        (shown("sent <CTL=RST>"), shown("sent <CTL=ACK>")),
        (shown("call send(5)"), shown("call send(6)")),
        (shown("received <CTL=ACK>", timer_s=9), shown(timer_s=9)),
        (shown("received <CTL=ACK> (after 0.2 s)"), shown("received <CTL=ACK> (after 0.21 s)")),
        (shown("received <SEQ=-1240967610><CTL=RST>"), shown("received <SEQ=638196685><CTL=RST>")),
        (shown("received <SEQ=6234><ACK=1><CTL=SYN,ACK>"), shown("received <SEQ=9445><ACK=1><CTL=SYN,ACK>")),
        (made(trace=["state LISTEN"], set_up=1), made(trace=["state CLOSED"], set_up=1)),
    ],
)
def test_what_is_the_same_is_no_difference(base: Case, other: Case) -> None:
    assert difference(base, other) is None


def test_a_number_that_the_case_is_about_is_a_difference() -> None:
    assert difference(shown("received <SEQ=0><CTL=SYN>"), shown("received <SEQ=7><CTL=SYN>")) is not None
    assert difference(shown("received <SEQ=1><ACK=5>"), shown("received <SEQ=1><ACK=6>")) is not None


def timed(*events: tuple[str, str, float]) -> Case:
    keys = ("kind", "text", "ms")
    set_up = {"kind": "received", "text": "<SEQ=0><CTL=SYN>", "ms": 0.0, "step": "set-up"}
    return made(ladder=[set_up, *(dict(zip(keys, event, strict=True)) for event in events)], timer_s=9)


AGAIN = "<SEQ=1><ACK=1><DATA=4><CTL=ACK>"


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        (timed(("call", "send()", 10.0), ("received", AGAIN, 215.0), ("received", AGAIN, 655.0)), None),
        (timed(("call", "send()", 10.0), ("received", AGAIN, 215.0)), f"received {AGAIN}"),
        (timed(("call", "send()", 10.0), ("received", AGAIN, 215.0), ("received", RESET["observed"], 655.0)), "RST"),
        (timed(("call", "send()", 10.0), ("received", AGAIN, 415.0), ("received", AGAIN, 855.0)), "after 0.41 s"),
        (timed(("call", "send()", 200.0), ("received", AGAIN, 405.0), ("received", AGAIN, 845.0)), None),
        (timed(("received", AGAIN, 215.0), ("received", AGAIN, 655.0)), None),
    ],
    ids=["a little later", "fewer", "another segment", "a longer timer", "the call was late", "calls are not compared"],
)
def test_what_timers_make_a_target_send_is_compared_with_its_times(other: Case, shown: str | None) -> None:
    base = timed(("call", "send()", 5.0), ("received", AGAIN, 205.0), ("received", AGAIN, 605.0))
    found = difference(base, other)
    if shown is None:
        assert found is None
    else:
        assert found is not None
        assert found.change is Change.DIFFERENT
        assert shown in found.before + found.after


def test_states_are_left_out_where_a_target_shows_none() -> None:
    assert behaviour(shown("state CLOSED", "received <CTL=RST>"), states=False) == ["received <CTL=RST>"]
    hidden = facts("dark", capabilities=["ipv6"])
    with tempfile.TemporaryDirectory() as folder:
        traces = (["state LISTEN", "received <CTL=RST>"], ["received <CTL=RST>"])
        cases = [case(target=name, trace=trace) for name, trace in zip(("linux", "dark"), traces, strict=True)]
        write(Path(folder), cases, facts(capabilities=["ipv6", "states"]), hidden)
        (pair,) = pairs(columns(load([Path(folder)])))
    assert compare(*pair).differences == ()


# --- properties

_CASES = st.builds(
    lambda number, ip, verdict, found, trace: case(f"closing/{number}", verdict, *found, ip=ip, trace=trace),
    st.integers(0, 6),
    st.sampled_from((4, 6)),
    st.sampled_from(VERDICTS),
    st.lists(st.sampled_from((SILENT, RESET, LAX)), max_size=2),
    st.lists(st.sampled_from(("state CLOSED", "received <CTL=RST>", "received <SEQ=1>")), max_size=3),
)
_RUNS = st.lists(_CASES, max_size=12, unique_by=lambda record: (record["id"], record["ip"]))
#: The same examples each time, however slow the machine is.
PROPERTY = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def compared(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> Comparison:
    header = {"level": "MUST", "tool": "tcpspec", "python": "3", "host": "x"}
    runs = [
        Run(Path(name), header, {"linux": facts()}, [Case(record, Path()) for record in records], {})
        for name, records in (("a", first), ("b", second))
    ]
    (pair,) = pairs(columns(runs))
    return compare(*pair)


@pytest.mark.slow
@PROPERTY
@given(_RUNS)
def test_a_run_does_not_differ_from_itself(records: list[dict[str, Any]]) -> None:
    comparison = compared(records, records)
    assert (comparison.differences, comparison.facts, comparison.same) == ((), (), len(records))


@pytest.mark.slow
@PROPERTY
@given(_RUNS, _RUNS)
def test_the_other_way_round_worse_is_better_and_the_rest_is_the_same(
    first: list[dict[str, Any]], second: list[dict[str, Any]]
) -> None:
    there, back = compared(first, second), compared(second, first)
    mirrored = {Change.WORSE: Change.BETTER, Change.BETTER: Change.WORSE}
    expected = {
        (found.key, mirrored.get(found.change, found.change), found.after, found.before) for found in there.differences
    }
    assert {(found.key, found.change, found.before, found.after) for found in back.differences} == expected
    assert there.same == back.same


@PROPERTY
@given(_RUNS, _RUNS)
def test_every_case_is_the_same_or_different(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    comparison = compared(first, second)
    names = {(record["id"], record["ip"]) for record in first + second}
    assert comparison.same + len(comparison.differences) == len(names)
    assert sum(len(comparison.of(change)) for change in Change) == len(comparison.differences)
    assert sum(len(group.members) for group in grouped(comparison.differences)) == len(comparison.differences)


@PROPERTY
@given(_RUNS, _RUNS)
def test_what_got_worse_broke_a_rule_or_broke_down(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> None:
    for found in compared(first, second).regressions:
        assert found.base is not None
        assert found.other is not None
        assert found.base.verdict not in NO_JUDGEMENT
        assert found.other.findings or found.other.verdict in ("known deviation", "violates", "deviates", *NO_JUDGEMENT)


# --- columns and facts


def table(tmp_path: Path, **runs: list[str]) -> list[Column]:
    paths = [
        write(tmp_path / name, [case(target=target) for target in targets], *map(facts, targets))
        for name, targets in runs.items()
    ]
    return columns(load(paths))


def test_the_first_run_is_the_base_of_all_others(tmp_path: Path) -> None:
    found = pairs(table(tmp_path, a=["linux"], b=["lwip"], c=["linux", "smoltcp"]))
    assert [(base.run.name, base.target, other.target) for base, other in found] == [
        ("a", "linux", "lwip"),
        ("a", "linux", "linux"),
        ("a", "linux", "smoltcp"),
    ]


def test_several_targets_are_held_against_those_of_the_same_name(tmp_path: Path) -> None:
    found = pairs(table(tmp_path, a=["linux", "lwip"], b=["lwip", "linux"]))
    assert [(base.target, other.target) for base, other in found] == [("lwip", "lwip"), ("linux", "linux")]
    with pytest.raises(IncomparableRuns, match=r"has no target reference \(it has linux, lwip\)"):
        pairs(table(tmp_path, c=["linux", "lwip"], d=["reference"]))


def test_the_targets_of_one_run_are_held_against_its_first(tmp_path: Path) -> None:
    found = pairs(table(tmp_path, a=["linux", "lwip", "smoltcp"]))
    assert [(base.target, other.target) for base, other in found] == [("linux", "lwip"), ("linux", "smoltcp")]
    with pytest.raises(IncomparableRuns, match="only one run with one target"):
        pairs(table(tmp_path, b=["linux"]))


def test_facts_that_differ_are_found_in_every_corner(tmp_path: Path) -> None:
    before = facts(version="6.1", details={"ss": "5.0", "same": "x"}, sysctls={"net.a": "1"}, capabilities=["a", "b"])
    after = facts(version="6.18", details={"same": "x"}, sysctls={"net.a": "2"}, capabilities=["b", "c"])
    paths = [write(tmp_path / name, [case()], known) for name, known in (("a", before), ("b", after))]
    text = paths[1].read_text().replace('"host":"', '"host":"not-')
    paths[1].write_text(text)
    (pair,) = pairs(columns(load(paths)))
    assert [(fact.name, fact.before, fact.after) for fact in differing(*pair)][:-1] == [
        ("capabilities", "a", "c"),
        ("version", "6.1", "6.18"),
        ("ss", "5.0", ""),
        ("net.a", "1", "2"),
    ]
    assert [fact.name for fact in differing(*pair)][-1] == "host"
