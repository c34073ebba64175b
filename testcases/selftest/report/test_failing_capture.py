"""The capture of a failing case, read by tshark: comments, relative numbers and facts are those of the ladder."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.report.runs import Case, columns, load
from testcases.selftest import forked

#: The rule is broken on purpose: one challenge ACK per second is used up at once.
OPTIONS = ("--set", "tcp_challenge_ack_limit=1", "--case", "reset-inside-the-window", "--ip", "4")


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, dict[str, Any]]:
    """A case that violates its rule, with a capture, and the facts of its target."""
    folder = tmp_path_factory.mktemp("results")
    forked.tcpspec("run", "--results", folder, *OPTIONS)
    (column,) = columns(load([folder]))
    case = next(found for found in column.cases.values() if found.verdict == "violates")
    return case, dict(column.facts)


def tshark(path: Path, *arguments: str) -> list[str]:
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("tshark is not installed: the captures of failing cases are not read")
    command = [program, "-n", "-r", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def segments(case: Case) -> list[dict[str, Any]]:
    return [dict(event) for event in case.ladder if event["kind"] in ("sent", "received")]


def test_each_packet_has_a_comment_with_the_notation_and_the_step_of_the_ladder(
    failing: tuple[Case, dict[str, Any]],
) -> None:
    case, _facts = failing
    assert case.pcap is not None
    comments = tshark(case.pcap, "-T", "fields", "-e", "frame.comment")
    ladder = segments(case)
    assert len(comments) == len(ladder) > 3
    for comment, event in zip(comments, ladder, strict=True):
        sender = "peer" if event["kind"] == "sent" else "target"
        assert comment.startswith(f"{sender}: {event['text']}")
        assert comment.endswith(f"[{event['step']}]")


def test_its_relative_numbers_are_those_of_the_ladder(failing: tuple[Case, dict[str, Any]]) -> None:
    case, _facts = failing
    assert case.pcap is not None
    fields = ("tcp.seq", "tcp.ack", "tcp.len", "tcp.flags.syn", "tcp.flags.ack", "tcp.flags.fin")
    rows = tshark(case.pcap, "-T", "fields", *(word for name in fields for word in ("-e", name)))
    for row, event in zip(rows, segments(case), strict=True):
        seq, ack, length, *flags = row.split("\t")
        segment = event["segment"]
        # tshark prints an acknowledgment of 0 where the flag is not set, and flags as 1 and 0 or True and False.
        assert (int(seq), int(length)) == (segment["seq"], segment["length"])
        assert segment["ack"] is None or int(ack) == segment["ack"]
        named = segment["flags"].split(",")
        assert [flag in ("1", "True") for flag in flags] == [name in named for name in ("SYN", "ACK", "FIN")]


def test_the_section_header_tells_case_verdict_and_facts(failing: tuple[Case, dict[str, Any]]) -> None:
    case, facts = failing
    assert case.pcap is not None
    octets = case.pcap.read_bytes()
    said = json.JSONDecoder().raw_decode(octets[octets.index(b'{"case"') :].decode("utf-8", "replace"))[0]
    assert (said["case"], said["verdict"]) == (case.key.id, "violates")
    assert said["target"] == {
        name: value for name, value in facts.items() if name not in ("kind", "capabilities", "changes")
    }


def test_tshark_shows_the_facts_of_the_run(failing: tuple[Case, dict[str, Any]]) -> None:
    case, facts = failing
    assert case.pcap is not None
    tshark(case.pcap, "-c", "1")
    program = shutil.which("capinfos")
    if program is None:
        pytest.skip("capinfos is not installed: the comment of the capture is not read")
    shown = subprocess.run([program, str(case.pcap)], capture_output=True, text=True, check=True, timeout=60).stdout
    assert case.key.id in shown
    assert facts["version"] in shown
