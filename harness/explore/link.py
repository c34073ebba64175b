"""One connection of a conversation in play: what the peer knows of it, its streams, and the judge of its history."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from harness.case.connection import Connection
from harness.case.received import Received
from harness.fuzz.steps import USUAL_WINDOW, Position, Probe
from harness.fuzz.view import View
from harness.spec import seqno
from harness.spec.history.history import History, Sent
from harness.spec.history.world import PERIOD, text
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import CLOSED, LISTEN, State
from harness.spec.values import replace as renumbered
from harness.targets.sockets import AppSocket
from harness.trace.events import Event, Kind

#: Streams of different connections differ by this in each octet.
SALT = 17
#: Where urgent text ends when SEND has not taken all of it.
UNKNOWN = -1
#: What the ladder says where a connection begins anew on the same two ports.
ANEW = "the same pair again"
#: And beside a segment that does not reach the peer.
LOST = "(lost)"
#: A peer that begins anew takes a number so far above all that it has used.
NEXT_ISS = 100_003

#: Where the peer's SYN may begin a connection; elsewhere it is an odd segment.
_MAY_OPEN = (None, State.CLOSED, State.LISTEN, State.SYN_SENT, State.TIME_WAIT)


@dataclass(slots=True)
class PeerView(View):
    """The view of a peer that may miss segments: besides what the target has shown, the peer's own two ends.

    `sent_end` is the peer's SND.NXT; `got` its RCV.NXT, behind the last octet of the target that came in order.
    """

    iss: int = 0
    sent_end: int = 0
    got: int = 0
    fin_got: bool = False
    peer_fin: int | None = None
    salt: int = 0
    #: What the peer offers in its SYNs (tokens of `harness.fuzz.steps`), and the window of its segments.
    offer: tuple[str, ...] = ()
    usual_window: int = USUAL_WINDOW
    #: The numbers of FINs that the peer has sent above a gap: one counts when the target acknowledges it.
    early_fins: set[int] = field(default_factory=set)
    #: Where the peer's text ends that it has sent above a gap, as far as the window went.
    above: int = 0
    #: Pieces of the target's stream above a gap.
    pieces: list[tuple[int, int, bool]] = field(default_factory=list)
    #: Where the peer's segments with text or FIN began and ended, most of them together, and right edges of the past.
    edges: set[int] = field(default_factory=set)
    #: Where text reached over the window's edge, and the octets that the field may have left out by its scale: it is
    #: cut off within them.
    cuts: list[tuple[int, int]] = field(default_factory=list)
    #: What a peer knew that begins anew: the target falls back to it if it takes the new SYN for an old one (MAY-2).
    forgotten: "PeerView | None" = None

    @property
    def end_above(self) -> int:
        """Where the peer's text ends if what it has sent above gaps counts, up to a FIN there."""
        return min((fin for fin in self.early_fins if fin < self.edge), default=self.above)

    def sequence(self, position: Position) -> int:
        """Return a sequence number of the peer."""
        own = {"p": self.sent_end, "i": self.iss}.get(position.base)
        return View.sequence(self, position) if own is None else own + position.offset

    def acknowledgment(self, position: Position) -> int:
        """Return a number of the target that the peer acknowledges."""
        return self.got + position.offset if position.base == "r" else View.acknowledgment(self, position)

    def segment(self, probe: Probe) -> Segment:
        """Return the segment that a step stands for, with octets of the peer's stream."""
        if not probe.options and not probe.flags & RST:
            tokens = self._offer(probe) if probe.flags & SYN else ("t+1",) if self.stamping else ()
            probe = replace(probe, options=tokens)
        elif probe.options in (("b",), ("f",)) and self.stamping:
            probe = replace(probe, options=("t+1", *probe.options))
        if probe.window == USUAL_WINDOW:
            probe = replace(probe, window=self.usual_window)
        made = View.segment(self, probe)
        if probe.octets:
            made.payload = text(made.seq + bool(made.flags & SYN), probe.octets, self.salt)
        return made

    def garbage(self) -> Segment:
        """Return a keep-alive with an octet that is none of the stream, as old stacks send them (§3.8.4)."""
        made = self.segment(Probe(ACK, Position("n", -1), Position("r"), 1))
        made.payload = bytes((made.payload[0] ^ 0xFF,))
        return made

    def _offer(self, probe: Probe) -> tuple[str, ...]:
        """Return what the peer offers in a SYN: who answers one repeats only what was in it (RFC 7323 §2.2, §3.2)."""
        unheard = {"w"} if self.own_shift is None else set()
        unheard |= set() if self.own_stamps else {"t"}
        return tuple(token for token in self.offer if not probe.flags & ACK or token[0] not in unheard)

    def sent(self, segment: Segment) -> None:
        """Take note of a segment of the peer."""
        before, begun = self.before, self.sent_end > self.iss
        View.sent(self, segment)
        if self.before is not None and self.before is not before and self.forgotten is not None and not begun:
            self.before = replace(self.forgotten, state=self.before.state)
        if segment.flags & RST or not segment.length:
            return
        begin = segment.seq + bool(segment.flags & SYN)
        self.edges |= {segment.seq, begin, begin + len(segment.payload), segment.seq + segment.length}
        if self.synchronized and segment.seq + segment.length > self.edge:
            self.cuts.append((self.edge, 1 << self.own_scale))
        if segment.flags & SYN:
            gone = self.state in (State.CLOSED, State.LISTEN)
            if self.state in _MAY_OPEN and (gone or segment.seq >= self.sent_end):
                self.sent_end, self.peer_fin, self.early_fins = segment.seq + segment.length, None, set()
                self.above = 0
                self.iss = segment.seq
                if self.state is not State.SYN_SENT:
                    self.got, self.fin_got, self.pieces = 0, False, []
            return
        if not self.synchronized or not segment.flags & ACK or self.peer_fin is not None:
            return  # behind its FIN the peer's stream goes on no further
        end = segment.seq + segment.length
        if segment.seq <= self.sent_end < end:
            self.sent_end = end
            self.peer_fin = end - 1 if segment.flags & FIN else self.peer_fin
        elif self.sent_end < segment.seq:
            text_end = segment.seq + len(segment.payload)
            if segment.seq < self.edge and segment.payload:
                self.above = max(self.above, min(text_end, self.edge))
            if segment.flags & FIN:
                self.early_fins.add(end - 1)

    def saw(self, segments: Iterable[Segment]) -> None:
        """Take note of the target's segments; what it acknowledges above a gap that was filled is the peer's stream."""
        before = self.edge
        View.saw(self, segments)
        if self.edge != before:
            self.edges.add(before)  # where text was cut off when it arrived
        if self.synchronized and self.rcv_nxt > self.sent_end > self.iss:
            self.sent_end = self.rcv_nxt
            if self.rcv_nxt - 1 in self.early_fins:
                self.peer_fin = self.rcv_nxt - 1

    def acknowledged(self, number: int) -> None:
        """Take note that the target rightly has everything below `number` as acknowledged: the peer has said so."""
        self.got = max(self.got, number)
        self.receive(Segment(ACK))

    def receive(self, segment: Segment) -> None:
        """Take a segment of the target into the stream."""
        if segment.flags & RST:
            return
        if segment.flags & SYN:
            self.got, self.fin_got, self.pieces = max(1, segment.seq + 1), False, []
            return
        if segment.length:
            self.pieces.append((segment.seq, segment.seq + segment.length, bool(segment.flags & FIN)))
        moved = True
        while moved:
            moved = False
            for start, end, fin in self.pieces:
                if start <= self.got < end:
                    self.got, moved = end, True
                    self.fin_got = self.fin_got or fin


@dataclass(slots=True)
class Burst:
    """What the target sends at once: since when, behind what, whether it begins with text sent before, how much."""

    at_ns: int = 0
    behind: Event | None = None
    again: bool = False
    octets: int = 0


@dataclass(slots=True, eq=False)
class Link:
    """One connection: the wire's side, the peer's view, the application's socket, and the judge."""

    number: int
    connection: Connection
    history: History
    view: PeerView
    salt: int
    form: str = ""
    app: AppSocket | None = None
    accepted: bool = False
    #: What was read to find out whose connection it is that `accept()` gave.
    early: bytes = b""
    #: SENDs have taken so much of this incarnation's stream; what RECEIVE has given.
    written: int = 0
    read: int = 0
    losing: int = 0
    #: How many of the history's remarks have become findings.
    remarked: int = 0
    #: The peer's last segment.
    last_probe: Segment | None = None
    #: Whether the peer's next segment is long on its way, and one that is, with the acknowledgment of the wire.
    holds: bool = False
    held: Segment | None = None
    established_at: int = 0
    #: TSvals of the target by time, the last one.
    last_stamp: tuple[int, int] | None = None
    syn_options: bytes | None = None
    #: A SYN of the target has offered timestamps, its last one or one before, which may have been lost.
    offered_stamps: bool = False
    #: A SYN of the peer in this incarnation has permitted SACK (RFC 2018 §2).
    permits_blocks: bool = False
    #: How often the SYN of this incarnation was sent, answers to the peer's apart.
    syns: int = 0
    #: Where the text ends that this incarnation has sent, and what it has sent at once lately.
    text_end: int = 0
    burst: Burst = field(default_factory=Burst)
    #: The target's initial number and when it was shown first, of this incarnation and of the one before on this pair;
    #: whether all its initial numbers are the same by choice.
    first_number: tuple[int, int] | None = None
    former: tuple[int, int] | None = None
    number_chosen: bool = False
    #: The number behind the last octet that was sent as urgent, 0 without any.
    urgent_end: int = 0
    #: Who listens does so on all addresses; who connects has the target choose the port.
    any_address: bool = False
    any_port: bool = False

    @property
    def name(self) -> str:
        """The port pair as a key."""
        return str(self.connection.tuple4)

    @property
    def state(self) -> State | None:
        """The state that the target shows, None where it shows none."""
        snapshot = self.connection.snapshot
        if snapshot is None:
            return None
        return State.CLOSED if snapshot.listening else snapshot.state

    def take(self) -> list[Received]:
        """Return what has come on this connection, numbers relative to the incarnation; lost ones are marked."""
        connection = self.connection
        received = list(connection.inbox)
        connection.inbox.clear()
        for each in received:
            if each.wire.flags & SYN and each.wire.seq != connection.target_iss:
                connection.target_iss = each.wire.seq
            if each.wire.flags & SYN and (self.first_number is None or self.first_number[0] != each.wire.seq):
                self.first_number, self.syns = (each.wire.seq, each.event.time_ns), 0
                # Of an attempt before, which came to its end.
                self.syn_options, self.offered_stamps, self.urgent_end = None, False, 0
            self.view.own_first = connection.target_iss or 0
            each.event.segment = each.wire.relative(connection.target_iss or 0, connection.peer_iss)
        return received

    def see(self, received: Sequence[Received]) -> None:
        """Let the peer see what was not lost on the way."""
        for each in received:
            if self.losing:
                self.losing -= 1
                each.event.annotations.append(LOST)
                if each.segment.flags & SYN:  # who acknowledges it by a word of the plan has got it
                    self.view.echoes(each.segment)
                continue
            self.view.saw([each.segment])
            self.view.receive(each.segment)

    def looks(self, state: State | None) -> None:
        """Take note of the state; numbers count from an older SYN where the target falls back to its TIME-WAIT."""
        view = self.view.looks(state)
        if state in (CLOSED, LISTEN) or self.history.every(lambda world: world.over):
            self.syn_options = None  # the next SYN is no repetition, though it may have the same number
        if view is not self.view:
            self.view, self.connection.target_iss = view, view.own_first

    def hold(self, segment: Segment) -> None:
        """Take a segment of the peer for one that is long on its way."""
        ack = seqno.add(segment.ack, self.connection.target_iss or 0) if segment.flags & ACK else 0
        self.held, self.holds = replace(segment, ack=ack), False

    def late(self) -> Segment:
        """Return what was long on its way; a number of the target's counts from where it begins now."""
        assert self.held is not None
        made, self.held = self.held, None
        return replace(made, ack=seqno.diff(made.ack, self.connection.target_iss or 0)) if made.flags & ACK else made

    def renew(self) -> None:
        """Begin anew on the same two ports: the peer has forgotten everything and takes a higher number."""
        self.connection.conversation.note(Kind.NOTE, ANEW, self.connection)
        self.former, self.first_number = self.first_number if not self.number_chosen else None, None
        iss = self.view.sent_end + NEXT_ISS
        iss += (iss - self.view.iss) % PERIOD == 0  # its text is to be told from the old one's
        old = self.view
        self.view = PeerView(
            salt=self.salt,
            listening=old.listening,
            iss=iss,
            sent_end=iss,
            state=old.state,
            offer=old.offer,
            usual_window=old.usual_window,
            last_tsval=old.last_tsval,
            edges=set(old.edges),  # of what the target may tell of until the peer's next SYN
            cuts=list(old.cuts),
            forgotten=replace(old, before=None, forgotten=None),
        )
        self.accepted, self.written, self.read, self.early = False, 0, 0, b""
        self.last_probe = self.last_stamp = self.syn_options = None
        self.syns = self.text_end = 0
        self.permits_blocks = self.offered_stamps = False


def sent_by(link: Link, received: Sequence[Received]) -> list[Sent]:
    """Return what the judge wants to know of segments."""
    return [_sent(link, each) for each in received]


def _sent(link: Link, received: Received) -> Sent:
    """Return a segment without the URG that a bare one may carry while urgent text is still to come (§3.8.5)."""
    made = replace_numbers(received.segment)
    urgent = link.urgent_end == UNKNOWN or received.segment.seq < link.urgent_end
    tells = bool(urgent and made.flags & URG and not made.payload and not made.flags & (SYN | RST))
    if tells:
        made.flags &= ~URG
    return Sent(made, received.wire.seq, received.event.time_ns, tells)


def replace_numbers(segment: Segment) -> Segment:
    """Return the segment with numbers modulo 2**32, as the rules count."""
    return renumbered(segment, seq=segment.seq & 0xFFFFFFFF, ack=segment.ack & 0xFFFFFFFF)
