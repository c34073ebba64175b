"""A connection of the harness's own, before any case: what a stack is asked on it, and what it answers."""

import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, PSH, RST, SYN, Segment
from harness.targets.lane import Lane
from harness.targets.wired.link import CLOSED_PORT, WireLink
from harness.wire import codec
from harness.wire.link import Arrival

#: How long an answer is waited for that may not come at all.
ANSWER_LIMIT_S = 0.3
ECHO_LIMIT_S = 1.0
#: So far below the window is what is answered at once, whatever it carries.
FAR = 1 << 24
#: Segments that a stack is busy with while the one behind them, and the fence's probe, come in.
BUSY = 6
#: More octets than any greeting has.
MUCH = 1 << 16


class Call:
    """A connection of our own to the server."""

    ports: Iterator[int] = itertools.cycle(Lane().calls)

    def __init__(
        self,
        link: WireLink,
        path: codec.Path,
        port: int,
        offer: bytes | None = None,
        flags: int = SYN,
        *,
        completed: bool = True,
    ) -> None:
        self._link, self._path, self._port = link, path, port
        self._own_port = next(Call.ports)
        self.slowest_s = 0.0
        self._heard: deque[Segment] = deque()
        #: What has come that belongs to others.
        self.strays: list[Arrival] = []
        self.seq, self.ack = 0x10000000, 0
        opening = Segment(flags, seq=self.seq, window=65535, options=options.mss(1460) if offer is None else offer)
        self.answer = self.ask(opening)
        self.open = self.answer is not None and self.answer.flags & (SYN | ACK | RST) == SYN | ACK
        self.seq += 1
        if self.answer is not None and self.open:
            self.ack = seqno.add(self.answer.seq, 1)
            if completed:
                self.say(ACK)

    @property
    def round_trip_s(self) -> float:
        """How long the way there and back is."""
        return self._link.round_trip_s

    def say(self, flags: int, *, seq: int = 0, ack: int = 0, text: bytes = b"") -> None:
        """Send a segment; `seq` and `ack` are distances from where the connection is."""
        self._send(Segment(flags, seqno.add(self.seq, seq), seqno.add(self.ack, ack), 65535, text))

    def ask(self, segment: Segment, limit_s: float = ANSWER_LIMIT_S) -> Segment | None:
        """Send a segment and return the first answer."""
        started = time.monotonic()
        self._heard.clear()
        self._send(segment)
        for answer in self._answers(limit_s):
            self.slowest_s = max(self.slowest_s, time.monotonic() - started)
            return answer
        return None

    def hear(self, limit_s: float = ECHO_LIMIT_S) -> bytes:
        """Return the next text of the server, b"" where none comes."""
        return next((answer.payload for answer in self._answers(limit_s) if answer.payload), b"")

    def page(self, question: bytes, limit_s: float = ECHO_LIMIT_S) -> int | None:
        """Ask for a page, acknowledge it, and return how many octets it has; None where the server does not close."""
        self.say(ACK | PSH, text=question)
        self.seq, size = seqno.add(self.seq, len(question)), 0
        for answer in self._answers(limit_s):
            if answer.seq != self.ack or not (answer.payload or answer.flags & FIN):
                continue
            size += len(answer.payload)
            self.ack = seqno.add(self.ack, len(answer.payload))
            if answer.flags & FIN:
                return size
            self.say(ACK)
        return None

    def tell(self, flags: int, text: bytes = b"") -> None:
        """Send a segment that is next in sequence."""
        self.say(flags, text=text)
        self.seq = seqno.add(self.seq, len(text) + bool(flags & FIN))

    def doings(self, limit_s: float) -> tuple[bytes, int]:
        """Return what the server says within a time, which is acknowledged, and how it ends then: FIN, RST, or 0.

        One that has said a good deal goes on, and is not heard to its end.
        """
        said = b""
        for answer in self._answers(limit_s):
            if answer.flags & RST:
                return said, RST
            if answer.seq != self.ack or not (answer.payload or answer.flags & FIN):
                continue
            said += answer.payload
            self.ack = seqno.add(self.ack, len(answer.payload) + bool(answer.flags & FIN))
            self.say(ACK)
            if answer.flags & FIN or len(said) > MUCH:
                return said, answer.flags & FIN
        return said, 0

    def _answers(self, limit_s: float) -> Iterator[Segment]:
        """Yield what comes of this connection, until so much time has passed; what nobody takes is kept.

        Where the way is long it may take longer by as much.
        """
        deadline = time.monotonic() + limit_s + self._link.patience_s
        while True:
            while self._heard:
                yield self._heard.popleft()
            if (left := deadline - time.monotonic()) <= 0:
                return
            self._link.wait(left)
            self._sort(self._link.waiting())

    def _sort(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            answer = self.mine(arrival.packet)
            if answer is not None:
                self._heard.append(answer)
            else:
                self.strays.append(arrival)

    def challenge(self, flags: int, *, seq: int = 0, ack: int = 0, text: bytes = b"") -> Segment | None:
        """Send a segment and return the first answer."""
        return self.ask(Segment(flags, seqno.add(self.seq, seq), seqno.add(self.ack, ack), 65535, text))

    def is_challenged(self, flags: int, *, seq: int = 0, ack: int = 0, text: bytes = b"") -> bool:
        """Send a segment; tell whether an empty ACK answers it, whatever the server says besides."""
        self._heard.clear()
        self._send(Segment(flags, seqno.add(self.seq, seq), seqno.add(self.ack, ack), 65535, text))
        return any(
            answer.flags == ACK and answer.ack == self.seq and not answer.payload
            for answer in self._answers(ANSWER_LIMIT_S)
        )

    def fenced(self, flags: int, *, seq: int = 0) -> bool:
        """Send a segment that is answered; tell whether the answer came before that to the fence's probe."""
        segment = Segment(flags, seqno.add(self.seq, seq), self.ack, 65535)
        arrivals = self._link.exchange([codec.encode(self._path, self._addressed(segment))])
        return any(self.mine(arrival.packet) is not None for arrival in arrivals)

    def fenced_text(self) -> bool:
        """Send text that is answered at once behind what keeps the stack busy; tell whether that came before the fence.

        A card hands up text later than all else (GRO), to have more of it in one piece.
        """
        stray = Segment(ACK, self.seq, source_port=next(Call.ports), destination_port=CLOSED_PORT)
        text = self._addressed(Segment(ACK, seqno.add(self.seq, -FAR), self.ack, 65535, bytes(16)))
        packets = [codec.encode(self._path, segment) for segment in (*[stray] * BUSY, text)]
        return any(self.mine(arrival.packet) is not None for arrival in self._link.exchange(packets))

    def fenced_opening(self) -> bool:
        """Open anew behind what keeps the stack busy; tell whether the answer came before that to the fence's probe.

        A stack that takes in all that waits, and only then sends what its connections have to say, shows itself so.
        """
        self._own_port, seq = next(Call.ports), 0x20000000
        stray = Segment(ACK, seq, source_port=self._own_port, destination_port=CLOSED_PORT)
        opening = self._addressed(Segment(SYN, seq, window=65535, options=options.mss(1460)))
        packets = [codec.encode(self._path, segment) for segment in (*[stray] * BUSY, opening)]
        answers = (self.mine(arrival.packet) for arrival in self._link.exchange(packets))
        found = any(answer is not None and answer.source_port == self._port for answer in answers)
        self._send(Segment(RST, seqno.add(seq, 1)))
        self._link.wait(0.01)
        self._link.waiting()
        return found

    def mine(self, packet: bytes) -> Segment | None:
        """Return the segment if it belongs to this connection."""
        try:
            segment = codec.decode(packet).segment
        except codec.MalformedPacket:
            return None
        return segment if segment.destination_port == self._own_port else None

    def end(self) -> None:
        """Reset the connection."""
        self.say(RST | ACK)
        self._link.wait(0.01)
        self._sort(self._link.waiting())

    def _addressed(self, segment: Segment) -> Segment:
        segment.source_port, segment.destination_port = self._own_port, self._port
        return segment

    def _send(self, segment: Segment) -> None:
        self._link.send(codec.encode(self._path, self._addressed(segment)))
