"""An interrupted run of `tcpspec learn`: what was asked is kept, and the next one goes on from there."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness.learn import record

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-u", "-m", "harness", "learn", "--target", "reference", "--random", "300"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
def test_what_was_asked_is_kept_however_a_run_ends(how: signal.Signals, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [*COMMAND, "-o", str(tmp_path / "out")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) as first:
        assert first.stdout is not None
        assert first.stderr is not None
        lines = iter(first.stdout.readline, "")
        asked = next(int(found[1]) for line in lines if (found := re.search("hypothesis 6: .*, (.*) queries", line)))
        first.send_signal(how)
        told = first.stderr.read()
        first.stdout.read()
    assert first.returncode == (2 if how is signal.SIGINT else -how)
    assert told == (
        "tcpspec learn: interrupted; what was asked is kept, and the same command goes on from there\n"
        if how is signal.SIGINT
        else ""
    )
    file = tmp_path / "out" / "reference-server.json"
    assert file.exists() == (how is signal.SIGINT)
    if file.exists():
        assert record.read(file).stopped["cut"] > 0
        assert "cut off after" in file.with_suffix(".html").read_text()
    again = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = re.search("going on with (.*) queries of an earlier run", again)
    assert kept is not None
    # A run that is killed has written what is older than two seconds, or every 500 queries.
    assert int(kept[1].replace(",", "")) >= (asked if how is signal.SIGINT else 1)
    assert record.read(file).machine == golden().machine


def golden() -> record.Record:
    """Return the reference stack's machine."""
    return record.read(Path(record.__file__).with_name("golden") / "reference-server.json")
