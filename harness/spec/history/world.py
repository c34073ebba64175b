"""A world: one connection as it may be, with both streams, what the application was told, and what time may do to it.

Sequence numbers are relative, both ISNs are 0, so the first octet of each stream has number 1. Times are nanoseconds.
Worlds are values: an event makes new ones. `harness.spec.connection.Connection` is the part that the rules look at.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.spec import seqno
from harness.spec.connection import Connection
from harness.spec.segment import FIN, Segment
from harness.spec.states import CLOSED, SYN_RECEIVED, SYN_SENT, TIME_WAIT, State
from harness.spec.values import replace

#: What a stream is made of: octet number n of the stream with salt s is (n + s) mod PERIOD: nothing is taken for
#: its neighbour, nor one stream for another.
PERIOD = 251
_PATTERN = bytes(range(PERIOD)) * 280


def text(first: int, octets: int, salt: int = 0) -> bytes:
    """Return so many octets of a stream from number `first` on."""
    start = (first + salt) % PERIOD
    if start + octets <= len(_PATTERN):
        return _PATTERN[start : start + octets]
    return (bytes(range(PERIOD)) * (octets // PERIOD + 2))[start : start + octets]


#: One unanswered keep-alive says nothing (MUST-29): so many may.
SEVERAL = 2
#: The largest shift that means anything (RFC 7323 §2.3).
LARGEST_SHIFT = 14


class Fate(StrEnum):
    """How a connection came to its end, as far as it has."""

    ALIVE = ""
    ORDERLY = "closed in order"
    RESET = "connection reset"
    REFUSED = "connection refused"
    ABORTED = "aborted"
    TIMED_OUT = "connection aborted due to user timeout"
    UNREACHABLE = "the peer cannot be reached"
    FORGOTTEN = "returned to LISTEN"
    SWEPT = "reset behind both FINs"
    DROPPED = "gone with its listener"


@dataclass(frozen=True)
class Held:
    """Text or a FIN above a gap that a receiver should hold (SHLD-31): its first number, the number behind it."""

    start: int
    end: int
    fin: bool = False


@dataclass(frozen=True)
class World:
    """One state of affairs that explains everything seen so far."""

    connection: Connection
    fate: Fate = Fate.ALIVE
    #: The application has heard of the end, or has let go of the connection.
    told: bool = False
    #: An ICMP error has come that may say why the connection is given up (§3.9.2.2).
    troubled: bool = False
    # --- what the application sends: octets that SEND has taken, and whether a FIN stands behind them
    written: int = 0
    closing: bool = False
    #: SND.WL1 and SND.WL2: the segment that the window was taken from.
    window_seq: int = 0
    window_ack: int = 0
    #: The right edge of the widest window that the peer has offered in anything that may have counted.
    send_edge: int = 0
    # --- what the application receives
    irs: int = 0
    read: int = 0
    fin_in: int = 0
    #: The application has closed its receiving direction (SHUT_RD).
    reads_no_more: bool = False
    held: tuple[Held, ...] = ()
    #: The right edge that the target has shown; it may have opened its window further without saying so.
    shown_edge: int = 0
    #: The right edge that it has shown last: it may have taken its window back, which it should not (SHLD-14).
    last_edge: int = 0
    #: So many octets were read since it was shown, by which the window may have grown.
    unshown: int = 0
    # --- time
    #: Since when what is outstanding has waited: since it was sent last, or since the peer's last sign of progress.
    waiting_since: int = 0
    #: When the peer has told last that its window is shut: a probe may count from there.
    told_shut: int = 0
    #: How often it was sent again since then.
    tries: int = 0
    #: How long the last repetition was waited for: the next one may take twice as long (RFC 6298 §5.5).
    interval: int = 0
    #: How long it had waited when a window opened, which need not restart its timer: that counts for the interval too.
    waited: int = 0
    time_wait_since: int = 0
    fin_wait_2_since: int = 0
    #: A delayed acknowledgment is due by then.
    ack_by: int | None = None
    # --- what each side has offered in its SYN: a shift of windows, None without; timestamps
    peer_shift: int | None = None
    own_shift: int | None = None
    peer_stamps: bool = False
    own_stamps: bool = False
    #: TS.Recent lies between these two (RFC 7323 §4.3).
    #: What the target has acknowledged last (RFC 7323 §4.3: Last.ACK.sent), and since when TS.Recent is what it is.
    acked: int = 0
    recent_since: int = 0
    oldest_recent: int = 0
    newest_recent: int = 0
    #: The user timeout that the application has set (R2, MUST-21), 0 without; since when the oldest of what is
    #: outstanding was given to SEND, and since when nothing of it was acknowledged.
    patience: int = 0
    given_since: int = 0
    stuck_since: int = 0
    #: The application asked for keep-alives behind so long a silence, which may end the connection (§3.8.4); 0: not.
    #: Since when the peer has been silent, as far as that counts for them, and how often it was asked since, up to 2.
    keep_alive: int = 0
    silent_since: int = 0
    asked: int = 0
    #: A sign of life has come since they were asked for: none comes before this time.
    asks_from: int = 0
    #: Whether anybody has accepted it (True for an active OPEN).
    accepted: bool = False
    #: Whether the listener that it came from has been closed; another one may be there since.
    forsaken: bool = False
    #: In SYN-RECEIVED: whether a cookie stands for it, so that the listener remembers nothing of it (RFC 4987 §3.6).
    by_cookie: bool = False
    #: The connection in TIME-WAIT that this one took the place of, and falls back to (MAY-2).
    before: "World | None" = None

    @property
    def state(self) -> State:
        """The RFC's state."""
        return self.connection.state

    @property
    def end_of_text(self) -> int:
        """The number behind the application's last octet; that of the FIN, if there is one."""
        return 1 + self.written

    @property
    def available(self) -> int:
        """How many octets RECEIVE could give now."""
        return seqno.diff(self.connection.rcv_nxt, self.irs) - 1 - self.fin_in - self.read

    @property
    def unacknowledged(self) -> bool:
        """Tell whether anything sent awaits its acknowledgment."""
        return seqno.lt(self.connection.snd_una, self.connection.snd_nxt)

    @property
    def unsent(self) -> bool:
        """Tell whether text or a FIN waits to be sent."""
        return seqno.lt(self.connection.snd_nxt, self.end_of_text + (self.closing and not self.connection.fin_sent))

    @property
    def outstanding(self) -> bool:
        """Tell whether the peer has yet to acknowledge anything that was sent or is to be."""
        return self.unacknowledged or self.unsent

    @property
    def stamping(self) -> bool:
        """Tell whether both sides use timestamps (RFC 7323 §3.2)."""
        return self.peer_stamps and self.own_stamps

    @property
    def snd_shift(self) -> int:
        """The shift of the peer's windows; 0 unless both sides have offered one (RFC 7323 §2.2)."""
        return min(self.peer_shift or 0, LARGEST_SHIFT) if self.own_shift is not None else 0

    @property
    def rcv_shift(self) -> int:
        """The shift of the target's windows."""
        return min(self.own_shift or 0, LARGEST_SHIFT) if self.peer_shift is not None else 0

    @property
    def over(self) -> bool:
        """Tell whether there is no connection (any more)."""
        return self.state is CLOSED

    @property
    def queued(self) -> bool:
        """Tell whether `accept()` may give it: established once, and not accepted yet."""
        return not self.accepted and not self.opening and self.fate not in (Fate.FORGOTTEN, Fate.DROPPED)

    @property
    def opening(self) -> bool:
        """Tell whether the handshake is under way."""
        return self.state in (SYN_SENT, SYN_RECEIVED)

    def with_connection(self, **changes: Any) -> "World":
        """Return the world with other variables of the connection."""
        return replace(self, connection=replace(self.connection, **changes))

    def ended(self, fate: Fate) -> "World":
        """Return the world with the connection gone."""
        return replace(
            self,
            connection=replace(self.connection, state=CLOSED),
            fate=fate,
            forsaken=False,
            held=(),
            ack_by=None,
            told=self.told or (self.connection.reader_gone and not self.reads_no_more),
        )

    def rests(self, fate: Fate, now: int) -> "World":
        """Return the world in TIME-WAIT, as whoever has sent a reset should be (§3.5.2); nobody gets it any more."""
        connection = replace(self.connection, state=TIME_WAIT, reader_gone=True)
        return replace(
            self, connection=connection, fate=fate, time_wait_since=now, held=(), closing=True, accepted=True
        )

    def holds(self, segment: Segment, window: int | None = None) -> "World":
        """Return the world with a segment above a gap held, as much of it as lies in the window, or in this one."""
        connection = self.connection
        edge = connection.rcv_nxt + (connection.rcv_wnd if window is None else window)
        start = max(0, seqno.diff(segment.seq, connection.rcv_nxt)) + connection.rcv_nxt
        end = connection.rcv_nxt + seqno.diff(seqno.add(segment.seq, len(segment.payload)), connection.rcv_nxt)
        fin = bool(segment.flags & FIN) and end < edge
        piece = Held(start, min(end, edge), fin)
        # A receiver may hold the text and let go of the FIN.
        pieces = {piece, replace(piece, fin=False)} if piece.end > piece.start else {piece} if fin else set()
        return replace(self, held=tuple(dict.fromkeys((*self.held, *sorted(pieces, key=str)))))


@dataclass(frozen=True)
class Traits:
    """What the RFCs leave to a stack, in seconds, as far as it is known; the defaults allow what they allow."""

    #: 2 MSL, as an interval; measured where it can be. MSL is two minutes (§3.6.1) and shorter in the field.
    two_msl_s: tuple[float, float] = (2.0, 270.0)
    #: The longest that anything outstanding may wait to be sent again at first, or twice as long as the time before
    #: if that is more; RFC 6298 §2.4 bounds the RTO from below only.
    repeat_s: float = 130.0
    #: The longest that it was measured to wait before what a fresh connection has sent comes again; 0: not known.
    first_s: float = 0.0
    #: The override timeout of §3.8.6.2.1 is a second at most; a tick of a stack's clock, and another of its timer's.
    override_s: float = 130.0
    #: What fits the window leaves at once where nothing is under way (§3.8.6.2.1, 2).
    send_s: float = 130.0
    #: ACKs are delayed by less than that (MUST-40), and a tick of a stack's clock.
    ack_delay_s: float = 0.55
    #: After how many repetitions a SYN,ACK, or anything else, may be given up (§3.8.3: R1 is at least 3).
    tries_syn_received: int = 1
    tries: int = 2
    #: A connection without application may leave FIN-WAIT-2 by itself, not before this time.
    fin_wait_2_s: float = 2.0
    #: Behind an acknowledgment it may hold back others for so long (RFC 5961 §7); without end where that is not known.
    throttle_s: float = 0.0
    #: Those of all connections count together.
    throttles_host: bool = False
