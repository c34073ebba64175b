"""Variants of initial sequence numbers (RFC 9293 §3.4.1, RFC 6528), in a clock that stands still between calls too."""

import hashlib

from harness.spec import seqno
from harness.spec.states import TIME_WAIT
from harness.stack.connection import Connection
from harness.stack.datagram import Pair
from harness.stack.isn import initial_sequence_number
from harness.stack.stack import Stack
from harness.stack.variants.variant import variant

#: How far 4.4BSD's numbers advance with each connection, and in half a second.
STEP = 64_000
#: A tick of Linux's clock of initial sequence numbers, which wraps in 4.6 minutes.
FAST_TICK_NS = 64
#: A hundred ticks of the usual clock.
COARSE_TICK_NS = 400_000


@variant(
    "isn-of-the-clock",
    "Initial sequence numbers are clock and hash, nothing is remembered of the connection before.",
    "MUST-8",
    "RFC 6528 §3",
    allows="ISN = M + F(…): whoever opens again later begins above what was used before, as the clock has gone on.",
)
class IsnOfTheClock(Stack):
    def choose_iss(self, pair: Pair) -> int:
        return initial_sequence_number(pair, self.now, self._key)


@variant(
    "isn-of-a-coarse-clock",
    "The clock of initial sequence numbers ticks once in 0.4 ms, and moves by 100 then.",
    "MUST-8",
    "SHLD-1",
    "RFC 6528 §3",
    allows="The clock may be fictitious, and counts every 4 microseconds roughly.",
)
class IsnOfACoarseClock(Stack):
    def choose_iss(self, pair: Pair) -> int:
        iss = initial_sequence_number(pair, self.now // COARSE_TICK_NS * COARSE_TICK_NS, self._key)
        used = self.last_number(pair)
        return iss if used is None or seqno.lt(used, iss) else seqno.add(used, 1)


@variant(
    "isn-of-a-fast-clock",
    "The clock of initial sequence numbers ticks once in 64 ns.",
    "MUST-8",
    "RFC 9293 §3.4.1",
    allows="Four microseconds are roughly meant: no number comes again within an MSL.",
)
class IsnOfAFastClock(Stack):
    def choose_iss(self, pair: Pair) -> int:
        iss = initial_sequence_number(pair, 4_000 * (self.now // FAST_TICK_NS), self._key)
        used = self.last_number(pair)
        return iss if used is None or seqno.lt(used, iss) else seqno.add(used, 1)


@variant(
    "isn-with-counter",
    "Initial sequence numbers are clock, hash and a step of 64,000 for each connection.",
    "MUST-8",
    "RFC 6528 §3",
    allows="M may be any timer that keeps sequence numbers apart.",
)
class IsnWithCounter(Stack):
    opened = 0

    def choose_iss(self, pair: Pair) -> int:
        self.opened += 1
        return seqno.add(initial_sequence_number(pair, self.now, self._key), STEP * self.opened)


@variant(
    "isn-hash-of-all",
    "F is computed with another hash, of the four fields as octets and the key.",
    "SHLD-1",
    "RFC 6528 §3",
    allows="F is any function that nobody can compute from outside.",
)
class IsnHashOfAll(Stack):
    def choose_iss(self, pair: Pair) -> int:
        text = b"|".join(f"{end.address}/{end.port}".encode() for end in pair) + self._key
        offset = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
        iss, used = seqno.add(self.now // 4_000, offset), self.last_number(pair)
        return iss if used is None or seqno.lt(used, iss) else seqno.add(used, 1)


@variant(
    "isn-leaps-over-time-wait",
    "A connection that is opened again from TIME-WAIT begins 64,000 above the largest number of the one before.",
    "MAY-2",
    allows="The new connection's initial sequence number is larger than the largest one used before.",
)
class IsnLeapsOverTimeWait(Stack):
    def choose_iss(self, pair: Pair) -> int:
        before = self.connections.get(pair)
        if isinstance(before, Connection) and before.state is TIME_WAIT:
            return seqno.add(before.snd_nxt, STEP)
        return super().choose_iss(pair)
