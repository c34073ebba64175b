"""Timer cases on a machine that is busy: what comes of our own lateness is found again in time, or is no verdict."""

import contextlib

import pytest

from harness.case import timer_batch
from harness.case.expect import Expected
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.target_side import TargetSide
from harness.case.timers import Stopwatch
from harness.case.violation import Inconclusive, Unjudgeable, Violation
from harness.spec.segment import ACK
from testcases.selftest.scripted_target import Body, ScriptedTarget, run


@pytest.mark.parametrize(("late_runs", "found"), [(0, [True]), (1, [False]), (9, [])])
def test_what_a_late_look_finds_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, late_runs: int, found: list[bool]
) -> None:
    """A repetition too many is the timer's where the look was late; it is a finding where the look was in time."""
    monkeypatch.setattr(timer_batch, "_clock_offset_ns", lambda _rig: 0)
    target, runs = ScriptedTarget(), []
    target.capabilities = frozenset()

    def repeats(side: TargetSide, _peer: PeerSide) -> Body:
        runs.append(side)
        target.overslept_ns = 300_000_000 if len(runs) <= late_runs else 0
        target.say(side.connection, 0.2)
        if len(runs) <= late_runs or not late_runs:
            target.say(side.connection, 0.2 if not late_runs else 0.4)
        yield from Stopwatch(side).must_send_within(1, ACK, since_ns=target.time_ns)
        target.overslept_ns = 0
        side.must_not_send()

    (case,) = run(target, repeats)
    if found:
        assert isinstance(case.error, Violation) is found[0]
        assert len(runs) == 1 + late_runs
    else:
        assert "late, so that a timer may explain 'extra" in str(case.error)


@pytest.mark.parametrize(
    ("after_s", "walking", "found"),
    [(0.2, False, "early"), (0.8, False, "late"), (9, False, "silent"), (9, True, "but")],
)
def test_an_interval_that_we_may_have_moved_ourselves_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, after_s: float, walking: bool, found: str
) -> None:
    """What we send too late begins a timer anew: what is found behind that is found again in time, or not at all."""
    monkeypatch.setattr(timer_batch, "_clock_offset_ns", lambda _rig: 0)
    target, runs = ScriptedTarget(), []
    target.capabilities = frozenset()

    def is_late(side: TargetSide, _peer: PeerSide) -> Body:
        runs.append(side)
        target.overslept_ns = 300_000_000 if len(runs) < in_time else 0
        yield from Stopwatch(side).sleep(0.1)
        begun_ns, target.overslept_ns = target.time_ns, 0
        target.say(side.connection, after_s if len(runs) < in_time or in_time == 1 else 0.45)
        yield from Stopwatch(side).sleep(1)  # longer than what is judged then: no lateness of ours
        side.conversation.walking = walking
        yield from Stopwatch(side).must_send_between(0.4, 0.5, Expected(ACK), since_ns=begun_ns)
        side.conversation.walking = False

    for in_time, error in ((1, Inconclusive if walking else Violation), (2, type(None)), (9, Unjudgeable)):
        runs.clear()
        target.script.clear()
        (case,) = run(target, is_late)
        assert type(case.error) is error
        assert len(runs) == min(in_time, 3), "together, with fewer others, alone"
    assert "late, so that a timer may explain" in str(case.error)
    assert found in str(case.error)


@pytest.mark.parametrize(("overslept_s", "answers_s", "found"), [(0.3, 0.45, True), (0, 0.09, True), (0, 0.45, False)])
def test_an_answer_that_is_due_is_waited_for_as_long_as_nobody_oversleeps(
    overslept_s: float, answers_s: float, found: bool
) -> None:
    target = ScriptedTarget(overslept_s=overslept_s)
    conversation = Rig(target, guarded=False, patient=True).begin(4, name="case")  # type: ignore[arg-type]
    target.say(conversation.main, answers_s)
    with contextlib.nullcontext() if found else pytest.raises(Violation):
        TargetSide(conversation.main).must_send(ACK)


def test_a_clock_that_is_set_makes_all_intervals_void() -> None:
    target = ScriptedTarget()
    target.capabilities = frozenset()  # real time, which has run ten seconds in no time

    def sleeps(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).sleep(10)

    (case,) = run(target, sleeps)
    assert isinstance(case.error, Unjudgeable)
    assert "clock was set" in str(case.error)
