"""The scheduler of timer cases and its stopwatch, on a target that speaks by a script in virtual time."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable
from typing import Any

import pytest

from harness.case import timer_batch
from harness.case.connection import Connection
from harness.case.expect import Expected
from harness.case.peer_side import PeerSide
from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.target_side import TargetSide
from harness.case.timer_batch import TimerCase, run_together
from harness.case.timers import COARSENESS, ROUND_FIGURES, SLACK_S, Stopwatch, Wait, rounded
from harness.case.violation import Code, Inconclusive, Unjudgeable, Violation
from harness.case.walks import Walk
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import State
from harness.targets.protocol import Addresses, Capability, Facts, TargetError
from harness.wire import codec
from harness.wire.link import Arrival

Body = Generator[Wait, None, Any]
CaseBody = Callable[[TargetSide, PeerSide], Body]


class ScriptedTarget:
    """Sends what the script says at its time; time passes when somebody waits, and `cost_s` with each exchange.

    `overslept_s` is how much later than asked for the clock returns, as on a busy machine.
    """

    name = "scripted"
    facts = Facts("scripted", "scripted", "0")
    silence_proof = "scripted"
    capabilities = frozenset({Capability.VIRTUAL_TIME})

    def __init__(self, *, cost_s: float = 0.0, overslept_s: float = 0.0) -> None:
        self.clock = self
        self.time_ns = 1_000_000_000
        self.cost_ns, self.overslept_ns = int(cost_s * 1e9), int(overslept_s * 1e9)
        self.script: list[Arrival] = []
        self.closes_ns: dict[FourTuple, int] = {}
        self.breaks_ns: int | None = None

    def say(self, connection: Connection, after_s: float, flags: int = ACK, seq: int = 0) -> None:
        """Put a segment of the target into the script."""
        tuple4 = connection.tuple4
        made = Segment(flags, seq, connection.peer_iss, source_port=tuple4.port, destination_port=tuple4.peer_port)
        arrival = Arrival(self.time_ns + round(after_s * 1e9), codec.encode(connection.path.reversed(), made))
        self.script = sorted([*self.script, arrival], key=lambda item: item.time_ns)

    def now_ns(self) -> int:
        return self.time_ns

    def wait(self, seconds: float) -> None:
        until_ns = self.time_ns + max(0, round(seconds * 1e9))
        first_ns = min([until_ns, *(item.time_ns for item in self.script)])
        self.time_ns = max(self.time_ns, first_ns) + self.overslept_ns
        if self.breaks_ns is not None and self.time_ns >= self.breaks_ns:
            raise TargetError("the agent is dead")

    def waiting(self) -> list[Arrival]:
        come = [item for item in self.script if item.time_ns <= self.time_ns]
        self.script = self.script[len(come) :]
        return come

    def exchange(self, _packets: Iterable[bytes], _mac: bytes | None = None) -> list[Arrival]:
        self.time_ns += self.cost_ns
        return self.waiting()

    def snapshot(self, tuple4: FourTuple) -> Snapshot:
        closes_ns = self.closes_ns.get(tuple4)
        closed = closes_ns is not None and self.time_ns >= closes_ns
        return Snapshot(State.CLOSED if closed else State.ESTABLISHED)

    def addresses(self, _version: int) -> Addresses:
        return Addresses(("192.0.2.1",), ("192.0.2.2",))

    def guard_s(self, *, syn_sent: bool) -> float:
        return 0.035

    def evidence(self, _tuple4: FourTuple) -> str | None:
        return None


def _run(target: ScriptedTarget, *bodies: CaseBody, time_scale: float = 1.0) -> list[TimerCase]:
    rig = Rig(target, guarded=False, time_scale=time_scale)  # type: ignore[arg-type]
    cases = [
        TimerCase(CaseRun(rig.begin(4, name=f"case-{number}"), Walk(State.CLOSED)), body)
        for number, body in enumerate(bodies)
    ]
    run_together(rig, cases)
    assert all(case.ended for case in cases)
    return cases


def _findings(case: TimerCase) -> list[str]:
    return [finding.signature for finding in case.run.conversation.findings]


# --- the scheduler


def test_all_waits_together_take_the_longest_one() -> None:
    target = ScriptedTarget()
    done: list[int] = []

    def sleeps(number: int) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            for _ in range(3):
                yield from Stopwatch(side).sleep(number / 10)
            done.append(number)

        return body

    start_ns, began = target.time_ns, time.monotonic()
    cases = _run(target, *(sleeps(number) for number in range(300, 0, -1)))
    assert [case.error for case in cases] == [None] * 300
    assert done == list(range(1, 301))
    assert (target.time_ns - start_ns) / 1e9 == pytest.approx(90, abs=0.001)
    assert time.monotonic() - began < 45, "ninety seconds that nobody waits for"


def test_a_segment_wakes_its_own_case_only() -> None:
    target = ScriptedTarget()
    woken: list[tuple[str, float]] = []

    def listens(name: str, after_s: float) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            start_ns = target.time_ns
            target.say(side.connection, after_s)
            yield from Stopwatch(side).must_send_within(50, ACK, since_ns=start_ns)
            woken.append((name, round((target.time_ns - start_ns) / 1e9, 3)))

        return body

    cases = _run(target, listens("late", 30), listens("early", 2), listens("middle", 7))
    assert [case.error for case in cases] == [None, None, None]
    assert woken == [("early", 2), ("middle", 7), ("late", 30)]


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

    (case,) = _run(target, repeats)
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
        (case,) = _run(target, is_late)
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


def test_due_cases_go_before_those_that_have_not_begun() -> None:
    target = ScriptedTarget(cost_s=0.02)
    begun: list[int] = []
    resumed: list[int] = []

    def begins(number: int) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            begun.append(number)
            side.conversation.step()
            if number == 0:
                yield from Stopwatch(side).sleep(0.1)
                resumed.append(len(begun))
            else:
                yield from Stopwatch(side).sleep(1)

        return body

    _run(target, *(begins(number) for number in range(50)))
    assert len(begun) == 50
    assert resumed[0] < 10


def test_an_error_ends_its_own_case_only() -> None:
    def breaks(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).sleep(1)
        raise ZeroDivisionError

    def breaks_at_once(_side: TargetSide, _peer: PeerSide) -> Body:
        raise ZeroDivisionError
        yield

    def is_no_generator(_side: TargetSide, _peer: PeerSide) -> Body:
        return None  # type: ignore[return-value]

    def yields_a_number(_side: TargetSide, _peer: PeerSide) -> Body:
        yield 5  # type: ignore[misc]

    def is_refuted(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).must_send_within(1, SYN)

    def is_well(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).must_stay_silent(5)

    cases = _run(ScriptedTarget(), breaks, breaks_at_once, is_no_generator, yields_a_number, is_refuted, is_well)
    kinds = [type(case.error) for case in cases]
    assert kinds == [ZeroDivisionError, ZeroDivisionError, TypeError, TypeError, Violation, type(None)]


def test_a_dead_target_leaves_no_case_that_counts_as_done() -> None:
    target = ScriptedTarget()
    target.breaks_ns = target.time_ns + 10_000_000_000

    def sleeps(seconds: float) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            yield from Stopwatch(side).sleep(seconds)

        return body

    short, long, longer = _run(target, sleeps(5), sleeps(20), sleeps(30))
    assert short.error is None
    assert isinstance(long.error, TargetError)
    assert isinstance(longer.error, TargetError)


def test_a_clock_that_is_set_makes_all_intervals_void() -> None:
    target = ScriptedTarget()
    target.capabilities = frozenset()  # real time, which has run ten seconds in no time

    def sleeps(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).sleep(10)

    (case,) = _run(target, sleeps)
    assert isinstance(case.error, Unjudgeable)
    assert "clock was set" in str(case.error)


def test_what_comes_long_after_its_end_is_not_the_business_of_a_case() -> None:
    target = ScriptedTarget()

    def ends_early(side: TargetSide, _peer: PeerSide) -> Body:
        target.say(side.connection, 1.2, seq=1)
        target.say(side.connection, 5, seq=2)
        yield from Stopwatch(side).must_stay_silent(1)

    def goes_on(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).must_stay_silent(10)

    early, late = _run(target, ends_early, goes_on)
    assert (early.error, late.error) == (None, None)
    # Within the time of a late sweep it still is: the sweep will judge it.
    assert [item.wire.seq for item in early.run.conversation.main.inbox] == [1]


# --- the stopwatch


@pytest.mark.parametrize(
    ("comes_s", "signature"),
    [
        (2.0, None),
        (2.2, None),
        (1.0, "early: <SEQ=0><ACK=0><CTL=ACK> after about 1 s"),
        (2.5, "silent"),
        (None, "silent"),
    ],
)
def test_an_interval_is_held_against_capture_times(comes_s: float | None, signature: str | None) -> None:
    target = ScriptedTarget()

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        if comes_s is not None:
            target.say(side.connection, comes_s)
        yield from Stopwatch(side).must_send_after(2, ACK, since_ns=target.time_ns)

    (case,) = _run(target, body)
    assert _findings(case) == ([signature] if signature else [])


def test_a_late_look_at_the_inbox_judges_the_same() -> None:
    target = ScriptedTarget(overslept_s=0.4)

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        watch = Stopwatch(side)
        start_ns = target.time_ns
        target.say(side.connection, 1.1, seq=1)
        target.say(side.connection, 3.3, seq=2)
        # The look comes at 1.4 s at the earliest; the first segment was sent after the silence.
        yield from watch.must_stay_silent(1, since_ns=start_ns)
        yield from watch.must_send_after(1.1, ACK, since_ns=start_ns)
        yield from watch.must_back_off(ACK)

    (case,) = _run(target, body)
    assert case.error is None


def test_silence_is_broken_by_what_was_captured_in_it() -> None:
    target = ScriptedTarget(overslept_s=0.4)

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        target.say(side.connection, 0.9)
        yield from Stopwatch(side).must_stay_silent(1)

    (case,) = _run(target, body)
    assert isinstance(case.error, Violation)
    assert case.error.finding.code is Code.EXTRA


def test_the_same_interval_again_is_no_back_off() -> None:
    target = ScriptedTarget()

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        watch = Stopwatch(side)
        start_ns = target.time_ns
        target.say(side.connection, 0.2)
        target.say(side.connection, 0.4)
        yield from watch.must_send_within(1, ACK, since_ns=start_ns)
        yield from watch.must_back_off(ACK)

    (case,) = _run(target, body)
    assert isinstance(case.error, Violation)
    assert case.error.finding.code is Code.EARLY


@pytest.mark.parametrize(
    ("closes_s", "code"), [(2.1, None), (1.0, Code.EARLY), (9.0, Code.WRONG_STATE)], ids=["in time", "early", "late"]
)
def test_a_state_must_come_in_time(closes_s: float, code: Code | None) -> None:
    target = ScriptedTarget()

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        target.closes_ns[side.connection.tuple4] = target.time_ns + round(closes_s * 1e9)
        yield from Stopwatch(side).must_become(State.CLOSED, 2, 3)

    (case,) = _run(target, body)
    assert [finding.code for finding in case.run.conversation.findings] == ([code] if code else [])


def test_time_scale_stretches_upper_bounds_only() -> None:
    def comes_after(seconds: float) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            target.say(side.connection, seconds)
            yield from Stopwatch(side).must_send_after(2, ACK, since_ns=target.time_ns)

        return body

    for seconds, conforms in ((4.0, True), (1.0, False)):
        target = ScriptedTarget()
        (case,) = _run(target, comes_after(seconds), time_scale=2)
        assert (case.error is None) is conforms


@pytest.mark.parametrize("interval", ROUND_FIGURES[2:])
def test_a_coarse_timer_has_one_name(interval: float) -> None:
    span = [interval + part / 50 * (interval * COARSENESS + SLACK_S * min(1, interval)) for part in range(51)]
    assert {rounded(seconds) for seconds in span} == {f"about {interval:g} s"}
