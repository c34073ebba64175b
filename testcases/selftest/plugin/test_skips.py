"""Tests that can't run say why, each reason once."""

from pathlib import Path

import pytest

from testcases.selftest import conftest

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


@pytest.mark.parametrize(("required", "ended"), [("", {"passed": 1, "skipped": 4}), ("1", {"passed": 1, "failed": 4})])
def test_where_all_must_run_a_skip_is_a_failure_with_its_reason(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, required: str, ended: dict[str, int]
) -> None:
    monkeypatch.setenv("TCPSPEC_ALL_MUST_RUN", required)
    pytester.makeconftest((Path(__file__).parents[1] / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    done = pytester.runpytest_subprocess("-q")
    done.assert_outcomes(**ended)
    if required:
        assert "did not run. Skipped: no browser" in done.stdout.str()


def test_each_module_that_takes_long_exists() -> None:
    there = {path.stem for path in Path(__file__).parents[1].rglob("test_*.py")}
    assert sorted(conftest.SLOW - there) == []
