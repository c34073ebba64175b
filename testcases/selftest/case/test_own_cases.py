"""Cases in a folder of one's own, as a user runs them: judged, reported, and run again by the printed command."""

import re
import shlex
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from testcases.selftest import forked

CASES = '''
from harness.case import ACK, ESTABLISHED, FIN, Peer, Target, cites, in_state


@cites("RFC 9293 §3.6")
@in_state(ESTABLISHED)
def test_the_fin_is_somewhere_else(target: Target, peer: Peer) -> None:
    """A rule that no TCP follows."""
    target.shutdown()
    target.must_send(FIN | ACK, seq=2, ack=1)


def test_that_is_no_case() -> None:
    assert False
'''


def tcpspec(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return forked.tcpspec(*arguments, cwd=cwd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_fin.py").write_text(CASES)
    return tmp_path


def test_the_printed_command_runs_the_case_again(folder: Path) -> None:
    done = tcpspec("run", "mine", "--case", "mine/*", "--ip", "4", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    again = re.search(r"again: tcpspec (.*)", done.stdout)
    assert again is not None
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    repeated = tcpspec(*shlex.split(again.group(1)), cwd=elsewhere)
    assert (repeated.returncode, "[wrong-seq]" in repeated.stdout) == (1, True), repeated.stdout + repeated.stderr


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "in a worker"])
def test_junit_xml_carries_case_verdict_and_code_and_a_named_case_leaves_other_tests_out(
    folder: Path, workers: list[str]
) -> None:
    tcpspec("run", "mine", "--case", "mine/*", "--ip", "4", "--junitxml", "tcp.xml", *workers, cwd=folder)
    tests = list(ET.parse(folder / "tcp.xml").iter("testcase"))
    assert [test.get("name") for test in tests] == ["test_the_fin_is_somewhere_else[linux-ipv4]"]
    assert {entry.get("name"): entry.get("value") for entry in tests[0].iter("property")} == {
        "tcpspec_case": "mine/the-fin-is-somewhere-else",
        "tcpspec_verdict": "violates",
        "tcpspec_code": "wrong-seq",
        "tcpspec_target": "linux",
        "tcpspec_ip": "4",
        "tcpspec_level": "MUST",
        "tcpspec_sections": "RFC 9293 §3.6",
    }
