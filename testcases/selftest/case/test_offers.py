"""What a stack asks for by itself, and the peer declines: ordinary cases are judged all the same."""

from pathlib import Path

import pytest

from harness.case.expect import segment
from harness.case.received import repeats
from harness.case.violation import Code
from harness.mutate.variants import play_on
from harness.spec.segment import ACK, CWR, ECE, PSH, SYN, Segment
from harness.stack.variants import VARIANTS
from testcases.selftest import forked
from testcases.selftest.scripts import scripts

SETUP = SYN | ECE | CWR
#: Stacks that ask for something, and those that know more answers.
ASKING = (
    "ecn-setup-syn",
    "ecn-setup-syn-falls-back",
    "accurate-ecn-syn",
    "accurate-ecn-server",
    "fast-open-offered",
    "options-dropped-on-repeated-syn",
)
CONCERNED = ("active-open/*", "simultaneous-open/*", "header/*", "passive-open/*", "timers/syn-*", "grid/*/call-*open*")


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_no_case_holds_a_request_against_a_stack(name: str) -> None:
    played = play_on(scripts(*CONCERNED), VARIANTS[name])
    assert played.cases > 100
    assert [f"{each.case_id}: {each.shown.verdict} {each.shown.text}" for each in played.failed] == []


@pytest.mark.slow
def test_linux_that_asks_for_ecn_is_judged_in_each_case(tmp_path: Path) -> None:
    options = ["--target", "linux", "--ip", "4", "--set", "tcp_ecn=1", "--case", "active-open/*", "--color=no"]
    done = forked.tcpspec("run", *options, "--case", "header/reserved-bits-*", "--results", tmp_path)
    if "ERROR: target linux" in done.stdout + done.stderr:
        pytest.skip("no namespaces here")
    assert done.returncode == 0, done.stdout
    assert "inconclusive" not in done.stdout


@pytest.mark.parametrize(
    ("due", "seen", "code"),
    [
        (SYN, SETUP, None),
        (SYN, SETUP | PSH, None),
        (SYN, SYN | ECE, Code.WRONG_FLAGS),
        (SYN, SYN | CWR, Code.WRONG_FLAGS),
        (SYN | ACK, SYN | ACK | ECE, Code.WRONG_FLAGS),
        (SYN | ACK, SETUP, Code.WRONG_FLAGS),
        (SETUP, SYN, Code.WRONG_FLAGS),
        (ACK, ACK | ECE | CWR, Code.WRONG_FLAGS),
    ],
)
def test_only_a_syn_may_ask_and_only_in_full(due: int, seen: int, code: Code | None) -> None:
    sent = Segment(seen)
    assert segment(due).mismatch(sent, sent) is code


@pytest.mark.parametrize(
    ("first", "again", "same"), [(SETUP, SYN, True), (SETUP, SETUP, True), (SETUP, SYN | ECE, False)]
)
def test_a_syn_that_asks_no_more_is_a_repetition(first: int, again: int, same: bool) -> None:
    assert repeats(Segment(again, seq=1), Segment(first, seq=1), [2]) is same
