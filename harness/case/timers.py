"""Timer cases: generators that yield their waits, all started together by one scheduler in one process.

The wall time of all of them is the longest single wait and a little, not the sum. Intervals are judged by capture
times, never by the time of reading.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.case.conversation import Received
from harness.case.expect import Expected, Number
from harness.case.rig import Rig
from harness.case.runner import CaseRun
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Level, Violation
from harness.spec.segment import Segment
from harness.trace.events import Kind, Mark

#: Kernel timer wheels are coarse: an interval T is judged in [T, T + T/8], plus two jiffies of 10 ms.
COARSENESS = 1 / 8
SLACK_S = 0.02
#: A timer rounded to jiffies may fire a little early as seen by capture times.
EARLY_S = 0.005


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a case sleeps (on the target's clock); with `for_segment` a segment wakes it before."""

    until_ns: int
    for_segment: bool = False


Waits = Generator[Wait, None, None]


class Stopwatch:
    """Times what a target does by itself, in a timer case. `time_scale` stretches every upper bound."""

    def __init__(self, target: TargetSide) -> None:
        self._target = target
        self._rig = target.conversation.rig

    def sleep(self, seconds: float) -> Waits:
        """Let time pass; what is sent meanwhile stays in the inbox."""
        self._note(f"{seconds:g} s pass")
        yield Wait(self._now() + int(seconds * 1e9))
        self._observe()

    def must_stay_silent(self, seconds: float) -> Waits:
        """Demand that nothing is sent for so long."""
        __tracebackhide__ = True
        yield from self.sleep(seconds)
        self._target.conversation.demand_quiet()

    def must_send_after(
        self,
        seconds: float,
        flags: int,
        *,
        seq: Number = None,
        ack: Number = None,
        data: bytes | None = b"",
        since_ns: int | None = None,
        level: Level = Level.MUST,
        cites: tuple[str, ...] = (),
    ) -> Generator[Wait, None, Segment]:
        """Demand this segment `seconds` after `since_ns` (the target's last segment): in [T, T + T/8]."""
        __tracebackhide__ = True
        expected = Expected(flags, seq, ack, data, cites=cites)
        return (yield from self.must_send_between(seconds, self._latest(seconds), expected, since_ns, level))

    def must_send_between(
        self,
        earliest: float,
        latest: float,
        expected: Expected,
        since_ns: int | None = None,
        level: Level = Level.MUST,
    ) -> Generator[Wait, None, Segment]:
        """Demand this segment between two times (seconds) after `since_ns` (the target's last segment)."""
        __tracebackhide__ = True
        connection = self._target.connection
        origin = self.last_sent_ns() if since_ns is None else since_ns
        if not connection.inbox:
            yield Wait(origin + int(latest * 1e9), for_segment=True)
        self._observe()
        received = self._target.conversation.judge_next(connection, (expected,), level)
        if received is None:
            return Segment(0)
        self._judge_interval((received.event.time_ns - origin) / 1e9, earliest, latest, received, expected, level)
        return received.segment

    def last_sent_ns(self) -> int:
        """Return the capture time of the target's last segment, or of the last event if there is none."""
        received = self._target.connection.received
        consumed = [item for item in received if item not in self._target.connection.inbox]
        return consumed[-1].event.time_ns if consumed else self._now()

    def now_ns(self) -> int:
        """Return the target's time."""
        return self._now()

    def _latest(self, seconds: float) -> float:
        return (seconds * (1 + COARSENESS) + SLACK_S) * self._rig.time_scale

    def _judge_interval(
        self, seconds: float, earliest: float, latest: float, received: Received, expected: Expected, level: Level
    ) -> None:
        __tracebackhide__ = True
        if earliest - EARLY_S <= seconds <= latest:
            return
        received.event.mark = Mark.UNEXPECTED if seconds < earliest else Mark.LATE
        code = Code.EARLY if seconds < earliest else Code.LATE
        due = f"{expected.notation()} between {earliest:g} s and {latest:g} s"
        seen = f"{received.segment.notation()} after {_about(seconds)}"
        connection = self._target.connection
        self._target.conversation.fail(code, due, seen, connection=connection, level=level, cites=expected.cites)

    def _observe(self) -> None:
        conversation = self._target.conversation
        conversation.step()

    def _note(self, text: str) -> None:
        self._target.conversation.begin_step()
        self._target.conversation.note(Kind.WAIT, text, self._target.connection)

    def _now(self) -> int:
        return self._rig.target.clock.now_ns()


def _about(seconds: float) -> str:
    """Return an interval coarsely enough for a signature that a deviation can pin: to 2 % of it, at least 0.1 s."""
    step = max(0.1, round(seconds * 0.02, 1))
    return f"about {round(seconds / step) * step:.1f} s"


@dataclass(slots=True)
class TimerCase:
    """One timer case: how to start its generator, and the exception it ended with, if any."""

    run: CaseRun
    body: Callable[[TargetSide, Any], Generator[Wait, None, Any]]
    prepared: bool = False
    error: BaseException | None = None


def run_together(rig: Rig, cases: Sequence[TimerCase]) -> None:
    """Run all cases at once; each `TimerCase.error` tells how it ended."""
    sleeping: list[tuple[TimerCase, Generator[Wait, None, Any], Wait]] = []
    for case in cases:
        generator = _start(case)
        if generator is not None:
            _advance(case, generator, sleeping)
    while sleeping:
        now = rig.target.clock.now_ns()
        due = [entry for entry in sleeping if _is_due(entry[0], entry[2], now)]
        if not due:
            earliest = min(wait.until_ns for _case, _generator, wait in sleeping)
            rig.target.clock.wait((earliest - now) / 1e9)
            rig.collect(cases[0].run.conversation)
            continue
        for entry in due:
            sleeping.remove(entry)
            _advance(entry[0], entry[1], sleeping)


def _start(case: TimerCase) -> Generator[Wait, None, Any] | None:
    try:
        case.run.prepare()
    except Exception as error:
        case.error = error
        return None
    case.prepared = True
    return case.body(case.run.target, case.run.peer)


def _advance(
    case: TimerCase,
    generator: Generator[Wait, None, Any],
    sleeping: list[tuple[TimerCase, Generator[Wait, None, Any], Wait]],
) -> None:
    try:
        sleeping.append((case, generator, next(generator)))
    except StopIteration:
        try:
            case.run.conversation.finish()
        except Violation as violation:
            case.error = violation
    except Exception as error:
        case.error = error


def _is_due(case: TimerCase, wait: Wait, now_ns: int) -> bool:
    awake = wait.for_segment and any(connection.inbox for connection in case.run.conversation.connections)
    return awake or now_ns >= wait.until_ns
