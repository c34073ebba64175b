"""What an application may set on its socket; a connection inherits it from the listener (RFC 9293 §3.9.1.1)."""

from dataclasses import dataclass


@dataclass(slots=True)
class SocketSettings:
    """The settings of one socket. Times in seconds; None for the stack's default."""

    no_delay: bool = False  # Nagle's algorithm off (MUST-17)
    keep_alive: bool = False  # MUST-25: off
    keep_alive_idle_s: float | None = None
    keep_alive_interval_s: float | None = None
    keep_alive_probes: int | None = None
    user_timeout_s: float | None = None  # R2 (MUST-21)
    syn_timeout_s: float | None = None  # R2 for the SYN (MUST-21)
    fin_wait_2_timeout_s: float | None = None
    receive_buffer: int | None = None
    send_buffer: int | None = None
    ttl: int = 64  # MUST-49
    traffic_class: int = 0  # MUST-48
    report_errors: bool = False  # ICMP errors at once, soft ones too
