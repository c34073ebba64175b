"""What only shows while an ACK is delayed: stacks that forget the reset, the FIN, or the ACK over it are found."""

import pytest

from harness.case.verdict import Verdict
from harness.mutate.script import play
from harness.spec.segment import FIN, RST, SYN, Segment
from harness.stack.connection import Connection
from harness.stack.defects.defect import stack_with
from harness.stack.timers import Timer
from testcases.selftest.scripts import scripts


class _Deaf(Connection):
    """While an ACK is due, segments with these bits are not heard."""

    bits = 0

    def arrive(self, segment: Segment) -> None:
        if not (segment.flags & self.bits and self.timers.runs(Timer.DELAYED_ACK)):
            super().arrive(segment)


class DeafToResets(_Deaf):
    bits = RST


class DeafToSyns(_Deaf):
    bits = SYN


class DeafToFins(_Deaf):
    bits = FIN


class ForgetsTheAck(Connection):
    """An old reset takes the ACK with it that was due."""

    def arrive(self, segment: Segment) -> None:
        super().arrive(segment)
        if segment.flags & RST:
            self.timers.stop(Timer.DELAYED_ACK)


@pytest.mark.parametrize(
    ("part", "event", "code"),
    [
        (DeafToResets, "reset-meets", "wrong-state"),
        (DeafToResets, "blind-reset-meets", "silent"),
        (ForgetsTheAck, "old-reset-meets", "silent"),
        (DeafToSyns, "syn-meets", "silent"),
        (DeafToFins, "fin-meets", "wrong-state"),
    ],
)
def test_what_a_stack_does_wrong_while_an_ack_is_due_is_found(part: type[Connection], event: str, code: str) -> None:
    found = scripts(f"timers/{event}-a-pending-ack*")
    assert {play(script).verdict for script in found} == {Verdict.CONFORMS}
    shown = [play(script, stack_with(part)) for script in found]
    assert code in {each.code for each in shown if each.verdict is Verdict.VIOLATES}
    quick = scripts("resets/reset-ends-the-connection*", "resets/syn-is-challenged*", "passive-close/four-way-close*")
    assert {play(script, stack_with(part)).verdict for script in quick} == {Verdict.CONFORMS}
