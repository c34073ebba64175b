"""The golden machines that come with the tool: each stack that is here is learned again, from the machine it had."""

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness.learn import difference, drawing, judging, learner, record, suite
from harness.learn.learner import Plan
from harness.learn.machine import Machine
from harness.learn.oracle import Effort
from harness.learn.subject import Subject
from harness.learn.system import System
from harness.learn.tree import Tree
from harness.targets.kernel import build, kernels
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

FOLDER = Path(record.__file__).with_name("golden")
#: The kernel that has to be built where nothing may be skipped; others are learned again where they are built, too.
KERNEL = "kernel:6.12"
#: Set where nothing may be skipped (testcases/selftest/conftest.py).
MUST_RUN = "TCPSPEC_ALL_MUST_RUN"
#: The machines over the usual letters are not learned again: `tcpspec mutate --by learn` walks through them, and so
#: does a selftest of it.
GOLDEN = sorted(file for file in FOLDER.glob("*.json") if not file.stem.endswith("-usual"))


def _demand(name: str) -> None:
    """Say that a kernel is not built that only its golden machine needs: as a skip, or an expected failure."""
    if not name.startswith("kernel:") or name == KERNEL:
        return
    with contextlib.suppress(UnusableTarget):
        if kernels.resolve(name.removeprefix("kernel:"), build.kernels_folder()).exists():
            return
    text = f"{name} is not built, so its golden machine is not asked again: tcpspec build kernel {name[7:]}"
    if os.environ.get(MUST_RUN):
        pytest.xfail(text)
    pytest.skip(text)


@pytest.mark.parametrize("file", GOLDEN, ids=lambda path: path.stem)
def test_a_stack_is_still_its_golden_machine(file: Path) -> None:
    """Each transition, and where it leads. Another release may be another machine: what it does must be allowed."""
    golden = record.read(file)
    _demand(golden.target["name"])
    spec = parse(golden.target["name"])
    plan = Plan(spec, golden.alphabet, golden.ip, golden.states, Effort(k=0, random=0), kept=False)
    try:
        with learner.started(plan) as subject:
            version = subject.rig.target.facts.version
            same = version.split(".")[:2] == golden.target["version"].split(".")[:2]
            changed = (
                [] if same and not _changed(subject, golden.machine) else _now(subject, plan, golden.machine, same)
            )
            assert changed == []
    except UnusableTarget as error:
        if spec.kind in ("linux", "reference"):
            raise
        pytest.skip(f"{golden.target['name']} can't be had here: {error.message}")


def test_a_transition_that_leads_elsewhere_behind_the_same_answer_is_seen() -> None:
    golden = record.read(FOLDER / "reference-server.json")
    machine, plan = golden.machine, Plan(parse("reference"), golden.alphabet, kept=False)
    rows = [list(row) for row in machine.following]
    state = machine.run([machine.letters.index(letter) for letter in ("listen", "S@i", "A@n,n/4")])[1]
    rows[state][machine.letters.index("A@n,n")] = machine.run([0, 1, 2])[1]
    with learner.started(plan) as subject:
        assert not _changed(subject, machine)
        assert _changed(subject, replace(machine, following=tuple(map(tuple, rows))))


def _changed(subject: Subject, machine: Machine) -> bool:
    system = System(subject, Tree(machine.letters, None, {}))
    return any(system.fresh(word) != machine.run(word)[0] for word in suite.words(machine, suite.TW))


def _now(subject: Subject, plan: Plan, machine: Machine, same: bool) -> list[str]:
    """Learn the machine as it is now; return how it differs, of another release what it must not do."""
    now = learner.learn(subject, plan, lambda _text: None, machine)[0].machine
    if same:
        return [f"{each.letters(now)}: {each.answers}" for each in difference.partings(machine, now)]
    return [str(each) for each in judging.judge(subject, plan, now).found if each.verdict == judging.VIOLATES]


def test_the_picture_of_the_readme_is_that_of_the_golden_machine() -> None:
    drawn = drawing.draw(record.read(FOLDER / "linux-server.json"), standalone=True)
    assert (FOLDER / "linux-server.svg").read_text(encoding="utf-8") == f"{drawn}\n"
