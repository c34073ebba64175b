"""Resets at a closed window (MUST-66), and resets that are about something else."""

import errno

import pytest

from harness.case import ACK, CLOSED, ESTABLISHED, RST, SYN, Peer, Target, cites, in_state
from testcases.resets.proof import prove_alive


def _close_window(target: Target, peer: Peer) -> int:
    """Fill the target's receive buffer until it offers nothing more; return the next sequence number."""
    for _segment in range(400):
        octets = min(peer.target_window, 1400)
        if not octets:
            break
        peer.send(ACK, bytes(octets))
        target.must_send(ACK, ack=peer.snd_nxt)
    target.should_show("with half a megaoctet unread the window is", peer.target_window, 0)
    return peer.snd_nxt


@pytest.mark.parametrize("data", [b"", b"text"], ids=["bare", "data"])
@cites("MUST-66", "RFC 9293 §3.4", "RFC 9293 §3.10.7.4 first")
@in_state(ESTABLISHED)
def test_reset_at_a_closed_window(target: Target, peer: Peer, data: bytes) -> None:
    """A closed window does not keep a reset out."""
    rcv_nxt = _close_window(target, peer)
    peer.send(RST, data, seq=rcv_nxt)
    target.must_not_send()
    target.must_be(CLOSED)


@pytest.mark.parametrize("offset", [-1, 1], ids=["below", "above"])
@cites("MUST-66", "RFC5961-3.2-outside", "RFC 9293 §3.10.7.4 first")
@in_state(ESTABLISHED)
def test_reset_beside_a_closed_window(target: Target, peer: Peer, offset: int) -> None:
    """With a closed window every number but the next expected one is outside: such a reset is dropped in silence."""
    rcv_nxt = _close_window(target, peer)
    with target.must_stay():
        peer.send(RST, seq=rcv_nxt + offset)
        target.must_not_send()
    peer.send(RST, seq=rcv_nxt)
    target.must_be(CLOSED)


@cites("RFC 5961 §3.2", "RFC 9293 §3.5.3")
@in_state(ESTABLISHED)
def test_reset_of_another_connection(target: Target, peer: Peer) -> None:
    """A reset with the right number from another port or another address ends nothing."""
    main = target.connection
    other = target.conversation.connect_peer(port=main.tuple4.port, peer_port=main.tuple4.peer_port - 1)
    Peer(other).send(RST, seq=main.peer_iss + 1 - other.peer_iss)
    Target(other).must_not_send()
    peer.send(RST, seq=1, source=target.conversation.rig.target.addresses(main.tuple4.version).peer[1])
    target.must_not_send()
    prove_alive(target, peer)


@cites("RFC 9293 §3.5.3", "RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED, keep_listener=True)
def test_reset_leaves_the_listener(target: Target, peer: Peer) -> None:
    """A reset ends its own connection only: the listener it came from accepts the next one."""
    peer.send(RST, seq=1)
    target.must_report(errno.ECONNRESET)
    peer.renew(100_000)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
