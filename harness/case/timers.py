"""Timer cases: generators that yield their waits, and the verbs that judge what a target does by itself.

Intervals are judged by capture times, never by the time of reading: a scheduler that is late reads later, and judges
the same. That is `timer_batch`.
"""

from collections.abc import Generator
from dataclasses import dataclass

from harness.case.connection import Connection
from harness.case.expect import Expected, Number
from harness.case.received import Received
from harness.case.target_side import TargetSide
from harness.case.violation import Code, Level
from harness.spec.segment import Segment
from harness.spec.states import State
from harness.targets.protocol import Capability
from harness.trace.events import Kind, Mark

#: Kernel timer wheels are coarse: an interval T is judged in [T, T + T/8] and a little for jiffies and a busy machine.
COARSENESS = 1 / 8
SLACK_S = 0.06
#: A timer rounded to jiffies may fire a little early as seen by capture times.
EARLY_S = 0.012
#: A state has no capture time. "Not yet" is looked at so long before; who comes too late to tell does not judge.
LOOK_BEFORE_S = 0.1
#: A timeout may have a maximum; it is no less than this (RFC 6298 §2.5), in seconds.
LEAST_MAXIMUM_S = 60.0
#: The first timeout of a connection is one second, or any greater value (§2.1), up to such a maximum.
LONGEST_FIRST_RTO_S = LEAST_MAXIMUM_S * (1 + COARSENESS)
#: What a finding may say about an interval, in seconds. A signature must be the same in every run, so an interval is
#: rounded down to one of these: all that a timer of T seconds may show, [T, T + T/8], has the same name.
ROUND_FIGURES = (0.02, 0.04, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 60, 90, 120, 180)


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a case sleeps, in nanoseconds on the target's clock.

    With `connection` a segment of it wakes the case before; `due_ns` is then when it is due, which only a rehearsal
    needs to know.
    """

    until_ns: int
    connection: Connection | None = None
    due_ns: int | None = None


Waits = Generator[Wait, None, None]


class Stopwatch:
    """Times what a target does by itself on one connection. `time_scale` stretches every upper bound.

    A target whose timers run by a tick may be that much early, and that much late (RFC 6298 §2: a clock's granularity).

    `since_ns` of each method is where its seconds count from. If it is not given: the capture time of the target's
    last segment that was judged for the `must_send_*` methods, and now for those that just wait.
    """

    def __init__(self, target: TargetSide) -> None:
        self._target = target
        self._rig = target.conversation.rig
        self._tick_s = self._rig.target.facts.tick_s
        #: The interval that was judged last, in seconds.
        self.interval = 0.0

    # --- waiting -----------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float, *, since_ns: int | None = None) -> Waits:
        """Let time pass; what is sent meanwhile stays in the inbox."""
        __tracebackhide__ = True
        self._note(f"{seconds:g} s pass" if since_ns is None else f"time passes, to {seconds:g} s")
        yield Wait(self._after(seconds, since_ns))
        self._observe()

    def must_stay_silent(self, seconds: float, *, since_ns: int | None = None) -> Waits:
        """Demand that nothing is sent for so long; what comes later stays in the inbox, however late we look."""
        __tracebackhide__ = True
        deadline_ns = self._after(seconds - self._tick_s, since_ns)
        yield from self.sleep(seconds, since_ns=since_ns)
        conversation = self._target.conversation
        if any(item.event.time_ns < deadline_ns for link in conversation.connections for item in link.inbox):
            conversation.demand_quiet()

    def must_become(
        self, state: State, earliest: float, latest: float, *, since_ns: int | None = None, level: Level = Level.MUST
    ) -> Waits:
        """Demand that the connection enters `state` between these times; what is sent meanwhile stays in the inbox.

        Where states can't be read the whole time passes.
        """
        __tracebackhide__ = True
        origin = self._now() if since_ns is None else since_ns
        self._note(f"up to {latest:g} s pass")
        latest = (latest + self._tick_s) * self._rig.time_scale
        pause_ns = int(max(0.05, (latest - earliest) / 50) * 1e9)
        due = f"state {state} between {earliest:g} s and {latest:g} s"
        yield from self._not_before(earliest, state, due, origin, level)
        latest_ns = origin + int(latest * 1e9)
        while not self._is(state) and self._now() < latest_ns:
            yield Wait(latest_ns if self._target.snapshot is None else min(self._now() + pause_ns, latest_ns))
            self._observe()
        self._observe()  # what the timer has sent may have come between the looks at the wire and at the state
        self._target.conversation.judge_state(self._target.connection, (state,), level)

    def must_not_become(
        self, state: State, seconds: float, *, since_ns: int | None = None, level: Level = Level.MUST
    ) -> Waits:
        """Demand that the connection is not in `state` before so long; what is sent meanwhile stays in the inbox."""
        __tracebackhide__ = True
        origin = self._now() if since_ns is None else since_ns
        self._note(f"time passes, to {seconds:g} s")
        yield from self._not_before(seconds, state, f"no state {state} before {seconds:g} s", origin, level)

    # --- segments that come by themselves ----------------------------------------------------------------------------

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
        """Demand this segment after `seconds`, as a coarse timer keeps them: in [T, T + T/8]."""
        __tracebackhide__ = True
        expected = Expected(flags, seq, ack, data, cites=cites)
        latest = seconds * (1 + COARSENESS) + SLACK_S
        return (yield from self.must_send_between(seconds, latest, expected, since_ns=since_ns, level=level))

    def must_send_within(
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
        """Demand this segment within `seconds`."""
        __tracebackhide__ = True
        expected = Expected(flags, seq, ack, data, cites=cites)
        return (yield from self.must_send_between(0, seconds, expected, since_ns=since_ns, level=level))

    def must_back_off(
        self,
        flags: int,
        *,
        seq: Number = None,
        ack: Number = None,
        data: bytes | None = b"",
        level: Level = Level.MUST,
        cites: tuple[str, ...] = ("RFC6298-5.5-backoff",),
    ) -> Generator[Wait, None, Segment]:
        """Demand this segment after twice the interval that was judged last, or after 60 s if that is less."""
        __tracebackhide__ = True
        expected = Expected(flags, seq, ack, data, cites=cites)
        # Either interval may have been rounded up by the timer's coarseness, or by a tick, the other not.
        twice = 2 * self.interval
        least = min(twice, LEAST_MAXIMUM_S) - 2 * SLACK_S
        earliest = min(least / (1 + COARSENESS), least - 2 * self._tick_s)
        latest = twice * (1 + COARSENESS) + SLACK_S + 2 * self._tick_s
        return (yield from self._must(earliest, twice, latest, (expected,), None, level))

    def must_send_between(
        self,
        earliest: float,
        latest: float,
        *answers: Expected,
        since_ns: int | None = None,
        level: Level = Level.MUST,
    ) -> Generator[Wait, None, Segment]:
        """Demand one of these segments between two times in seconds; return it, an empty one if a SHOULD failed."""
        __tracebackhide__ = True
        usual = earliest if earliest > 0 else latest * 0.3
        return (yield from self._must(earliest, usual, latest, answers, since_ns, level))

    def last_sent_ns(self) -> int:
        """Return the capture time of the target's last segment that was judged, of the last event if there is none."""
        connection = self._target.connection
        judged = len(connection.received) - len(connection.inbox)
        if judged:
            return connection.received[judged - 1].event.time_ns
        return self._target.conversation.events[-1].time_ns if self._target.conversation.events else self._now()

    def now_ns(self) -> int:
        """Return the target's time, for `since_ns` of something that the case does next."""
        return self._now()

    @property
    def pinned(self) -> bool:
        """Whether the target's retries are pinned to few: in virtual time nothing need be."""
        return Capability.VIRTUAL_TIME not in self._rig.target.capabilities

    def patience(self, seconds: float) -> float:
        """Return how long a target may take to give up: `seconds` where its retries are pinned, else an hour."""
        return seconds if self.pinned else 3600.0

    # --- machinery ---------------------------------------------------------------------------------------------------

    def _must(
        self,
        earliest: float,
        usual: float,
        latest: float,
        answers: tuple[Expected, ...],
        since_ns: int | None,
        level: Level,
    ) -> Generator[Wait, None, Segment]:
        __tracebackhide__ = True
        connection = self._target.connection
        earliest, latest = max(0.0, earliest - self._tick_s), (latest + self._tick_s) * self._rig.time_scale
        origin = self.last_sent_ns() if since_ns is None else since_ns
        if not connection.inbox:
            yield Wait(origin + int(latest * 1e9), connection, origin + int(usual * 1e9))
        self._observe()
        received = self._target.conversation.judge_next(connection, answers, level)
        if received is None:
            return Segment(0)
        self.interval = (received.event.time_ns - origin) / 1e9
        self._judge_interval(received, earliest, latest, answers, level)
        return received.segment

    def _judge_interval(
        self, received: Received, earliest: float, latest: float, answers: tuple[Expected, ...], level: Level
    ) -> None:
        __tracebackhide__ = True
        seconds = self.interval
        received.event.annotations.append(f"(after {seconds:.3g} s)")
        if earliest - EARLY_S <= seconds <= latest:
            return
        received.event.mark = Mark.UNEXPECTED if seconds < earliest else Mark.LATE
        code = Code.EARLY if seconds < earliest else Code.LATE
        due = f"{' or '.join(answer.notation() for answer in answers)} between {earliest:.3g} s and {latest:.3g} s"
        cites = tuple(cite for answer in answers for cite in answer.cites)
        self._fail(code, due, f"{received.segment.notation()} after {rounded(seconds)}", level, cites)

    def _fail(self, code: Code, due: str, seen: str, level: Level, cites: tuple[str, ...]) -> None:
        __tracebackhide__ = True
        connection = self._target.connection
        self._target.conversation.fail(code, due, seen, connection=connection, level=level, cites=cites)

    def _not_before(self, seconds: float, state: State, due: str, origin_ns: int, level: Level) -> Waits:
        __tracebackhide__ = True
        early_s = seconds - self._tick_s
        yield Wait(origin_ns + int((early_s - LOOK_BEFORE_S) * 1e9))
        looked_ns = self._now()
        self._observe()
        if self._is(state) and looked_ns < origin_ns + int(early_s * 1e9):
            self._fail(Code.EARLY, due, f"{state} before {seconds:g} s", level, ())

    def _is(self, state: State) -> bool:
        snapshot = self._target.snapshot
        return snapshot is not None and (snapshot.listening if state is State.LISTEN else snapshot.state is state)

    def _observe(self) -> None:
        self._target.conversation.step()

    def _note(self, text: str) -> None:
        __tracebackhide__ = True
        self._target.conversation.begin_step()
        self._target.conversation.note(Kind.WAIT, text, self._target.connection)

    def _after(self, seconds: float, since_ns: int | None) -> int:
        return (self._now() if since_ns is None else since_ns) + int(seconds * 1e9)

    def _now(self) -> int:
        return self._rig.target.clock.now_ns()


def rounded(seconds: float) -> str:
    """Return an interval as a signature that a deviation can pin: the same text in every run."""
    below = [figure for figure in ROUND_FIGURES if figure <= seconds * 1.03]
    return f"about {below[-1]:g} s" if below else f"less than {ROUND_FIGURES[0]:g} s"
