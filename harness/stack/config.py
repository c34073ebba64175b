"""What the RFCs leave open: the settings of a stack, and where a number comes from."""

from dataclasses import dataclass

NS = 1_000_000_000


def nanoseconds(seconds: float) -> int:
    """Return a time in the unit in which the stack counts."""
    return round(seconds * NS)


@dataclass(slots=True)
class Config:
    """The settings of a stack. Times are in seconds; `now` and deadlines elsewhere are integers in nanoseconds."""

    # Segments and buffers.
    mss: dict[int, int] | None = None  # by IP version: what fits a link of 1500 octets, unless given
    receive_buffer: int = 131_072
    send_buffer: int = 131_072
    window_scale: bool = True  # RFC 7323 §2
    timestamps: bool = True  # RFC 7323 §3
    require_timestamps: bool = True  # RFC 7323 §3.2: once negotiated, segments without are dropped
    sack: bool = True  # RFC 2018
    initial_window_segments: int = 10  # RFC 6928
    # Retransmission (RFC 6298) and how long it goes on (RFC 9293 §3.8.3).
    rto_initial_s: float = 1.0
    rto_min_s: float = 1.0
    rto_max_s: float = 60.0
    retries_r1: int = 3  # R1: from then on the IP layer is told
    user_timeout_s: float = 300.0  # R2 for data and FIN: the "global default" of five minutes (§3.9.1.1)
    syn_timeout_s: float = 183.0  # R2 for a SYN: three minutes at least (MUST-23)
    syn_ack_timeout_s: float = 183.0
    tick_s: float = 0.0  # timers end at multiples of it: at the last one in time, else the next (0: on time)
    # Acknowledgments.
    delayed_ack_s: float | None = 0.2  # None: every ACK at once
    override_timeout_s: float = 0.5  # of the sender's silly window avoidance (§3.8.6.2.1)
    # Closing.
    msl_s: float = 120.0  # RFC 9293 §3.4.2
    fin_wait_2_timeout_s: float = 60.0  # of a connection without application; no RFC has it
    time_wait_reuse: bool = True  # MAY-2, by RFC 6191 (SHLD-4)
    keep_time_wait: bool = False  # RFC 1337: resets don't end TIME-WAIT
    # Keep-alive, off by default (RFC 9293 §3.8.4).
    keep_alive_idle_s: float = 7200.0
    keep_alive_interval_s: float = 75.0
    keep_alive_probes: int = 9
    # RFC 5961 §7: this many challenge ACKs in so many seconds, for all connections together.
    challenge_limit: int = 10
    challenge_period_s: float = 5.0
    challenge_interval_s: float = 0.0  # and so long each connection waits between two
    # The same unacceptable segment again within this time is not answered again (RFC 5961 §7 again; 0: always).
    invalid_interval_s: float = 0.0
    # Where numbers begin, for tests of their wraps. None: as RFC 6528 and RFC 7323 §7.1 want it.
    iss: int | None = None  # of the first connection between two endpoints; a later one begins above what it used
    timestamp_offset: int | None = None  # what is added to the clock, milliseconds since 0 of `now`
    # RFC 6335 §6.
    ephemeral_ports: tuple[int, int] = (49152, 65535)

    def mss_of(self, version: int) -> int:
        """Return the maximum segment size to announce (RFC 9293 §3.7.1)."""
        return (self.mss or {4: 1460, 6: 1440})[version]
