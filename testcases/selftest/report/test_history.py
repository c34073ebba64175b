"""Many runs of releases: which behaviours there were, and with which release each began."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.report.compare import command
from harness.report.compare.differences import IncomparableRuns
from harness.report.compare.history import History, trace
from harness.report.runs import columns, load
from testcases.selftest.made_runs import RESET, SILENT, case, facts, write

CHANGES = [{"name": "fix", "was": "It is silent.", "now": "It answers.", "expected": "open", "reached": "6.18 (read)"}]
TRACE = {"trace": ["sent <SEQ=0><CTL=SYN>", "received <SEQ=0><ACK=1><CTL=SYN,ACK>"]}


def history(folder: Path, **cases: list[dict[str, Any]]) -> History:
    """Return the history of releases, written 6_12_95 for 6.12.95, in the order in which they are given."""
    paths = []
    for name, records in cases.items():
        release = name.removeprefix("v").replace("_", ".").replace(".rc", "-rc")
        paths.append(write(folder / name, records, facts(version=release, changes=CHANGES)))
    return trace(columns(load(paths)))


def silent(name: str = "closing/fin") -> dict[str, Any]:
    return case(name, "known deviation", SILENT, changes={"fix": "lacks"})


def conforming(name: str = "closing/fin") -> dict[str, Any]:
    return case(name, **TRACE, changes={"fix": "has"})


def test_behaviours_have_their_releases_across_branches_in_the_order_of_numbers(tmp_path: Path) -> None:
    found = history(
        tmp_path,
        v6_18_15=[silent()],
        v6_12_100=[conforming()],
        v7_3_0_rc7=[conforming()],
        v6_12_95=[silent()],
        v7_3_4=[conforming()],
        v6_1_192=[silent()],
    )
    assert found.releases == ["6.1.192", "6.12.95", "6.12.100", "6.18.15", "7.3.0-rc7", "7.3.4"]
    (line,) = found.lines
    assert [(behaviour.shown, found.ranges(behaviour.releases)) for behaviour in line.behaviours] == [
        ("[silent]", "6.1.192–6.12.95, 6.18.15"),
        ("conforms", "6.12.100, 7.3.0-rc7–7.3.4"),
    ]
    ((change, words),) = found.changes()
    assert (change.name, words) == ("fix", ["lacks", "lacks", "has", "lacks", "has", "has"])


def test_cases_that_changed_alike_are_one_line_and_others_are_counted(tmp_path: Path) -> None:
    names = ("closing/fin", "closing/reset")
    found = history(
        tmp_path,
        v5_10_1=[*map(silent, names), conforming("closing/same"), case("closing/odd", "not applicable")],
        v6_1_1=[*map(conforming, names), conforming("closing/same"), conforming("closing/odd")],
        v6_2_1=[*map(conforming, names), conforming("closing/same"), case("closing/odd", "violates", RESET)],
    )
    assert [line.names for line in found.lines] == [list(names), ["closing/odd"]]
    assert [found.ranges(behaviour.releases) for behaviour in found.lines[1].behaviours] == ["6.1.1", "6.2.1"]
    assert found.same == 1
    assert dict(found.counts())["6.2.1"] == {
        "conforms": 3,
        "known": 0,
        "unexpected": 1,
        "not applicable": 0,
        "other": 0,
    }


def test_a_deviation_that_is_declared_or_not_is_the_same_behaviour(tmp_path: Path) -> None:
    found = history(tmp_path, v6_1_1=[silent()], v6_2_1=[case("closing/fin", "violates", SILENT)])
    assert (list(found.lines), found.same) == ([], 1)


def test_a_history_is_of_one_implementation(tmp_path: Path) -> None:
    one = write(tmp_path / "one", [silent()], facts())
    other = write(tmp_path / "other", [silent()], facts() | {"implementation": "lwIP"})
    with pytest.raises(IncomparableRuns, match="of one implementation, not of Linux and lwIP"):
        trace(columns(load([one, other])))
    with pytest.raises(IncomparableRuns, match="two runs or more"):
        trace(columns(load([one])))


def test_the_command_prints_the_history_and_writes_page_and_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        str(write(tmp_path / version, [record], facts(version=version, changes=CHANGES)))
        for version, record in (("6.1.1", silent()), ("6.18", conforming()))
    ]
    page, data = tmp_path / "history.md", tmp_path / "history.json"
    options = command.parse(["--history", *runs, "--markdown", str(page), "--json", str(data)])
    assert not isinstance(options, int)
    assert command.report(options, Console(width=100)) == 0
    printed = capsys.readouterr().out
    assert "closing/fin\n      6.1.1: [silent]\n      6.18: conforms\n" in printed
    assert "changed: 1 verdicts, in 1 ways; unchanged: 0" in printed
    assert "| `fix` | – | ✓ |" in page.read_text()
    assert json.loads(data.read_text())["history"][0]["behaviours"][1] == {"shown": "conforms", "releases": ["6.18"]}


def test_a_kernel_that_was_named_by_its_path_is_called_by_its_release(tmp_path: Path) -> None:
    path = "kernel:/home/me/.cache/tcpspec/kernels/tree-4b052172b5e0/linux"
    runs = [write(tmp_path / release, [case(target=path)], facts(path, release)) for release in ("6.12.43", "6.18.1")]
    assert [column.label for column in columns(load(runs))] == ["kernel:6.12.43", "kernel:6.18.1"]
    again = write(tmp_path / "again", [case(target=path)], facts(path, "6.18.1"))
    assert [column.label for column in columns(load([runs[1], again]))] == [
        "kernel:6.18.1 (6.18.1)",
        "kernel:6.18.1 (again)",
    ]
