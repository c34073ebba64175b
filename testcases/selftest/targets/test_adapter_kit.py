"""The kit and the header: an adapter built with each passes the check and the cases that its stack can pass."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.case.rig import Rig
from harness.case.runner import Ending, run
from harness.case.walks import Walk
from harness.report.runs import columns, load
from harness.spec.states import CLOSED
from harness.targets.adapter import check as adapter_check
from harness.targets.adapter.line import AdapterLine, Patience
from harness.targets.adapter.process import Command
from harness.targets.adapter.target import AdapterTarget
from harness.targets.building import drivers

HERE = Path(__file__).parents[1]
ROOT = HERE.parents[1]


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Command([sys.executable, str(HERE / "kit_adapter.py")])


def _verdicts(target: str, folder: Path, *cases: str, timers: int = 0) -> dict[str, int]:
    words = [word for case in cases for word in ("--case", case)]
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "--target",
        target,
        "--ip",
        "4",
        "--results",
        str(folder),
        *words,
        *(["--timers", str(timers)] if timers else []),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    (column,) = columns(load([folder]))
    assert done.returncode in (0, 1), done.stderr
    found = [case.verdict for case in column.cases.values()]
    return {verdict: found.count(verdict) for verdict in found}


def test_an_adapter_made_with_the_kit_passes_the_check(kit: Command) -> None:
    lines: list[str] = []
    assert adapter_check.check(kit, lines.append, limit_s=60), "\n".join(lines)


def test_an_adapter_made_with_the_kit_conforms(kit: Command, tmp_path: Path) -> None:
    found = _verdicts(f"exec:{kit}", tmp_path, "sanity/*", "simultaneous-close/*", "passive-open/three-way*")
    assert found.keys() == {"conforms"}, found


def test_an_adapter_made_with_the_kit_has_options(kit: Command, tmp_path: Path) -> None:
    found = _verdicts(f"exec:{kit}", tmp_path, "timers/probe-after-silence", "timers/short-user-timeout", timers=15)
    assert found == {"conforms": 4}


def test_what_the_kits_stack_prints_is_no_answer(tmp_path: Path) -> None:
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + (HERE / "kit_adapter.py").read_text()
    noisy = program.replace("def address(self, host: str, bits: int) -> None: ...", NOISE)
    assert NOISE in noisy
    (tmp_path / "noisy.py").write_text(noisy)
    rig = Rig(AdapterTarget(Command([sys.executable, str(tmp_path / "noisy.py")]), name="noisy"), guarded=False)
    with contextlib.closing(rig):
        assert run(rig.begin(4), Walk(CLOSED), lambda _target, _peer: None).ending is Ending.COMPLETED


NOISE = """def address(self, host: str, bits: int) -> None:
        print("out 0 00")
        __import__("os").system("echo ok")
"""


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("in xyz", "EINVAL"),
        ("listen 198.51.100.1 eighty 5", "EINVAL"),
        ("recv 7 100", "EBADF"),
        ("set ack delayed", "EINVAL"),
        ("dance", "EINVAL"),
        ("connect 198.51.100.1 80", "EINVAL"),
    ],
)
def test_the_kit_refuses_what_makes_no_sense(kit: Command, command: str, answer: str) -> None:
    line = AdapterLine(kit.start(), Patience(60))
    try:
        assert not line.ask("hello tcpspec-adapter 1").error
        assert line.ask(command).error == answer
        assert not line.ask("advance 1").error
    finally:
        line.close()


def test_a_fault_of_the_stack_behind_the_kit_is_a_death(kit: Command, tmp_path: Path) -> None:
    text = (HERE / "kit_adapter.py").read_text()
    faulty = text.replace("for arrival in self.target.exchange([packet]):", "for arrival in [][1]:")
    assert faulty != text
    (tmp_path / "faulty.py").write_text(faulty)
    found = _verdicts(f"exec:{sys.executable} {tmp_path / 'faulty.py'}", tmp_path / "results", "sanity/*")
    assert found.keys() == {"violates"}


@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_an_adapter_made_with_the_header_conforms(compiler: str, tmp_path: Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"NOT TESTED, the header: there is no {compiler}")
    program = tmp_path / "closed"
    language = "c++" if compiler == "g++" else "c"
    flags = ["-x", language, "-Wall", "-Wextra", "-Werror", f"-I{drivers.driver_folder()}"]
    subprocess.run([compiler, *flags, "-o", program, HERE / "header_adapter.c"], check=True, timeout=120)
    found = _verdicts(
        f"exec:{program}",
        tmp_path / "results",
        "closed-and-listening/closed-port*",
        "closed-and-listening/reset-counts*",
    )
    assert found.keys() == {"conforms"}, found
    assert sum(found.values()) > 15
    line = AdapterLine(Command([str(program)]).start(), Patience(60))
    with contextlib.closing(line):
        assert line.ask("option 1 keep-idle").words == ["7200"]
        assert not line.ask("option 1 keep-idle 9").error
        assert line.ask("option 1 keep-idle").words == ["9"]
        assert (line.ask("option 1 ttl").error, line.ask("option 1 ttl 3").error) == ("ENOSYS", "ENOSYS")


def test_the_kit_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, harness.adapter_kit; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {program}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    others = set(done.stdout.split()) - set(sys.stdlib_module_names) - {"harness", "__main__"}
    assert not others
