"""What a run tells GitHub: one annotation per rule, at the case's source, and a summary in Markdown."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.report import github, html, runs
from harness.report.matrix import Matrix
from harness.report.runs import Case
from testcases.selftest import forked
from testcases.selftest.made_runs import RESET, SILENT, case, facts, write

ROOT = Path(__file__).resolve().parents[3]


def failing(name: str = "closing/fin", **more: Any) -> Case:
    return Case(case(name, "violates", SILENT, **{"reason": "<CTL=ACK>, but nothing came", **more}), Path())


def test_an_annotation_stands_at_the_source_of_the_case(tmp_path: Path) -> None:
    (line,) = github.annotations([failing(at="testcases/closing/test_fin.py:12")], tmp_path / "sub", tmp_path)
    assert line.startswith("::error file=sub/testcases/closing/test_fin.py,line=12,title=MUST-12%3A ACK due")
    assert "::closing/fin on linux, IPv4: violates: <CTL=ACK>, but nothing came" in line


@pytest.mark.parametrize("at", ["", "testcases/test_fin.py", "../../elsewhere/test_fin.py:3", ":7"])
def test_a_source_outside_of_the_workspace_is_not_named(tmp_path: Path, at: str) -> None:
    (line,) = github.annotations([failing(at=at)], tmp_path, tmp_path)
    assert line.startswith("::error title=MUST-12")


def test_cases_of_one_kind_are_one_annotation() -> None:
    cases = [failing(f"closing/fin[{number}]") for number in range(25)]
    other = Case(case("closing/x", "violates", RESET, cites=["RFC 9293 §3.6"]), Path())
    lines = list(github.annotations([*cases, other], Path(), Path()))
    first = next(line for line in lines if "25 cases" in line)
    assert len(lines) == 2
    assert "title=MUST-12%3A ACK due%2C but nothing came [silent]%2C 25 cases" in first
    assert "%0A24 more: closing/fin[*] (24)%0Aagain: " in first


def test_a_kind_without_a_rule_is_named_by_its_verdict(tmp_path: Path) -> None:
    broken = case("explore/unsent/much", "harness error", cites=[], reason="[Errno 12] Cannot allocate memory")
    (line,) = github.annotations([Case(broken, Path())], Path(), Path())
    assert "title=harness error%3A" in line
    made = runs.load([write(tmp_path, [broken], facts())])
    assert "Cannot allocate memory" in html.render(made, folder=tmp_path)


def test_no_text_of_a_case_ends_an_annotation() -> None:
    hostile = "100%,:\r\n::error::forged"
    (line,) = github.annotations([failing(hostile, target=hostile, reason=hostile)], Path(), Path())
    assert "\n" not in line
    assert line.count("100%25,:%0D%0A::error::forged") == 3


def test_the_summary_counts_and_names_what_is_not_as_expected() -> None:
    matrix = Matrix(facts={"linux": facts()})
    bad = [failing(f"closing/{number}", reason="`|</td><script>") for number in range(12)]
    for entry in [*(entry.record for entry in bad), case("opening/syn")]:
        matrix.add(dict(entry))
    text = github.summary(matrix, bad)
    assert "## `linux: Linux 6.18`" in text
    assert "| `all` | 1 | 12 |" in text
    assert "* **MUST-12** `ACK due, but nothing came [silent]`: 12 cases" in text
    assert "  * `11 more: " in text
    assert all("<script>" not in "".join(line.split("`")[::2]) for line in text.splitlines())


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["here", "in workers"])
def test_a_run_in_github_annotates_summarizes_and_counts_what_it_left_out(tmp_path: Path, workers: list[str]) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    case_options = ["--set", "tcp_challenge_ack_limit=1", "--case", "syn-is-challenged", "--ip", "4", "--tb=no"]
    command = ["run", "--results", str(tmp_path), *case_options, *workers]
    done = forked.tcpspec(*command, environment=environment, cwd=ROOT)
    assert done.returncode == 1, done.stdout + done.stderr
    (annotation,) = re.findall("^::error.*", done.stdout, re.MULTILINE)
    assert "file=testcases/resets/test_blind_syn.py,line=" in annotation
    assert "again: tcpspec run --target linux --ip 4 --set=tcp_challenge_ack_limit=1" in annotation
    assert summary.read_text().startswith("# before\n## `linux: Linux ")
    assert "resets/syn-is-challenged" in summary.read_text()
    left_out = json.loads((tmp_path / "results.jsonl").read_text().splitlines()[-1])["left_out"]
    assert left_out["on the other IP version (--ip)"] > 10
    assert left_out["not named (--case, --rfc, --requirement)"] > 10
