"""Plays a script on a target: each event at its time, each line held against what comes.

A player is a generator of waits, as a timer case is, so that where time is real many scripts wait side by side.
Whatever the target sends must be a line of the script: what comes before, between and behind them is a difference too.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, replace

from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.timers import Wait, Waits
from harness.case.violation import Code, Level
from harness.pkt import matching
from harness.pkt.answers import Answer, Attempt, same_error
from harness.pkt.assertions import Assertion, BadAssertion, UnknownField
from harness.pkt.calls import QUIET, Application
from harness.pkt.descriptors import Stage
from harness.pkt.injection import Peer
from harness.pkt.matching import Mismatch, Piece
from harness.pkt.schedule import NS, Schedule, Window
from harness.pkt.settings import Settings
from harness.pkt.support import Unsupported
from harness.pkt.symbols import number
from harness.pkt.tree import Anything, Call, Clock, Event, Expression, Icmp, Number, Script, Shell, TcpSegment, Udp
from harness.pkt.tree import Code as Snippet
from harness.spec import seqno
from harness.spec.segment import ACK, FIN, PSH, SYN, Segment
from harness.spec.states import State
from harness.trace.events import Kind, Mark

#: Behind the last line so much time is waited for what was not due: the longest delay of an acknowledgment, and a tick.
TAIL_S = 0.55
#: A line that has not come is waited for so much longer, to tell whether it is late.
AFTERWARDS_S = 1.0
#: Calls that bring text one way or the other.
_TEXT = frozenset({"write", "send", "sendto", "sendmsg", "writev", "read", "recv", "recvfrom", "recvmsg", "readv"})
#: The longest part of a wait in real time in which a call that blocks is not tried again.
PAUSE_S = 0.02


@dataclass(slots=True)
class Pending:
    """A call that blocks, and when it is to return; None: as soon as it is made."""

    event: Event
    call: Call
    attempt: Attempt
    stop_ns: int | None


class Player:
    """One run of a script. `stage.left_out` counts what was not asserted."""

    def __init__(self, script: Script, stage: Stage, schedule: Schedule, settings: Settings) -> None:
        self.script = script
        self.stage = stage
        self.schedule = schedule
        self.settings = settings
        self.application = Application(stage)
        self.peer = Peer(stage)
        self.event = script.events[0]
        self._arrived: deque[Piece] = deque()
        self._pending: Pending | None = None
        #: The highest acknowledgment that a line or a tolerated segment has shown, by connection.
        self._acknowledged: dict[int, int] = {}
        #: Whether a call, and whether text of the peer, came behind the last line.
        self._called = False
        self._owed = False
        #: How many segments had come, and were not asked for, when the first call behind the last line was made.
        self._unexcused = 0
        #: An acknowledgment that was tolerated while a line was waited for.
        self._spared: Piece | None = None

    @property
    def conversation(self) -> Conversation:
        """Its events and findings."""
        return self.stage.conversation

    def play(self) -> Waits:
        """Play the script to its end; raises Violation and Unsupported."""
        __tracebackhide__ = True
        last = max(
            (at for at, event in enumerate(self.script.events) if not isinstance(event.action, Shell)), default=0
        )
        for at, event in enumerate(self.script.events):
            self.settings.over = at > last
            yield from self._reach(event)
            self._begin(event)
            yield from self._perform(event)
        yield from self._finish_pending()
        yield from self._tail()
        self.conversation.finished = True
        self.conversation.told = len(self.conversation.events)

    # --- time --------------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return self.conversation.rig.target.clock.now_ns()

    def _reach(self, event: Event) -> Waits:
        """Let time pass until an event is due, unless it is a line: that comes by itself."""
        if isinstance(event.action, TcpSegment) and not event.action.inbound:
            return
        due = self.schedule.due_ns(event.time)
        stop = self._pending.stop_ns if self._pending is not None else None
        over = stop is not None and stop + self.schedule.margin_ns(stop - self.schedule.previous_ns) < due
        if isinstance(event.action, Call) or over:
            yield from self._finish_pending()
            due = self.schedule.due_ns(event.time)
        yield from self._wait_until(due)
        now = self._now()
        self.schedule.latest_ns = max(self.schedule.latest_ns, now - due)
        self.schedule.happened(due, now)

    def _wait_until(self, until_ns: int) -> Waits:
        while (now := self._now()) < until_ns:
            step = until_ns if self._pending is None else min(until_ns, now + int(PAUSE_S * NS))
            yield Wait(step, None)
            self._take()
            self._try_pending()

    def _begin(self, event: Event) -> None:
        self.event = event
        self.conversation.step_name = f"{self.script.name}:{event.place.line}"

    # --- events ------------------------------------------------------------------------------------------------------

    def _perform(self, event: Event) -> Waits:
        __tracebackhide__ = True
        action = event.action
        match action:
            case TcpSegment(inbound=True):
                connection = self.peer.send(action, event.place)
                self._owed = self._owed or bool(action.length or action.flags & (FIN | SYN))
                self._called = False
                self.stage.current = connection
                self._take()
                self._try_pending()
            case TcpSegment():
                yield from self._expect(event, action)
                self._called = self._owed = False
            case Icmp(inbound=True):
                self.peer.send_icmp(action, event.place)
                self._take()
                self._try_pending()
            case Icmp() | Udp():
                raise Unsupported("packets that are not TCP's", event.place)
            case Call():
                yield from self._call(event, action)
            case Shell(text):
                yield from self._shell(text)
            case Snippet(text):
                self._assert(text)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _call(self, event: Event, call: Call) -> Waits:
        __tracebackhide__ = True
        attempt = self.application.attempt(call, event.place)
        quiet = call.function in QUIET
        noted = self.conversation.note(Kind.CALL, _brief(event), self.stage.current)
        stop = self.schedule.due_ns(event.time, call.stop_ns) if call.stop_ns is not None else None
        if stop is not None and event.time.clock is Clock.RELATIVE:
            assert call.stop_ns is not None
            stop = self.schedule.previous_ns + call.stop_ns - event.time.start_ns
        if not quiet and not self._called:
            self._called, self._unexcused = True, len(self._arrived)
        answer = attempt()
        if not quiet:
            if call.function in _TEXT:  # it changes no state: nothing new to look at
                self.conversation.rig.exchange(self.conversation, ())
            else:
                self.conversation.step()
            self._take()
        if answer is None:
            answer = attempt()  # what it waits for may just have come
        if answer is None:
            self._pending = Pending(event, call, attempt, stop)
            if stop is None:
                yield from self._finish_pending()
            return
        noted.annotations.append(f"= {answer}")
        self._judge(event, call, answer)

    def _try_pending(self) -> None:
        """Try the call that blocks once more."""
        __tracebackhide__ = True
        if self._pending is None:
            return
        event, call, stop = self._pending.event, self._pending.call, self._pending.stop_ns
        answer = self._pending.attempt()
        if answer is None:
            return
        self._pending = None
        self.conversation.note(Kind.ANSWER, f"{call.function}() = {answer}", self.stage.current)
        margin = self.schedule.margin_ns((stop or self._now()) - self.schedule.origin_ns)
        if stop is not None and self._now() < stop - margin:
            due = f"{call.function}() blocks for {(stop - self._now()) / NS:.3g} s more"
            self._fail(Code.EARLY, due, "it has returned", event)
        self._judge(event, call, answer)

    def _finish_pending(self) -> Waits:
        """Wait for the call that blocks: to its time and what it may differ by."""
        __tracebackhide__ = True
        if self._pending is None:
            return
        event, call, stop = self._pending.event, self._pending.call, self._pending.stop_ns
        target = stop if stop is not None else self._now()
        latest = target + self.schedule.margin_ns(target - self.schedule.previous_ns)
        while self._pending is not None and (now := self._now()) < latest:
            yield Wait(min(latest, now + int(PAUSE_S * NS)), self.stage.current)
            self._take()
            self._try_pending()
        if self._pending is not None:
            self._pending = None
            self._fail(Code.SILENT, f"{call.function}() returns", "it blocks", event)

    def _judge(self, event: Event, call: Call, answer: Answer) -> None:
        __tracebackhide__ = True
        due = _result(call.result, self.stage)
        shown = f"{due} {call.error}".rstrip() if due is not None else ""
        differs = due is not None and (answer.value != due or not same_error(call.error, answer.error))
        if differs:
            self._fail(Code.WRONG_ANSWER, f"{call.function}() = {shown}", f"it gives {answer}", event)
        if answer.problem is not None:
            self._fail(Code.WRONG_ANSWER, f"{call.function}() with {answer.problem[0]}", answer.problem[1], event)

    # --- lines -------------------------------------------------------------------------------------------------------

    def _expect(self, event: Event, line: TcpSegment) -> Waits:
        """Wait for what a line says, in one segment or, unless the profile is strict, cut in another way."""
        __tracebackhide__ = True
        if line.around:
            raise Unsupported(f"{', '.join(line.around)} around a segment", event.place)
        acknowledges = not line.length and int(line.flags) & ~int(PSH) == ACK and self._is_owed(line)
        window = self.schedule.window(event.time, acknowledges=acknowledges)
        due, self._spared = line, None
        while True:
            piece = yield from self._next(due, window, event)
            if self._tolerated(piece, due):
                continue
            octets = due.length if self.stage.strict else min(due.length, len(piece.payload))
            self._hold(piece, due, octets, event)
            self._judge_time(piece, window, event)
            self._acknowledged[piece.connection.index] = piece.ack
            self._arrived.popleft()
            rest = piece.cut(octets)
            ended = not rest.payload and bool(piece.flags & FIN)
            if rest.payload or (ended and octets and not line.flags & FIN):
                self._arrived.appendleft(rest)
            due = replace(due, seq=seqno.add(due.seq, octets), length=due.length - octets)
            self.schedule.happened(window.due_ns, piece.time_ns)
            if not due.length and (ended or not line.flags & FIN):
                return
            self.stage.left_out["segmentation"] += 1

    def _hold(self, piece: Piece, line: TcpSegment, octets: int, event: Event) -> None:
        """Hold a segment against a line, of which it carries so many octets."""
        __tracebackhide__ = True
        part, stamps = not self.stage.strict and line.length > 0, self.peer.stamps_of(piece.connection)
        strict, lacking = self.stage.strict, self.stage.traits.lacking
        wrong = matching.mismatch(line, piece, stamps, self.stage.left_out, strict=strict, part=part, lacking=lacking)
        asked = self.peer.asked_for(line)
        if wrong is None and asked is not None and asked is not piece.connection:
            wrong = Mismatch(Code.WRONG_HEADER, f"ports of another connection, {piece.connection.tuple4}")
        if wrong is None and (not octets if part else len(piece.payload) != line.length):
            wrong = Mismatch(Code.WRONG_DATA)
        if wrong is None and not self._is_text(piece, octets):
            wrong = Mismatch(Code.WRONG_DATA, "other octets than the application has written")
        if wrong is not None:
            self._differs(piece, line, wrong, event)
        self.peer.learn(line, piece.connection)

    def _next(self, line: TcpSegment, window: Window, event: Event) -> Generator[Wait, None, Piece]:
        __tracebackhide__ = True
        while not self._arrived:
            now = self._now()
            if now >= window.latest_ns:
                yield from self._look_for_it_later(line, window, event)
                self._missing(line, event)
            until = window.latest_ns if self._pending is None else min(window.latest_ns, now + int(PAUSE_S * NS))
            yield Wait(until, self.stage.current)
            self._take()
            self._try_pending()
        return self._arrived[0]

    def _look_for_it_later(self, line: TcpSegment, window: Window, event: Event) -> Waits:
        """Wait a while longer for a line that has not come, to tell whether it is only late."""
        __tracebackhide__ = True
        yield Wait(window.latest_ns + int(AFTERWARDS_S * NS), self.stage.current)
        self._take()
        if not self._arrived:
            return
        piece, strict, lacking = self._arrived[0], self.stage.strict, self.stage.traits.lacking
        stamps, part = self.peer.stamps_of(piece.connection), not strict and line.length > 0
        wrong = matching.mismatch(line, piece, stamps, self.stage.left_out, strict=strict, part=part, lacking=lacking)
        if wrong is None and piece.time_ns > window.latest_ns:
            self._judge_time(piece, window, event)

    def _take(self) -> None:
        """Take what has come, in the order in which it was sent."""
        found = []
        for connection in self.conversation.connections:
            while connection.inbox:
                received = connection.inbox.popleft()
                wire = received.wire
                if wire.flags & SYN and connection.target_iss != wire.seq:
                    connection.target_iss = wire.seq  # another incarnation on the same ports
                    received.event.segment = wire.relative(wire.seq, connection.peer_iss)
                found.append(matching.piece_of(received, connection))
        self._arrived.extend(sorted(found, key=lambda piece: piece.time_ns))

    def _is_owed(self, line: TcpSegment) -> bool:
        """Tell whether a line acknowledges something that was not acknowledged yet."""
        before = self._acknowledged.get(self.stage.under_test.index, 0)
        return line.ack is not None and seqno.lt(before, line.ack)

    def _tolerated(self, piece: Piece, line: TcpSegment) -> bool:
        """Take an acknowledgment of text by itself where the script has it on what comes next, unless strict."""
        before = self._acknowledged.get(piece.connection.index, 0)
        moves = piece.is_bare_ack and seqno.lt(before, piece.ack)
        later = line.flags & ACK and line.ack is not None and not line.flags & SYN and seqno.leq(piece.ack, line.ack)
        bare = not line.length and not line.flags & FIN
        if self.stage.strict or not moves or not later or (bare and piece.ack == line.ack):
            return False
        self._acknowledged[piece.connection.index] = piece.ack
        self.stage.left_out["acknowledgment"] += 1
        self._spared = self._arrived.popleft()
        return True

    def _is_written(self, piece: Piece) -> bool:
        """Tell whether a segment brings nothing but text that the application has asked to be sent."""
        written = len(self.stage.streams_of(piece.connection).written)
        return bool(piece.payload) and not piece.flags & FIN and piece.seq - 1 + len(piece.payload) <= written

    def _is_text(self, piece: Piece, octets: int) -> bool:
        """Tell whether a segment carries what the application has written there."""
        streams = self.stage.streams_of(piece.connection)
        start = piece.seq - 1
        if streams.urgent or not octets or not 0 <= start < len(streams.written):
            return True
        due = bytes(streams.written[start : start + octets])
        return piece.payload[: len(due)] == due

    # --- commands and assertions -------------------------------------------------------------------------------------

    def _shell(self, text: str) -> Waits:
        __tracebackhide__ = True
        if self.settings.execute is not None:
            self._run_command(text)
            return
        for meaning in self.settings.meanings(text, self.event.place):
            if meaning.sleep_s:
                yield from self._wait_until(self._now() + int(meaning.sleep_s * NS))
                self.schedule.happened(self.schedule.previous_ns, self._now())
            elif meaning.state is not None:
                self._judge_states(*meaning.state)
            elif meaning.drops and not self._called:
                self._called, self._unexcused = True, len(self._arrived)

    def _run_command(self, text: str) -> None:
        """Run a command in the target's namespace; one that fails ends the script, as packetdrill has it."""
        __tracebackhide__ = True
        assert self.settings.execute is not None
        shown = " ".join(text.split())
        code, output = self.settings.execute(text)
        self.conversation.note(Kind.NOTE, f"`{shown}` = {code}")
        self.conversation.step()
        self._take()
        if code:
            seen = f"it ends with {code}: {output.strip()}".rstrip(": ")
            self._fail(Code.WRONG_ANSWER, f"`{shown}` ends with 0", seen, self.event)

    def _judge_states(self, state: State, count: int | None) -> None:
        __tracebackhide__ = True
        self.conversation.step()
        self._take()
        snapshots = [self.conversation.rig.snapshot(each.tuple4) for each in self.conversation.connections]
        if any(snapshot is None for snapshot in snapshots):
            self.stage.left_out["state"] += 1
            return
        own = [each for each in snapshots if each is not None]
        if state is State.LISTEN:
            each_with = zip(self.conversation.connections, own, strict=True)
            seen = len({connection.tuple4.port for connection, snapshot in each_with if snapshot.listening})
        else:
            seen = sum(1 for snapshot in own if snapshot.state is state)
        due = "at least 1" if count is None else str(count)
        if (seen < 1) if count is None else (seen != count):
            now = ", ".join(str(State.LISTEN if each.listening else each.state) for each in own)
            self._fail(Code.WRONG_STATE, f"{due} in {state}", f"{seen}: {now}", self.event)

    def _assert(self, text: str) -> None:
        __tracebackhide__ = True
        place = self.event.place
        try:
            assertion = Assertion(text)
            table = self.application.table
            about = table.about(self.stage.current)
            fields = self.application.options.info(about, place) if assertion.names() else {}
            for due, seen in assertion.failures(fields):
                self._fail(Code.WRONG_ANSWER, due, seen or "it is not so", self.event)
        except UnknownField as error:
            raise Unsupported(f"{error} of TCP_INFO", place) from None
        except BadAssertion as error:
            raise Unsupported(f"this assertion: {error}", place) from None

    # --- the end -----------------------------------------------------------------------------------------------------

    def _tail(self) -> Waits:
        """Demand silence behind the last line, but for what a call there has asked for, and timers repeat."""
        __tracebackhide__ = True
        self.conversation.step_name = f"{self.script.name}: behind its last line"
        self.conversation.step()
        self._take()
        deadline = self._now() + int(TAIL_S * NS)
        while (now := self._now()) < deadline:
            yield Wait(deadline, None)
            self._take()
            if self._now() == now:
                break
        for at, piece in enumerate(self._arrived):
            if self.conversation.is_timer_repeat(piece.connection, piece.received):
                continue
            before = self._acknowledged.get(piece.connection.index, 0)
            owed = self._owed and piece.is_bare_ack and seqno.lt(before, piece.ack)
            if (self._called and at >= self._unexcused) or owed or self._is_written(piece):
                self._acknowledged[piece.connection.index] = piece.ack
                self.stage.left_out["segment behind the last line"] += 1
                continue
            piece.received.event.mark = Mark.UNEXPECTED
            self._fail(Code.EXTRA, "nothing more", f"`{piece}`", self.event, piece.connection)

    # --- differences -------------------------------------------------------------------------------------------------

    def _missing(self, line: TcpSegment, event: Event) -> None:
        __tracebackhide__ = True
        if self._spared is not None:  # it was taken to come before what the line says, which has not come
            self._differs(self._spared, line, Mismatch(Code.WRONG_ACK), event)
        self.conversation.note(Kind.EXPECTED, _notation(line), self.stage.current)
        self._fail(Code.SILENT, f"`{_written(event)}`", "", event)

    def _differs(self, piece: Piece, line: TcpSegment, wrong: Mismatch, event: Event) -> None:
        __tracebackhide__ = True
        piece.received.event.mark = Mark.UNEXPECTED
        self.conversation.note(Kind.EXPECTED, _notation(line), piece.connection)
        seen = f"`{piece}`" + (f": {wrong.problem}" if wrong.problem else "")
        self._fail(wrong.code, f"`{_written(event)}`", seen, event, piece.connection)

    def _judge_time(self, piece: Piece, window: Window, event: Event) -> None:
        __tracebackhide__ = True
        if window.earliest_ns <= piece.time_ns <= window.latest_ns:
            return
        early = piece.time_ns < window.earliest_ns
        piece.received.event.mark = Mark.UNEXPECTED if early else Mark.LATE
        off = abs(piece.time_ns - window.due_ns) / NS
        seen = f"it came {off:.3f} s too {'early' if early else 'late'}"
        self._fail(Code.EARLY if early else Code.LATE, f"`{_written(event)}`", seen, event, piece.connection)

    def _fail(self, code: Code, due: str, seen: str, event: Event, connection: Connection | None = None) -> None:
        __tracebackhide__ = True
        self.event = event
        cites = (f"{self.script.name}:{event.place.line}",)
        self.conversation.fail(
            code, due, seen, connection=connection or self.stage.current, level=Level.MUST, cites=cites
        )


def _written(event: Event) -> str:
    """Return a line without its time."""
    text = event.text
    at = min((text.find(sign) for sign in "<>" if sign in text), default=0)
    return text[at:]


def _brief(event: Event) -> str:
    """Return a call without its time and result."""
    call = event.action
    assert isinstance(call, Call)
    at = event.text.find(call.function + "(")
    text = event.text[max(at, 0) :]
    return text.rpartition(") =")[0] + ")"


def _notation(line: TcpSegment) -> str:
    return Segment(line.flags, line.seq, line.ack or 0, payload=bytes(line.length)).notation()


def _result(result: Expression, stage: Stage) -> int | None:
    if isinstance(result, Anything):
        return None
    return result.value if isinstance(result, Number) else number(result, stage.symbols)
