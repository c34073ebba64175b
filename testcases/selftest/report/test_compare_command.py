"""`tcpspec compare`: what it prints and writes, its exit codes; nothing in a run can write into the page."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from harness.report.compare import data, markdown, page
from harness.report.compare.differences import Comparison, compare, pairs
from harness.report.compare.groups import conclusion
from harness.report.compare.text import SHOWN, print_comparison
from harness.report.runs import columns, load
from testcases.selftest import forked
from testcases.selftest.made_runs import RESET, SILENT, case, facts, write

USAGE, NOTHING_COMPARED = 4, 5


def tcpspec(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = forked.tcpspec(*arguments, environment={"COLUMNS": "200"})
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two kernels: of four cases one got worse, one better, one differs, one is the same."""
    a = [case("a/worse"), case("a/better", "violates", SILENT), case("a/other", "violates", SILENT), case("a/same")]
    b = [case("a/worse", "violates", RESET), case("a/better"), case("a/other", "violates", RESET), case("a/same")]
    return write(tmp_path / "old", a, facts(version="6.1")), write(tmp_path / "new", b, facts(version="6.18"))


def test_it_prints_facts_first_and_what_differs(two: tuple[Path, Path]) -> None:
    done = tcpspec("compare", *two)
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert lines[0].startswith("base  linux (6.1): Linux 6.1, 4 cases")
    assert lines[2:4] == ["facts that differ:", "  version  6.1 → 6.18"]
    assert lines[4:9] == [
        "newly violates (1):",
        "  a/worse (IPv4)",
        "      was conforms",
        "      now violates [reset] <SEQ=1><CTL=RST>",
        "      rules MUST-12",
    ]
    assert "a/same" not in done.stdout
    assert lines[-1] == "1 cases are the same; 1 newly violate, 1 newly conform, 1 behave differently; 1 got worse"


@pytest.mark.parametrize(
    ("fail_on", "reverse", "code"),
    [("regressions", False, 1), ("any", False, 1), ("never", False, 0), ("any", True, 1)],
)
def test_what_it_fails_on_is_chosen(two: tuple[Path, Path], fail_on: str, reverse: bool, code: int) -> None:
    files = reversed(two) if reverse else two
    assert tcpspec("compare", *files, "--fail-on", fail_on).returncode == code


def test_what_only_got_better_or_different_is_no_failure(tmp_path: Path) -> None:
    a = write(tmp_path / "a", [case("a/x", "violates", SILENT), case("a/y", "violates", SILENT)])
    b = write(tmp_path / "b", [case("a/x"), case("a/y", "violates", RESET)])
    assert tcpspec("compare", a, b).returncode == 0
    assert tcpspec("compare", a, b, "--fail-on", "any").returncode == 1


def test_runs_without_a_common_case_are_no_success(tmp_path: Path) -> None:
    files = [write(tmp_path / name, [case(f"a/{name}")]) for name in ("x", "y")]
    done = tcpspec("compare", *files)
    assert done.returncode == NOTHING_COMPARED
    assert "no case in common" in done.stderr


def test_what_only_one_has_run_is_a_group_of_its_own(tmp_path: Path) -> None:
    a = write(tmp_path / "a", [case("a/both"), *(case(f"a/{n}") for n in range(30)), case("a/x", "violates", SILENT)])
    b = write(tmp_path / "b", [case("a/both"), case("b/y", "violates", RESET)])
    done = tcpspec("compare", a, b, "--markdown", tmp_path / "out.md")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[lines.index("not comparable (32):") + 1 : -1] == [
        "a/0 (IPv4) and 30 more",
        "was 30 conforms, 1 violates",
        "now not run",
        "b/y (IPv4)",
        "was not run",
        "now violates",
    ]
    assert (tmp_path / "out.md").read_text().count("`a/") == SHOWN
    assert "and 11 more" in (tmp_path / "out.md").read_text()
    assert "      a/x" not in done.stdout
    assert "  a/x (IPv4)" in tcpspec("compare", a, b, "--all").stdout


@pytest.mark.parametrize("width", [40, 80])
def test_a_line_that_is_too_long_goes_on_further_in(two: tuple[Path, Path], width: int) -> None:
    (comparison,) = (compare(*pair) for pair in pairs(columns(load(two))))
    console = Console(file=io.StringIO(), width=width)
    print_comparison(console, comparison)
    assert isinstance(console.file, io.StringIO)
    for line in console.file.getvalue().splitlines():
        words = line.split()
        assert line == line.rstrip()
        assert len(line) <= width or len(words) == 1  # a path is not broken: one wants to copy it
        assert line.startswith(" ") or words[0] in ("base", "other", "facts", "newly", "behaves", "1")


def test_an_incomplete_run_is_refused_or_named_everywhere(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", [case()])
    cut = write(tmp_path / "cut", [case("closing/fin", "violates", SILENT)], complete=False)
    refused = tcpspec("compare", whole, cut)
    assert refused.returncode == USAGE
    assert f"{cut}: an incomplete run" in refused.stderr
    outputs = {name: tmp_path / f"out.{name}" for name in ("json", "markdown", "html")}
    taken = tcpspec(
        "compare", whole, cut, "--partial", *(word for name in outputs for word in (f"--{name}", outputs[name]))
    )
    assert taken.returncode == 1
    assert "1 cases, INCOMPLETE" in taken.stdout
    assert "Incomplete" in outputs["markdown"].read_text()
    assert "Incomplete" in outputs["html"].read_text()
    written = json.loads(outputs["json"].read_text())["comparisons"][0]
    assert (written["partial"], written["base"]["partial"], written["other"]["partial"]) == (True, False, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name results to compare"),
        (["--target", "linux"], "name two targets or more"),
        (["--target", "linux", "--target", "linux"], "name two targets or more"),
        (["a.jsonl", "b.jsonl", "--timers"], "unrecognized argument --timers"),
        (["a.jsonl", "b.jsonl"], "can't be read: No such file"),
        (["--fail-on", "worse"], "invalid choice"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(arguments: list[str], says: str) -> None:
    done = tcpspec("compare", *arguments)
    assert done.returncode == USAGE
    assert says in done.stderr


def test_two_targets_are_run_and_compared(tmp_path: Path) -> None:
    options = ("--results", tmp_path, "--case", "sanity/*", "--case", "closed-and-listening/closed-port-*", "--ip", 4)
    defective = tcpspec("compare", "--target", "reference", "--target", "linux", *options)
    assert defective.returncode in (0, 1), defective.stdout + defective.stderr
    assert "base  reference: reference" in defective.stdout
    assert "cases are the same" in defective.stdout
    assert {column.target for column in columns(load([tmp_path]))} == {"reference", "linux"}


# --- injection

HOSTILE = "</code><script>alert(1)</script>`|\n# title\x1b[31m"


@pytest.fixture
def hostile(tmp_path: Path) -> Comparison:
    """A comparison in which every text tries to be markup."""
    finding = {**SILENT, "observed": HOSTILE, "cites": [HOSTILE]}
    known = facts(HOSTILE, HOSTILE, implementation=HOSTILE, details={HOSTILE: HOSTILE})
    a = write(tmp_path / HOSTILE.replace("/", ""), [case(HOSTILE, target=HOSTILE, reason=HOSTILE)], facts(HOSTILE))
    b = write(tmp_path / "b", [case(HOSTILE, "violates", finding, target=HOSTILE, reason=HOSTILE)], known)
    (pair,) = pairs(columns(load([a, b])))
    return compare(*pair)


def test_the_page_holds_no_markup_of_a_run(hostile: Comparison) -> None:
    written = page.render([hostile])
    assert "&lt;script&gt;" in written
    assert "<script" not in written.replace("&lt;script", "")
    assert "\x1b" not in written


def test_markdown_holds_no_markup_of_a_run(hostile: Comparison) -> None:
    for line in markdown.render([hostile]).splitlines():
        outside = "".join(line.split("`")[::2])
        assert "script" not in outside
        assert not line.startswith("# ")


def test_data_holds_it_as_it_is(hostile: Comparison) -> None:
    (written,) = data.render([hostile])["comparisons"]
    assert written["differences"][0]["id"] == HOSTILE.replace("\x1b", "␛")
    assert json.loads(json.dumps(written)) == written


def test_the_last_line_counts_nothing_twice(two: tuple[Path, Path]) -> None:
    (pair,) = pairs(columns(load(two)))
    assert conclusion(compare(*pair)).startswith("1 cases are the same; 1 newly violate")
