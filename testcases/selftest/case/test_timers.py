"""The scheduler of timer cases and its stopwatch, on a target that speaks by a script in virtual time."""

import time

import pytest

from harness.case.connection import Connection
from harness.case.peer_side import PeerSide
from harness.case.target_side import TargetSide
from harness.case.timers import COARSENESS, ROUND_FIGURES, SLACK_S, Stopwatch, rounded
from harness.case.violation import Code, Violation
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.segment import ACK, RST, SYN
from harness.spec.states import State
from harness.targets.protocol import TargetError
from testcases.selftest.scripted_target import Body, CaseBody, ScriptedTarget, findings, run

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
    cases = run(target, *(sleeps(number) for number in range(300, 0, -1)))
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

    cases = run(target, listens("late", 30), listens("early", 2), listens("middle", 7))
    assert [case.error for case in cases] == [None, None, None]
    assert woken == [("early", 2), ("middle", 7), ("late", 30)]


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

    run(target, *(begins(number) for number in range(50)))
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

    cases = run(ScriptedTarget(), breaks, breaks_at_once, is_no_generator, yields_a_number, is_refuted, is_well)
    kinds = [type(case.error) for case in cases]
    assert kinds == [ZeroDivisionError, ZeroDivisionError, TypeError, TypeError, Violation, type(None)]


def test_a_dead_target_leaves_no_case_that_counts_as_done() -> None:
    target = ScriptedTarget()
    target.breaks_ns = target.time_ns + 10_000_000_000

    def sleeps(seconds: float) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            yield from Stopwatch(side).sleep(seconds)

        return body

    short, long, longer = run(target, sleeps(5), sleeps(20), sleeps(30))
    assert short.error is None
    assert isinstance(long.error, TargetError)
    assert isinstance(longer.error, TargetError)


def test_what_comes_long_after_its_end_is_not_the_business_of_a_case() -> None:
    target = ScriptedTarget()

    def ends_early(side: TargetSide, _peer: PeerSide) -> Body:
        target.say(side.connection, 1.2, seq=1)
        target.say(side.connection, 5, seq=2)
        yield from Stopwatch(side).must_stay_silent(1)

    def goes_on(side: TargetSide, _peer: PeerSide) -> Body:
        yield from Stopwatch(side).must_stay_silent(10)

    early, late = run(target, ends_early, goes_on)
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

    (case,) = run(target, body)
    assert findings(case) == ([signature] if signature else [])


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

    (case,) = run(target, body)
    assert case.error is None


def test_silence_is_broken_by_what_was_captured_in_it() -> None:
    target = ScriptedTarget(overslept_s=0.4)

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        target.say(side.connection, 0.9)
        yield from Stopwatch(side).must_stay_silent(1)

    (case,) = run(target, body)
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

    (case,) = run(target, body)
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

    (case,) = run(target, body)
    assert [finding.code for finding in case.run.conversation.findings] == ([code] if code else [])


def test_what_a_timer_sends_between_the_looks_at_the_wire_and_at_the_state_is_seen_behind_that_state() -> None:
    class Racing(ScriptedTarget):
        """Its reset is on the wire just when the state has been read."""

        resets: Connection | None = None

        def snapshot(self, tuple4: FourTuple) -> Snapshot:
            found = super().snapshot(tuple4)
            if found.state is State.CLOSED and self.resets is not None:
                self.say(self.resets, 0, RST | ACK)
                self.resets = None
            return found

    target, seen = Racing(), []

    def body(side: TargetSide, _peer: PeerSide) -> Body:
        target.resets = side.connection
        target.closes_ns[side.connection.tuple4] = target.time_ns + 2_100_000_000
        yield from Stopwatch(side).must_become(State.CLOSED, 2, 3)
        seen.append(side.may_send(RST | ACK))

    (case,) = run(target, body)
    assert findings(case) == []
    assert seen == [True]


def test_time_scale_stretches_upper_bounds_only() -> None:
    def comes_after(seconds: float) -> CaseBody:
        def body(side: TargetSide, _peer: PeerSide) -> Body:
            target.say(side.connection, seconds)
            yield from Stopwatch(side).must_send_after(2, ACK, since_ns=target.time_ns)

        return body

    for seconds, conforms in ((4.0, True), (1.0, False)):
        target = ScriptedTarget()
        (case,) = run(target, comes_after(seconds), time_scale=2)
        assert (case.error is None) is conforms


@pytest.mark.parametrize("interval", ROUND_FIGURES[2:])
def test_a_coarse_timer_has_one_name(interval: float) -> None:
    span = [interval + part / 50 * (interval * COARSENESS + SLACK_S * min(1, interval)) for part in range(51)]
    assert {rounded(seconds) for seconds in span} == {f"about {interval:g} s"}
