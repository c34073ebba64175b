"""One target in a sequence: makes each step happen there and says what was seen."""

import contextlib
import errno
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.case.received import Received
from harness.case.repeats import is_timer_repeat
from harness.case.rig import Rig
from harness.case.runner import code_of, death_in
from harness.case.user_calls import BACKLOG
from harness.case.violation import Unjudgeable, Violation
from harness.fuzz import steps
from harness.fuzz.steps import Call, Probe, Step
from harness.fuzz.view import View
from harness.observe.snapshot import Snapshot
from harness.spec.segment import SYN, Segment
from harness.spec.states import CLOSED, LISTEN, State
from harness.targets.protocol import TargetError
from harness.targets.sockets import AppSocket
from harness.trace.events import Kind
from harness.wire import codec


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step brought on one target.

    `answer` is what a call gave ("" for a segment), or how the target came to its end. `before` is the view before the
    step, `segment` the probe with its numbers, `received` the target's segments. `queued` is how the target's queues
    changed, None where nobody knows.
    """

    answer: str
    received: tuple[Received, ...]
    state: str
    before: View
    segment: Segment | None
    queued: tuple[int, int] | None


class Side:
    """A sequence on one rig. Nothing is judged here; the conversation keeps the ladder."""

    def __init__(self, rig: Rig, version: int, sequence: steps.Sequence) -> None:
        self.rig = rig
        self.conversation = rig.begin(version, name=steps.text_of(sequence))
        self.connection = self.conversation.main
        self.view = View()
        #: Whether the target has come to its end in the last step.
        self.ended = False
        self._steps = 0
        self._taken = 0
        self._calls: dict[str, Callable[[int], str]] = {
            "listen": self._listen,
            "connect": self._connect,
            "accept": self._accept,
            "send": self._send,
            "recv": self._receive,
            "shutdown": lambda _octets: self._with_app(lambda app: app.shutdown()),
            "close": lambda _octets: self._leave(lambda app: app.close()),
            "abort": lambda _octets: self._leave(lambda app: app.abort()),
            "unlisten": self._unlisten,
        }

    def perform(self, step: Step) -> Outcome:
        """Make a step and take in all that it causes; raises Unjudgeable.

        If the target comes to its end by that (it dies, hangs, or sends without end), `ended` says so.
        """
        return self._taken_in(lambda before: self._perform(step, before))

    def let_pass(self, seconds: float) -> Outcome:
        """Let at most so much of the target's time pass, less where it speaks; raises Unjudgeable."""

        def wait(before: View) -> Outcome:
            self.rig.target.clock.wait(seconds)
            problem = self._exchange([])
            return Outcome(problem, self._collect(), self.connection.state, before, None, None)

        return self._taken_in(wait)

    def _taken_in(self, action: Callable[[View], Outcome]) -> Outcome:
        self._steps += 1
        self.conversation.step_name = f"step {self._steps}"
        before = replace(self.view)
        try:
            return action(before)
        except (Unjudgeable, TargetError) as error:
            death = death_in(error)
            if death is None:
                raise
            self.ended = True
            self.conversation.note(Kind.NOTE, death.cause, self.connection)
            with contextlib.suppress(TargetError):
                self.rig.calm()
            return Outcome(str(code_of(death)), (), "", before, None, None)

    def _perform(self, step: Step, before: View) -> Outcome:
        queues = _queues(self.connection.snapshot)
        if isinstance(step, Call):
            answer, segment = self._call(step), None
        else:
            answer, segment = self._inject(step)
        received = self._collect()
        after = _queues(self.connection.snapshot)
        queued = (after[0] - queues[0], after[1] - queues[1]) if after and queues else None
        return Outcome(answer, received, self.connection.state, before, segment, queued)

    def disturbed(self) -> bool:
        """Tell whether a timer of the target may have sent something of what was seen."""
        received = self.connection.received
        return self.rig.guarded and any(
            is_timer_repeat(self.conversation, self.connection, each) or self._is_late_syn(received[:at], each)
            for at, each in enumerate(received)
        )

    def _is_late_syn(self, before: Sequence[Received], late: Received) -> bool:
        """Tell whether this repeats our SYN by a timer that may have begun with the first one, and may be short."""
        syns = [each for each in before if each.wire.flags & SYN and each.wire.seq == late.wire.seq]
        guard_ns = 1e9 * self.rig.target.guard_s(syn_sent=True)
        return bool(late.wire.flags & SYN and syns and late.event.time_ns - syns[0].event.time_ns >= guard_ns)

    # --- segments ----------------------------------------------------------------------------------------------------

    def _inject(self, probe: Probe) -> tuple[str, Segment]:
        connection, conversation = self.connection, self.conversation
        segment = self.view.segment(probe)
        self.view.sent(segment)
        packet = codec.encode(connection.path, connection.to_wire(replace(segment)))
        event = conversation.note(Kind.SENT, "", connection, packet)
        event.segment = segment
        return self._exchange([packet]), segment

    def _exchange(self, packets: list[bytes]) -> str:
        try:
            self.conversation.step(packets)
        except Violation as violation:  # of what holds for every segment: checksum, reserved bits, options
            return violation.finding.observed
        return ""

    def _collect(self) -> tuple[Received, ...]:
        connection = self.connection
        received = tuple(connection.inbox)
        connection.inbox.clear()
        for each in received:
            if each.wire.flags & SYN and each.wire.seq != connection.target_iss:
                connection.target_iss = each.wire.seq
            self.view.own_first = connection.target_iss or 0
            # A new incarnation counts from its own initial sequence number.
            each.event.segment = each.wire.relative(connection.target_iss or 0, connection.peer_iss)
        self.view.saw(each.segment for each in received)
        snapshot = connection.snapshot
        view = self.view.looks(State(connection.state) if snapshot is not None else None)
        if view is not self.view:
            self.view, connection.target_iss = view, view.own_first
        return received

    # --- calls -------------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> str:
        octets = call.octets or 0
        event = self.conversation.note(Kind.CALL, f"{call.name}({octets or ''})", self.connection)
        try:
            answer = self._calls[call.name](octets)
        except OSError as error:
            answer = errno.errorcode.get(error.errno or 0, os.strerror(error.errno or 0))
        event.annotations += [f"= {answer}"] if answer else []
        problem = self._exchange([])
        return problem or answer

    def _listen(self, _octets: int) -> str:
        if self.connection.listener is not None:
            return "listens already"
        sock = self.rig.target.socket(self.connection.tuple4.version)
        sock.listen(self.connection.tuple4.address, self.connection.tuple4.port, BACKLOG)
        self.connection.listener = sock
        self.view.listening = True
        return ""

    def _unlisten(self, _octets: int) -> str:
        sock, self.connection.listener = self.connection.listener, None
        if sock is None:
            return "no listener"
        self.view.listening = False
        sock.close()
        return ""

    def _connect(self, _octets: int) -> str:
        if self.connection.app is not None or self.connection.listener is not None:
            return "has a socket already"
        tuple4 = self.connection.tuple4
        sock = self.rig.target.socket(tuple4.version)
        sock.connect((tuple4.address, tuple4.port), (tuple4.peer_address, tuple4.peer_port))
        self.connection.app = sock
        return ""

    def _accept(self, _octets: int) -> str:
        if self.connection.listener is None or self.connection.app is not None:
            return "nothing to accept with"
        self.connection.app = self.connection.listener.accept()
        return ""

    def _send(self, octets: int) -> str:
        data = bytes((self._taken + at) % 251 for at in range(octets))
        app = self.connection.app
        if app is None:
            return "no socket"
        taken = app.send(data)
        self._taken += taken
        return "" if taken == octets else f"{taken} octets taken"

    def _receive(self, octets: int) -> str:
        app = self.connection.app
        return "no socket" if app is None else _shown(app.recv(octets))

    def _with_app(self, action: Callable[[AppSocket], None]) -> str:
        app = self.connection.app
        if app is None:
            return "no socket"
        action(app)
        return ""

    def _leave(self, action: Callable[[AppSocket], None]) -> str:
        app, self.connection.app = self.connection.app, None
        if app is None:
            return "no socket"
        self.view.reader_gone = True
        action(app)
        return ""


def _queues(snapshot: Snapshot | None) -> tuple[int, int] | None:
    if snapshot is None or snapshot.listening or snapshot.state in (CLOSED, LISTEN):
        return (0, 0)
    return snapshot.receive_queue, snapshot.send_queue


def _shown(data: bytes) -> str:
    return f"{len(data)} octets ({zlib.crc32(data):08x})" if data else "the end of the stream"
