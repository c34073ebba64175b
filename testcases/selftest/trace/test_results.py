"""`results.jsonl`: what is written can be read, and a reader believes nothing that is not whole."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.trace.results import FILE_NAME, BrokenResults, ResultsWriter, inert, is_inert, read
from harness.trace.schema import SCHEMA

FACTS = {"name": "linux", "implementation": "Linux", "version": "6.18", "details": {}, "sysctls": {}}


def case(name: str = "closing/fin", **more: Any) -> dict[str, Any]:
    return {"id": name, "target": "linux", "ip": 4, "verdict": "conforms", "cites": [], **more}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A complete run of three cases."""
    writer = ResultsWriter(tmp_path / "results" / "deep", command=["tcpspec", "run"])
    writer.target(FACTS)
    for record in (case(), case(ip=6), case("closing/rst[odd]", verdict="violates", reason="→ silent")):
        writer.case(record)
    writer.finish(collected=3, interrupted=False, seconds=1.23456)
    return writer.path


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_run_comes_back_as_it_was_written(run: Path) -> None:
    results = read(run)
    assert results.complete
    assert results.path == run
    assert results.header["schema"] == SCHEMA
    assert results.header["command"] == ["tcpspec", "run"]
    assert results.targets == [{"kind": "target", **FACTS}]
    assert [found["id"] for found in results.cases] == ["closing/fin", "closing/fin", "closing/rst[odd]"]
    assert results.cases[2]["reason"] == "→ silent"
    assert results.footer == {"kind": "footer", "cases": 3, "collected": 3, "seconds": 1.235, "left_out": {}}


def test_a_folder_stands_for_the_file_in_it(run: Path) -> None:
    assert run.name == FILE_NAME
    assert read(run.parent).cases == read(run).cases


def test_every_line_is_ascii_and_one_object(run: Path) -> None:
    """Any tool may cut the file at newlines, whatever a target printed."""
    assert run.read_bytes().isascii()
    assert all(isinstance(json.loads(line), dict) for line in lines_of(run))


def test_an_interrupted_run_has_no_footer(tmp_path: Path) -> None:
    writer = ResultsWriter(tmp_path, command=[])
    writer.case(case())
    writer.finish(collected=9, interrupted=True, seconds=1)
    writer.finish(collected=9, interrupted=False, seconds=1)  # a second end changes nothing
    results = read(tmp_path)
    assert not results.complete
    assert len(results.cases) == 1


def test_a_killed_run_leaves_what_it_had_judged(tmp_path: Path) -> None:
    child = os.fork()
    if not child:
        writer = ResultsWriter(tmp_path, command=[])
        writer.case(case())
        os._exit(9)  # no flush, no close
    os.waitpid(child, 0)
    results = read(tmp_path)
    assert not results.complete
    assert results.cases == [{"kind": "case", **case()}]


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_line_cut_short_at_the_end_makes_the_run_incomplete(run: Path, cut: int) -> None:
    text = run.read_text().rstrip("\n")
    run.write_text(text[:-cut])
    results = read(run)
    assert not results.complete
    assert len(results.cases) == 3


def without_header(lines: list[str]) -> list[str]:
    return lines[1:]


def other_schema(lines: list[str]) -> list[str]:
    return [lines[0].replace(f'"schema":{SCHEMA}', '"schema":99'), *lines[1:]]


def cut_in_the_middle(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2][:-3], *lines[3:]]


def doubled(lines: list[str]) -> list[str]:
    return [*lines[:4], lines[2], *lines[4:]]


def behind_the_footer(lines: list[str]) -> list[str]:
    return [*lines, lines[2]]


def half_a_line_behind_the_footer(lines: list[str]) -> list[str]:
    return [*lines, lines[2][:9]]


def two_runs(lines: list[str]) -> list[str]:
    return lines + lines


def header_twice(lines: list[str]) -> list[str]:
    return [lines[0], *lines]


def a_case_is_gone(lines: list[str]) -> list[str]:
    return lines[:3] + lines[4:]


def a_list(lines: list[str]) -> list[str]:
    return [lines[0], "[1]", *lines[1:]]


def unknown_kind(lines: list[str]) -> list[str]:
    return [lines[0], '{"kind":"poem"}', *lines[1:]]


def no_kind(lines: list[str]) -> list[str]:
    return [lines[0], "{}", *lines[1:]]


def without_verdict(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2].replace("verdict", "vredict"), *lines[3:]]


def without_id(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2].replace('"id"', '"name"'), *lines[3:]]


def id_of_another_type(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2].replace('"closing/fin"', '["closing/fin"]'), *lines[3:]]


def too_deep(lines: list[str]) -> list[str]:
    return [lines[0], "[" * 100_000, *lines[1:]]


@pytest.mark.parametrize(
    ("damage", "where", "complaint"),
    [
        (without_header, ":1: ", "not a tcpspec results file (no header)"),
        (other_schema, ":1: ", f"schema 99, this version reads schema {SCHEMA}"),
        (cut_in_the_middle, ":3: ", "not JSON"),
        (doubled, ":5: ", "case closing/fin on linux IPv4 stands here twice"),
        (behind_the_footer, ":7: ", "behind the footer"),
        (half_a_line_behind_the_footer, ":7: ", "behind the footer"),
        (two_runs, ":7: ", "behind the footer"),
        (header_twice, ":2: ", "unknown kind of line 'header'"),
        (a_case_is_gone, ":5: ", "the footer counts 3 cases, the file has 2"),
        (a_list, ":2: ", "not a JSON object"),
        (unknown_kind, ":2: ", "unknown kind of line 'poem'"),
        (no_kind, ":2: ", "unknown kind of line None"),
        (without_verdict, ":3: ", "a line of kind case: verdict is missing"),
        (without_id, ":3: ", "a line of kind case: id is missing"),
        (id_of_another_type, ":3: ", "a line of kind case: id must be a text"),
        (too_deep, ":2: ", "not JSON"),
    ],
)
def test_a_broken_file_is_told_with_file_and_line(
    run: Path, damage: Callable[[list[str]], list[str]], where: str, complaint: str
) -> None:
    run.write_text("\n".join(damage(lines_of(run))) + "\n")
    with pytest.raises(BrokenResults) as refusal:
        read(run)
    assert str(refusal.value).startswith(f"{run}{where}")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "\n", "hello", "# Title\n\nSome prose.\n", "{}\n", "[]", '{"kind":"case"}\n', "\xff\xfe\x00"]
)
def test_a_foreign_file_is_told_to_be_none_of_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "foreign.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(BrokenResults, match=r"no header|the file is empty") as refusal:
        read(path)
    assert str(refusal.value).startswith(str(path))


def test_a_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent", tmp_path / "absent" / "deep", Path("/dev/null/results")):
        with pytest.raises(BrokenResults, match="can't be read") as refusal:
            read(path)
        assert str(path) in str(refusal.value)


def test_a_run_into_the_same_folder_removes_the_captures_of_the_run_before_and_nothing_else(tmp_path: Path) -> None:
    captures = tmp_path / "pcap"
    captures.mkdir()
    for name in ("pcap/old.pcapng", "pcap/mine.pcapng", "mine.pcapng", "pcap/notes.txt"):
        (tmp_path / name).touch()
    writer = ResultsWriter(tmp_path, command=[])
    for number, name in enumerate(("pcap/old.pcapng", "mine.pcapng", "pcap/notes.txt", "pcap/../mine.pcapng")):
        writer.case(case(f"closing/{number}", pcap=name))
    writer.finish(collected=4, interrupted=False, seconds=1)
    ResultsWriter(tmp_path, command=[]).finish(collected=0, interrupted=True, seconds=0)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    assert left == ["mine.pcapng", "pcap/mine.pcapng", "pcap/notes.txt", "results.jsonl"]


@pytest.mark.parametrize("escaped", [True, False], ids=["in ASCII", "as it is"])
def test_a_text_is_inert_where_nothing_in_it_would_be_replaced(escaped: bool) -> None:
    for code in (*range(0x300), *range(0x2000, 0x2100), *range(0xD7F0, 0xE010)):
        text = json.dumps({"a": f"§ {chr(code)}"} if code % 2 else {"a": f"= {chr(code)}"}, ensure_ascii=escaped)
        if escaped or not 0xD800 <= code < 0xE000:
            assert is_inert(text) is (inert(text) == json.loads(text)), hex(code)
