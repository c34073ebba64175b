"""Who names cases has only their modules imported; and what is declared names cases that exist."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import testcases
from harness.case.selection import case_id, idle_deviations
from harness.expectations.deviations import all_bundled
from harness.plugin.narrowing import files_of
from harness.verbs.starting import collect

FOLDER = Path(testcases.__file__).parent
MODULES = sorted(path for path in FOLDER.glob("*/test_*.py") if path.parent.name != "selftest")
#: In a process of its own, because pytest does not run within itself. It exits with what is to be said.
IDLE = "import sys; from testcases.selftest.plugin.test_narrowing import idle; sys.exit(idle())"

#: What a run of one case has no need of, and what would take longer than the case: what makes and plays conversations
#: and packetdrill's scripts.
HEAVY = ("harness.explore.kinds", "harness.explore.talk", "harness.pkt.grammar", "harness.pkt.writer", "scapy")
LOADED = "import sys; from testcases.selftest.plugin.test_narrowing import loaded; sys.exit(loaded())"


def loaded() -> str | None:
    """Return what of `HEAVY` was imported to collect one case."""
    _code, collector = collect(["--case", "passive-open/three-way-handshake", "--ip", "4", "--target", "reference"])
    assert len(collector.items) == 1
    return ", ".join(name for name in HEAVY if name in sys.modules) or None


def idle() -> str | None:
    """Return the bundled entries that no case has, None if each has one."""
    _code, collector = collect(["--grid", "full", "--target", "reference"])
    cases = [case for case, _item in collector.items]
    assert len(cases) > 10_000
    found = idle_deviations(all_bundled(), cases)
    return "\n".join(f"{entry.origin}: no case is called {entry.case!r}" for entry in found) or None


def test_each_entry_that_comes_with_the_tool_is_about_a_case() -> None:
    done = subprocess.run([sys.executable, "-c", IDLE], capture_output=True, text=True, cwd=FOLDER.parent, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_case_is_collected_without_what_makes_conversations_and_plays_scripts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, cwd=FOLDER.parent, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_case_is_found_by_its_name_and_by_its_folder(path: Path) -> None:
    module = importlib.import_module(f"testcases.{path.parent.name}.{path.stem}")
    functions = [name for name in vars(module) if name.startswith("test_")]
    for name in functions:
        known = case_id(path, name, "")
        for text in (known, known.partition("/")[2], f"{known}[some-row]", known.partition("/")[0]):
            files = files_of([text])
            assert files is not None, f"{text} is not found at all"
            assert path in files, text
    assert functions or hasattr(module, "CELLS") or hasattr(module, "CONVERSATIONS")


@pytest.mark.parametrize("name", ["", "*", "time-wait/*late*", "no-such-case", "passive-open/no-such-case", "[row]"])
def test_a_pattern_or_an_unknown_name_needs_everything(name: str) -> None:
    assert files_of([name]) is None
    assert files_of(["passive-open/three-way-handshake", name]) is None


def test_no_names_need_everything() -> None:
    assert files_of([]) is None


@pytest.mark.parametrize("name", ["grid/established/ack/exact/dup/none", "grid/closed/*", "grid", "grid/*"])
def test_a_cell_needs_the_grid_only(name: str) -> None:
    files = files_of([name])
    assert files is not None
    assert {path.parent.name for path in files} == {"grid"}


def test_one_module_is_enough_for_one_case() -> None:
    assert files_of(["passive-open/three-way-handshake"]) == {FOLDER / "passive_open" / "test_three_way_handshake.py"}
