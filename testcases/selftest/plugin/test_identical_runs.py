"""Virtual time: two runs on the reference stack write the same results, octet by octet."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.trace.results import CAPTURES, FILE_NAME

#: A whole stack and one with a defect, so that ladders of failures are compared too.
TARGETS = ("--target", "reference", "--target", "reference,defect=D42")
CASES = ("timers/*", "time-wait/*", "resets/ack-*", "passive-open/*", "grid/established/syn/*")
#: What is not about the stack: when the run was, and how long it took.
WALL_CLOCK = {"header": ("started", "command"), "footer": ("seconds",)}


def run(folder: Path, seed: int) -> list[str]:
    """Run the cases in a process of their own, whose hashes differ, and return the lines without wall-clock facts."""
    options = [*TARGETS, "--timers", "1e9", "--results", str(folder), *(f"--case={pattern}" for pattern in CASES)]
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    subprocess.run([sys.executable, "-m", "harness", "run", *options], env=environment, capture_output=True)
    lines = (folder / FILE_NAME).read_text(encoding="utf-8").splitlines()
    return [without_wall_clock(line) for line in lines]


def without_wall_clock(line: str) -> str:
    """Return a line of results, which is left as it is where it has no such facts."""
    data = json.loads(line)
    facts = WALL_CLOCK.get(data["kind"], ())
    return json.dumps({name: value for name, value in data.items() if name not in facts}) if facts else line


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, list[str]]]:
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    return [(folder, run(folder, seed)) for seed, folder in enumerate(folders, 1)]


def test_two_runs_write_the_same_results(runs: list[tuple[Path, list[str]]]) -> None:
    (_, first), (_, second) = runs
    assert json.loads(first[-1])["kind"] == "footer"
    assert any('"ladder"' in line for line in first)
    assert len(first) > 400
    assert first == second


def test_two_runs_capture_the_same_packets(runs: list[tuple[Path, list[str]]]) -> None:
    first, second = (
        {file.name: file.read_bytes() for file in (folder / CAPTURES).iterdir()} for folder, _lines in runs
    )
    assert first
    assert first == second
