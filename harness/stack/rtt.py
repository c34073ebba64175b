"""The retransmission timeout (RFC 6298)."""

from dataclasses import dataclass, field

from harness.stack.config import Config, nanoseconds

#: Weights and factor of RFC 6298 §2.3.
ALPHA, BETA, K = 1 / 8, 1 / 4, 4
#: The granularity of the clock, G: a millisecond.
GRANULARITY_NS = 1_000_000
#: What the RTO is set to when a SYN was lost (§5.7).
AFTER_LOST_SYN_S = 3.0


@dataclass(slots=True)
class RttEstimator:
    """Keeps SRTT and RTTVAR and computes RTO from them, in nanoseconds."""

    config: Config
    srtt: float | None = None
    rttvar: float = 0.0
    rto: int = field(init=False)

    def __post_init__(self) -> None:
        self.rto = nanoseconds(self.config.rto_initial_s)  # §2.1

    def sample(self, rtt: int) -> None:
        """Take a measurement; never one of a segment that was sent twice (§3, Karn's algorithm)."""
        if self.srtt is None:  # §2.2
            self.srtt, self.rttvar = rtt, rtt / 2
        else:  # §2.3: RTTVAR first
            self.rttvar = (1 - BETA) * self.rttvar + BETA * abs(self.srtt - rtt)
            self.srtt = (1 - ALPHA) * self.srtt + ALPHA * rtt
        self.rto = self._bounded(self.srtt + max(GRANULARITY_NS, K * self.rttvar))

    def back_off(self) -> None:
        """Double the timeout (§5.5)."""
        self.rto = self._bounded(2 * self.rto)

    def syn_was_lost(self) -> None:
        """Begin data transmission with three seconds after a SYN had to be repeated without a sample (§5.7)."""
        if self.srtt is None:
            self.rto = nanoseconds(AFTER_LOST_SYN_S)

    def _bounded(self, rto: float) -> int:
        # §2.4 and §2.5.
        return int(min(max(rto, nanoseconds(self.config.rto_min_s)), nanoseconds(self.config.rto_max_s)))
