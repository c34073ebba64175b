"""The golden machines that come with the tool: each stack that is here is learned again, from the machine it had."""

from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness.learn import difference, drawing, judging, learner, record
from harness.learn.learner import Plan
from harness.learn.oracle import Effort
from harness.targets.kernel import build, kernels
from harness.targets.protocol import UnusableTarget
from harness.targets.registry import parse

FOLDER = Path(record.__file__).with_name("golden")
#: The kernel that has to be built where nothing may be skipped; others are learned again where they are built, too.
KERNEL = "kernel:6.12"


def _can_be_had(file: Path) -> bool:
    name = record.read(file).target["name"]
    if not name.startswith("kernel:") or name == KERNEL:
        return True
    try:
        return kernels.resolve(name.removeprefix("kernel:"), build.kernels_folder()).exists()
    except UnusableTarget:
        return False


GOLDEN = sorted(filter(_can_be_had, (*FOLDER.glob("*-server.json"), *FOLDER.glob("*-closes.json"))))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda path: path.stem)
def test_a_stack_is_still_its_golden_machine(file: Path) -> None:
    """On another release than the golden one the machine may be another; what it does must be allowed all the same."""
    golden = record.read(file)
    spec = parse(golden.target["name"])
    plan = Plan(spec, golden.alphabet, effort=Effort(k=0, random=0), kept=False)
    try:
        with learner.started(plan) as subject:
            now = learner.learn(subject, plan, lambda _text: None, golden.machine)[0].machine
            version = subject.rig.target.facts.version
            if version.split(".")[:2] == golden.target["version"].split(".")[:2]:
                assert [each.letters(now) for each in difference.partings(golden.machine, now)] == []
            else:
                found = judging.judge(subject, plan, now)
                assert [each for each in found if each.verdict == judging.VIOLATES] == []
    except UnusableTarget as error:
        if spec.kind in ("linux", "reference"):
            raise
        pytest.skip(f"{golden.target['name']} can't be had here: {error.message}")


def test_the_picture_of_the_readme_is_that_of_the_golden_machine() -> None:
    drawn = drawing.draw(record.read(FOLDER / "linux-server.json"), standalone=True)
    assert (FOLDER / "linux-server.svg").read_text(encoding="utf-8") == f"{drawn}\n"
