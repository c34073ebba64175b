"""How learning ends before its time: cut off, and the target ended from outside."""

from pathlib import Path

import pytest

pytest.importorskip("aalpy", reason="the extra `learn` is not installed")

from harness import cli
from harness.learn import alphabet, learner, oracle, record, search, telling
from harness.learn.learner import Plan
from harness.learn.oracle import Effort, said
from harness.learn.subject import Subject
from harness.learn.system import REPLAYS, Nondeterminism, System
from harness.learn.tree import Tree
from harness.targets.protocol import TargetGone
from harness.targets.registry import parse

GOLDEN = Path(record.__file__).with_name("golden") / "reference-server.json"


def test_what_is_cut_off_keeps_what_there_is_and_says_so() -> None:
    effort = Effort(k=0, random=0, states=8)
    plan = Plan(parse("reference"), alphabet.bundled("server", "small"), effort=effort, kept=False)
    with learner.started(plan) as subject:
        found = learner.learn(subject, plan, lambda _text: None)[0]
    whole = record.read(GOLDEN).machine
    assert found.machine.size < whole.size
    assert said(found.stopped, found.machine.size).startswith("cut off after ")
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


class Odd(Subject):
    """A reference stack that answers otherwise in the given queries."""

    def __init__(self, plan: Plan, queries: set[int]) -> None:
        with learner.started(plan) as subject:
            super().__init__(subject._open_rig, plan.ip, plan.alphabet, states=True)
        self.odd = queries

    def ask(self, letter: alphabet.Letter) -> str:
        """Answer, or otherwise."""
        answer = super().ask(letter)
        return "R@n → CLOSED" if self.queries in self.odd else answer


def test_an_answer_that_did_not_come_again_is_told_with_both_traces(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    subject = Odd(plan, {2})
    system = System(subject, Tree(plan.alphabet.texts, None, {}))
    try:
        system.query((0, 1))
        assert system.query((0, 1, 2))[:2] == ["nothing → LISTEN", "SA@iss,seg.end~mss → SYN-RECEIVED"]
    finally:
        subject.close()
    assert system.settled == 1
    assert system.wavered is not None
    told = list(telling.of_two_answers(system.wavered, "it wavered"))
    assert told[0].startswith("it wavered: listen S@i is answered in two ways")
    assert told[1:] == [
        "  listen     nothing → LISTEN   |   R@n → CLOSED",
        "  S@i        SA@iss,seg.end~mss → SYN-RECEIVED   |   R@n → CLOSED",
    ]


def test_what_tells_a_hypothesis_wrong_is_asked_once_more(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    with learner.started(plan) as undisturbed:
        machine = learner.learn(undisturbed, plan, lambda _text: None)[0].machine
    subject = Odd(plan, {1})
    tests = oracle.Tests(System(subject, Tree(plan.alphabet.texts, None, {})), plan.effort, lambda _text: None)
    try:
        with pytest.raises(Nondeterminism, match=f"in {REPLAYS} of {REPLAYS} attempts"):
            tests.find_cex(search.automaton(machine))
    finally:
        subject.close()


class Hung(Subject):
    """A reference stack that hangs at a SYN."""

    def __init__(self, plan: Plan) -> None:
        with learner.started(plan) as subject:
            super().__init__(subject._open_rig, plan.ip, plan.alphabet, states=True)
        self.hangs = 0

    def ask(self, letter: alphabet.Letter) -> str:
        """Answer, or hang."""
        if self.side.ended or str(letter) != "S@i":
            return super().ask(letter)
        self.hangs += 1
        self.side.ended = True
        return "hung; nothing → ?"


def test_behind_its_end_a_target_is_not_made_to_hang_again(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    subject = Hung(plan)
    system = System(subject, Tree(plan.alphabet.texts, None, {}))
    try:
        for word in ((0, 1), (0, 1, 2), (0, 1, 3, 2), (0, 1, 0, 0, 0)):
            assert system.query(word)[1:] == ["hung; nothing → ?", *["gone; nothing → ?"] * (len(word) - 2)]
    finally:
        subject.close()
    assert subject.hangs == 1
