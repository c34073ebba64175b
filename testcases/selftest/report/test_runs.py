"""Runs as renderings see them: whole, checked, and each target a column with a name of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.case.verdict import BAD, Verdict
from harness.report.runs import BrokenResults, Case, IncompleteRun, Key, columns, load
from harness.trace.schema import UNEXPECTED, VERDICTS
from testcases.selftest.made_runs import LAX, RESET, SILENT, case, facts, write


def test_a_run_has_its_facts_and_cases(tmp_path: Path) -> None:
    write(tmp_path, [case(), case(ip=6)], left_out={"timer cases": 7})
    (run,) = load([tmp_path])
    assert (run.partial, run.level, run.seconds, run.left_out) == (False, "MUST", 1, {"timer cases": 7})
    assert run.targets["linux"]["version"] == "6.18"
    (column,) = columns([run])
    assert list(column.cases) == [Key("closing/fin", 4), Key("closing/fin", 6)]
    assert str(Key("closing/fin", 6)) == "closing/fin IPv6"


def test_several_targets_of_a_file_are_several_columns(tmp_path: Path) -> None:
    write(tmp_path, [case(), case(target="lwip")], facts(), facts("lwip", "2.1.3"))
    assert [(column.label, len(column.cases)) for column in columns(load([tmp_path]))] == [("linux", 1), ("lwip", 1)]


def test_a_target_of_which_no_facts_were_written_is_a_column_too(tmp_path: Path) -> None:
    write(tmp_path, [case(target="lwip")], facts())
    assert [(column.label, dict(column.facts)) for column in columns(load([tmp_path]))][1] == ("lwip", {})


@pytest.mark.parametrize(
    ("places", "versions", "labels"),
    [
        (("a", "b"), ("6.1", "6.18"), ["linux (6.1)", "linux (6.18)"]),
        (("a", "b"), ("6.1", "6.1"), ["linux (a)", "linux (b)"]),
        (("a/x", "b/x"), ("6.1", "6.1"), ["linux (run 1)", "linux (run 2)"]),
    ],
)
def test_columns_of_the_same_target_are_told_apart(
    tmp_path: Path, places: tuple[str, str], versions: tuple[str, str], labels: list[str]
) -> None:
    paths = [
        write(tmp_path / place, [case()], facts(version=version))
        for place, version in zip(places, versions, strict=True)
    ]
    assert [column.label for column in columns(load(paths))] == labels


def test_an_incomplete_run_is_refused_with_the_switch_that_takes_it(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", [case()])
    cut = write(tmp_path / "cut", [case()], complete=False)
    with pytest.raises(IncompleteRun, match=r"1 cases and no footer.*--partial") as refusal:
        load([whole, cut])
    assert str(cut) in str(refusal.value)
    assert [column.partial for column in columns(load([whole, cut], partial=True))] == [False, True]


def test_what_a_case_recorded_is_at_hand(tmp_path: Path) -> None:
    ladder = [
        {"ms": 0.1, "kind": "state", "text": "LISTEN", "step": "set-up"},
        {"ms": 0.2, "kind": "received", "text": "<CTL=RST>", "connection": 1, "step": "closing/test_fin.py:7"},
    ]
    record = case("closing/fin[odd]", "violates", LAX, SILENT, ladder=ladder, pcap="pcap/x.pcapng", title="A rule.")
    write(tmp_path, [record])
    found = load([tmp_path])[0].cases[0]
    assert (found.group, found.title, found.code, found.level) == ("closing", "A rule.", "silent", "MUST")
    assert found.sections == ("RFC 9293 §3.6",)
    assert found.requirements == ("MUST-12",)
    assert (found.trace, found.set_up) == (["state LISTEN", "received <CTL=RST> #2"], 1)
    assert found.pcap == tmp_path / "pcap" / "x.pcapng"


def test_a_case_that_conforms_has_a_trace_and_the_level_of_its_rules(tmp_path: Path) -> None:
    write(tmp_path, [case(trace=["state LISTEN"], set_up=1), case("closing/other", cites=["RFC 9293 §3.6", "SHLD-3"])])
    first, second = load([tmp_path])[0].cases
    assert (list(first.trace), first.set_up, first.level, first.code) == (["state LISTEN"], 1, "MUST", "")
    assert second.level == "SHOULD"


def test_a_citation_that_this_version_does_not_know_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, [case(cites=["RFC 99999 §1", "MUST-999", "gibberish", "MUST-13"])])
    assert load([tmp_path])[0].cases[0].requirements == ("MUST-13",)


@pytest.mark.parametrize("name", ["../other/secret.pcapng", "/etc/passwd", ""])
def test_a_capture_elsewhere_is_none(tmp_path: Path, name: str) -> None:
    write(tmp_path, [case(pcap=name)])
    assert load([tmp_path])[0].cases[0].pcap is None


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_is_as_expected_depends_on_the_level(verdict: str) -> None:
    found = Case(case(verdict=verdict), Path())
    assert found.as_expected("MUST") is (verdict not in UNEXPECTED)
    assert found.as_expected("SHOULD") is (verdict not in UNEXPECTED and verdict != "deviates")


def test_the_words_of_the_file_are_those_of_the_judge() -> None:
    several = {"unstable"}  # no judge of one run gives it: --reruns does
    assert {*VERDICTS} - several == {str(verdict) for verdict in Verdict}
    assert {str(verdict) for verdict in BAD} == UNEXPECTED - several


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("verdict", "conforming", "verdict must be one of conforms, "),
        ("verdict", ["conforms"], "verdict must be one of"),
        ("ip", 5, "ip must be 4 or 6"),
        ("ip", True, "ip must be 4 or 6"),
        ("cites", "MUST-12", "cites must be a list of texts"),
        ("cites", [1], "cites must be a list of texts"),
        ("findings", 5, "findings must be a list of findings"),
        ("findings", [5], "findings must be a list of findings"),
        ("findings", [{}], "findings: code is missing"),
        ("findings", [{**RESET, "level": "MAY"}], "findings: level must be MUST or SHOULD"),
        ("ladder", [{"ms": "0", "kind": "state", "text": ""}], "ladder: ms must be a number"),
        ("ladder", [{"ms": 0, "kind": "sent", "text": "", "segment": {}}], "ladder: segment: seq is missing"),
        ("ladder", [{"ms": 0, "kind": "sent", "text": "", "connection": "1"}], "ladder: connection must be a whole"),
        ("pcap", 7, "pcap must be a text"),
        ("trace", {}, "trace must be a list of texts"),
        ("set_up", 1.5, "set_up must be a whole number"),
        ("ss", [None], "ss must be a list of texts"),
    ],
)
def test_a_field_of_another_type_is_told_with_the_line(tmp_path: Path, field: str, value: Any, complaint: str) -> None:
    path = write(tmp_path, [case(), case("closing/other") | {field: value}])
    with pytest.raises(BrokenResults) as refusal:
        load([path])
    assert str(refusal.value).startswith(f"{path}:4: a line of kind case: {complaint}")


def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [case()])
    path.write_text(path.read_text().replace('"seconds":1', '"seconds":NaN').rstrip("\n") + "\n{}\n")
    with pytest.raises(BrokenResults, match=":4: not JSON"):
        load([path])


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (r"\u001b[31mred", "␛[31mred"),
        (r"a\bb", "a␈b"),
        (r"\r", "␍"),
        (r"\u0000", "␀"),
        (r"\u007f", "␡"),
        ("\x7f", "␡"),
        (r"\u009b31m", "\N{REPLACEMENT CHARACTER}31m"),
        (r"\ud800", "?"),
        (r"line\n\tindented", "line\n\tindented"),
        (r"\u2192 \ud83d\ude00", "→ \N{GRINNING FACE}"),
    ],
)
def test_no_text_of_a_run_can_move_the_cursor_or_break_a_file(tmp_path: Path, octets: str, shown: str) -> None:
    path = write(tmp_path, [case(reason="HERE")], facts("linux", "HERE"))
    path.write_text(path.read_text().replace("HERE", octets), encoding="utf-8")
    (run,) = load([path])
    assert run.cases[0].reason == shown
    assert run.targets["linux"]["version"] == shown


def test_more_fields_than_ours_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path, [case(colour="red")])
    assert json.loads(path.read_text().splitlines()[2])["colour"] == "red"
    assert len(load([path])[0].cases) == 1
