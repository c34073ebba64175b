"""TAP and KTAP: a point per case, topics as subtests, SKIP and XFAIL, and nothing else on standard output."""

import re
from pathlib import Path

from harness.report.runs import Case
from harness.report.tap import ktap, tap
from testcases.selftest import forked
from testcases.selftest.made_runs import SILENT, case

CASES = [
    Case(record, Path())
    for record in (
        case("a/good"),
        case("a/known", "known deviation", SILENT, reason="as #1 declared\nin two lines"),
        case("b/bad", "violates", SILENT, reason="<CTL=ACK>, but nothing came", reproduce="tcpspec run --case b/bad"),
        case("b/absent", "not applicable", reason="no timers"),
        case("c/absent", "not applicable", reason="no timers"),
    )
]


def test_tap_has_a_point_per_case_and_a_block_where_it_fails() -> None:
    lines = list(tap(CASES, "MUST"))
    assert lines[:2] == ["TAP version 14", "1..5"]
    assert lines[2] == "ok 1 - a/good on linux IPv4"
    assert lines[3] == "not ok 2 - a/known on linux IPv4 # TODO as No.1 declared in two lines"
    assert lines[4] == "not ok 3 - b/bad on linux IPv4"
    assert '  message: "<CTL=ACK>, but nothing came"' in lines
    assert lines[-1] == "ok 5 - c/absent on linux IPv4 # SKIP no timers"


def test_ktap_has_a_subtest_per_topic() -> None:
    text = "\n".join(ktap(CASES, "MUST"))
    assert text.startswith("KTAP version 1\n1..3\n  KTAP version 1\n  # Subtest: a\n  1..2\n  ok 1 a/good")
    assert "  ok 2 a/known on linux IPv4 # XFAIL as No.1 declared in two lines\nok 1 a\n" in text
    assert "  not ok 1 b/bad on linux IPv4\n  ok 2 b/absent on linux IPv4 # SKIP no timers\nnot ok 2 b\n" in text
    assert "\nok 3 c # SKIP\n" in text
    assert text.endswith("# Totals: pass:1 fail:1 xfail:1 xpass:0 skip:2 error:0")


def test_a_run_prints_nothing_but_tap_on_standard_output(tmp_path: Path) -> None:
    done = forked.tcpspec("run", "--target", "reference", "--case", "half-close/*", "--tap", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = re.match(r"TAP version 14\n1\.\.(\d+)\n", done.stdout)
    assert plan is not None, done.stdout
    assert len(re.findall(r"^ok \d+ - half-close/", done.stdout, re.MULTILINE)) == int(plan[1])
    assert all(line.startswith(("TAP", "1..", "ok ")) for line in done.stdout.splitlines())
    assert "half-close" in done.stderr
