"""Servers that stop serving in the middle of a run, and queues that are short: no case is judged by either."""

import json
import sys
from pathlib import Path

import pytest

from testcases.selftest.targets import test_wired as wired
from testcases.selftest.wired_linux import ENDS, HASTY, IDLES, LEAVES, SHORT_QUEUE

LINUX = f"{sys.executable} -m testcases.selftest.wired_linux {{if}} 2"
CELLS = ("--ip", "4", "--explore", "off", "--case", "grid/syn-received-passive/*")


def broken(where: Path) -> dict[str, str]:
    found = wired.verdicts(where).items()
    return {case: verdict for case, verdict in found if verdict not in ("conforms", "unobserved", "not applicable")}


@pytest.mark.slow
@pytest.mark.parametrize("port", [ENDS, LEAVES, IDLES, SHORT_QUEUE])
def test_a_server_that_stops_serving_or_has_a_short_queue_breaks_no_rule(port: int, tmp_path: Path) -> None:
    cases = (*CELLS, "--case", "passive-close/*")
    seen, linux = tmp_path / "seen", tmp_path / "linux"
    done = wired.run("--target", f"tap:{LINUX},app=echo:{port}", *cases, where=seen)
    wired.run(*cases, where=linux)
    due = wired.verdicts(linux)
    assert {due[case] for case in broken(seen)} <= {"known deviation", "deviates"}, done.stdout + done.stderr
    lines = [json.loads(line) for line in (seen / "results.jsonl").read_text().splitlines()]
    asked = [line["id"] for line in lines if line["kind"] == "case" and line["verdict"] != "not applicable"]
    assert len(asked) > 60


@pytest.mark.slow
def test_text_that_a_hasty_server_forgets_was_not_lost_by_the_stack(tmp_path: Path) -> None:
    cases = ("--ip", "4", "--grid", "off", "--explore", "off", "--case", "passive-close/*")
    cases += ("--case", "header/illegal-length-in-a-connection*", "--case", "active-close/close-with-data-and-fin*")
    done = wired.run("--target", f"tap:{LINUX},app=echo:{HASTY}", *cases, where=tmp_path / "seen")
    wired.run(*cases, where=tmp_path / "linux")
    due = wired.verdicts(tmp_path / "linux")
    assert {due[case] for case in broken(tmp_path / "seen")} <= {"known deviation", "deviates"}, done.stdout
    header = (tmp_path / "seen/results.jsonl").read_text().splitlines()[1]
    assert "may forget text in front of it" in header
