"""Variants of how many segments a stack answers at all (RFC 5961 §7, RFC 9293 §3.10.7)."""

from harness.spec.segment import ACK, RST
from harness.stack.config import NS
from harness.stack.datagram import Datagram
from harness.stack.stack import Stack
from harness.stack.variants.variant import settings_variant, variant

#: As FreeBSD's net.inet.icmp.icmplim has it.
RESETS_PER_SECOND = 200

settings_variant(
    "ten-challenges-in-five-seconds",
    "Ten challenge ACKs in 5 s, for all connections together.",
    "RFC 5961 §7",
    allows="The RFC's own example of a throttle.",
    challenge_limit=10,
    challenge_period_s=5.0,
)

settings_variant(
    "challenges-throttled-by-connection",
    "Each connection sends one challenge ACK in a second.",
    "RFC 5961 §7",
    allows="How the throttle counts is left open; a counter of each connection's own tells nobody about another.",
    challenge_interval_s=1.0,
)


@variant(
    "resets-limited",
    "Two hundred resets in a second are sent for segments without a connection, no more.",
    "RFC 9293 §3.10.7.1",
    "RFC 5961 §7",
    allows="Who answers every stray can be made to flood others; hosts limit what they send in answer to errors.",
)
class ResetsLimited(Stack):
    resets = 0
    since = 0

    def transmit(self, datagram: Datagram) -> None:
        if datagram.segment.flags & RST and not datagram.segment.flags & ACK:
            if self.now - self.since >= NS:
                self.resets, self.since = 0, self.now
            self.resets += 1
            if self.resets > RESETS_PER_SECOND:
                return
        super().transmit(datagram)
