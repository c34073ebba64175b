"""`tcpspec declare`: a run becomes a draft that exactly that run passes with; what no longer fires goes, words stay."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.declare import cells, command, scenarios
from harness.declare.entries import together
from harness.expectations.deviations import is_over, load
from harness.expectations.entries import BrokenExpectations
from harness.grid import known
from harness.report.runs import Case
from harness.trace import results
from testcases.selftest.made_runs import SILENT, case, facts, write

WRONG = "reference,defect=D54"


def run(folder: Path, *options: str, target: str = WRONG) -> int:
    fixed = ["--ip", "4", "--case", "half-close/*", "--case", "grid/fin-wait-1*", "--tb=no"]
    return cli.main(["run", "--target", target, *fixed, "--results", str(folder), *options])


def verdicts(folder: Path) -> set[str]:
    return {record["verdict"] for record in results.read(folder).cases}


@pytest.mark.slow
def test_a_draft_is_what_the_run_passes_with_and_goes_when_the_defect_does(tmp_path: Path) -> None:
    draft = tmp_path / "my.toml"
    assert run(tmp_path / "a") == 1
    assert command.main([str(tmp_path / "a"), "-o", str(draft)]) == 0
    assert "[[grid]]" in draft.read_text()
    assert "[[deviation]]" in draft.read_text()
    assert run(tmp_path / "b", "--expectations", str(draft), "--drafts") == 0
    assert "known deviation" in verdicts(tmp_path / "b")
    assert run(tmp_path / "c", "--expectations", str(draft)) == 4, "a draft is no declaration"
    finished = draft.read_text().replace('"?"', '"by design"', 1).replace('"?"', '"tcp.c"', 1)
    draft.write_text("# mine\n\n" + finished)
    assert command.main([str(tmp_path / "b"), "--update", str(draft)]) == 0
    assert draft.read_text() == "# mine\n\n" + finished, "what fires is left alone"
    assert run(tmp_path / "d", "--expectations", str(draft), "--drafts", target="reference") == 1
    assert command.main([str(tmp_path / "d"), "--update", str(draft)]) == 0
    assert "[[" not in draft.read_text()
    assert draft.read_text().startswith("# mine\n")


def violating(name: str, observed: str = "", **more: Any) -> Case:
    code = "wrong-seq" if observed else "silent"
    return Case(case(name, "violates", {**SILENT, "code": code, "observed": observed}, **more), Path())


def test_all_rows_of_a_case_are_a_pattern_and_some_are_not() -> None:
    rows = [violating(f"a/all[{at}]") for at in range(3)] + [violating("a/some[1]")]
    text = together(scenarios.drafts(rows, [Case(case("a/some[2]"), Path())]))
    assert 'case = ["a/all[*]", "a/some[1]"]' in text
    assert text.count("[[deviation]]") == 1


def test_a_number_that_no_rule_gives_is_a_star() -> None:
    (entry,) = scenarios.drafts([violating("a/b", "<SEQ=1><ACK=305419896><CTL=RST,ACK>")], [])
    assert entry.keys["observed"] == "wrong-seq: <SEQ=1><ACK=*><CTL=RST,ACK>"
    (entry,) = scenarios.drafts([violating("a/b", "it came 0.885 s too early")], [])
    assert entry.keys["observed"] == "wrong-seq: it came *.* s too early"


def test_a_range_of_cells_takes_in_what_was_not_run_and_nothing_that_conforms(tmp_path: Path) -> None:
    found = {**SILENT, "observed": "none → CLOSED", "expected": "rst-ack(seq=0) → CLOSED"}
    bad = [Case(case(f"grid/closed/{flags}/-/-/none", "violates", found), Path()) for flags in ("none", "fin", "syn")]
    good = [Case(case("grid/closed/syn-fin/-/-/none"), Path())]
    (entry,) = cells.drafts(bad, good)
    path = tmp_path / "my.toml"
    path.write_text(entry.text())
    (rule,) = known.load(path, drafts=True)
    covered = {cell.id for cell in known.cells_of(rule)}
    assert {entry.key.id for entry in bad} <= covered
    assert good[0].key.id not in covered
    assert "grid/closed/fin/-/-/data" in covered


def test_an_entry_that_fires_for_some_of_its_cases_is_narrowed_and_keeps_its_words(tmp_path: Path) -> None:
    mine = tmp_path / "my.toml"
    mine.write_text(
        '# about rows\n[[deviation]]\ncase = "a/b[*]"\nobserved = "silent"\nreason = "we know"\nsource = "x.c"\n'
        'issue = "https://example.org/7"\n'
    )
    records = [case("a/b[1]", "known deviation", SILENT), case("a/b[2]", "gone deviation")]
    write(tmp_path / "run", records, facts())
    assert command.main([str(tmp_path / "run"), "--update", str(mine)]) == 0
    (entry,) = load(mine)
    assert (entry.case, entry.reason, entry.issue) == ("a/b[1]", "we know", "https://example.org/7")


@pytest.mark.parametrize(
    ("until", "version", "over"),
    [
        ("", "9.9", False),
        ("6.12", "6.12.3", True),
        ("6.12", "6.12", False),
        ("6.12", "6.1.0-47-amd64", False),
        ("2020-01-31", "1.0", True),
        ("2999-01-31", "1.0", False),
    ],
)
def test_an_entry_is_over_behind_its_version_or_day(until: str, version: str, over: bool) -> None:
    assert is_over(until, version) is over


@pytest.mark.slow
def test_what_is_still_so_behind_its_day_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draft = tmp_path / "my.toml"
    run(tmp_path / "a")
    command.main([str(tmp_path / "a"), "-o", str(draft)])
    text = draft.read_text().replace('"?"', '"by design"')
    text = re.sub(r"(?m)^observed = .*$", r'\g<0>\nuntil = "2020-01-31"\nissue = "https://example.org/9"', text)
    draft.write_text(text.replace('looks_like = "by design"', 'looks_like = "by design"'))
    assert run(tmp_path / "b", "--expectations", str(draft)) == 1
    gone = [record for record in results.read(tmp_path / "b").cases if record["verdict"] == "gone deviation"]
    assert gone
    assert all(record["reason"].startswith("declared until 2020-01-31, and it is still so") for record in gone)
    assert all(record["issue"] == "https://example.org/9" for record in gone)


@pytest.mark.parametrize("until", ['"soon"', '"31.12.2027"'])
def test_a_time_that_is_none_is_refused(tmp_path: Path, until: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'[[deviation]]\ncase = "a/b"\nobserved = "silent"\nreason = "r"\nsource = "s"\nuntil = {until}\n')
    with pytest.raises(BrokenExpectations, match=r"such as '6\.12' or a day"):
        load(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{run}"], "name a file"),
        (["{run}", "-o", "{there}"], "is there already; --update"),
        (["nowhere", "-o", "x"], "can't be read"),
        (["{run}", "-o", "{new}", "--target", "lwip"], "it has linux"),
        (["{run}", "-o", "{new}"], "nothing to declare"),
        (["{run}", "--update", "absent.toml"], "can't be read"),
    ],
)
def test_what_can_not_be_done_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    there = tmp_path / "there.toml"
    there.write_text("")
    names = {"run": str(write(tmp_path, [case("a/b")])), "there": str(there), "new": str(tmp_path / "new.toml")}
    assert command.main([text.format(**names) for text in arguments]) == 4
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new.toml").exists()
