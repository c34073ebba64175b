"""A wall of failures is a list of kinds: what differs, the most telling ladder of each, the others."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.report import failures, kinds
from harness.report.kinds import Difference, grouped, shape
from harness.report.runs import Case
from testcases.selftest.made_runs import SILENT, case

LADDER = [{"ms": 0.1, "kind": "sent", "text": "<SEQ=0><CTL=SYN>"}]


def failing(name: str, expected: str, observed: str, code: str = "wrong-flags", **more: Any) -> Case:
    found = {**SILENT, "code": code, "expected": expected, "observed": observed}
    return Case(case(name, "violates", found, **{"ladder": LADDER * 3, **more}), Path())


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("<SEQ=2><ACK=1><CTL=FIN,ACK>", "FIN,ACK"),
        ("<SEQ=2><ACK=1><DATA=4><CTL=ACK>", "ACK with text"),
        ("<SEQ=1><CTL=RST> or <ACK=2><CTL=ACK>", "ACK or RST"),
        ("rst-ack(seq=0,ack=seg.end) + syn(seq=iss) → SYN-SENT", "RST,ACK + SYN"),
        ("ack-new → ESTABLISHED or none → CLOSED", "ACK or nothing"),
        ("", "nothing"),
        ("recv() fails with 17", "recv() fails with *"),
    ],
)
def test_what_was_sent_is_told_without_numbers(text: str, due: str) -> None:
    assert shape(text) == due


def test_a_scenario_and_a_cell_that_show_the_same_are_of_one_kind() -> None:
    scenario = failing("resets/a", "<SEQ=7><CTL=RST>", "<SEQ=7><ACK=0><CTL=RST,ACK>")
    cell = failing("grid/closed/ack/x", "rst(seq=seg.ack) → CLOSED", "rst-ack(seq=seg.ack,ack=seg.end) → CLOSED")
    (kind,) = grouped([cell, scenario])
    assert str(kind.difference) == "RST due, but RST,ACK came [wrong-flags]"
    assert kind.first is scenario
    assert kind.others() == "1 more: grid/closed/*"


def test_another_code_state_target_or_verdict_is_another_kind() -> None:
    same = ("<CTL=ACK>", "<CTL=RST>")
    cases = [
        failing("a/b", *same),
        failing("a/c", *same, code="reset"),
        failing("a/d", *same, target="lwip"),
        failing("a/e", "state CLOSED", "LISTEN", code="wrong-state"),
        failing("a/f", "none → CLOSED", "none → LISTEN", code="wrong-state"),
        failing("a/g", "none → CLOSED", "none → TIME-WAIT", code="wrong-state"),
    ]
    assert sorted(len(kind.cases) for kind in grouped(cases)) == [1, 1, 1, 1, 2]


def test_what_is_late_does_not_come_twice() -> None:
    late = failing("pkt/a", "`> P. 1:11(10) ack 1`", "it came 0.900 s too late", code="late")
    assert str(kinds.difference_of(late)) == "`> P. *:*(*) ack *` due, but it came *.* s too late [late]"


def test_what_a_walk_misses_is_a_kind_whatever_the_numbers_are() -> None:
    reason = "<SEQ={}><ACK=1><CTL=SYN,ACK>, but nothing came (state SYN-SENT)"
    cases = [Case(case(f"a/{at}", "inconclusive", reason=reason.format(at)), Path()) for at in range(3)]
    (kind,) = grouped(cases)
    assert str(kind.difference) == "in SYN-SENT, SYN,ACK due, but nothing came [inconclusive]"


def test_the_shortest_ladder_comes_first_and_a_crash_before_it() -> None:
    long = failing("a/long", "<CTL=ACK>", "", "silent", ladder=LADDER * 9)
    short = failing("a/short", "<CTL=FIN>", "", "silent", ladder=LADDER * 2)
    crash = failing("a/crash", "an answer", "signal 11", "died", ladder=LADDER * 20)
    assert [kind.first for kind in grouped([long, short, crash])] == [crash, short, long]


def test_the_other_cases_are_counted_by_pattern() -> None:
    rows = [failing(f"a/row[{at}]", "<CTL=ACK>", "") for at in range(5)]
    cells = [failing(f"grid/listen/ack/{at}", "ack → LISTEN", "none → LISTEN") for at in range(3)]
    (kind,) = grouped([*rows, *cells, failing("a/alone", "<CTL=ACK>", "")])
    assert kind.first.key.id == "a/alone"
    assert kind.others() == "8 more: a/row[*] (5), grid/listen/* (3)"
    assert kind.others(1) == "8 more: a/row[*] (5), 1 other pattern"


def test_the_same_case_on_the_other_version_is_said_to_be_that() -> None:
    (kind,) = grouped([failing("a/b", "<CTL=ACK>", ""), failing("a/b", "<CTL=ACK>", "", ip=6)])
    assert kind.others() == "also on IPv6"


def test_the_finding_that_decides_makes_the_kind_not_one_that_is_declared() -> None:
    declared = {**SILENT, "expected": "<CTL=SYN>"}
    record = case("a/b", "violates", declared, SILENT, decides=1)
    assert kinds.difference_of(Case(record, Path())) == Difference("linux", "violates", "silent", "ACK", "nothing")


def test_a_list_has_a_line_per_kind_and_counts_the_rest() -> None:
    cases = [failing(f"a/c{at}", f"state S{'I' * at}", "CLOSED", "wrong-state") for at in range(25)]
    lines = list(failures.listing(grouped(cases)))
    assert lines[0] == "not as expected: 25 violates; 25 kinds, the shortest ladder first"
    assert len(lines) == 1 + failures.SHOWN + 1
    assert lines[-1].startswith("  and 5 more kinds, 5 cases")
    assert len(list(failures.listing(grouped(cases), every=True))) == 26


def test_one_long_difference_does_not_push_the_others_apart() -> None:
    cases = [failing("a/short", "<CTL=ACK>", ""), failing("a/long", "the option " + "x" * 300, "CLOSED", "wrong-state")]
    short, _long = sorted(list(failures.listing(grouped(cases)))[1:], key=len)
    assert len(short) < 150


def test_nothing_is_cut_unless_there_is_a_width() -> None:
    (kind,) = grouped([failing("a/" + "x" * 300, "<CTL=ACK>", "")])
    assert "x" * 300 in "".join(failures.listing([kind]))
    assert all(len(line) <= 80 for line in failures.listing([kind], width=80))


def test_the_story_of_the_first_has_rule_ladder_and_command() -> None:
    (kind,) = grouped([failing("a/b", "<CTL=ACK>", "", "silent", reproduce="tcpspec run --case a/b")])
    text = "\n".join(failures.ladders([kind], {"linux": "linux 6.18"}))
    for words in ("the target MUST send <CTL=ACK>", "but it sent nothing", "MUST-12 · linux 6.18", "◀─ <SEQ=0>"):
        assert words in text
    assert "again: tcpspec run --case a/b" in text


@pytest.mark.parametrize("everything", [False, True], ids=["kinds", "all"])
def test_junit_has_one_ladder_per_kind_unless_all_are_asked_for(tmp_path: Path, everything: bool) -> None:
    xml = tmp_path / "junit.xml"
    options = ["--results", str(tmp_path), f"--junitxml={xml}", *(["--failures", "all"] if everything else [])]
    wrong = ["--target", "reference,defect=D54", "--ip", "4", "--case", "half-close/*"]
    assert cli.main(["run", *wrong, *options]) == 1
    failed = re.findall("<failure.*?</failure>", xml.read_text(encoding="utf-8"), re.DOTALL)
    assert len(failed) == 5
    assert all("again: tcpspec run" in text for text in failed)
    assert sum("◀─" in text for text in failed) == (5 if everything else 1)
