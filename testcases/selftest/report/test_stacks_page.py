"""`tcpspec matrix --page`: a row per target, with sums, topics and time; nothing unexpected is hidden."""

import re
from pathlib import Path

import made_runs as made

from harness import cli
from harness.report import runs, stacks_page
from harness.targets.building import drivers

PAGE = Path(__file__).resolve().parents[3] / "harness" / "expectations" / "TABLE.md"
CASES = [
    made.case("a/one"),
    made.case("a/two"),
    made.case("b/three", verdict="known deviation"),
    made.case("b/four", verdict="inconclusive"),
    made.case("b/five", verdict="not applicable"),
]


def test_a_target_is_a_row_of_sums_and_a_row_of_topics(tmp_path: Path) -> None:
    path = made.write(tmp_path / "run", CASES)
    assert cli.main(["matrix", str(path), "--page", str(tmp_path / "page.md")]) == 0
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    (sums, topics) = (line for line in page.splitlines() if line.startswith("| `linux` |"))
    assert re.search(r"\| 2 \| · \| · \| 1 \| · \| · \| 1 \| · \| 1 \| · \| 0:0\d min \|$", sums), sums
    assert topics == "| `linux` | 2 / 0 / 0 / 0 | 0 / 1 / 0 / 1, 1 inconclusive |"


def test_an_incomplete_run_has_no_time(tmp_path: Path) -> None:
    path = made.write(tmp_path / "run", CASES, complete=False)
    page = stacks_page.render(runs.columns(runs.load([path], partial=True)))
    assert "| incomplete |" in page


def test_the_page_tells_the_days_and_what_is_known_besides(tmp_path: Path) -> None:
    path, page = made.write(tmp_path / "run", CASES), tmp_path / "page.md"
    assert cli.main(["matrix", str(path), "--page", str(page), "--note", "commit abc, on a busy machine"]) == 0
    (day,) = {run.started[:10] for run in runs.load([path])}
    assert f"The runs are of {day}: commit abc, on a busy machine." in page.read_text(encoding="utf-8").splitlines()


def test_every_stack_that_comes_with_the_tool_has_its_row() -> None:
    rows = re.findall(r"^\| `([\w:.-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {"linux", "reference", *drivers.DRIVERS} <= set(rows)


def test_no_row_has_an_error_or_what_nobody_can_tell() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert not re.findall(r"\d+ (?:inconclusive|error|unstable)", text)
