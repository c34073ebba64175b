"""Runs timer cases: all started together by one scheduler in one process, which resumes each when its time comes.

The wall time of all of them is the longest single wait and a little, not the sum. They share one target. Where that
comes to its end, what was under way is begun anew, apart where time costs nothing and by halves where it does, so that
who brings it down has that verdict, and the others have theirs. Who came so late to what had happened that a timer may
have spoken again meanwhile is begun anew too, with fewer others, before that counts as found.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.case.other_course import OtherCourse
from harness.case.rig import LATE_SWEEP_S, Rig
from harness.case.runner import CaseRun, gone_in, take_evidence
from harness.case.target_side import TargetSide
from harness.case.timers import Wait
from harness.case.violation import Code, Inconclusive, Unjudgeable
from harness.targets.protocol import TRIED_TWICE, Capability, TargetError, TargetGone, TargetStorms
from harness.trace.events import Kind

#: How far the machine's clock may be set while timers are being measured.
CLOCK_STEP_S = 0.05
#: Half of the shortest retransmission time-out in use: who has looked later may have seen a repetition too many.
LATE_S = 0.1
#: By so many at a time is tried again what came late.
FEWER = (8, 1)
#: About the target's end: coming late makes no difference. To an interval it does, though capture times are what is
#: judged: what we send too late may begin it anew (a probe's answer), and what we note too late begins it too late.
TIMELESS = frozenset({Code.DIED, Code.HUNG, Code.STORM, Code.WARNED})


@dataclass(slots=True, eq=False)
class TimerCase:
    """One timer case: how to start its generator, and the exception it ended with, if any."""

    run: CaseRun
    body: Callable[[TargetSide, Any], Generator[Wait, None, Any]]
    prepared: bool = False
    error: BaseException | None = None
    ended: bool = False
    #: Whether the target has not answered it once already.
    hung: bool = False
    #: The longest that it took from when its time had come, or its segment, to the end of the step.
    late_s: float = 0.0

    def restart(self) -> None:
        """Make it as if it had not begun."""
        self.run.restart()
        self.prepared, self.ended, self.error, self.late_s = False, False, None, 0.0

    @property
    def was_answered(self) -> bool:
        """Whether the target has sent anything in it, as on a connection that it may still have."""
        return any(connection.received for connection in self.run.conversation.connections)

    @property
    def is_doubtful(self) -> bool:
        """Whether it has found something that coming late may explain, and nothing declared does.

        A state that is not reached is such a thing too.
        """
        if self.late_s < LATE_S or gone_in(self.error) is not None:
            return False
        if isinstance(self.error, Inconclusive):
            return True
        conversation = self.run.conversation
        known = conversation.declared()
        return any(
            finding.code not in TIMELESS
            and not any(deviation.explains(finding.signature, finding.state) for deviation in known)
            for finding in conversation.findings
        )


@dataclass(slots=True, eq=False)
class _Sleeper:
    case: TimerCase
    generator: Generator[Wait, None, Any]
    wait: Wait
    #: When it fell asleep: what it then waits for may be over already.
    since_ns: int

    @property
    def due_ns(self) -> int:
        """Since when it is due: its time, or its segment's."""
        inbox = self.wait.connection.inbox if self.wait.connection is not None else []
        return max(self.since_ns, min([self.wait.until_ns, *(received.event.time_ns for received in inbox)]))


def run_together(rig: Rig, cases: Sequence[TimerCase]) -> None:
    """Run all cases at once; each `TimerCase.error` tells how it ended.

    What goes wrong in a case ends that case only. None of those that were under way when the target came to its end
    counts as done.
    """
    offset_ns = _clock_offset_ns(rig)
    try:
        _settle(rig, cases)
        _look_again(rig, cases)
    except Exception as error:
        for case in cases:
            if not case.ended:
                case.error, case.ended = error, True
    moved_s = (_clock_offset_ns(rig) - offset_ns) / 1e9
    if abs(moved_s) > CLOCK_STEP_S:
        for case in cases:
            case.error = Unjudgeable(f"the machine's clock was set by {moved_s:+.3f} s while timers were measured")


def _look_again(rig: Rig, cases: Sequence[TimerCase]) -> None:
    """Try again, in smaller groups, what was found too late to count; where it stays so there is no verdict."""
    if Capability.VIRTUAL_TIME in rig.target.capabilities:
        return
    for size in FEWER:
        doubtful = [case for case in cases if case.is_doubtful]
        for at in range(0, len(doubtful), size):
            group = doubtful[at : at + size]
            for case in group:
                case.restart()
            _settle(rig, group)
    for case in cases:
        if case.is_doubtful:
            found = next((each.signature for each in case.run.conversation.findings), str(case.error))
            case.error = Unjudgeable(f"a step was {case.late_s:.2f} s late, so that a timer may explain {found!r}")


def _settle(rig: Rig, cases: Sequence[TimerCase]) -> None:
    """Run a group, and where it brings the target down the parts of it, until every case has ended."""
    schedule = _Schedule(rig, cases)
    end = schedule.run()
    if end is None:
        return
    suspect, hung = schedule.last, isinstance(gone_in(end), TRIED_TWICE)
    if isinstance(gone_in(end), TargetStorms):
        rig.calm()
    else:
        rig.target.forget_connections()
    left = [case for case in cases if not case.ended]
    if len(cases) == 1 and (cases[0].hung or not hung):
        cases[0].error, cases[0].ended = end, True
        return
    for case in left:
        case.hung = case.hung or (hung and case is suspect)
        case.restart()
    for part in _parts(left, suspect, free=Capability.VIRTUAL_TIME in rig.target.capabilities):
        _settle(rig, part)
    if suspect is not None and not hung and not any(gone_in(case.error) for case in cases):
        # Nobody brings it down alone, but it did go down: that is not to be lost.
        note = f"beside {len(cases) - 1} other cases, and not alone"
        suspect.run.conversation.note(Kind.NOTE, note)
        suspect.error = end


def _parts(cases: Sequence[TimerCase], suspect: TimerCase | None, *, free: bool) -> Iterator[Sequence[TimerCase]]:
    """Yield the groups in which cases are tried again: the suspect alone, and the rest apart where time is free."""
    if suspect in cases:
        assert suspect is not None
        yield [suspect]
    rest = [case for case in cases if case is not suspect]
    if free:
        yield from ([case] for case in rest)
        return
    middle = (len(rest) + 1) // 2
    yield from (part for part in (rest[:middle], rest[middle:]) if part)


class _Schedule:
    """Resumes each case when its time or its segment comes; starts the others meanwhile."""

    def __init__(self, rig: Rig, cases: Sequence[TimerCase]) -> None:
        self._rig = rig
        self._fresh = deque(cases)
        #: How many have had connections since the target has forgotten those before, and how many may.
        self._begun, self._room = 0, rig.target.facts.at_once or len(cases)
        self._sleepers: list[_Sleeper] = []
        #: A segment on nobody's 4-tuple is taken to be the doing of the case that was resumed last.
        self.last = cases[0] if cases else None

    def run(self) -> Exception | None:
        """Return when every case has ended, or what was raised when the target came to its end."""
        clock = self._rig.target.clock
        try:
            while self._fresh or self._sleepers:
                now_ns = clock.now_ns()
                due = [(sleeper, sleeper.due_ns) for sleeper in self._sleepers if sleeper.due_ns <= now_ns]
                if due:
                    self._sleepers = [sleeper for sleeper in self._sleepers if sleeper.due_ns > now_ns]
                    for sleeper, due_ns in due:
                        self._resume(sleeper.case, sleeper.generator, due_ns)
                elif self._fresh and self._begun < self._room:
                    case = self._fresh.popleft()
                    self._start(case)
                    self._begun += not case.ended or case.was_answered
                elif not self._sleepers:
                    self._rig.target.forget_connections()
                    self._begun = 0
                else:
                    earliest_ns = min(sleeper.wait.until_ns for sleeper in self._sleepers)
                    clock.wait((earliest_ns - now_ns) / 1e9)
                if self.last is not None:
                    self._rig.collect(self.last.run.conversation)
        except (Unjudgeable, TargetGone) as error:
            if gone_in(error) is None:
                raise
            return error
        return None

    def _start(self, case: TimerCase) -> None:
        self.last, begun_ns = case, self._rig.target.clock.now_ns()
        try:
            case.run.alone = False
            case.run.conversation.shares_time = True
            case.run.prepare()
            case.prepared = True
            if case.run.conversation.other_course:
                self._end(case, None)
                return
            generator = case.body(case.run.target, case.run.peer)
            if not isinstance(generator, Generator):
                raise TypeError("a timer case is a generator: it yields its waits")
        except Exception as error:
            self._end(case, error)
        else:
            self._resume(case, generator, begun_ns)

    def _resume(self, case: TimerCase, generator: Generator[Wait, None, Any], due_ns: int) -> None:
        self.last = case
        try:
            try:
                wait = next(generator)
            finally:
                case.late_s = max(case.late_s, (self._rig.target.clock.now_ns() - due_ns) / 1e9)
            if not isinstance(wait, Wait):
                generator.close()
                raise TypeError(f"a timer case yields waits, not {wait!r}: `yield from` the methods of its Stopwatch")
            self._sleepers.append(_Sleeper(case, generator, wait, self._rig.target.clock.now_ns()))
        except StopIteration:
            try:
                case.run.conversation.finish()
            except OtherCourse:
                self._end(case, None)
            except Exception as error:
                self._end(case, error)
            else:
                self._end(case, None)
        except OtherCourse:
            self._end(case, None)
        except Exception as error:
            self._end(case, error)

    def _end(self, case: TimerCase, error: Exception | None) -> None:
        """Note how the case ended. Its connections live on until the sweep, but they are no longer its business.

        After a good end it still answers for what a late sweep would find. An error that is about the target, which is
        there for all, is raised on.
        """
        if error is not None and gone_in(error) is not None:
            raise error
        case.error, case.ended = error, True
        conversation = case.run.conversation
        if error is not None or conversation.findings:
            # Now, not when the group is done: in minutes the state will be another.
            with contextlib.suppress(TargetError):
                conversation.evidence = take_evidence(conversation)
        if conversation.deaf_after_ns is None:  # a script has said itself until when it answers
            still_s = LATE_SWEEP_S if error is None else 0
            conversation.deaf_after_ns = self._rig.target.clock.now_ns() + int(still_s * 1e9)


def _clock_offset_ns(rig: Rig) -> int:
    """Return how far the target's clock is from one that nobody sets; constant in virtual time."""
    if Capability.VIRTUAL_TIME in rig.target.capabilities:
        return 0
    return rig.target.clock.now_ns() - time.monotonic_ns()
