"""Stacks that send too much at once are found: on a fresh connection, behind an ACK, and behind a timeout."""

import pytest

from harness.case.verdict import Verdict
from harness.mutate.script import play
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from testcases.selftest.scripts import scripts

MANY = 12


class SendsEverything(Connection):
    """There is no congestion window."""

    def output(self) -> None:
        self.congestion.window = 1 << 30
        super().output()


class OpensAtOnce(Connection):
    """The first acknowledgment opens the window wide."""

    def output(self) -> None:
        if self.snd_una > self.iss + 1:
            self.congestion.window = 1 << 30
        super().output()


class KeepsItsWindow(Connection):
    """A timeout leaves the congestion window as it is."""

    def output(self) -> None:
        if self.retransmissions:
            self.congestion.window = MANY * self.congestion.mss
        super().output()


@pytest.mark.parametrize(
    ("part", "case"), [(SendsEverything, "slow-start"), (OpensAtOnce, "slow-start"), (KeepsItsWindow, "loss-window")]
)
def test_too_much_under_way_is_found(part: type[Connection], case: str) -> None:
    found = scripts(f"timers/{case}*")
    assert {play(script).verdict for script in found} == {Verdict.CONFORMS}
    assert {(shown.verdict, shown.code) for shown in (play(script, stack_with(part)) for script in found)} == {
        (Verdict.VIOLATES, "extra")
    }
