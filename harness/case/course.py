"""What was done in one run of one case, and what was seen: connections, events, snapshots. Nothing is judged here."""

from collections.abc import Callable, Sequence

from harness.case.bench import Bench
from harness.case.connection import Connection
from harness.case.received import Received
from harness.case.retelling import Made
from harness.case.violation import Finding
from harness.expectations.deviations import Deviation
from harness.observe.snapshot import FourTuple
from harness.targets.protocol import TargetStorms
from harness.trace.events import Event, Kind
from harness.wire import codec


class Course:
    """The course of one run against one target. `cites` is what the case as a whole cites."""

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
        #: Whether acknowledgments may come as the rules have it: delayed, and on what is sent again.
        self.acks_by_rule = False
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

    @property
    def addresses(self) -> tuple[str, str]:
        """The peer's address and the target's."""
        return self.main.tuple4.peer_address, self.main.tuple4.address

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

    def observe(self, connection: Connection) -> None:
        """Take a snapshot of the target's state; an event where it changed."""
        connection.overlooked = False
        last, seen = connection.snapshot, self.rig.snapshot(connection.tuple4)
        if seen is last and seen is not None:
            return
        if last is not None and seen is not None and seen.state is last.state and seen.listening == last.listening:
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
        if connection.says_nothing_new:
            self.rig.spent_ns = time_ns
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
