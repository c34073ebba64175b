"""A conversation is held against its twin: what came by itself in both, and what a timer's slack explains."""

import pytest

from harness.explore.twins import Spoken, unlike

AGAIN, PROBE = "<SEQ=1><ACK=1><DATA=10><CTL=ACK>", "<SEQ=0><ACK=1><CTL=ACK>"
#: The peer or the application does something at these times, and all ends at the last.
STIMULI = [0.0, 10.0, 100.0]


@pytest.mark.parametrize(
    ("mine", "other", "seen"),
    [
        ([(AGAIN, 1.0), (AGAIN, 3.0)], [(AGAIN, 1.0), (AGAIN, 3.1)], None),
        ([(AGAIN, 1.0)], [(AGAIN, 1.0), (AGAIN, 3.0)], "did not come"),
        ([(AGAIN, 1.0), (AGAIN, 7.0)], [(AGAIN, 1.0), (AGAIN, 3.0)], "after 7.0 s"),
        ([(AGAIN, 1.0), (PROBE, 60.0)], [(AGAIN, 1.0)], "after 60.0 s"),
        ([(AGAIN, 1.0), (PROBE, 9.7)], [(AGAIN, 1.0)], None),
        ([(AGAIN, 1.0)], [(AGAIN, 1.0), (PROBE, 9.7)], None),
        ([(PROBE, 9.7), (AGAIN, 40.0)], [(AGAIN, 40.0)], None),
        ([(PROBE, 10.1), (AGAIN, 40.0)], [(AGAIN, 40.0)], "after 10.1 s"),
        ([(AGAIN, 95.0)], [], None),
    ],
)
def test_what_comes_just_in_front_of_something_else_may_come_behind_it(
    mine: list[Spoken], other: list[Spoken], seen: str | None
) -> None:
    found = unlike(mine, other, STIMULI)
    assert (found is None) if seen is None else (found is not None and seen in found.seen)
