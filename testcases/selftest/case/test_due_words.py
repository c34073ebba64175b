"""What a case says was due is what the rule asks for, not its opposite."""

import pytest

from harness.spec.segment import ACK, SYN, Segment
from testcases.time_wait.test_reopening import _above


@pytest.mark.parametrize(("seq", "due"), [(1000, ""), (900, "above")])
def test_the_next_incarnation_is_to_begin_above_the_last(seq: int, due: str) -> None:
    told = _above(Segment(SYN | ACK, seq=seq), 800, 150)
    assert (due in told) if due else not told
