"""One connection of a case: its 4-tuple, both initial sequence numbers, and the segments that the target has sent."""

from collections import deque
from typing import Any

from harness.case.peer_record import PeerRecord
from harness.case.received import Received
from harness.observe.snapshot import FourTuple, Snapshot
from harness.spec import seqno
from harness.spec.segment import ACK, SYN, Segment
from harness.spec.states import State
from harness.targets.sockets import AppSocket
from harness.trace.events import Event, Kind
from harness.wire import codec

#: More segments on one connection than this within a second, because of one step of a case, are a storm. Of the whole
#: suite on correct stacks, no step draws a hundred.
STORM_SEGMENTS = 1000
STORM_NS = 1_000_000_000
#: And more than this in however long a step: a probe every second for hours.
STORM_IN_ALL = 10_000
#: So many of them are kept for the ladder.
STORM_KEPT = 20


class Connection:
    """One 4-tuple within a conversation, with the two initial sequence numbers that relative numbers count from.

    The target's is unknown until its SYN is seen; until then its numbers count from 0, which makes them absolute.
    """

    def __init__(self, conversation: Any, index: int, tuple4: FourTuple, peer_iss: int) -> None:
        #: The `harness.case.conversation.Conversation` that it is of: whoever speaks to that names its type.
        self.conversation = conversation
        self.index = index
        self.tuple4 = tuple4
        self.path = codec.Path(tuple4.peer_address, tuple4.address)
        self.peer_iss = peer_iss
        self.target_iss: int | None = None
        self.peer = PeerRecord()
        self.inbox: deque[Received] = deque()
        self.received: list[Received] = []
        #: The acknowledgment of the target's last segment, as on the wire.
        self.announced: int | None = None
        #: Whether that was a bare ACK with the number of the one before, as what is unacceptable is answered.
        self.says_nothing_new = False
        self._step_from = 0
        self.snapshot: Snapshot | None = None
        #: Whether segments have gone to others since the last look.
        self.overlooked = False
        self.listener: AppSocket | None = None
        self.app: AppSocket | None = None

    def move(self, tuple4: FourTuple) -> None:
        """Be about other endpoints from now on: the target has chosen its port."""
        self.tuple4 = tuple4
        self.path = codec.Path(tuple4.peer_address, tuple4.address)
        self.conversation.rig.register(self)

    def renew(self, peer_iss: int) -> None:
        """Start a new incarnation of the connection on the same 4-tuple."""
        self.peer_iss = peer_iss
        self.target_iss = None
        self.peer = PeerRecord()

    def begin_step(self) -> None:
        """Count anew what comes because of a step."""
        self._step_from = len(self.received)

    def storm(self) -> str:
        """Return what is wrong if the target sends more because of this step than any TCP does, "" if nothing is."""
        count = len(self.received) - self._step_from
        if count > STORM_IN_ALL:
            return f"it sent more than {STORM_IN_ALL} segments"
        if count > STORM_SEGMENTS:
            last, first = self.received[-1].event, self.received[-STORM_SEGMENTS].event
            if last.time_ns - first.time_ns < STORM_NS:
                return f"it sent more than {STORM_SEGMENTS} segments within a second"
        return ""

    def drop_most(self) -> list[Received]:
        """Keep the first segments of a storm, and return the others."""
        kept = self._step_from + STORM_KEPT
        self.received, dropped = self.received[:kept], self.received[kept:]
        gone = {id(received) for received in dropped}
        self.inbox = deque(received for received in self.inbox if id(received) not in gone)
        return dropped

    @property
    def state(self) -> str:
        """The target's state at the last look, LISTEN where only the listener is left, "" if states can't be read."""
        if self.snapshot is None:
            return ""
        return str(State.LISTEN if self.snapshot.listening else self.snapshot.state)

    def to_wire(self, segment: Segment) -> Segment:
        """Return the peer's segment with absolute numbers and the ports of this connection.

        Without ACK the acknowledgment field means nothing: an ordinary peer leaves it 0, and so does this one unless
        its segment asks for more.
        """
        segment.seq = seqno.add(segment.seq, self.peer_iss)
        if segment.flags & ACK or segment.ack:
            segment.ack = seqno.add(segment.ack, self.target_iss or 0)
        segment.source_port = segment.source_port or self.tuple4.peer_port
        segment.destination_port = segment.destination_port or self.tuple4.port
        return segment

    def take(self, packet: codec.Packet, time_ns: int, stray: bool = False) -> Received:
        """Note a segment of the target and return it with relative numbers."""
        wire = packet.segment
        if wire.flags & SYN and self.target_iss is None:
            self.target_iss = wire.seq
        relative = wire.relative(self.target_iss or 0, self.peer_iss)
        self.peer.saw(relative)
        event = Event(time_ns, Kind.RECEIVED, "", relative, packet.raw, self.index, peer_state=self.peer.state)
        received = Received(event, wire, stray)
        self.received.append(received)
        self.says_nothing_new = wire.flags == ACK and not wire.payload and wire.ack == self.announced
        self.announced = wire.ack if wire.flags & ACK else self.announced
        return received
