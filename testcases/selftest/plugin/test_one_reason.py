"""When a run stops because hardly anything can be judged any more, and when it does not."""

from collections import deque

import pytest

from harness.plugin.one_reason import LAST, common_reason, place_of

FULL = "listen() succeeds, but it fails with ENOBUFS"
Told = tuple[str, str, bool]


def stretch(*parts: tuple[int, str, str, bool]) -> "deque[Told]":
    """Return so many cases of each part: their reason, their place, and whether they were judged."""
    return deque((told for count, *told in parts for _ in range(count)), maxlen=LAST)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("last", "found"),
    [
        (stretch((60, FULL, "header", False), (40, FULL, "resets", False)), FULL),
        (stretch((50, FULL, "header", False), (25, FULL, "resets", True), (25, "", "resets", True)), FULL),
        (stretch((100, FULL, "header", False)), ""),  # one place: it lacks what these cases begin with
        (stretch((90, FULL, "header", False), (10, FULL, "resets", False)), ""),
        (stretch((60, FULL, "header", True), (40, FULL, "resets", True)), ""),  # judged, each of them
        (stretch((40, FULL, "header", False), (30, FULL, "resets", False), (30, "", "resets", True)), ""),
        (stretch((50, FULL, "header", False), (50, "another", "resets", False)), ""),
        (stretch((30, FULL, "header", False), (30, FULL, "resets", False)), ""),  # too few yet
        (stretch(), ""),
    ],
)
def test_most_of_the_last_cases_must_share_a_reason_in_two_places(last: "deque[Told]", found: str) -> None:
    assert common_reason(last) == found


def test_a_state_of_the_grid_is_a_place() -> None:
    assert place_of("grid/listen/syn/-/-/none") == "grid/listen"
    assert place_of("header/damaged-fin[zeros-fin-wait-1]") == "header"
