"""A target set up for one case after the other: fresh ports, who a segment belongs to, and the late sweep."""

import contextlib
import zlib
from collections.abc import Callable, Iterable
from typing import TypeVar

from harness.case import acknowledging, aside, leaving
from harness.case.connection import Connection
from harness.case.conversation import Conversation
from harness.case.received import Received
from harness.case.repeats import is_giving_up, is_timer_repeat
from harness.case.violation import Code, Finding, Level, Unjudgeable
from harness.observe import ss
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec.states import State
from harness.targets.protocol import Capability, Outspoken, Target, TargetError, TargetGone, TargetStorms
from harness.trace.events import Event, Mark
from harness.wire import codec

#: A segment sent up to this much later than its cause (delayed ACKs: 40 to 200 ms) is still found.
LATE_SWEEP_S = 0.35
#: The peer's ports go down while the target's go up, so that a swap of the two never matches by chance.
FIRST_PEER_PORT = 60001

#: Of so many connections of earlier cases it is known that they were theirs.
REMEMBERED = 4096
#: So often a target that sends without end is asked whether it has stopped.
CALMED_IN = 100

_T = TypeVar("_T")


class Rig:
    """Runs conversations on one target. `time_scale` stretches upper bounds of timer cases.

    `guarded` switches the timing guard: a case that a timer of the target disturbs is replayed. `patient` is for an
    observer so slow that every replay would be disturbed too: what a timer explains is taken out of the inbox instead.
    """

    def __init__(
        self,
        target: Target,
        *,
        guarded: bool = True,
        patient: bool = False,
        time_scale: float = 1.0,
        aside: frozenset[str] = frozenset(),
    ) -> None:
        self.target = target
        #: The same target, if it says when something in it is wrong.
        self.outspoken: Outspoken | None = target if isinstance(target, Outspoken) else None
        self.guarded = guarded
        self.patient = patient
        self.time_scale = time_scale
        #: Names of segments that no case fails by (see `harness.case.aside`).
        self.aside = aside
        #: Who has sent something to the target since it has forgotten everything.
        self._askers: set[Conversation] = set()
        #: When the target last sent, on any connection, what may count against a limit of its answers.
        self.spent_ns: int | None = None
        self._port = self._peer_port = 0
        self._connections: dict[FourTuple, Connection] = {}
        #: Those of earlier batches, of which something may come for minutes where time is the target's own.
        self._past: dict[FourTuple, None] = {}
        #: Whose the 4-tuples are that are no connection's: what comes on one again, by a timer, is of the same case.
        self._strays: dict[FourTuple, Conversation] = {}
        self._cross_checked: set[tuple[State, bool, bool]] = set()
        self._batch: list[Conversation] = []
        #: What was said of the target when it came to its end in the last sweep, where no case was under way.
        self.fallen: TargetGone | None = None

    def begin(self, version: int, *, name: str = "", cites: tuple[str, ...] = ()) -> Conversation:
        """Start a conversation; it stays in the current batch until the next sweep."""
        conversation = Conversation(self, version, name=name, cites=cites)
        self._batch.append(conversation)
        return conversation

    @property
    def batch_size(self) -> int:
        """How many conversations wait for the sweep."""
        return len(self._batch)

    def fresh_ports(self) -> tuple[int, int]:
        """Return a port of the target and one of the peer that no connection has used together."""
        first, last = self.target.facts.ports
        first_peer = min(FIRST_PEER_PORT, last)
        if not self._port:
            self._port, self._peer_port = first - 1, first_peer
        self._port += 1
        if self._port > last:
            self._port = first
            self._peer_port -= 1
        elif self.target.facts.one_port:
            self._peer_port = self._peer_port - 1 if self._peer_port > first else first_peer
        return self._port, self._peer_port

    def peer_iss(self, conversation: Conversation) -> int:
        """Return the peer's initial sequence number: arbitrary, but the same in each run of a case."""
        return zlib.crc32(f"{conversation.name}/{len(conversation.connections)}".encode())

    def register(self, connection: Connection) -> None:
        """Route the segments of this 4-tuple to its conversation."""
        self._connections[connection.tuple4] = connection

    def exchange(
        self, conversation: Conversation, packets: Iterable[bytes], destination_mac: bytes | None = None
    ) -> None:
        """Inject packets on behalf of `conversation` and hand out everything that comes back."""
        self._askers.add(conversation)
        try:
            arrivals = self.target.exchange(packets, destination_mac)
        except TargetError as error:
            raise Unjudgeable(str(error)) from error
        for arrival in arrivals:
            self._dispatch(arrival.packet, arrival.time_ns, conversation)

    def collect(self, conversation: Conversation) -> None:
        """Hand out what has come by itself."""
        for arrival in self.target.waiting():
            self._dispatch(arrival.packet, arrival.time_ns, conversation)

    def snapshot(self, tuple4: FourTuple) -> Snapshot | None:
        """Return the state of a connection; the first occurrence of each state must be confirmed by `ss`."""
        snapshot = self.target.snapshot(tuple4)
        if snapshot is not None:
            key = (snapshot.state, snapshot.mini, ":" in tuple4.address)
            if key not in self._cross_checked:
                self._cross_checked.add(key)
                self._confirm(snapshot, tuple4)
        return snapshot

    def sweep(self) -> list[Conversation]:
        """End the batch: wait for late segments, attribute them, forget all connections; return its conversations.

        A late segment that no timer explains becomes a finding of its case. If the target comes to its end meanwhile,
        `fallen` says so.
        """
        batch, self._batch = self._batch, []
        self.fallen = None
        if not batch:
            return batch
        nobody_asks = self.target.facts.lonely and not any(conversation.finished for conversation in batch)
        deadline = self.target.clock.now_ns() + (0 if nobody_asks else int(LATE_SWEEP_S * 1e9))
        try:
            while (left := deadline - self.target.clock.now_ns()) > 0:
                self.target.clock.wait(left / 1e9)
                self.collect(batch[-1])
        except TargetGone as end:
            self.fallen = end
        for conversation in batch:
            self._judge_late(conversation)
        self._forget(batch)
        _guarded(self.target.check)
        return batch

    def calm(self) -> None:
        """Make a target that sends without end forget its connections, and throw away what it has sent."""
        self.target.forget_connections()
        for _ in range(CALMED_IN):
            with contextlib.suppress(TargetStorms):
                if not self.target.exchange([]):
                    break
        with contextlib.suppress(TargetError):  # what was lost on the way is no loss
            self.target.check()

    def discard(self) -> None:
        """End the batch without waiting for late segments: only for measurements."""
        batch, self._batch = self._batch, []
        self._forget(batch)

    def close(self) -> None:
        """End the target."""
        self.target.close()

    def _dispatch(self, packet: bytes, time_ns: int, conversation: Conversation) -> None:
        if not codec.is_tcp(packet):
            return
        try:
            decoded = codec.decode(packet)
        except codec.MalformedPacket as error:
            conversation.findings.append(
                Finding(Code.WRONG_HEADER, Level.MUST, "a TCP segment", str(error), cites=("RFC 9293 §3.1",))
            )
            return
        segment = decoded.segment
        tuple4 = FourTuple(decoded.source, segment.source_port, decoded.destination, segment.destination_port)
        connection = self._connections.get(tuple4)
        if connection is None and tuple4 in self._past:
            return  # late, of a case that was judged before
        if connection is None:
            # Wrong ports or addresses: nobody's connection, so it belongs to whoever provoked the first one.
            stray = tuple4 not in conversation.provoked
            owner = self._strays.setdefault(tuple4, conversation) if stray else conversation
            owner.take(owner.main, decoded, time_ns, stray=stray)
            owner.events[-1].annotations.append(f"(on {tuple4})")
            return
        connection.conversation.take(connection, decoded, time_ns)

    def _confirm(self, snapshot: Snapshot, tuple4: FourTuple) -> None:
        text = self.target.evidence(tuple4)
        if text is None:
            return
        seen = ss.parse(text, tuple4)
        now = self.target.snapshot(tuple4)
        if seen.state is not snapshot.state and now == snapshot:
            raise Unjudgeable(f"sock_diag says {snapshot.state}, ss says {seen.state} about {tuple4}:\n{text}")

    def _judge_late(self, conversation: Conversation) -> None:
        for connection in conversation.connections:
            for received in connection.inbox:
                # A case that ended early has its finding; what it did not come to ask about is no second one.
                if not conversation.finished or is_timer_repeat(conversation, connection, received):
                    continue
                if aside.take(received, self.aside) or is_giving_up(conversation, connection, received):
                    continue
                if conversation.acks_by_rule and _came_when_it_may(conversation.events, received):
                    continue
                earlier = connection.received[: connection.received.index(received)]
                if leaving.is_loss_probe(conversation.events, received, earlier):
                    continue
                received.event.mark = Mark.LATE
                text = received.segment.notation()
                conversation.findings.append(
                    Finding(Code.LATE, Level.MUST, "nothing", text, connection.state, conversation.cites)
                )
            connection.inbox.clear()

    def _forget(self, batch: list[Conversation]) -> None:
        self._or_fallen(self.target.forget_connections)
        for conversation in batch:
            for connection in conversation.connections:
                for sock in (connection.app, connection.listener):
                    if sock is not None:
                        sock.close()
                connection.app = connection.listener = None
        if Capability.VIRTUAL_TIME not in self.target.capabilities:
            self._past.update(dict.fromkeys(self._connections))
            while len(self._past) > REMEMBERED:
                del self._past[next(iter(self._past))]
        self._connections.clear()
        self._strays.clear()
        self._or_fallen(lambda: self.target.exchange([]))
        self._askers.clear()
        if self.is_held_to_one_case:
            _guarded(self._let_limits_pass)

    def _or_fallen(self, action: Callable[[], object]) -> None:
        """Call the target; one that comes to its end by that has fallen, and is begun anew."""
        try:
            action()
        except TargetGone as end:
            self.fallen = self.fallen or end
            _guarded(self.target.forget_connections)
        except TargetError as error:
            raise Unjudgeable(str(error)) from error

    @property
    def is_held_to_one_case(self) -> bool:
        """Whether what one case has drawn is held back from the next, but for time, which costs nothing here."""
        return self.target.facts.throttles_host and Capability.VIRTUAL_TIME in self.target.capabilities

    @property
    def is_taken(self) -> bool:
        """Whether the one connection that the target takes at a time may be some case's that was played."""
        return bool(self._askers) and self.target.facts.lonely

    @property
    def is_full(self) -> bool:
        """Whether the queue of the target's server may have no room for another case."""
        return self.is_taken or 0 < self.target.facts.at_once <= len(self._askers)

    def _let_limits_pass(self) -> None:
        """Wait until nothing of the past counts against a limit of answers; no connection is left to disturb."""
        self.target.clock.wait(self.target.facts.throttle_s)


def _came_when_it_may(events: list[Event], received: Received) -> bool:
    acknowledges = acknowledging.is_delayed(events, received) or acknowledging.is_late_update(events, received)
    return acknowledges or leaving.is_late_text(events, received)


def _guarded(action: Callable[[], _T]) -> _T:
    """Call the target; its troubles are harness errors, never verdicts."""
    try:
        return action()
    except TargetError as error:
        raise Unjudgeable(str(error)) from error
