"""How learning ends before its time: cut off, and the target ended from outside."""

from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import alphabet, learner, record
from harness.learn.learner import Plan
from harness.learn.oracle import Effort, said
from harness.learn.subject import Subject
from harness.learn.system import REPLAYS, System
from harness.learn.tree import Tree
from harness.targets.protocol import TargetGone
from harness.targets.registry import parse

GOLDEN = Path(record.__file__).with_name("golden") / "reference-server.json"


def test_what_is_cut_off_keeps_what_there_is_and_says_so() -> None:
    plan = Plan(
        parse("reference"), alphabet.bundled("server", "small"), effort=Effort(k=0, random=0, seconds=0.1), kept=False
    )
    with learner.started(plan) as subject:
        found = learner.learn(subject, plan, lambda _text: None)[0]
    whole = record.read(GOLDEN).machine
    assert found.machine.size < whole.size
    assert said(found.stopped, found.machine.size).startswith("cut off after 0.1 s, ")
    # Of states that are not told apart yet the way to one may be another's; the first needs none.
    answers = [found.machine.answers[0][letter] for letter in range(len(whole.letters))]
    assert answers == [whole.run((letter,))[0][-1] for letter in range(len(whole.letters))]


def test_a_difference_of_a_machine_that_was_cut_off_may_be_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["learn", "--target", "reference", "--anew", "--random", "200000", "--for", "1s", "-o", str(out)]
    assert cli.main(arguments) == 0
    assert "cut off after 1 s, " in capsys.readouterr().out
    file = out / "reference-server.json"
    assert record.read(file).stopped["cut"] == 1.0
    cli.main(["learn", "--diff", str(file), str(GOLDEN), "-o", str(out)])
    assert "reference (A) was cut off after 1 s" in capsys.readouterr().out


class Killed(Subject):
    """A reference stack that somebody ends when the given query is asked something."""

    def __init__(self, plan: Plan, queries: set[int]) -> None:
        with learner.started(plan) as subject:
            super().__init__(subject._open_rig, plan.ip, plan.alphabet, states=True)
        self.killed = queries

    def ask(self, letter: alphabet.Letter) -> str:
        """Answer, or be gone."""
        if self.queries in self.killed:
            raise TargetGone("the adapter died of SIGKILL")
        return super().ask(letter)


def plan_of(tmp_path: Path) -> Plan:
    """Return a plan of few letters."""
    (tmp_path / "few.txt").write_text("listen S@i A@n,n close")
    return Plan(parse("reference"), alphabet.load(tmp_path / "few.txt", "server"), kept=False)


def test_a_target_that_somebody_ends_is_started_anew_and_asked_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    subject = Killed(plan, {2, 7, 8})
    try:
        found = learner.learn(subject, plan, lambda _text: None)[0]
    finally:
        subject.close()
    with learner.started(plan) as undisturbed:
        assert found.machine == learner.learn(undisturbed, plan, lambda _text: None)[0].machine
    assert found.figures.restarted == 3


def test_a_target_that_ends_each_time_is_given_up(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    subject = Killed(plan, set(range(1, REPLAYS + 3)))
    system = System(subject, Tree(plan.alphabet.texts, None, {}))
    try:
        with pytest.raises(TargetGone, match="SIGKILL"):
            system.query((0, 1))
    finally:
        subject.close()
    assert system.restarted == REPLAYS + 1
