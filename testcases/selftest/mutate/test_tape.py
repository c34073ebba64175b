"""What a stack was asked, asked again: the same stack answers the same, and whoever gets another verdict does not."""

import itertools

import pytest

from harness.case.marks import CaseMeta
from harness.case.selection import Binding, Case
from harness.case.walks import Walk
from harness.explore.choice import Choice
from harness.explore.kinds import KINDS
from harness.mutate.script import Script, play, record, shows_a_difference
from harness.mutate.tape import RecordedTarget, Tape
from harness.spec.states import CLOSED
from harness.stack import Stack
from harness.stack.defects import DEFECTS
from harness.targets.reference.target import ReferenceTarget
from harness.targets.registry import parse
from testcases.selftest.scripts import FEW, scripts


def conversations() -> list[Script]:
    """Return one conversation of each kind, and some more."""
    chosen = Choice.of(()).for_target("reference", ReferenceTarget().capabilities, demand=False)
    binding = Binding(parse("reference"), 4, "", Walk(CLOSED))
    few = itertools.islice(chosen, len(KINDS) + 10)
    return [Script(Case(each.id, binding, CaseMeta(), "", ""), generated=each) for each in few]


def test_the_same_stack_answers_the_same() -> None:
    for script in (*conversations(), *scripts(*FEW)):
        shown, tape = record(script)
        assert shown == play(script), script.name
        assert not shows_a_difference(script, tape, Stack), script.name


@pytest.mark.parametrize("name", ["D01", "D179"])
def test_who_answers_the_same_gets_the_same_verdict(name: str) -> None:
    defect = DEFECTS[name].stack_class
    same, other = 0, 0
    for script in (*conversations(), *scripts(*FEW)):
        sound, tape = record(script)
        if shows_a_difference(script, tape, defect):
            other += 1
        else:
            assert play(script, defect) == sound, script.name
            same += 1
    assert same
    assert other


class TestAnswers:
    def target(self) -> RecordedTarget:
        return RecordedTarget()

    def test_errors_are_answers(self) -> None:
        target = self.target()
        sock = target.socket(4)
        with pytest.raises(OSError, match="does not exist"):
            sock.recv(1)
        with pytest.raises(OSError, match="Errno"):
            sock.accept()
        assert [name for _number, name, _arguments, _told in target.tape.entries] == ["socket", "recv", "accept"]
        packed = target.tape.packed()
        assert Tape.unpacked(packed).fits(ReferenceTarget())
        wrong = [(number, name, arguments, None) for number, name, arguments, _told in target.tape.entries]
        assert not Tape(wrong).fits(ReferenceTarget())

    def test_settings_hold_while_they_are_entered(self) -> None:
        target = self.target()
        with target.setting("reference.iss", "7"):
            target.pass_time(5)
        tape = Tape.unpacked(target.tape.packed())
        fresh = ReferenceTarget()
        assert tape.fits(fresh)
        assert fresh.stack.config.iss is None

    def test_time_is_an_answer(self) -> None:
        target = self.target()
        here, there = target.addresses(4).target, target.addresses(4).peer
        target.socket(4).connect((here[0], 7), (there[0], 7))
        for _segment in ("SYN", "SYN again"):
            assert len(target.waiting()) == 1
            target.pass_time(2_000_000_000)
        assert Tape(target.tape.entries).fits(ReferenceTarget())
        assert not Tape(target.tape.entries).fits(ReferenceTarget(config={"rto_initial_s": 1.001}))
