"""What a run shows meanwhile: a bar that goes away on a terminal, a line per tenth elsewhere, dots in plain pytest."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testcases.selftest import forked

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
OPTIONS = ["--target", "reference", "--ip", "4", "--case", "header/*"]


def command(tmp_path: Path, *more: str) -> list[str]:
    return ["run", *OPTIONS, "--results", str(tmp_path), *more]


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["here", "in workers"])
def test_elsewhere_there_is_a_line_per_tenth_and_no_dots(tmp_path: Path, workers: list[str]) -> None:
    done = forked.tcpspec(*command(tmp_path, *workers))
    lines = re.findall(r"^ *(\d+) %  (\d+) of (\d+)$", done.stdout, re.MULTILINE)
    assert [int(percent) for percent, _done, _total in lines] == list(range(10, 101, 10))
    assert len({total for _percent, _done, total in lines}) == 1
    assert not re.search(r"^\.\.", done.stdout, re.MULTILINE)
    assert "not chosen" not in done.stdout


def test_whoever_names_a_timer_case_hears_why_it_does_not_run(tmp_path: Path) -> None:
    named = ["--target", "reference", "--ip", "4", "--case", "timers/time-wait-ends*", "--results", tmp_path]
    for timers, reason in (((), "timer cases"), (("--timers", "10"), "timer cases of more than 10 s")):
        done = forked.tcpspec("run", *named, *timers)
        assert re.search(rf"^not chosen: \d+ {reason} \(--timers\)$", done.stdout, re.MULTILINE), done.stdout
        assert done.returncode == 5


def test_what_is_not_as_expected_is_counted_as_it_comes(tmp_path: Path) -> None:
    options = ["--case", "resets/*", "--set", "tcp_challenge_ack_limit=1", "--tb=no"]
    done = forked.tcpspec("run", *options, "--results", tmp_path)
    assert re.search(r"^ *\d+ %  \d+ of \d+  \d+ not as expected so far$", done.stdout, re.MULTILINE), done.stdout


def test_on_a_terminal_there_is_a_bar_that_goes_away(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "harness", *command(tmp_path)]
    run = subprocess.Popen(line, env=ENVIRONMENT, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    octets = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        octets += part
    os.close(ours)
    assert run.wait(timeout=120) == 0
    shown = octets.decode()
    drawn, _hidden, end = shown.partition("\x1b[?25h")  # the cursor is back
    assert "━" in drawn
    assert re.search(r"\d+/\d+", drawn)
    assert "━" not in end
    assert "header" in end


def test_plain_pytest_and_verbose_runs_look_as_everybody_knows_them(tmp_path: Path) -> None:
    verbose = forked.tcpspec(*command(tmp_path, "-vv", "-k", "urgent"))
    assert " PASSED " in verbose.stdout
    assert " of " not in verbose.stdout.partition("\n\n")[0]
