"""Congestion control: slow start, congestion avoidance, fast retransmit and recovery (MUST-19; RFC 5681, RFC 6582)."""

from dataclasses import dataclass

from harness.spec import seqno

#: Duplicate ACKs that stand for a loss (RFC 5681 §3.2).
DUPLICATES = 3


@dataclass(slots=True)
class Congestion:
    """The congestion window of one connection, in octets. `recover` is where a recovery ends."""

    mss: int
    window: int
    threshold: int = 1 << 30
    duplicates: int = 0
    recover: int | None = None

    def acknowledged(self, octets: int, una: int) -> bool:
        """Take note of new data acknowledged up to `una`; tell whether the next hole must be filled at once."""
        self.duplicates = 0
        if self.recover is not None:
            if seqno.lt(una, self.recover):  # a partial ACK: the segment behind it is lost too (RFC 6582 §3.2)
                self.window = max(self.mss, self.window - octets + self.mss)
                return True
            self.recover, self.window = None, self.threshold
        elif self.window < self.threshold:
            self.window += min(octets, self.mss)
        else:
            self.window += max(1, self.mss * self.mss // self.window)
        return False

    def duplicate(self, flight: int, snd_nxt: int) -> bool:
        """Take note of a duplicate ACK; tell whether it is the one that calls for a fast retransmit."""
        self.duplicates += 1
        if self.recover is not None:
            self.window += self.mss
        elif self.duplicates == DUPLICATES:
            self.threshold = max(flight // 2, 2 * self.mss)
            self.window = self.threshold + DUPLICATES * self.mss
            self.recover = snd_nxt
            return True
        return False

    def timed_out(self, flight: int, *, first: bool) -> None:
        """Take note of a retransmission timeout; `first` for the first one of a segment (RFC 5681 §3.1)."""
        if first:
            self.threshold = max(flight // 2, 2 * self.mss)
        self.window, self.duplicates, self.recover = self.mss, 0, None
