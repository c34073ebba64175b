"""Blind resets (RFC 5961 §3.2): only the exact number resets; elsewhere in the window a challenge, outside nothing."""

import pytest

from harness.case import (
    ACK,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
    RST,
    SIMULTANEOUS,
    SYN_RECEIVED,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec.options import SACK_PERMITTED, mss
from testcases.resets.proof import prove_alive, prove_gone, right_edge

#: TIME-WAIT stands with the states that a connection reaches without its application.
SYNCHRONIZED = (ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)
INSIDE = pytest.mark.parametrize("place", ["next", "last"])
OUTSIDE = pytest.mark.parametrize("place", ["before", "long-before", "edge", "beyond"])
INSIDE_RULE = cites("RFC9293-3.10.7.4-rst", "RFC5961-3.2-challenge", "RFC5961-3.2-second-rst")
OUTSIDE_RULE = cites("RFC9293-3.10.7.4-rst", "RFC5961-3.2-outside")


def _number(peer: Peer, place: str) -> int:
    """Return the sequence number at a place relative to the target's window; `peer` has sent nothing out of order."""
    return {
        "long-before": peer.snd_nxt - 100_000,
        "before": peer.snd_nxt - 1,
        "next": peer.snd_nxt + 1,
        "last": right_edge(peer) - 1,
        "edge": right_edge(peer),
        "beyond": right_edge(peer) + 100_000,
    }[place]


def _challenges(target: Target, peer: Peer, place: str) -> None:
    """A reset at this place in the window draws a challenge ACK; the reset made from that ends the connection."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    with target.must_stay():
        peer.send(RST, seq=_number(peer, place))
        challenge = target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)
    peer.send(RST, seq=challenge.ack)
    target.must_not_send()


def _drops(target: Target, peer: Peer, place: str) -> None:
    """A reset at this place outside the window has no effect at all."""
    with target.must_stay():
        peer.send(RST, seq=_number(peer, place))
        target.must_not_send()


@INSIDE
@INSIDE_RULE
@requires(Capability.RFC5961_RST)
@in_state(*SYNCHRONIZED)
def test_reset_inside_the_window(target: Target, peer: Peer, place: str) -> None:
    """A reset in the window but not at its edge is challenged; the one made from the challenge ends the connection."""
    _challenges(target, peer, place)
    target.must_be(CLOSED)


@INSIDE
@INSIDE_RULE
@requires(Capability.RFC5961_RST)
@in_state(FIN_WAIT_2, TIME_WAIT, closed_by=CLOSE)
def test_reset_inside_the_window_after_close(target: Target, peer: Peer, place: str) -> None:
    """The same where no application is left. In TIME-WAIT a target may ignore resets (RFC 1337)."""
    ignores = target.conversation.rig.target.facts.sysctls.get("net.ipv4.tcp_rfc1337") == "1"
    resting = target.connection.state == TIME_WAIT
    _challenges(target, peer, place)
    target.must_be(CLOSED, *((TIME_WAIT,) if ignores and resting else ()))


@INSIDE
@INSIDE_RULE
@requires(Capability.RFC5961_RST)
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_reset_inside_the_window_of_the_handshake(target: Target, peer: Peer, place: str) -> None:
    """In SYN-RECEIVED, too, only the exact number counts: the handshake can still be completed after a challenge."""
    with target.must_stay():
        peer.send(RST, seq=_number(peer, place))
        target.must_send(ACK, seq=1, ack=1)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@OUTSIDE
@OUTSIDE_RULE
@in_state(*SYNCHRONIZED)
def test_reset_outside_the_window(target: Target, peer: Peer, place: str) -> None:
    """A reset outside the window is dropped in silence."""
    _drops(target, peer, place)


@OUTSIDE
@OUTSIDE_RULE
@in_state(FIN_WAIT_2, TIME_WAIT, closed_by=CLOSE)
def test_reset_outside_the_window_after_close(target: Target, peer: Peer, place: str) -> None:
    """The same where no application is left."""
    _drops(target, peer, place)


@OUTSIDE
@cites("RFC 9293 §3.5.3")
@OUTSIDE_RULE
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_reset_outside_the_window_of_the_handshake(target: Target, peer: Peer, place: str) -> None:
    """In SYN-RECEIVED a reset outside the window is dropped in silence, and the handshake can still be completed."""
    _drops(target, peer, place)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@pytest.mark.parametrize("place", ["before", "next", "last", "beyond"])
@cites("RFC9293-3.10.7.4-rst", "RFC 5961 §3.2")
@requires(Capability.RFC5961_RST)
@in_state(ESTABLISHED)
def test_connection_survives_blind_resets(target: Target, peer: Peer, place: str) -> None:
    """After a blind reset data flows as before, with the numbers as before, in both directions."""
    peer.send(RST, b"forged", seq=_number(peer, place))
    target.may_send(ACK, seq=1, ack=1)
    prove_alive(target, peer)
    target.send(b"and back")
    target.must_send(ACK, seq=1, ack=11, data=b"and back")


@cites("RFC 5961 §3.2", "RFC9293-3.10.7.4-rst")
@requires(Capability.RFC5961_RST)
@in_state(ESTABLISHED)
def test_every_blind_reset_is_challenged(target: Target, peer: Peer) -> None:
    """Each of several resets in the window draws a challenge of its own, all with the same numbers."""
    peer.inject(*(peer.segment(RST, seq=1 + step) for step in (1, 100, 2, 5000)))
    for _reset in range(4):
        target.must_send(ACK, seq=1, ack=1)
    prove_alive(target, peer)


@cites("RFC 5961 §3.2", "RFC9293-3.10.7.4-rst")
@requires(Capability.RFC5961_RST)
@in_state(ESTABLISHED)
def test_challenge_has_the_numbers_of_now(target: Target, peer: Peer) -> None:
    """A challenge acknowledges what has come in order, and its own number lies behind all that has been sent."""
    peer.send(ACK, b"0123456789")
    target.must_send(ACK, seq=1, ack=11)
    target.send(b"abcde")
    target.must_send(ACK, seq=1, ack=11, data=b"abcde")
    peer.send(RST, seq=100)
    target.must_send(ACK, seq=6, ack=11)


@cites("RFC5961-8-race", "RFC 5961 §8", "RFC5961-3.2-outside", "RFC5961-3.2-exact")
@requires(Capability.RFC5961_RST)
@in_state(ESTABLISHED)
def test_reset_overtakes_data(target: Target, peer: Peer) -> None:
    """A reset that overtakes data is challenged; the answer is overtaken in turn and dropped; the next one works."""
    peer.send(ACK, b"0123456789", seq=1)
    target.must_send(ACK, seq=1, ack=11)
    peer.send(RST, seq=21)
    challenge = target.must_send(ACK, seq=1, ack=11)
    peer.send(ACK, b"abcdefghij", seq=11)
    target.must_send(ACK, seq=1, ack=21)
    with target.must_stay():
        peer.send(RST, seq=challenge.ack)
        target.must_not_send()
    peer.send(RST, seq=21)
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer, seq=21)


@cites("RFC9293-3.10.7.4-rst", "RFC5961-3.2-challenge")
@requires(Capability.RFC5961_RST, Capability.SACK)
@in_state(ESTABLISHED, options=mss(1460) + SACK_PERMITTED)
def test_reset_behind_data_above_a_gap(target: Target, peer: Peer) -> None:
    """While a segment is missing, a reset behind what came after it is not at the next expected number: a challenge."""
    peer.send(ACK, b"0123456789", seq=11)
    target.must_send(ACK, seq=1, ack=1)
    with target.must_stay():
        peer.send(RST, seq=21)
        target.must_send(ACK, seq=1, ack=1)
