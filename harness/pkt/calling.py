"""The calls of a script as they are made: at once, or blocking until something has happened."""

from dataclasses import dataclass

from harness.case.timers import Wait, Waits
from harness.case.violation import Code
from harness.pkt import patience
from harness.pkt.answers import Answer, Attempt, same_error
from harness.pkt.calls import QUIET, Application
from harness.pkt.descriptors import Stage
from harness.pkt.differences import Differences
from harness.pkt.lines import Lines
from harness.pkt.schedule import NS, Schedule
from harness.pkt.support import Unsupported
from harness.pkt.symbols import number
from harness.pkt.text_calls import READERS, WRITERS
from harness.pkt.tree import Anything, Call, Clock, Event, Expression, Number
from harness.trace.events import Kind

#: The longest part of a wait in real time in which a call that blocks is not tried again.
PAUSE_S = 0.02
#: The same of a call that has blocked for a while.
LONG_PAUSE_S = 1.0


@dataclass(slots=True)
class Pending:
    """A call that blocks, when it was made, when it is to return (None: it does not say), and returns of itself.

    `behind_ns` is how far the script was behind when it was made.
    """

    event: Event
    call: Call
    attempt: Attempt
    begun_ns: int
    stop_ns: int | None
    expires_ns: int | None = None
    behind_ns: int = 0


class Calling:
    """Makes the calls of one run; `pending` is the one that blocks."""

    def __init__(
        self, stage: Stage, schedule: Schedule, application: Application, lines: Lines, differences: Differences
    ) -> None:
        self.stage = stage
        self.schedule = schedule
        self.application = application
        self._lines = lines
        self._differences = differences
        self.pending: Pending | None = None

    def pause(self, now_ns: int, until_ns: int) -> int:
        """Return until when to wait at most: a call that blocks is tried again from time to time."""
        return until_ns if self.pending is None else min(until_ns, now_ns + int(PAUSE_S * NS))

    def make(self, event: Event, call: Call) -> Waits:
        """Make a call; one that blocks goes on until it returns, or what comes next in the script."""
        __tracebackhide__ = True
        attempt = self.application.attempt(call, event.place)
        limit = patience.limit_ns(call, self.stage, self.application.table, event.place)
        quiet = call.function in QUIET
        noted = self.stage.conversation.note(Kind.CALL, _brief(event), self.stage.current)
        stop = self.schedule.due_ns(event.time, call.stop_ns) if call.stop_ns is not None else None
        if stop is not None and event.time.clock is Clock.RELATIVE:
            assert call.stop_ns is not None
            stop = self.schedule.previous_ns + call.stop_ns - event.time.start_ns
        if not quiet:
            self._lines.called()
        answer = attempt()
        if not quiet:
            if call.function in WRITERS | READERS:  # it changes no state: nothing new to look at
                self.stage.conversation.rig.exchange(self.stage.conversation, ())
            else:
                self.stage.conversation.step()
            self._lines.take()
        if answer is None:
            answer = attempt()  # what it waits for may just have come
        if answer is None:
            expires, behind = self.stage.now_ns() + limit if limit else None, self.schedule.behind_ns
            self.pending = Pending(event, call, attempt, self.schedule.previous_ns, stop, expires, behind)
            if stop is None:
                if limit is not None and limit > patience.longest_ns(self.stage):
                    raise Unsupported(f"{call.function}() that waits for {limit / NS:.0f} s", event.place)
                yield from self.finish()
                self.schedule.previous_ns = max(self.schedule.previous_ns, self.stage.now_ns())
            return
        noted.annotations.append(f"= {answer}")
        self._judge_end(event, call, self.schedule.previous_ns, stop)
        self._judge(event, call, answer)

    def try_again(self) -> None:
        """Try the call that blocks once more."""
        __tracebackhide__ = True
        if self.pending is None:
            return
        event, call = self.pending.event, self.pending.call
        begun, stop = self.pending.begun_ns, self.pending.stop_ns
        expires = self.pending.expires_ns
        self.stage.expired = expires is not None and self.stage.now_ns() >= expires
        answer = self.pending.attempt()
        self.stage.expired = False
        if answer is None:
            return
        self.pending = None
        self.stage.conversation.note(Kind.ANSWER, f"{call.function}() = {answer}", self.stage.current)
        self._judge_end(event, call, begun, stop)
        self._judge(event, call, answer)

    def _judge_end(self, event: Event, call: Call, begun_ns: int, stop_ns: int | None) -> None:
        """Say that a call has returned too early, if it did: how long it may take counts from its beginning."""
        __tracebackhide__ = True
        now = self.stage.now_ns()
        if stop_ns is not None and now < stop_ns - self.schedule.margin_ns(stop_ns - begun_ns):
            due = f"{call.function}() blocks for {(stop_ns - now) / NS:.3g} s more"
            self._differences.fail(Code.EARLY, due, "it has returned", event)

    def latest_ns(self, pending: Pending) -> int:
        """Return when a call that blocks is to return at the latest: how long it may take counts from its beginning."""
        target = pending.stop_ns
        if target is None:
            gives_up = patience.gives_up_ns(pending.call, self.stage)
            target = pending.expires_ns or (pending.begun_ns + gives_up if gives_up else self.stage.now_ns())
        late = self.schedule.behind_ns - pending.behind_ns  # what it waits for comes so much later
        return target + self.schedule.margin_ns(target - pending.begun_ns) + late

    def finish(self) -> Waits:
        """Wait for the call that blocks: to its time and what it may differ by."""
        __tracebackhide__ = True
        if self.pending is None:
            return
        event, call = self.pending.event, self.pending.call
        begun, latest = self.pending.begun_ns, self.latest_ns(self.pending)
        while self.pending is not None and (now := self.stage.now_ns()) < latest:
            pause = max(int(PAUSE_S * NS), min(int(LONG_PAUSE_S * NS), (now - begun) // 16))
            yield Wait(min(latest, now + pause), self.stage.current)
            self._lines.take()
            self.try_again()
        if self.pending is not None:
            self.pending = None
            self._differences.fail(Code.SILENT, f"{call.function}() returns", "it blocks", event)

    def _judge(self, event: Event, call: Call, answer: Answer) -> None:
        __tracebackhide__ = True
        due = _result(call.result, self.stage)
        shown = f"{due} {call.error}".rstrip() if due is not None else ""
        differs = due is not None and (answer.value != due or not same_error(call.error, answer.error))
        if differs:
            self._differences.fail(Code.WRONG_ANSWER, f"{call.function}() = {shown}", f"it gives {answer}", event)
        if answer.problem is not None:
            self._differences.fail(
                Code.WRONG_ANSWER, f"{call.function}() with {answer.problem[0]}", answer.problem[1], event
            )


def _brief(event: Event) -> str:
    """Return a call without its time and result."""
    call = event.action
    assert isinstance(call, Call)
    at = event.text.find(call.function + "(")
    text = event.text[max(at, 0) :]
    return text.rpartition(") =")[0] + ")"


def _result(result: Expression, stage: Stage) -> int | None:
    if isinstance(result, Anything):
        return None
    return result.value if isinstance(result, Number) else number(result, stage.symbols)
