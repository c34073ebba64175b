"""`tcpspec report` as a command, and the first page of what it writes: what is not as expected, before all else."""

import re
from pathlib import Path
from typing import Any

import made_runs as made
import pytest

from harness import cli
from harness.report import html, runs
from harness.report.compare.differences import IncomparableRuns
from harness.verbs import USAGE_ERROR
from testcases.selftest.report.made_page import CASES


def test_the_command_writes_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.write(tmp_path / "run", CASES)
    assert cli.main(["report", str(path), str(path.parent), "-o", str(tmp_path / "r.html")]) == 0
    assert "8 verdicts" in capsys.readouterr().out
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("arguments", [["absent.jsonl"], ["{run}", "-o", "absent/r.html"], ["--wrong"]])
def test_a_command_that_can_not_be_done_is_told_in_a_line(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made.write(tmp_path / "run", CASES)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", *(argument.format(run=path) for argument in arguments)]) == USAGE_ERROR
    told = capsys.readouterr().err
    assert told.startswith(("tcpspec report: ", "usage: tcpspec report"))
    assert "Traceback" not in told


def test_without_a_run_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report"]) == USAGE_ERROR
    assert "`tcpspec run` writes one" in capsys.readouterr().err


def test_an_incomplete_run_is_refused_unless_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made.write(tmp_path / "run", CASES, complete=False)
    report = str(tmp_path / "r.html")
    assert cli.main(["report", str(path), "-o", report]) == USAGE_ERROR
    assert "--partial" in capsys.readouterr().err
    assert cli.main(["report", str(path), "-o", report, "--partial"]) == 0


def first_page(tmp_path: Path, cases: list[dict[str, Any]], before: list[dict[str, Any]] | None = None) -> str:
    run = made.write(tmp_path / "now", cases)
    baseline = [made.write(tmp_path / "before", before)] if before is not None else []
    shown = html.render(runs.load([run]), folder=tmp_path, baseline=runs.load(baseline))
    return shown[shown.index('id="overview"') : shown.index('id="matrix"')]


def test_a_target_has_a_line_with_a_bar_whose_parts_are_its_verdicts(tmp_path: Path) -> None:
    cases = [made.case(f"a/b[{at}]") for at in range(90)]
    page = first_page(tmp_path, [*cases, *(made.case(f"a/c[{at}]", "violates", made.SILENT) for at in range(10))])
    widths = {
        letter: float(width) for letter, width in re.findall(r'class="part-(\w)" x="[\d.]+" width="([\d.]+)"', page)
    }
    assert widths["c"] == pytest.approx(9 * widths["v"], rel=0.01)
    assert "10 not as expected: 10 violates, 90 conforms" in page
    assert 'class="states small"' in page


def test_what_is_not_as_expected_stands_there_by_kind_with_the_ladder_of_the_first(tmp_path: Path) -> None:
    ladder = [{"ms": 0.1, "kind": "sent", "text": "<SEQ=0><CTL=SYN>"}]
    silent = [made.case(f"a/c[{at}]", "violates", made.SILENT, ladder=ladder) for at in range(10)]
    page = first_page(tmp_path, [*silent, made.case("a/d", "violates", made.RESET, ladder=ladder * 2)])
    kinds = re.findall(r'class="story kind".*?</summary>', page, re.DOTALL)
    assert len(kinds) == 2
    assert "<b>10 ×</b> ACK due, but nothing came [silent]" in kinds[0]
    assert page.count('class="ladder"') == 2
    assert "9 more: a/c[*] (9)" in page


def test_what_changed_since_a_baseline_is_said(tmp_path: Path) -> None:
    page = first_page(
        tmp_path, [made.case("a/b", "violates", made.SILENT), made.case("a/c")], [*map(made.case, ("a/b", "a/c"))]
    )
    assert "1 newly violate: a/b (IPv4)" in page
    assert "1 case is the same" in page


def test_a_baseline_without_the_target_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IncomparableRuns):
        html.render(
            runs.load([made.write(tmp_path / "a", [made.case(target="lwip")], made.facts("lwip"))]),
            baseline=runs.load([made.write(tmp_path / "b", [], made.facts("linux"), made.facts("reference"))]),
        )
