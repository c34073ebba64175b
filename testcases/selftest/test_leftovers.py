"""Nothing is left behind, however the harness ends: no namespace (counted by id), no helper process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

WATCHED = Path(__file__).with_name("watched.py")


def _end(mode: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(WATCHED), mode], capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert "trouble" not in report, report["trouble"]
    return report


@pytest.mark.parametrize("mode", ["close", "exception", "sigint", "sigkill", "helper-sigkill"])
def test_both_namespaces_and_the_helper_vanish(mode: str) -> None:
    report = _end(mode)
    assert report["named"] == 2, "the test itself must see the namespaces while they live"
    assert report["left"] == {"namespaces": 0, "helpers": 0}


@pytest.mark.parametrize("mode", ["run-sigint", "run-sigkill", "run-sigkill-2"])
def test_a_run_that_is_ended_in_the_middle_leaves_nothing(mode: str) -> None:
    report = _end(mode)
    assert report["helpers_seen"] >= 1
    assert report["named"] == report["helpers_seen"]
    assert report["left"] == {"namespaces": 0, "helpers": 0}
    if mode == "run-sigint":
        assert report["code"] == 2, "pytest's exit code for an interrupted run"
