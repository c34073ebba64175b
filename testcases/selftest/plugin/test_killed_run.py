"""A run that is killed in the middle leaves a file that every reader calls incomplete."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
USAGE = 4


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a run that was killed as soon as it had judged something."""
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, "-m", "harness", "run", "--target", "reference", "--results", str(folder)]
    run = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    file = folder / "results.jsonl"
    try:
        deadline = time.monotonic() + 120
        while not (file.exists() and b'"kind":"case"' in file.read_bytes()):
            assert run.poll() is None, "the run ended before it had judged a case"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert b'"kind":"footer"' not in file.read_bytes()
    return file


def tcpspec(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("verb", [["report"], ["compare"], ["matrix"]], ids=" ".join)
def test_a_reader_refuses_it_by_name(killed: Path, verb: list[str], tmp_path: Path) -> None:
    done = tcpspec(*verb, killed, killed, cwd=tmp_path)
    assert done.returncode == USAGE
    assert f"{killed}: an incomplete run" in done.stderr
    assert "--partial" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_with_partial_a_reader_says_so_wherever_it_shows_the_run(killed: Path, tmp_path: Path) -> None:
    matrix = tcpspec("matrix", killed, "--partial", "--markdown", "m.md", cwd=tmp_path)
    compared = tcpspec("compare", killed, killed, "--partial", "--markdown", "c.md", cwd=tmp_path)
    report = tcpspec("report", killed, "--partial", "-o", "r.html", cwd=tmp_path)
    assert (matrix.returncode, compared.returncode, report.returncode) == (0, 0, 0), report.stderr
    assert "reference (INCOMPLETE)" in matrix.stdout
    assert "INCOMPLETE" in (tmp_path / "m.md").read_text()
    assert compared.stdout.count("INCOMPLETE") == 2
    assert "Incomplete" in (tmp_path / "c.md").read_text()
    assert "incomplete" in (tmp_path / "r.html").read_text().lower()


def test_coverage_says_so(killed: Path, tmp_path: Path) -> None:
    done = tcpspec("coverage", killed, cwd=tmp_path)
    assert f"{killed}: an incomplete run" in done.stderr
