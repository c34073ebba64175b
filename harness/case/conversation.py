"""One run of one case: its connections, its events, and the rule that every segment must be explained.

A *step* is a stimulus (a segment, a call, time) together with everything the target does because of it. The target
is asked for silence behind each stimulus, so when a step returns the inbox is complete: what a case doesn't name before
its next step is an `extra` segment.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from harness.case import acknowledging, aside, headers, leaving, other_course, repeats, throttling
from harness.case.connection import Connection
from harness.case.course import Course
from harness.case.expect import Expected, Silence
from harness.case.other_course import OtherCourse
from harness.case.received import Received
from harness.case.violation import Code, Finding, Inconclusive, Level, Replay, Violation
from harness.spec.segment import RST, Segment
from harness.spec.states import State
from harness.targets.protocol import Capability
from harness.trace.events import Event, Kind, Mark
from harness.wire import codec
from harness.wire.link import OVERSLEPT_S, OVERSLEPT_TIMES

_T = TypeVar("_T")
_HERE = str(Path(__file__).parent)
#: The name of all steps of a walk.
SET_UP = "set-up"
#: Of more connections than this, a segment on one is no reason to look at all.
LOOKED_AT = 4
#: How long a patient rig waits for an answer that is due: less than any time-out of a target.
LATE_ANSWER_S = 0.1


class Conversation(Course):
    """The course of one run, judged step by step: every segment must be explained by the case, the rules or a timer."""

    def step(
        self,
        packets: Iterable[bytes] = (),
        destination_mac: bytes | None = None,
        *,
        about: Connection | None = None,
    ) -> None:
        """Inject `packets` (none: after a call), then take in everything the target did because of it.

        Of many connections those are looked at that the packets are `about` or that have said something, and the others
        when somebody asks, or at the end.
        """
        __tracebackhide__ = True
        told = len(self.events)
        self.rig.exchange(self, packets, destination_mac)
        many = about is not None and len(self.observed) > LOOKED_AT and not self.rig.patient
        for connection in self._concerned(about, told) if many else self.observed:
            self.observe(connection)
            if self.rig.patient:
                repeats.set_aside(self, connection)
        self.steps.append(len(self.events))
        self._check_headers()

    def _concerned(self, about: Connection | None, told: int) -> list[Connection]:
        """Return the connections that a step has to do with, and mark the others as overlooked."""
        spoke = {event.connection for event in self.events[told:] if event.kind is Kind.RECEIVED}
        concerned = []
        for connection in self.observed:
            if connection is about or connection.index in spoke:
                concerned.append(connection)
            else:
                connection.overlooked = True
        return concerned

    def look_again(self) -> None:
        """Look at the connections that were overlooked."""
        for connection in self.observed:
            if connection.overlooked:
                self.observe(connection)

    def begin_step(self) -> None:
        """Demand that everything so far is explained, and remember which source line comes next."""
        __tracebackhide__ = True
        self.step_name = SET_UP if self.walking else _caller()
        self.demand_quiet()

    def finish(self) -> None:
        """End the case: nothing may be left unexplained."""
        __tracebackhide__ = True
        self.demand_quiet()
        self.look_again()
        self.finished = True
        self.told = len(self.events)

    def demand_quiet(self) -> None:
        """Fail if any connection holds a segment that nothing explained."""
        __tracebackhide__ = True
        for connection in self.connections:
            while connection.inbox:
                received = connection.inbox.popleft()
                if aside.take(received, self.rig.aside) or self._is_spare(connection, received):
                    continue
                received.event.mark = Mark.UNEXPECTED
                self.fail(Code.EXTRA, "nothing", _seen(Code.EXTRA, received), connection=connection, received=received)

    def judge_next(
        self, connection: Connection, answers: tuple[Expected | Silence, ...], level: Level
    ) -> Received | None:
        """Take the next segment of the inbox and hold it against the allowed answers; return it if one fits."""
        __tracebackhide__ = True
        if connection.inbox:  # what comes as it is due, as nearly all does, needs no words
            first = connection.inbox[0]
            for answer in answers:
                if isinstance(answer, Expected) and answer.mismatch(first.segment, first.wire) is None:
                    return connection.inbox.popleft()
        due = " or ".join(answer.notation() for answer in answers)
        cites = tuple(cite for answer in answers for cite in answer.cites)
        silence_allowed = any(isinstance(answer, Silence) for answer in answers)
        segments = [answer for answer in answers if isinstance(answer, Expected)]
        if not connection.inbox and not silence_allowed:
            self._await_answer(connection, segments, level)
        if not connection.inbox:
            if not silence_allowed:
                if (held := throttling.held_back(self, connection, segments, challenges_only=True)) is not None:
                    self.note(Kind.NOTE, "the target sends a challenge once in a while only")
                    self.unobserved += 1
                    return held.repeats
                self.note(Kind.EXPECTED, due, connection)
                self.fail(Code.SILENT, due, "", connection=connection, level=level, cites=cites)
            return None
        received = connection.inbox.popleft()
        codes = [answer.mismatch(received.segment, received.wire) for answer in segments]
        if None in codes or self._carries(received, segments):
            return received
        if aside.take(received, self.rig.aside) or (connection.inbox and self._is_spare(connection, received)):
            return self.judge_next(connection, answers, level)
        received.event.mark = Mark.UNEXPECTED
        self.note(Kind.EXPECTED, due, connection)
        code = codes[0] if codes and codes[0] else Code.EXTRA
        if code is Code.WRONG_OPTIONS:
            check = segments[0].check
            problem = check(received.wire) if check else ""
            due = f"{due} with {problem}"
        seen = _seen(code, received)
        self.fail(code, due, seen, connection=connection, level=level, cites=cites, received=received)
        return None

    def let_throttle_pass(self, connection: Connection) -> None:
        """Where time costs nothing, wait until the target may answer once more what it answers once in a while only."""
        target, clock = self.rig.target, self.rig.target.clock
        if not self.asks_rules or self.shares_time or not target.facts.throttle_s:
            return
        spent = throttling.last_spent(self._events_of(connection))
        if spent is None or Capability.VIRTUAL_TIME not in target.capabilities:
            return
        free_ns = spent.time_ns + round(target.facts.throttle_s * 1e9)
        if clock.now_ns() < free_ns:
            self.note(Kind.WAIT, "the target may hold its answer back so soon")
            while (left_ns := free_ns - clock.now_ns()) > 0:
                clock.wait(left_ns / 1e9)
                self.step()
                for each in self.connections:
                    repeats.set_aside(self, each)

    def await_late_answer(self, connection: Connection, seconds: float = LATE_ANSWER_S) -> None:
        """Wait for a segment of this connection; what else arrives ends no wait, and what is overslept is none."""
        __tracebackhide__ = True
        clock, again = self.rig.target.clock, OVERSLEPT_TIMES
        deadline_ns = clock.now_ns() + int(max(seconds, self.rig.target.facts.answer_s) * 1e9)
        while not connection.inbox and (left_ns := deadline_ns - clock.now_ns()) > 0:
            clock.wait(left_ns / 1e9)
            if again and clock.now_ns() - deadline_ns > OVERSLEPT_S * 1e9:
                deadline_ns, again = clock.now_ns() + left_ns, again - 1
            self.step()

    def _await_answer(self, connection: Connection, answers: Iterable[Expected], level: Level) -> None:
        """Wait for an answer that is late on a slow rig, an acknowledgment that may be delayed (MUST-40), or text.

        What the application has sent may be collected for a moment (MUST-60). In timer cases too: those that share the
        target's time judge by capture times.
        """
        __tracebackhide__ = True
        if self.rig.patient:
            self.await_late_answer(connection)
        elif leaving.is_collected(self._events_of(connection), answers):
            self.await_collected(connection)
        if self.acks_by_rule and level is Level.MUST and acknowledging.may_wait(self.events, answers):
            self.await_delayed(connection)

    def await_collected(self, connection: Connection) -> None:
        """Where time costs nothing, wait for text that may be collected for a moment."""
        __tracebackhide__ = True
        if Capability.VIRTUAL_TIME in self.rig.target.capabilities:
            self.await_late_answer(connection, leaving.SEND_S)

    def _events_of(self, connection: Connection) -> list[Event]:
        return [event for event in self.events if event.connection == connection.index]

    def await_delayed(self, connection: Connection) -> None:
        """Where time costs nothing, wait for an acknowledgment that may be delayed."""
        __tracebackhide__ = True
        if Capability.VIRTUAL_TIME in self.rig.target.capabilities and not connection.inbox:
            self.await_late_answer(connection, acknowledging.DELAY_S)

    def _is_spare(self, connection: Connection, received: Received) -> bool:
        """Tell whether the rules have room for this acknowledgment besides what is due."""
        if not received.segment.is_bare_ack or not (self.asks_rules or self.walking):
            return False
        allowed = acknowledging.updates_window(self.events, received)
        if not allowed and (not self.asks_rules or other_course.asked(self) is None):
            return False
        received.event.annotations.append("(allowed)")
        return True

    def _carries(self, received: Received, answers: Iterable[Expected]) -> bool:
        """Tell whether a segment that is sent again carries the acknowledgment that is due (MUST-58)."""
        if not self.acks_by_rule or not any(acknowledging.carries(received.segment, answer) for answer in answers):
            return False
        if other_course.asked(self) is None:
            return False
        received.event.annotations.append("(allowed)")
        return True

    def inject_for(self, connection: Connection, segment: Segment) -> None:
        """Send a segment that no case asked for, in a step of its own."""
        connection.peer.sent(segment)
        packet = codec.encode(connection.path, connection.to_wire(replace(segment)))
        event = self.note(Kind.SENT, "", connection, packet)
        event.segment = segment
        self.step([packet])

    def judge_state(self, connection: Connection, states: tuple[State, ...], level: Level) -> None:
        """Hold the last snapshot against the allowed states; without a snapshot it counts as unobserved.

        So does another state in a case that lasts longer than a time-out, however often it is replayed: what timers do
        to a state, their own cases show.
        """
        __tracebackhide__ = True
        if connection.overlooked:
            self.observe(connection)
        snapshot = connection.snapshot
        if snapshot is None:
            self.unobserved += 1
            return
        listening = snapshot.listening and State.LISTEN in states
        if not listening and snapshot.state not in states:
            if repeats.lasts_too_long(self):
                self.note(Kind.NOTE, "a timer of the target has spoken: this state is not judged", connection)
                self.unobserved += 1
                repeats.set_aside(self, connection)
                return
            due = " or ".join(states)
            self.fail(Code.WRONG_STATE, f"state {due}", connection.state, connection=connection, level=level)

    def invoke(self, action: Callable[[], _T], refused: int, due: _T | None) -> _T:
        """Make an application's call; raises its OSError. A rehearsal does what is due instead."""
        return action()

    def fail(
        self,
        code: Code,
        expected: str,
        observed: str,
        *,
        connection: Connection | None = None,
        level: Level = Level.MUST,
        cites: tuple[str, ...] = (),
        details: dict[str, Any] | None = None,
        asks: bool = True,
        received: Received | None = None,
    ) -> None:
        """Record a finding; at level MUST it ends the case (Violation), in a walk it makes it Inconclusive.

        Before, the rules are asked whether they allow what was seen, if the case does that at all; then it ends.

        Raises Replay instead if a timer of the target may explain what was seen; `received` is the segment that was.
        """
        __tracebackhide__ = True
        self.look_again()
        where = connection or self.main
        state, cites = where.state, cites or self.cites
        finding = Finding(code, level, expected, observed, state, cites, self.step_name, details or {})
        if repeats.may_have_spoken(self, received):
            raise Replay(f"{expected}, but {observed or 'silence'}")
        if level is Level.MUST and self.asks_rules and asks and not self._is_declared(finding):
            self._ask(code, expected, observed, where)
        if self.walking:
            raise Inconclusive(f"{expected}, but {observed or 'nothing came'} (state {where.state or 'not visible'})")
        self.findings.append(finding)
        if level is Level.MUST:
            raise Violation(finding)

    def note_should(self, code: Code, due: str, seen: str, connection: Connection, cites: tuple[str, ...]) -> None:
        """Record once that a recommendation is not followed; no walk ends by it."""
        finding = Finding(code, Level.SHOULD, due, seen, connection.state, cites, self.step_name)
        if not any((known.code, known.expected) == (code, due) for known in self.findings):
            self.findings.append(finding)

    def _is_declared(self, finding: Finding) -> bool:
        return any(deviation.explains(finding.signature, finding.state) for deviation in self.declared())

    def _ask(self, code: Code, expected: str, observed: str, connection: Connection) -> None:
        """End the case where the rules allow what came instead of what its author expected."""
        __tracebackhide__ = True
        found = other_course.allowed(self, code, connection)
        if found is None:
            return
        for remark in found.remarks:
            self.note_should(Code(str(remark.code)), remark.due, remark.seen, connection, remark.cites)
        for event in self.events:
            event.mark = Mark.NONE
        self.other_course = f"{expected}, but {observed or 'nothing came'}"
        raise OtherCourse(self.other_course)

    def _check_headers(self) -> None:
        """What holds for every segment whatever the case is about: checksum (MUST-2), reserved bits, options."""
        __tracebackhide__ = True
        for connection in self.connections:
            for received in connection.inbox:
                problem = headers.problem_of(received, counts_ecn=self.counts_ecn)
                if problem:
                    received.event.mark = Mark.UNEXPECTED
                    cites = ("RFC 9293 §3.1",)
                    self.fail(Code.WRONG_HEADER, "a well-formed header", problem, connection=connection, cites=cites)


def _seen(code: Code, received: Received) -> str:
    segment = received.segment
    if segment.flags & RST and received.wire.seq == 0:
        # A reset in answer to a segment without ACK: its SEQ=0 counts from nowhere (RFC 9293 §3.5.2).
        segment = replace(segment, seq=0)
    if code in (Code.WRONG_DATA, Code.WRONG_WINDOW):
        return f"{segment.notation()} WND={segment.window} data={segment.payload[:32]!r}"
    return segment.notation()


def _caller() -> str:
    """Return file and line of the innermost frame that is not this package's."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"


@cache
def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])
