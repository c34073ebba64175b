"""Segments with a connection's numbers but not its name: they belong to nobody and change nothing."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    NO_FLAGS,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
)
from testcases.isolation.connections import DIFFERENCES, neighbour

STRAYS = (ACK, FIN | ACK, FIN, SYN, SYN | ACK, RST, RST | ACK, NO_FLAGS)
TABLE = ("RFC 9293 §3.3.1", "RFC 9293 §3.5.2 group 1", "RFC 9293 §3.10.7.1")


def _send_strays(target: Target, peer: Peer, difference: str) -> None:
    """Send from or to a name that differs in one place what would be acceptable on the target's connection."""
    stranger, strange_peer = neighbour(target, difference)
    stranger.connection.target_iss = target.connection.target_iss
    for flags in STRAYS:
        data = b"stray" if flags in (ACK, NO_FLAGS) else b""
        length = len(data) + bool(flags & SYN) + bool(flags & FIN)
        with target.must_stay():
            strange_peer.send(flags, data, seq=peer.snd_nxt, ack=peer.rcv_nxt)
            if flags & RST:
                stranger.must_not_send()
            elif flags & ACK:
                stranger.must_send(RST, seq=peer.rcv_nxt)
            else:
                stranger.must_send(RST | ACK, seq=Absolute(0), ack=peer.snd_nxt + length)
        stranger.must_be(CLOSED)


@cites(*TABLE)
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT, opened=ACTIVE)
def test_strays_beside_a_synchronized_connection(target: Target, peer: Peer) -> None:
    """A segment whose name differs in one place is reset as on a closed port, and the connection doesn't notice."""
    for difference in DIFFERENCES:
        _send_strays(target, peer, difference)
    sent = peer.rcv_nxt
    peer.send(ACK, b"old", seq=-3, ack=sent)
    target.must_send(ACK, seq=sent, ack=peer.snd_nxt)


@cites(*TABLE)
@in_state(SYN_SENT)
def test_strays_beside_an_active_open(target: Target, peer: Peer) -> None:
    """An active open that waits for its SYN,ACK isn't completed or refused by somebody else's segments."""
    for difference in DIFFERENCES:
        _send_strays(target, peer, difference)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites(*TABLE)
@in_state(SYN_RECEIVED, opened=ACTIVE)
def test_strays_beside_a_simultaneous_open(target: Target, peer: Peer) -> None:
    """A connection in SYN-RECEIVED isn't completed or reset by somebody else's segments."""
    for difference in DIFFERENCES:
        _send_strays(target, peer, difference)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"ours")
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"ours")


@cites("RFC 9293 §3.3.1", "RFC 9293 §3.10.7.2")
@in_state(ESTABLISHED, keep_listener=True)
def test_strays_meet_the_listener(target: Target, peer: Peer) -> None:
    """Another port's segments with a connection's numbers reach the listener, who resets or ignores them."""
    stranger, strange_peer = neighbour(target, "peer-port")
    stranger.connection.target_iss = target.connection.target_iss
    for flags in (ACK, FIN | ACK, SYN | ACK):
        strange_peer.send(flags, b"stray", seq=1, ack=1)
        stranger.must_send(RST, seq=1)
    for flags in (RST, RST | ACK, FIN, NO_FLAGS):
        strange_peer.send(flags, b"stray", seq=1, ack=1)
        stranger.must_not_send()
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"ours")
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"ours")
