"""The transmission control block: the variables of a connection (RFC 9293 §3.3.1) and its timers."""

from typing import Protocol

from harness.spec import seqno
from harness.spec.states import CLOSED, State
from harness.stack.config import Config, nanoseconds
from harness.stack.congestion import Congestion
from harness.stack.datagram import Datagram, Pair
from harness.stack.options import DEFAULT_MSS, TIMESTAMPS_LENGTH
from harness.stack.readiness import Ready
from harness.stack.reassembly import Reassembly
from harness.stack.rtt import RttEstimator
from harness.stack.settings import SocketSettings
from harness.stack.timers import Timer, Timers


class Owner(Protocol):
    """The application's end of a connection: what it is told. An errno stands for the RFC's error messages."""

    settings: SocketSettings

    def opened(self, connection: "Tcb") -> None:
        """The connection is established."""

    def ended(self, connection: "Tcb", code: int) -> None:
        """The connection is gone; `code` is 0 unless the peer or a timer has ended it before its time."""

    def soft_error(self, connection: "Tcb", code: int) -> None:
        """ICMP reported trouble that need not last."""

    def notify(self, connection: "Tcb", events: Ready) -> None:
        """Something has come about that the application may be waiting for; NONE for what poll(2) does not tell."""


class Host(Protocol):
    """What a connection needs of its stack."""

    config: Config
    now: int

    def transmit(self, datagram: Datagram) -> None:
        """Put a segment on the way."""

    def schedule(self, connection: "Tcb", deadline: int) -> None:
        """See to it that the connection is woken at `deadline`."""

    def forget(self, connection: "Tcb") -> None:
        """Remove the connection from the table: its state is CLOSED."""

    def event(self, connection: "Tcb", text: str) -> None:
        """Take note of something that happened."""

    def challenge_allowed(self) -> bool:
        """Tell whether one more challenge ACK may be sent (RFC 5961 §7); it counts as sent."""

    def choose_iss(self, pair: Pair) -> int:
        """Return an initial sequence number."""

    def choose_timestamp_offset(self, pair: Pair) -> int:
        """Return what a connection adds to the clock of its timestamps."""


class Tcb:
    """The variables of one connection. Names and meanings are those of RFC 9293 §3.3.1, numbers as on the wire."""

    def __init__(self, host: Host, pair: Pair, owner: Owner | None) -> None:
        self.host = host
        self.config = host.config
        self.pair = pair
        self.owner = owner
        self.settings = owner.settings if owner is not None else SocketSettings()
        self.state: State = CLOSED
        #: The errno with which it ended before its time, 0 otherwise.
        self.error = 0
        #: Whether SYN-RECEIVED was reached from LISTEN, and not from SYN-SENT (MUST-11).
        self.passive = False
        #: The connection in TIME-WAIT that this one would replace (MAY-2).
        self.replaced: Tcb | None = None
        self.timers = Timers()
        self._init_sending()
        self._init_receiving()
        self._init_options()

    def _init_sending(self) -> None:
        self.iss = self.snd_una = self.snd_nxt = 0
        self.snd_wnd = self.snd_wl1 = self.snd_wl2 = 0
        self.max_snd_wnd = 0
        self.snd_up: int | None = None
        #: Where sending goes on: SND.NXT, or behind it when everything is sent again after a timeout.
        self.cursor = 0
        #: What the application has sent and the peer has not acknowledged; the first octet has number `snd_first`.
        self.send_buffer = bytearray()
        self.snd_first = 0
        #: The application has closed its direction: a FIN stands behind the send buffer.
        self.fin_queued = False
        #: The end of the last segment that was not full-sized.
        self.small_end = 0
        self.retransmissions = 0
        #: When R2 began to run.
        self.unanswered_since = 0
        self.probes = 0
        self.rtt = RttEstimator(self.config)
        #: The segment whose round trip is measured: its end and when it was sent (RFC 6298 §3).
        self.timed: tuple[int, int] | None = None
        self.congestion = Congestion(DEFAULT_MSS[self.pair.local.version], 0)

    def _init_receiving(self) -> None:
        self.irs = self.rcv_nxt = 0
        #: The right edge of what was offered, RCV.NXT+RCV.WND: it never moves left (§3.8.6).
        self.rcv_edge = 0
        self.rcv_up: int | None = None
        self.receive_buffer = bytearray()
        self.reassembly = Reassembly()
        #: The peer's FIN has been taken in: the stream ends behind the receive buffer.
        self.fin_received = False
        #: The application has closed both directions: nobody will read.
        self.deaf = False
        self.ack_due = False
        #: Octets received and not acknowledged yet.
        self.unacknowledged = 0
        self.last_ack_sent = 0
        self.last_heard = self.host.now
        self.last_invalid_ack: int | None = None
        self.last_challenge: int | None = None

    def _init_options(self) -> None:
        self.peer_mss = DEFAULT_MSS[self.pair.local.version]
        #: Shift counts (RFC 7323 §2): None until both sides have sent the option.
        self.snd_shift = self.rcv_shift = 0
        #: The segment at hand came with a SYN, so that its window is not scaled (RFC 7323 §2.2).
        self.heard_syn = False
        self.scaling = False
        self.stamping = False
        self.ts_offset = 0
        self.ts_recent = 0
        self.ts_recent_at = 0
        self.sacking = False

    # --- what follows from the variables -----------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The time in nanoseconds."""
        return self.host.now

    @property
    def send_mss(self) -> int:
        """Eff.snd.MSS: how much data a segment may carry (MUST-16)."""
        mss = min(self.peer_mss, self.config.mss_of(self.pair.local.version))
        return max(1, mss - (TIMESTAMPS_LENGTH if self.stamping else 0))

    @property
    def snd_end(self) -> int:
        """The number behind the last octet that the application has sent; a queued FIN has this number."""
        return seqno.add(self.snd_first, len(self.send_buffer))

    @property
    def flight(self) -> int:
        """How much sequence space is sent and not acknowledged."""
        return seqno.diff(self.snd_nxt, self.snd_una)

    @property
    def fin_acknowledged(self) -> bool:
        """Tell whether our FIN was sent and is acknowledged."""
        return self.fin_queued and seqno.lt(self.snd_end, self.snd_una)

    @property
    def send_room(self) -> int:
        """How much more the application may send at once."""
        return (self.settings.send_buffer or self.config.send_buffer) - len(self.send_buffer)

    @property
    def unsent(self) -> bool:
        """Tell whether anything waits to be sent: data, or the FIN."""
        return seqno.lt(self.cursor, seqno.add(self.snd_end, self.fin_queued))

    @property
    def rcv_wnd(self) -> int:
        """RCV.WND: what was offered and not used up yet."""
        return max(0, seqno.diff(self.rcv_edge, self.rcv_nxt))

    @property
    def two_msl(self) -> int:
        """How long TIME-WAIT lasts."""
        return nanoseconds(2 * self.config.msl_s)

    def enter(self, state: State) -> None:
        """Change the state."""
        self.state = state
        self.host.event(self, str(state))

    def start(self, timer: Timer, duration: int) -> None:
        """Let a timer expire after `duration` nanoseconds."""
        deadline = self.now + duration
        if self.config.tick_s:
            tick = nanoseconds(self.config.tick_s)
            deadline = max(deadline // tick, self.now // tick + 1) * tick
        self.timers.start(timer, deadline)
        self.host.schedule(self, deadline)

    def delete(self, error: int = 0) -> None:
        """Enter CLOSED and delete the TCB; `error` is the errno that the application is told."""
        self.timers.clear()
        self.send_buffer.clear()
        self.reassembly.clear()
        self.enter(CLOSED)
        self.error = error
        self.host.forget(self)
        if error:
            self.receive_buffer.clear()
        if self.owner is not None:
            self.owner.ended(self, error)

    def notify(self, events: Ready) -> None:
        """Tell the application, if there is one, what has newly come about."""
        if self.owner is not None:
            self.owner.notify(self, events)

    def vanish(self) -> None:
        """Be CLOSED without a word to anyone."""
        self.timers.clear()
        self.owner, self.state = None, CLOSED

    def wake(self) -> None:
        """Act on the timers that are due; see `harness.stack.retransmission`."""
        raise NotImplementedError
