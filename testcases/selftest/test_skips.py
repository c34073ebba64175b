"""Tests that can't run say why, each reason once."""

import pytest

pytest_plugins = ("pytester",)

TESTS = """
import pytest

@pytest.mark.parametrize("row", range(3))
def test_three(row):
    pytest.skip("no engine: start one")

def test_one():
    pytest.skip("no browser")

def test_that_runs():
    pass
"""


def test_each_reason_is_told_once_with_its_count(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    lines = pytester.runpytest_subprocess("-q").outlines
    assert [line for line in lines if line.startswith("skipped:")] == [
        "skipped: 3 tests: no engine: start one",
        "skipped: 1 test: no browser",
    ]
