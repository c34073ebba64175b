"""What the peer knows of a target from outside: enough to turn positions into numbers, and to ask the rules.

All numbers are relative: both initial sequence numbers are 0. They come out of the target's own segments, so a view
says what the target has shown, not what it should have.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self, cast

from harness.fuzz.steps import Position, Probe
from harness.spec import options, seqno
from harness.spec.connection import Connection, Origin
from harness.spec.history.world import text
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import (
    CLOSED,
    LISTEN,
    SYN_RECEIVED,
    SYN_SENT,
    SYNCHRONIZED,
    TIME_WAIT,
    State,
)

#: The receive window for positions where a target has none.
NOMINAL_WINDOW = 64240
PEER_MSS = 1460
#: What a TCP header has room for (RFC 9293 §3.1).
ALL_OPTIONS = 40
#: The TSval that ``t+0`` stands for before any was sent.
FIRST_TSVAL = 1_000_000
#: The largest shift that means anything (RFC 7323 §2.3).
LARGEST_SHIFT = 14

#: Where a SYN may begin something, so that its options may count.
_MAY_BEGIN = frozenset({None, CLOSED, LISTEN, SYN_SENT, TIME_WAIT})
_WITHOUT_NUMBERS = frozenset({CLOSED, LISTEN, SYN_SENT})


@dataclass(slots=True)
class View:
    """One target's end of the connection. Windows are in octets, after scaling."""

    state: State | None = CLOSED
    origin: Origin = Origin.PASSIVE
    snd_una: int = 0
    snd_nxt: int = 0
    snd_wnd: int = 0
    max_snd_wnd: int = 0
    rcv_nxt: int = 0
    #: The right edge of the receive window; it never moves left.
    edge: int = 0
    fin_sent: bool = False
    reader_gone: bool = False
    listening: bool = False
    #: Timestamps and window scale as offered by each side, None where not offered.
    own_stamps: bool = False
    peer_stamps: bool = False
    peer_shift: int | None = None
    own_shift: int | None = None
    last_tsval: int = FIRST_TSVAL
    #: The peer's SYN from which it has its options; the target's SYN,ACK may come again, and says nothing new about it.
    offered: Segment | None = None
    #: What the target's relative numbers count from, on the wire.
    own_first: int = 0
    echo: int = 0
    #: The peer's last SYN: what it offered counts once the target takes it.
    last_syn: Segment | None = None
    #: What was known in TIME-WAIT when a SYN came: it counts again if that is taken for an old duplicate (MAY-2).
    before: "View | None" = None

    @property
    def stamping(self) -> bool:
        """Both sides have offered timestamps."""
        return self.own_stamps and self.peer_stamps

    # --- from positions to numbers -----------------------------------------------------------------------------------

    @property
    def window(self) -> int:
        """RCV.WND, or a nominal one where there is none."""
        return NOMINAL_WINDOW if self.state in _WITHOUT_NUMBERS else max(0, self.edge - self.rcv_nxt)

    def sequence(self, position: Position) -> int:
        """Return a sequence number of the peer."""
        base = {"n": self.rcv_nxt, "e": self.rcv_nxt + self.window, "i": 0}[position.base]
        return base + position.offset

    def acknowledgment(self, position: Position) -> int:
        """Return a number of the target that the peer acknowledges."""
        return {"n": self.snd_nxt, "u": self.snd_una, "i": 0}[position.base] + position.offset

    def segment(self, probe: Probe) -> Segment:
        """Return the segment that a step stands for."""
        seq = self.sequence(probe.seq)
        ack = self.acknowledgment(probe.ack) if probe.ack is not None else 0
        first = seq + bool(probe.flags & SYN)
        payload = text(first, probe.octets)
        urgent = probe.octets if probe.flags & URG else 0
        return Segment(probe.flags, seq, ack, probe.window, payload, self._options(probe), urgent)

    def _options(self, probe: Probe) -> bytes:
        sizes = [int(token[1:]) for token in probe.options if token[0] == "m"] or [PEER_MSS]
        field = options.mss(sizes[0]) if probe.flags & SYN and not probe.flags & RST and sizes[0] else b""
        for token in probe.options:
            if token[0] in "mf":
                continue
            if token == "b":
                field += self._sack_block()
            elif token == "s":
                field += options.SACK_PERMITTED
            elif token[0] == "w":
                field += options.NOP + options.window_scale(min(int(token[1:]), 255))
            else:
                field += options.NOP * 2 + options.timestamps(seqno.add(self.last_tsval, int(token[1:])), self.echo)
        return field + options.NOP * (ALL_OPTIONS - len(field)) if "f" in probe.options else field

    def _sack_block(self) -> bytes:
        """Return a SACK option about all that is under way but its first octet, with numbers of the wire."""
        first, last = self.snd_una + 1, self.snd_nxt
        if last <= first:
            return b""
        edges = b"".join(seqno.add(edge, self.own_first).to_bytes(4, "big") for edge in (first, last))
        return options.NOP * 2 + options.unknown(options.KIND_SACK, edges)

    @property
    def synchronized(self) -> bool:
        """The numbers of both sides are known."""
        return self.state not in _WITHOUT_NUMBERS

    # --- for the rules -----------------------------------------------------------------------------------------------

    def connection(self) -> Connection | None:
        """Return the connection as the rules of §3.10.7 see it, None on a target that shows no states."""
        if self.state is None:
            return None
        return Connection(
            self.state,
            origin=self.origin,
            iss=0,
            snd_una=seqno.add(self.snd_una, 0),
            snd_nxt=seqno.add(self.snd_nxt, 0),
            snd_wnd=self.snd_wnd,
            max_snd_wnd=self.max_snd_wnd,
            permissible_snd_wnd=65535 << (self._shift(self.peer_shift)),
            rcv_nxt=seqno.add(self.rcv_nxt, 0),
            rcv_wnd=self.window,
            fin_sent=self.fin_sent,
            reader_gone=self.reader_gone,
            listener_open=self.listening,
            last_tsval=self.last_tsval if self.stamping else None,
        )

    # --- what happens ------------------------------------------------------------------------------------------------

    def sent(self, segment: Segment) -> None:
        """Take note of a segment of the peer, in the state before it; what counts is what the rules let count."""
        stamps = _stamps(segment)
        if segment.flags & RST:
            return
        if segment.flags & SYN:
            if self.state is TIME_WAIT:
                self.before = replace(self, before=None)
            if self.state in _MAY_BEGIN:
                self.last_syn = segment
            if self.state is SYN_SENT:
                self._peer_offers(segment)
        old = stamps is not None and self.stamping and seqno.lt(stamps[0], self.last_tsval)  # RFC 7323 §5.3, R1
        if stamps is not None and seqno.lt(self.last_tsval, stamps[0]):
            self.last_tsval = stamps[0]
        if segment.flags & ACK and not old and self._counts(segment):
            if self.snd_una < segment.ack <= self.snd_nxt:
                self.snd_una = segment.ack
            if not segment.flags & SYN:
                self.snd_wnd = segment.window << self._shift(self.peer_shift)
                self.max_snd_wnd = max(self.max_snd_wnd, self.snd_wnd)

    def _counts(self, segment: Segment) -> bool:
        if self.state is SYN_SENT:
            return bool(segment.flags & SYN)
        if segment.flags & SYN or self.state not in SYNCHRONIZED | {SYN_RECEIVED}:
            return False
        first, last = segment.seq - self.rcv_nxt, segment.seq + max(segment.length, 1) - 1 - self.rcv_nxt
        return (0 <= first < self.window) or (0 <= last < self.window) or (first == 0 and not segment.length)

    def echoes(self, segment: Segment) -> None:
        """Take note of a segment's timestamp, which the next one of the peer echoes."""
        stamps = _stamps(segment)
        self.echo = self.echo if stamps is None else stamps[0]

    def saw(self, segments: Iterable[Segment]) -> None:
        """Take note of the target's segments."""
        for segment in segments:
            # In SYN-RECEIVED the SYN,ACK is echoed, whatever the target says besides.
            if segment.flags & SYN or self.state is not SYN_RECEIVED:
                self.echoes(segment)
            if segment.flags & RST:
                continue
            if segment.flags & SYN:
                self._saw_syn(segment)
            self.snd_nxt = max(self.snd_nxt, segment.seq + segment.length)
            self.fin_sent = self.fin_sent or bool(segment.flags & FIN)
            if segment.flags & ACK:
                shift = 0 if segment.flags & SYN else self._shift(self.own_shift)
                self.rcv_nxt = segment.ack
                self.edge = max(self.edge, segment.ack + (segment.window << shift))

    def would_move_left(self, segment: Segment) -> bool:
        """Tell whether a segment takes back receive window (RFC 9293 §3.8.6), by more than scaling rounds it down."""
        shift = self._shift(self.own_shift)
        edge = segment.ack + (segment.window << shift) + (1 << shift) - 1
        return self.synchronized and not segment.flags & SYN and edge < self.edge

    def _saw_syn(self, segment: Segment) -> None:
        self.snd_una, self.snd_nxt, self.fin_sent = 0, 1, False
        self.own_shift, self.own_stamps = _scale(segment), _stamps(segment) is not None
        if segment.flags & ACK:
            self.edge = segment.ack
            if self.last_syn is not None and self.last_syn is not self.offered:
                self._peer_offers(self.last_syn)

    def _peer_offers(self, syn: Segment) -> None:
        stamps, self.offered = _stamps(syn), syn
        self.peer_shift, self.peer_stamps = _scale(syn), stamps is not None
        self.last_tsval = stamps[0] if stamps is not None else self.last_tsval
        self.snd_wnd = self.max_snd_wnd = syn.window

    def looks(self, state: State | None) -> Self:
        """Take note of the state that the target is in now; return the view that counts from now on."""
        was, self.state = self.state, state
        if was is SYN_RECEIVED and state is TIME_WAIT and self.before is not None:
            return cast(Self, replace(self.before, listening=self.listening))
        if state is SYN_SENT and was is not SYN_SENT:
            self.origin, self.reader_gone = Origin.ACTIVE, False
            self.rcv_nxt = self.edge = 0  # those of a connection before this one say nothing about it
        elif state is SYN_RECEIVED and was not in (SYN_RECEIVED, SYN_SENT):
            self.origin, self.reader_gone = Origin.PASSIVE, False
        return self

    @property
    def own_scale(self) -> int:
        """The shift of the target's windows, 0 unless both sides have offered one."""
        return self._shift(self.own_shift)

    def _shift(self, shift: int | None) -> int:
        both = self.peer_shift is not None and self.own_shift is not None
        return min(shift or 0, LARGEST_SHIFT) if both else 0


def _scale(segment: Segment) -> int | None:
    return options.window_scale_of(segment.options)


def _stamps(segment: Segment) -> tuple[int, int] | None:
    return options.timestamps_of(segment.options)
