"""Cases run without pytest's protocol and nobody can tell: same verdicts, same reports, and who watches sees all."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from testcases.selftest import forked, shared

#: Scenarios and cells, some not applicable, on a stack with a defect that some of them find.
CASES = ["--ip", "4", "--case", "time-wait/*", "--case", "grid/time-wait/*"]
TARGET = ["--target", "reference,defect=D63"]
#: With it pytest shows each fixture, so each item goes through pytest's protocol.
WATCHED = ["--setup-show"]
SPY = """
import pytest

class Spy:
    def __init__(self):
        self.seen = 0

    def pytest_runtest_call(self, item):
        self.seen += 1

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line(f"the spy has seen {self.seen} calls")

def pytest_configure(config):
    config.pluginmanager.register(Spy())
"""


TIMER = """
import pytest

timed = []

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    timed.append(item)
    return (yield)

def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"timed {len(timed)} items")
"""


def in_order(cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a run in an order that does not depend on who was faster."""
    return sorted(cases, key=lambda case: (case["id"], case["ip"]))


def properties_in(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """Return what JUnit's XML says of each case."""
    return {
        case.attrib["name"]: [(each.attrib["name"], each.attrib["value"]) for each in case.iter("property")]
        for case in ET.parse(folder / "junit.xml").findall(".//testcase")
    }


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the cases in a process of their own; the results are in the folder."""
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    command = ["run", *TARGET, *CASES, "--results", folder, *options]
    return forked.tcpspec(*command, environment={"PYTHONPATH": path})


def records(folder: Path) -> list[dict[str, Any]]:
    """Return what the results say of the cases."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    return [line for line in lines if line["kind"] == "case"]


@pytest.fixture(scope="module")
def direct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as everybody has it, with JUnit's XML."""

    def make(folder: Path) -> None:
        done = run(folder, f"--junitxml={folder / 'junit.xml'}")
        assert done.returncode in (0, 1), done.stdout

    return shared.once(tmp_path_factory, "run-directly", make)


def test_the_results_are_those_of_a_run_through_the_protocol(direct: Path, tmp_path: Path) -> None:
    watched = run(tmp_path, *WATCHED)
    assert "SETUP    F conversation" in watched.stdout
    assert {record["verdict"] for record in records(direct)} >= {"conforms", "violates"}
    assert records(direct) == records(tmp_path)


def test_junit_has_each_case_once_with_its_time_and_its_properties(direct: Path) -> None:
    cases = ET.parse(direct / "junit.xml").findall(".//testcase")
    assert len(cases) == len(records(direct))
    assert all(float(case.attrib["time"]) >= 0 for case in cases)
    named = [case.find("properties/property[@name='tcpspec_case']") for case in cases]
    assert [entry.attrib["value"] for entry in named if entry is not None] == [each["id"] for each in records(direct)]


def test_workers_tell_the_same(direct: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "-n", "2", f"--junitxml={tmp_path / 'junit.xml'}")
    assert done.returncode in (0, 1), done.stdout
    assert in_order(records(tmp_path)) == in_order(records(direct))
    assert properties_in(tmp_path) == properties_in(direct)


WARNING = """
import warnings

def test_warns(target, peer):
    warnings.warn("mind the gap")
"""


def test_what_a_case_warns_of_is_shown(tmp_path: Path) -> None:
    (tmp_path / "test_warning.py").write_text(WARNING)
    options = ["--target", "reference", "--ip", "4", "--results", tmp_path / "results"]
    for command in (["run"], ["run", "-n", "1"]):
        done = forked.tcpspec(*command, tmp_path / "test_warning.py", *options)
        assert done.stdout.count("UserWarning: mind the gap") == 1, done.stdout


def test_a_plugin_that_times_items_is_asked_about_each(tmp_path: Path) -> None:
    (tmp_path / "timing.py").write_text(TIMER)
    done = run(tmp_path, "-p", "timing")
    assert f"timed {len(records(tmp_path))} items" in done.stdout


def test_a_plugin_with_hooks_of_its_own_sees_every_case(tmp_path: Path) -> None:
    (tmp_path / "spying.py").write_text(SPY)
    done = run(tmp_path, "-p", "spying")
    assert f"the spy has seen {len(records(tmp_path))} calls" in done.stdout


def test_durations_tell_set_up_and_call_apart(tmp_path: Path) -> None:
    shown = run(tmp_path, "--durations=0", "--durations-min=0").stdout
    assert "s setup " in shown
    assert "s call " in shown


@pytest.mark.parametrize("workers", [[], ["-n", "1"]], ids=["here", "in a worker"])
def test_the_first_violation_ends_a_run_that_asks_for_it(tmp_path: Path, workers: list[str]) -> None:
    done = run(tmp_path, "-x", *workers)
    assert done.returncode in (1, 2)
    assert [record["verdict"] for record in records(tmp_path)].count("violates") == 1


#: The collector of the interpreter's end would find what lies in this circle.
CIRCLE = """
import harness

class Told:
    def __del__(self):
        print("looked through all that is left")

circle = [Told()]
circle.append(circle)
del circle
"""


@pytest.mark.parametrize(
    ("line", "told"), [("", ""), ("import gc, atexit; atexit.unregister(gc.freeze)", "looked through")]
)
def test_nothing_is_looked_through_at_the_end_of_a_process(line: str, told: str) -> None:
    root = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", CIRCLE + line]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(told)
    assert bool(done.stdout) == bool(told)
