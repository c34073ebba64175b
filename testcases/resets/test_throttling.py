"""Challenge ACKs are limited in rate where the limit is on (RFC 5961 §7)."""

import pytest

from harness.case import ACK, ESTABLISHED, RST, SYN, Capability, Peer, Target, cites, in_state, requires
from testcases.resets.proof import prove_alive

#: A setting of the target, and how often it may answer a burst: with the first twice the budget of one challenge per
#: second, should a second end meanwhile; with the second one answer per connection in half a second.
LIMITS = pytest.mark.parametrize(
    ("setting", "value", "most"),
    [("net.ipv4.tcp_challenge_ack_limit", "1", 2), ("net.ipv4.tcp_invalid_ratelimit", "500", 1)],
    ids=["all-connections", "one-connection"],
)
BURST = 20
#: Longer than the period of any limit: RFC 5961 §7 speaks of five seconds.
PERIOD_S = 60


@LIMITS
@pytest.mark.parametrize("flags", [RST, SYN], ids=["rst", "syn"])
@cites("RFC5961-7-throttling", "RFC 5961 §7")
@requires(Capability.RFC5961, Capability.SETTINGS)
@in_state(ESTABLISHED)
def test_challenges_are_limited(target: Target, peer: Peer, setting: str, value: str, most: int, flags: int) -> None:
    """With the limit on, a burst of forged segments draws few challenges, and costs the connection nothing."""
    with target.setting(setting, value):
        peer.inject(*(peer.segment(flags, seq=2 + step) for step in range(BURST)))
        target.should_send_at_most(most, ACK, seq=1, ack=1)
    prove_alive(target, peer)


@cites("RFC 5961 §7", "RFC 9293 §3.10.7.4 second")
@requires(Capability.RFC5961, Capability.SETTINGS)
@in_state(ESTABLISHED)
def test_limit_spares_true_resets(target: Target, peer: Peer) -> None:
    """The limit is one of challenges: after a burst the true reset still ends the connection."""
    with target.setting("net.ipv4.tcp_challenge_ack_limit", "1"):
        peer.inject(*(peer.segment(RST, seq=2 + step) for step in range(BURST)))
        target.should_send_at_most(2, ACK, seq=1, ack=1)
        prove_alive(target, peer)
        peer.send(RST)
        target.must_not_send()
        peer.send(ACK, ack=1)
        target.must_send(RST, seq=1)


@cites("RFC 5961 §7", "RFC5961-3.2-challenge")
@requires(Capability.RFC5961, Capability.SETTINGS)
@in_state(ESTABLISHED)
def test_first_challenge_is_not_withheld(target: Target, peer: Peer) -> None:
    """A limit per connection lets the first challenge through: a peer that restarted once needs no second try."""
    with target.setting("net.ipv4.tcp_invalid_ratelimit", "500"):
        peer.send(SYN, seq=100)
        target.must_send(ACK, seq=1, ack=1)
        peer.send(RST, seq=1)
        target.must_not_send()
    peer.send(ACK, ack=1)
    target.must_send(RST, seq=1)


@cites("RFC 5961 §7", "RFC5961-3.2-challenge")
@requires(Capability.RFC5961, Capability.SETTINGS, Capability.VIRTUAL_TIME)
@in_state(ESTABLISHED)
def test_challenges_come_back(target: Target, peer: Peer) -> None:
    """A limit holds for a period: when that is over, the next forged segment is challenged again, and the one then."""
    with target.setting("net.ipv4.tcp_challenge_ack_limit", "1"):
        for _ in range(2):
            peer.inject(*(peer.segment(RST, seq=2 + step) for step in range(BURST)))
            target.should_send_at_most(2, ACK, seq=1, ack=1)
            target.wait(PERIOD_S)
            peer.send(SYN, seq=100)
            target.must_send(ACK, seq=1, ack=1)
            target.wait(PERIOD_S)
    prove_alive(target, peer)
