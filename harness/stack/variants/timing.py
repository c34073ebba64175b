"""Variants of timers: retransmission time-outs, giving up, keep-alives (RFC 6298, RFC 9293 §3.8)."""

from harness.stack.config import nanoseconds
from harness.stack.connection import Connection
from harness.stack.variants.variant import settings_variant, variant

settings_variant(
    "first-rto-3-s",
    "The first retransmission time-out is 3 s.",
    "RFC 6298 §2.1",
    "RFC 1122 §4.2.3.1",
    allows="It SHOULD be one second; three were the rule before, and §5.7 goes back to them.",
    rto_initial_s=3.0,
)

settings_variant(
    "coarse-clock",
    "All timers run by a tick of half a second, and end up to one early.",
    "RFC 6298 §2.4",
    "RFC 6298 §4",
    allows="Clocks of any granularity may measure round-trip times and trigger time-outs; it is told of the stack.",
    tick_s=0.5,
)

settings_variant(
    "first-rto-6-s",
    "The first retransmission time-out is 6 s.",
    "RFC 6298 §2.1",
    allows="It SHOULD be one second.",
    rto_initial_s=6.0,
)

settings_variant(
    "first-rto-45-s",
    "The first retransmission time-out is 45 s, and none is longer than a minute.",
    "RFC 6298 §2.1",
    "RFC 6298 §2.5",
    allows="It SHOULD be one second, and a maximum of 60 s may be placed on it.",
    rto_initial_s=45.0,
)

settings_variant(
    "smallest-rto-200-ms",
    "A measured retransmission time-out may be as short as 200 ms.",
    "RFC 6298 §2.4",
    allows="It SHOULD be rounded up to a second.",
    rto_min_s=0.2,
)

settings_variant(
    "largest-rto-two-minutes",
    "The retransmission time-out grows to two minutes.",
    "RFC 6298 §2.5",
    allows="A maximum MAY be placed on it, of at least 60 s.",
    rto_max_s=120.0,
)

settings_variant(
    "gives-up-after-100-s",
    "Data and FIN are sent again for 100 s.",
    "SHLD-11",
    "MUST-20",
    allows="R2 SHOULD be at least 100 s.",
    user_timeout_s=100.0,
)

settings_variant(
    "gives-up-after-twenty-minutes",
    "Data and FIN are sent again for twenty minutes, a SYN for six.",
    "SHLD-11",
    "MUST-23",
    allows="R2 has no upper bound but the application's.",
    user_timeout_s=1200.0,
    syn_timeout_s=360.0,
)


@variant(
    "rto-in-coarse-ticks",
    "The retransmission timer counts in ticks of half a second, as 4.4BSD's.",
    "RFC 6298 §4",
    allows="No clock granularity is demanded.",
)
class RtoInCoarseTicks(Connection):
    def start_retransmission_timer(self) -> None:
        tick = nanoseconds(0.5)
        exact = self.rtt.rto
        self.rtt.rto = -(-(self.now + exact) // tick) * tick - self.now
        super().start_retransmission_timer()
        self.rtt.rto = exact


@variant(
    "probes-at-the-rto",
    "The first probe of a closed window leaves after the time-out, the others after twice the time each.",
    "SHLD-29",
    "SHLD-30",
    allows="The interval SHOULD grow exponentially, from the retransmission time-out on.",
)
class ProbesAtTheRto(Connection):
    def probe_interval(self) -> int:
        return min(self.rtt.rto << min(max(self.probes - 1, 0), 10), nanoseconds(self.config.rto_max_s))
