"""A conversation told again to the judge of whole conversations (`harness.spec.history`), from what was recorded of it.

Numbers are taken from the wire, so that a new incarnation on the same two ports counts on. Streams are told by their
octets' places: what is as the application, or the peer, has sent it becomes the octet that the judge knows there.
"""

import copy
import errno
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.observe.snapshot import FourTuple
from harness.spec import seqno
from harness.spec.history.answers import Answer
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.history import History, Sent, Spending
from harness.spec.history.world import Traits, World, text
from harness.spec.policy import Policy
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.spec.states import State
from harness.trace.events import Event, Kind
from harness.wire import codec

#: The salt of the peer's stream; the target's has none.
PEER_SALT = 5
#: An octet that is at home in no stream.
ALIEN = b"\xff"
_ABORTED_IN_SILENCE = (State.CLOSING, State.LAST_ACK, State.TIME_WAIT)
_HEARD_ALL = (State.CLOSE_WAIT, State.CLOSING, State.LAST_ACK)
#: The control bits that the judge looks at: urgent text and ECN are the author's.
JUDGED = FIN | SYN | RST | PSH | ACK
#: So far away a number is neither old nor new.
HALF_WAY = (1 << 31) - 2
#: The call of a listener at any address.
EVERYWHERE = "listen everywhere"
#: So many segments that were sent back to back are told apart by trying.
TOGETHER = 4


class Untold(Exception):
    """Something happened that the judge knows nothing of."""


@dataclass(slots=True)
class Made:
    """A call as the application made it: what it gave, or the errno with which it failed.

    `about` are the octets of SEND, the limit of RECEIVE, the backlog of a listener; None for what has no place in the
    RFC's own calls.
    """

    event: Event
    name: str
    about: bytes | int | None
    result: object = None
    code: int = 0

    @property
    def error(self) -> str:
        """The name of the errno, "" if it succeeded."""
        return errno.errorcode.get(self.code, str(self.code)) if self.code else ""


class _Told:
    """One connection on its way through the record."""

    def __init__(self, tuple4: FourTuple, history: History) -> None:
        self.tuple4 = tuple4
        self.history = history
        self.state: State | None = None
        self.accepted = False
        self._peer_base: int | None = None
        self._own_base: int | None = None
        self._written = b""
        self._sent: defaultdict[int, set[int]] = defaultdict(set)

    def of_peer(self, event: Event) -> Segment | None:
        """Return a segment of the peer as the judge wants it; None for what is no segment of this connection."""
        try:
            packet = codec.decode(event.packet)
        except codec.MalformedPacket:
            return None
        meant, wire = event.segment, packet.segment
        pair = (packet.source, wire.source_port, packet.destination, wire.destination_port)
        here = (self.tuple4.peer_address, self.tuple4.peer_port, self.tuple4.address, self.tuple4.port)
        if meant is None or not packet.checksums_ok or pair != here:
            return None
        if self._peer_base is None:
            self._peer_base = seqno.add(wire.seq, -meant.seq)
        segment = self._numbered(wire, self._peer_base, self._own_base or 0)
        first = seqno.add(segment.seq, bool(segment.flags & SYN))
        for at, octet in enumerate(wire.payload):
            self._sent[seqno.add(first, at)].add(octet)
        return replace(segment, payload=text(first, len(wire.payload), PEER_SALT))

    def of_target(self, event: Event, *, anew: bool) -> Sent:
        """Return a segment of the target; `anew`: a SYN may be that of another connection than before."""
        wire = codec.decode(event.packet).segment
        if wire.flags & ~JUDGED and not wire.asks_for_ecn:
            raise Untold
        if wire.flags & SYN and (anew or self._own_base is None):
            self._own_base = wire.seq
        segment = self._numbered(wire, self._own_base or 0, self._peer_base or 0)
        first = segment.seq - 1
        genuine = first >= 0 and self._written[first : first + len(wire.payload)] == wire.payload
        payload = text(segment.seq, len(wire.payload)) if genuine else ALIEN * len(wire.payload)
        return Sent(replace(segment, payload=payload), wire.seq, event.time_ns)

    @property
    def opens(self) -> bool:
        """Tell whether a handshake is under way in which the target has chosen its number (§3.8.1: the SYN again)."""
        return self._own_base is not None and self.history.every(lambda world: world.opening)

    def received(self, data: bytes) -> bytes:
        """Return what RECEIVE gave, as the judge wants it."""
        for first in {seqno.add(world.irs, 1 + world.read) for world in self.history.worlds}:
            if all(octet in self._sent[seqno.add(first, at)] for at, octet in enumerate(data)):
                return text(first, len(data), PEER_SALT)
        return ALIEN * len(data)

    def hears(self, call: Made | None) -> None:
        """Take note of what a call does to the streams."""
        if call is None or call.error:
            return
        if call.name in ("connect", "accept"):
            self.accepted, self._written = True, b""
        elif call.name == "send" and isinstance(call.result, int) and isinstance(call.about, bytes):
            self._written += call.about[: call.result]

    def _numbered(self, wire: Segment, own: int, other: int) -> Segment:
        return replace(wire, seq=seqno.add(wire.seq, -own), ack=seqno.add(wire.ack, -other))


class Retelling:
    """Tells the record of a conversation step by step; raises Fall where no history is left, Untold where none can be.

    `steps` are the lengths that `events` had behind each step.
    """

    def __init__(self, pairs: Iterable[FourTuple], policies: Collection[Policy], traits: Traits) -> None:
        shared = Spending() if traits.throttles_host else None
        self._told = [
            _Told(pair, History(policies=policies, traits=traits, peer_salt=PEER_SALT, spending=shared))
            for pair in pairs
        ]
        #: Backlogs by port and address, None for any.
        self._listening: dict[tuple[str | None, int], int] = {}
        #: What breaks a recommendation.
        self.remarks: list[Fall] = []

    def tell(self, events: Sequence[Event], steps: Iterable[int], calls: Iterable[Made], now_ns: int) -> None:
        """Tell it all, up to now."""
        made = {id(call.event): call for call in calls}
        begin = 0
        for end in (*steps, len(events)):
            self._step(events[begin:end], made)
            begin = max(begin, end)
        for told in self._told:
            self._passes(told, now_ns, ())
            if told.history.lost:
                raise Untold  # there are more histories than can be followed
            self.remarks += told.history.remarks

    def _step(self, events: Sequence[Event], made: dict[int, Made]) -> None:
        """Tell one step: what was done, and all that came of it."""
        done = [event for event in events if event.kind in (Kind.SENT, Kind.CALL)]
        about = {event.connection for event in done}
        calls = [made.get(id(event)) for event in done if event.kind is Kind.CALL]
        if len(about) > 1 or len(done) > TOGETHER or (calls and len(done) > 1):
            raise Untold
        for event in events:
            if event.kind is Kind.STATE:
                self._told[event.connection].state = State(event.text) if event.text else None
        arriving = [self._told[event.connection].of_peer(event) for event in done if event.kind is Kind.SENT]
        segments = [segment for segment in arriving if segment is not None]
        for index in about & {event.connection for event in done if event.kind is Kind.CALL}:
            self._told[index].hears(calls[0])
        seen: dict[int, list[Sent]] = {index: [] for index in range(len(self._told))}
        for event in events:
            if event.kind is Kind.RECEIVED:
                if any(note.startswith(("(on ", "(bad")) for note in event.annotations):
                    raise Untold
                told = self._told[event.connection]
                anew = len(done) > 1 or bool(calls) or not told.opens
                seen[event.connection].append(told.of_target(event, anew=anew))
        shown = {event.connection for event in events if event.kind is Kind.STATE}
        latest = max((event.time_ns for event in events), default=0)
        for index, told in enumerate(self._told):
            if index not in about or not (segments or calls):
                self._passes(told, latest, seen[index])
            elif segments:
                self._arrive(told, segments, done[0].time_ns, seen[index])
            else:
                self._call(told, calls[0], latest, seen[index])
        for index in shown:
            self._listens_still(self._told[index])

    def _listens_still(self, told: _Told) -> None:
        """Raise Fall if a listener is gone that nobody has closed: what remains of a connection is LISTEN."""
        if told.state is State.CLOSED and any(_is_at(told, place) for place in self._listening):
            cites = ("RFC 9293 §3.9.1.1", "RFC 9293 §3.10.7.4 second")
            raise Fall(Broken.WRONG_STATE, f"state {State.LISTEN}", str(told.state), cites, "listener")

    def _passes(self, told: _Told, now_ns: int, sent: Sequence[Sent], *, spare: bool = False) -> None:
        told.history.passes(max(told.history.now, now_ns), sent, told.state, spare=spare)

    # --- segments ----------------------------------------------------------------------------------------------------

    def _arrive(self, told: _Told, segments: Sequence[Segment], now_ns: int, sent: Sequence[Sent]) -> None:
        """Several that were sent back to back may have been answered by what came behind the last of them."""
        reopened = told.history.some(lambda world: bool(world.before))
        if reopened and any(segment.flags & RST for segment in segments):
            raise Untold  # whether MAY-2 (2) is kept is the author's
        early = [each for each in sent if each.time < now_ns]
        rest = [each for each in sent if each.time >= now_ns]
        found: dict[World, None] = {}
        last: Fall | Untold = Untold()
        for parts in _splits(rest, len(segments)):
            history = copy.copy(told.history)
            try:
                for at, (segment, part) in enumerate(zip(segments, parts, strict=True)):
                    if any(_is_the_authors(world, segment, bool(part)) for world in history.worlds):
                        raise Untold
                    state = told.state if at == len(segments) - 1 else None
                    crowded = self._is_crowded(told)
                    history.arrives(segment, now_ns, early * (not at) + part, state, crowded=crowded)
            except (Fall, Untold) as end:
                last = end
                continue
            found.update(dict.fromkeys(history.worlds))
            told.history.now = max(told.history.now, history.now)
            told.history.lost |= history.lost
        if not found:
            raise last
        told.history.worlds = list(found)
        opens = any(segment.flags & SYN for segment in segments)
        if opens and told.accepted and told.history.every(lambda world: not world.accepted):
            told.accepted = False

    def _is_crowded(self, told: _Told) -> bool:
        waiting = [
            other
            for other in self._told
            if other.tuple4.port == told.tuple4.port
            and not other.accepted
            and other.history.some(lambda world: world.queued or not world.over)
        ]
        backlogs = [backlog for place, backlog in self._listening.items() if _is_at(told, place)]
        return len(waiting) >= min(backlogs, default=len(self._told) + 1)

    # --- calls -------------------------------------------------------------------------------------------------------

    def _call(self, told: _Told, call: Made | None, now_ns: int, sent: Sequence[Sent]) -> None:
        if call is None or call.about is None:
            raise Untold
        ghost = not told.accepted and call.name not in ("listen", EVERYWHERE, "unlisten", "accept", "connect")
        if call.name == "setsockopt" or ghost:  # a socket may be left of the connection before
            self._passes(told, now_ns, sent)
            return
        if call.name in ("listen", EVERYWHERE, "unlisten", "accept"):
            getattr(self, f"_{call.name.split()[0]}")(told, call)
            self._passes(told, now_ns, sent, spare=call.name == "accept")
            return
        if call.name == "abort" and told.history.some(lambda world: world.state in _ABORTED_IN_SILENCE):
            raise Untold  # §3.10.5 deletes the TCB, and the judge knows stacks that do not
        octets = len(call.about) if isinstance(call.about, bytes) else call.about
        given = len(call.result) if call.name == "recv" and isinstance(call.result, bytes) else 0
        if 0 < given < octets and told.history.every(lambda world: world.available > given):
            raise Untold  # RECEIVE gives what there is (§3.10.3): how much that must be is the author's
        told.history.calls(call.name, octets, self._answer(told, call), call.event.time_ns, sent, told.state)

    def _answer(self, told: _Told, call: Made) -> Answer:
        if call.error:
            return Answer(call.error)
        if call.name == "send":
            return Answer(taken=int(str(call.result or 0)))
        if call.name == "recv":
            return Answer(data=told.received(call.result if isinstance(call.result, bytes) else b""))
        return Answer()

    def _listen(self, told: _Told, call: Made) -> None:
        if not call.error:
            address = None if call.name == EVERYWHERE else told.tuple4.address
            if (address, told.tuple4.port) in self._listening:
                due, cites = "an error: somebody listens there", ("RFC 9293 §3.10.1",)
                raise Fall(Broken.WRONG_ANSWER, due, "success", cites, "listen")
            self._listening[address, told.tuple4.port] = int(str(call.about))
            for other in self._told:
                if _is_at(other, (address, told.tuple4.port)):
                    other.history.listens(True)

    def _unlisten(self, told: _Told, _call: Made) -> None:
        """What its queue held has no place in the RFC, and is the author's."""
        gone = [place for place in self._listening if _is_at(told, place)]
        for place in gone:
            del self._listening[place]
        for other in self._told:
            if any(_is_at(other, place) for place in gone):
                if other.history.some(lambda world: not world.accepted and not world.over):
                    raise Untold
                other.history.listens(False)

    def _accept(self, told: _Told, call: Made) -> None:
        """`accept()` gives the connections of its listener in their order; a case knows which one it asks for."""
        others = [other for other in self._told if other is not told and other.tuple4.port == told.tuple4.port]
        if any(other.history.some(lambda world: world.queued) for other in others):
            raise Untold
        cites = ("RFC 9293 §3.9.1.1", "RFC 9293 §3.10.7.4 fifth")
        if call.error:
            if told.history.every(lambda world: world.queued and not world.over):
                raise Fall(Broken.WRONG_ANSWER, "the connection that is established", call.error, cites)
            return
        if not told.history.some(lambda world: world.queued):
            raise Fall(Broken.WRONG_ANSWER, "no connection", "a connection", cites)
        told.history.worlds = [world for world in told.history.worlds if world.queued]
        told.history.accepted()


def _is_at(told: _Told, place: tuple[str | None, int]) -> bool:
    """Tell whether a listener at a place is one for this connection."""
    address, port = place
    return port == told.tuple4.port and address in (None, told.tuple4.address)


def _is_the_authors(world: World, segment: Segment, answered: bool) -> bool:
    """Tell whether the judge is more lenient about a segment than §3.10.7 is: the author's demand stands."""
    if world.state is State.SYN_RECEIVED and segment.flags & SYN and not answered:
        return True  # an answer is due, though which one is open
    rcv_nxt = world.connection.rcv_nxt
    # What was offered last counts: a window may have been taken back (SHLD-14).
    offers = bool(world.connection.rcv_wnd) and (not world.last_edge or seqno.lt(rcv_nxt, world.last_edge))
    if segment.length and not segment.flags & (ACK | SYN | RST) and (world.over or offers):
        return True  # such a segment draws nothing at all where it lies in the window (§3.10.7.4 fifth)
    if world.state in _HEARD_ALL and segment.payload and not segment.flags & FIN:
        return offers and seqno.leq(rcv_nxt, segment.seq)  # text behind the peer's FIN is ignored
    synchronized = world.state not in (State.CLOSED, State.LISTEN, State.SYN_SENT)
    return synchronized and abs(seqno.diff(segment.seq, rcv_nxt)) >= HALF_WAY


def _splits(sent: Sequence[Sent], parts: int) -> Iterator[list[list[Sent]]]:
    """Yield the ways to share out what came, in its order, among so many causes."""
    if parts == 1:
        yield [list(sent)]
        return
    for size in range(len(sent) + 1):
        for rest in _splits(sent[size:], parts - 1):
            yield [list(sent[:size]), *rest]
