"""One run of one case: its connections, its events, and the rule that every segment must be explained.

A *step* is a stimulus (a segment, a call, time) together with everything the target does because of it. The target
is asked for silence behind each stimulus, so when a step returns the inbox is complete: what a case doesn't name before
its next step is an `extra` segment.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from harness.case import acknowledging, aside, other_course, throttling
from harness.case.bench import Bench
from harness.case.connection import Connection
from harness.case.expect import Expected, Silence
from harness.case.other_course import OtherCourse
from harness.case.received import Received, repeats
from harness.case.retelling import Made
from harness.case.violation import Code, Finding, Inconclusive, Level, Replay, Violation
from harness.expectations.deviations import Deviation
from harness.observe.snapshot import FourTuple
from harness.spec import options
from harness.spec.segment import RST, SYN, Segment
from harness.spec.states import State
from harness.targets.protocol import Capability, TargetStorms
from harness.trace.events import Event, Kind, Mark
from harness.wire import codec

_T = TypeVar("_T")
_HERE = str(Path(__file__).parent)
#: The name of all steps of a walk.
SET_UP = "set-up"
#: How often a case is run again because a timer of the target has disturbed it.
MAX_REPLAYS = 3
#: AE, the first of the bits that were reserved (RFC 9768 §3.1).
ACCURATE_ECN = 0b0001
#: How long a patient rig waits for an answer that is due: less than any time-out of a target.
LATE_ANSWER_S = 0.1


class Conversation:
    """One run of one case against one target. `cites` is what the case as a whole cites."""

    def __init__(self, rig: Bench, version: int, *, name: str = "", cites: tuple[str, ...] = ()) -> None:
        self.rig = rig
        self.version = version
        self.name = name
        self.cites = cites
        #: Whether the target may count ECN accurately, which takes one of the bits that were reserved (RFC 9768).
        self.counts_ecn = False
        self.replays = 0
        #: Whether the rules are asked before a MUST counts as broken: for cases that demand one course of events.
        self.asks_rules = False
        #: The deviations that are declared for the case: about those nobody needs to be asked.
        self.declared: Callable[[], Sequence[Deviation]] = tuple
        #: Whether something was set that the judge knows nothing of.
        self.set_apart = False
        #: Whether time passes for other cases too when it does for this one.
        self.shares_time = False
        self.restart()

    def restart(self) -> None:
        """Forget what happened and begin anew on fresh ports."""
        self.events: list[Event] = []
        self.findings: list[Finding] = []
        self.connections: list[Connection] = []
        #: Those that each step looks at.
        self.observed: list[Connection] = []
        #: How many events there were behind each step, and the calls: what the judge of whole conversations is told.
        self.steps: list[int] = []
        self.calls: list[Made] = []
        #: What was demanded and did not come where the rules allow what came, which ended the case.
        self.other_course = ""
        #: 4-tuples other than the connections' own that the peer sent to: answers on them are no strays.
        self.provoked: set[FourTuple] = set()
        self.unobserved = 0
        self.walking = False
        self.finished = False
        #: How many events belong to the case itself; what comes later waits for the sweep.
        self.told = 0
        #: What is captured later than this is not this conversation's business any more.
        self.deaf_after_ns: int | None = None
        #: The target's own text about the connections, where it was taken before the case was judged.
        self.evidence: list[str] | None = None
        self.step_name = ""
        self.start_ns = self.rig.target.clock.now_ns()
        self.main = self.connect_peer()

    # --- connections -------------------------------------------------------------------------------------------------

    def connect_peer(
        self,
        *,
        port: int | None = None,
        peer_port: int | None = None,
        target_address: str | None = None,
        peer_address: str | None = None,
        iss: int | None = None,
    ) -> Connection:
        """Return a new connection of this conversation: fresh ports unless they are given."""
        addresses = self.rig.target.addresses(self.version)
        fresh_port, fresh_peer_port = self.rig.fresh_ports()
        tuple4 = FourTuple(
            target_address or addresses.target[0],
            fresh_port if port is None else port,
            peer_address or addresses.peer[0],
            fresh_peer_port if peer_port is None else peer_port,
        )
        connection = Connection(self, len(self.connections), tuple4, self.rig.peer_iss(self) if iss is None else iss)
        self.add(connection)
        return connection

    def add(self, connection: Connection) -> None:
        """Take in a connection: what the target sends on it is its own, and each step looks at it."""
        self.connections.append(connection)
        self.observed.append(connection)
        self.rig.register(connection)

    @property
    def step_name(self) -> str:
        """The name of the step that is under way; a new name begins a new step."""
        return self._step_name

    @step_name.setter
    def step_name(self, name: str) -> None:
        self._step_name = name
        for connection in self.observed:
            connection.begin_step()

    # --- steps -------------------------------------------------------------------------------------------------------

    def step(self, packets: Iterable[bytes] = (), destination_mac: bytes | None = None) -> None:
        """Inject `packets` (none: after a call), then take in everything the target did because of it."""
        __tracebackhide__ = True
        self.rig.exchange(self, packets, destination_mac)
        for connection in self.observed:
            self.observe(connection)
            if self.rig.patient:
                self._set_timer_repeats_aside(connection)
        self.steps.append(len(self.events))
        self._check_headers()

    def begin_step(self) -> None:
        """Demand that everything so far is explained, and remember which source line comes next."""
        __tracebackhide__ = True
        self.step_name = SET_UP if self.walking else _caller()
        self.demand_quiet()

    def finish(self) -> None:
        """End the case: nothing may be left unexplained."""
        __tracebackhide__ = True
        self.demand_quiet()
        self.finished = True
        self.told = len(self.events)

    def observe(self, connection: Connection) -> None:
        """Take a snapshot of the target's state; an event where it changed."""
        last, seen = connection.snapshot, self.rig.snapshot(connection.tuple4)
        if last is not None and seen is not None and (seen.state, seen.listening) == (last.state, last.listening):
            connection.snapshot = seen
            return
        before = connection.state
        connection.snapshot = seen
        if connection.state != before:
            event = self.note(Kind.STATE, connection.state, connection)
            event.snapshot = connection.snapshot.as_dict() if connection.snapshot is not None else {}

    def note(self, kind: Kind, text: str, connection: Connection | None = None, packet: bytes = b"") -> Event:
        """Append an event at the target's present time."""
        event = Event(
            self.rig.target.clock.now_ns(),
            kind,
            text,
            packet=packet,
            connection=connection.index if connection else 0,
            peer_state=connection.peer.state if connection else "",
            step=self.step_name,
        )
        self.events.append(event)
        return event

    def take(self, connection: Connection, packet: codec.Packet, time_ns: int, *, stray: bool = False) -> None:
        """Put a segment of the target into the inbox of its connection; raises TargetStorms where there is no end."""
        if self.deaf_after_ns is not None and time_ns > self.deaf_after_ns:
            return
        received = connection.take(packet, time_ns, stray)
        received.event.step = self.step_name
        self.events.append(received.event)
        connection.inbox.append(received)
        if not packet.checksums_ok:
            received.event.annotations.append("(bad checksum)")
        if storm := connection.storm():
            self._forget_most(connection.drop_most())
            raise TargetStorms(storm)

    def _forget_most(self, dropped: list[Received]) -> None:
        """Leave the greater part of a storm out of the ladder, which somebody is to read."""
        gone = {id(received.event) for received in dropped}
        self.events = [event for event in self.events if id(event) not in gone]
        self.note(Kind.NOTE, f"and {len(dropped)} more, without end")

    # --- judgement ---------------------------------------------------------------------------------------------------

    def demand_quiet(self) -> None:
        """Fail if any connection holds a segment that nothing explained."""
        __tracebackhide__ = True
        for connection in self.connections:
            while connection.inbox:
                received = connection.inbox.popleft()
                if aside.take(received, self.rig.aside) or self._is_spare(connection, received):
                    continue
                received.event.mark = Mark.UNEXPECTED
                self.fail(Code.EXTRA, "nothing", _seen(Code.EXTRA, received), connection=connection)

    def judge_next(
        self, connection: Connection, answers: tuple[Expected | Silence, ...], level: Level
    ) -> Received | None:
        """Take the next segment of the inbox and hold it against the allowed answers; return it if one fits."""
        __tracebackhide__ = True
        due = " or ".join(answer.notation() for answer in answers)
        cites = tuple(cite for answer in answers for cite in answer.cites)
        silence_allowed = any(isinstance(answer, Silence) for answer in answers)
        segments = [answer for answer in answers if isinstance(answer, Expected)]
        if not connection.inbox and not silence_allowed:
            self._await_answer(connection, segments, level)
        if not connection.inbox:
            if not silence_allowed:
                if repeated := self.throttled(connection, segments, challenges_only=True):
                    self.note(Kind.NOTE, "the target sends a challenge once in a while only")
                    self.unobserved += 1
                    return repeated
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
        self.fail(code, due, _seen(code, received), connection=connection, level=level, cites=cites)
        return None

    def throttled(
        self, connection: Connection, answers: Iterable[Expected], *, challenges_only: bool = False
    ) -> Received | None:
        """Return the ACK that one of the answers would have repeated so soon that the target may hold it back."""
        facts = self.rig.target.facts
        interval_ns, every = facts.throttle_s * 1e9, facts.throttles_all
        if not interval_ns:
            return None
        told = [event for event in self.events if event.connection == connection.index]
        asked, spent = throttling.last_asked(told), throttling.last_spent(told, of_text=every)
        since_ns = self.rig.target.clock.now_ns() - interval_ns
        if asked is None or (asked.payload and not every) or spent is None or spent.time_ns < since_ns:
            return None
        if challenges_only and not every and not throttling.is_challenged(asked):
            return None
        received = next(each for each in connection.received if each.event is spent)
        fits = any(answer.mismatch(received.segment, received.wire) is None for answer in answers)
        return received if fits else None

    def let_throttle_pass(self, connection: Connection) -> None:
        """Where time costs nothing, wait until the target may answer once more what it answers once in a while only."""
        target, clock = self.rig.target, self.rig.target.clock
        if not self.asks_rules or self.shares_time or not target.facts.throttle_s:
            return
        spent = throttling.last_spent([event for event in self.events if event.connection == connection.index])
        if spent is None or Capability.VIRTUAL_TIME not in target.capabilities:
            return
        free_ns = spent.time_ns + round(target.facts.throttle_s * 1e9)
        if clock.now_ns() < free_ns:
            self.note(Kind.WAIT, "the target may hold its answer back so soon")
            while (left_ns := free_ns - clock.now_ns()) > 0:
                clock.wait(left_ns / 1e9)
                self.step()
                for each in self.connections:
                    self._set_timer_repeats_aside(each)

    def await_late_answer(self, connection: Connection, seconds: float = LATE_ANSWER_S) -> None:
        """Wait for a segment of this connection; what else arrives ends no wait."""
        __tracebackhide__ = True
        clock = self.rig.target.clock
        deadline_ns = clock.now_ns() + int(max(seconds, self.rig.target.facts.answer_s) * 1e9)
        while not connection.inbox and (left_ns := deadline_ns - clock.now_ns()) > 0:
            clock.wait(left_ns / 1e9)
            self.step()

    def _await_answer(self, connection: Connection, answers: Iterable[Expected], level: Level) -> None:
        """Wait for an answer that is late on a slow rig, or an acknowledgment that may be delayed (MUST-40)."""
        __tracebackhide__ = True
        if self.rig.patient:
            self.await_late_answer(connection)
        if not self.asks_rules or self.shares_time or level is not Level.MUST or connection.inbox:
            return
        if Capability.VIRTUAL_TIME in self.rig.target.capabilities and acknowledging.may_wait(self.events, answers):
            self.await_late_answer(connection, acknowledging.DELAY_S)

    def _is_spare(self, connection: Connection, received: Received) -> bool:
        """Tell whether the rules have room for this acknowledgment besides what is due; one told twice is noted."""
        if not self.asks_rules or not acknowledging.is_bare(received.segment):
            return False
        twice = acknowledging.is_told_twice(self.events, received)
        if twice:
            due, seen = "one acknowledgment for each segment", received.segment.notation()
            self.note_should(Code.EXTRA, due, seen, connection, ("RFC 5681 §4.2",))
        elif not acknowledging.updates_window(self.events, received) and other_course.asked(self) is None:
            return False
        received.event.annotations.append("(allowed)")
        return True

    def _carries(self, received: Received, answers: Iterable[Expected]) -> bool:
        """Tell whether a segment that is sent again carries the acknowledgment that is due (MUST-58)."""
        if not self.asks_rules or not any(acknowledging.carries(received.segment, answer) for answer in answers):
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
        snapshot = connection.snapshot
        if snapshot is None:
            self.unobserved += 1
            return
        listening = snapshot.listening and State.LISTEN in states
        if not listening and snapshot.state not in states:
            if self._lasts_too_long():
                self.note(Kind.NOTE, "a timer of the target has spoken: this state is not judged", connection)
                self.unobserved += 1
                self._set_timer_repeats_aside(connection)
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
    ) -> None:
        """Record a finding; at level MUST it ends the case (Violation), in a walk it makes it Inconclusive.

        Before, the rules are asked whether they allow what was seen, if the case does that at all; then it ends.

        Raises Replay instead if a timer of the target may explain what was seen.
        """
        __tracebackhide__ = True
        where = connection or self.main
        state, cites = where.state, cites or self.cites
        finding = Finding(code, level, expected, observed, state, cites, self.step_name, details or {})
        if self._timer_may_have_spoken():
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

    def is_timer_repeat(self, connection: Connection, received: Received) -> bool:
        """Tell whether a timer explains this segment: it repeats what was sent, and enough time lies in between.

        A timer that was armed in SYN-SENT, and may be short, goes on in SYN-RECEIVED: it repeats the SYN,ACK as well,
        and the time since the peer's first segment counts, which may have armed it.
        """
        before = list(itertools.takewhile(lambda earlier: earlier is not received, connection.received))
        syn_sent = bool(received.wire.flags & SYN) and any(earlier.wire.plain_flags == SYN for earlier in before)
        guard_ns = self.rig.target.guard_s(syn_sent=syn_sent) * 1e9
        armed_ns = self._first_sent_ns(connection) if syn_sent else received.event.time_ns
        ends = [earlier.wire.end for earlier in before]
        return any(
            repeats(received.wire, earlier.wire, ends)
            and received.event.time_ns - min(earlier.event.time_ns, armed_ns) >= guard_ns
            for earlier in before
        )

    def _first_sent_ns(self, connection: Connection) -> int:
        """Return when the peer first sent something to the connection; if it has not, the present time."""
        sent = (
            event.time_ns for event in self.events if (event.kind, event.connection) == (Kind.SENT, connection.index)
        )
        return next(sent, self.rig.target.clock.now_ns())

    def _set_timer_repeats_aside(self, connection: Connection) -> None:
        for received in [item for item in connection.inbox if self.is_timer_repeat(connection, item)]:
            connection.inbox.remove(received)
            received.event.annotations.append("(repeated by a timer)")

    def _timer_may_have_spoken(self) -> bool:
        if self.rig.guarded and self.rig.patient:  # a timer may have spoken between the last answer and the last look
            self.rig.collect(self)
        return self.rig.guarded and any(
            self.is_timer_repeat(connection, received)
            for connection in self.connections
            for received in connection.received
        )

    def _lasts_too_long(self) -> bool:
        """Tell whether a timer has disturbed the last replay too, on a target whose steps take their time."""
        last = self.rig.patient and self.replays >= MAX_REPLAYS
        return last and not self.walking and self._timer_may_have_spoken()

    def _check_headers(self) -> None:
        """What holds for every segment whatever the case is about: checksum (MUST-2), reserved bits, options."""
        __tracebackhide__ = True
        for connection in self.connections:
            for received in connection.inbox:
                problem = _header_problem(received, counts_ecn=self.counts_ecn)
                if problem:
                    received.event.mark = Mark.UNEXPECTED
                    cites = ("RFC 9293 §3.1",)
                    self.fail(Code.WRONG_HEADER, "a well-formed header", problem, connection=connection, cites=cites)


def _asks_for_accurate_ecn(segment: Segment) -> bool:
    """Tell whether this is an AccECN-setup SYN: AE (once reserved), CWR and ECE are set (RFC 9768 §3.1.1)."""
    return segment.reserved == ACCURATE_ECN and segment.asks_for_ecn


def _header_problem(received: Received, *, counts_ecn: bool = False) -> str:
    if "(bad checksum)" in received.event.annotations:
        return "a wrong checksum"
    if received.stray:
        return "addresses or ports of no connection"
    counted = counts_ecn and received.wire.reserved == ACCURATE_ECN
    if received.wire.reserved and not counted and not _asks_for_accurate_ecn(received.wire):
        return f"reserved bits {received.wire.reserved:04b}"
    if received.wire.options:
        try:
            options.parse(received.wire.options)
        except options.MalformedOptions as error:
            return str(error)
    return ""


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
