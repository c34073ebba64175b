"""SYN in synchronized states (RFC 5961 §4.2): a challenge ACK whatever the number, and nothing else."""

import errno

import pytest

from harness.case import (
    ACK,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    RST,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    segment,
    silence,
)
from testcases.resets.proof import prove_alive, prove_gone, right_edge

RULE = cites("RFC9293-3.10.7.4-syn", "RFC5961-4.2-challenge", "RFC 9293 §3.10.7.4 fourth")
PLACES = pytest.mark.parametrize("place", ["old", "before", "exact", "inside", "edge", "beyond"])


def _number(peer: Peer, place: str) -> int:
    """Return the sequence number at a place relative to the target's window."""
    return {
        "old": peer.snd_nxt - 100_000,
        "before": peer.snd_nxt - 1,
        "exact": peer.snd_nxt,
        "inside": peer.snd_nxt + 1000,
        "edge": right_edge(peer),
        "beyond": right_edge(peer) + 100_000,
    }[place]


def _is_challenged(target: Target, peer: Peer, place: str) -> None:
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    with target.must_stay():
        peer.send(SYN, seq=_number(peer, place))
        target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)


@PLACES
@RULE
@requires(Capability.RFC5961_SYN)
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)
def test_syn_is_challenged(target: Target, peer: Peer, place: str) -> None:
    """A SYN draws an ACK with the present numbers, in the window as well as outside, and changes no state."""
    _is_challenged(target, peer, place)


@PLACES
@RULE
@requires(Capability.RFC5961_SYN)
@in_state(FIN_WAIT_2, closed_by=CLOSE)
def test_syn_after_close(target: Target, peer: Peer, place: str) -> None:
    """The same in a FIN-WAIT-2 without application."""
    _is_challenged(target, peer, place)


@PLACES
@RULE
@requires(Capability.RFC5961_SYN)
@in_state(SYN_RECEIVED, opened=SIMULTANEOUS)
def test_syn_in_active_syn_received(target: Target, peer: Peer, place: str) -> None:
    """The SYN-RECEIVED of an active opener treats a SYN like the synchronized states."""
    if place == "before":  # That is the peer's own SYN once more, which the SYN,ACK may answer again.
        with target.must_stay():
            peer.send(SYN, seq=0)
            again = segment(SYN | ACK, seq=0, ack=1, cites="RFC 9293 §3.10.8")
            target.must_answer(segment(ACK, seq=1, ack=1, cites="RFC 9293 §3.10.7.4 fourth"), again)
    else:
        _is_challenged(target, peer, place)


@pytest.mark.parametrize("place", ["old", "before", "exact"])
@RULE
@requires(Capability.RFC5961_SYN)
@in_state(TIME_WAIT)
def test_old_syn_in_time_wait(target: Target, peer: Peer, place: str) -> None:
    """In TIME-WAIT a SYN that can't be a new connection's is challenged as in the other states, or dropped as old."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    tested = target.conversation.rig.target
    reuses = Capability.TIME_WAIT_REUSE in {*tested.capabilities, *tested.facts.untold}
    dropped = [silence(cites="RFC 6191 §2")] if reuses and place != "exact" else []
    with target.must_stay():
        peer.send(SYN, seq=_number(peer, place))
        target.must_answer(segment(ACK, seq=snd_nxt, ack=rcv_nxt), *dropped)


@pytest.mark.parametrize(
    ("flags", "data"),
    [(SYN | ACK, b""), (SYN | ACK, b"text"), (SYN, b"text"), (SYN | FIN, b""), (SYN | FIN | ACK, b"text")],
    ids=["syn-ack", "syn-ack-data", "data", "fin", "fin-ack-data"],
)
@pytest.mark.parametrize("place", ["before", "exact", "inside", "beyond"])
@RULE
@requires(Capability.RFC5961_SYN)
@in_state(ESTABLISHED)
def test_syn_with_more(target: Target, peer: Peer, place: str, flags: int, data: bytes) -> None:
    """Nothing of a segment with SYN is processed further: no ACK field, no text, no FIN."""
    with target.must_stay():
        peer.send(flags, data, seq=_number(peer, place))
        target.must_send(ACK, seq=1, ack=1)
    target.must_not_deliver()
    prove_alive(target, peer)


@cites("RFC5961-4.2-challenge", "RFC 9293 §3.10.7.4 fifth")
@requires(Capability.RFC5961_SYN)
@in_state(FIN_WAIT_1)
def test_ack_beside_a_syn_does_not_count(target: Target, peer: Peer) -> None:
    """An acknowledgment of our FIN on a segment with SYN leaves FIN-WAIT-1 as it is; the next proper one counts."""
    with target.must_stay():
        peer.send(SYN | ACK, seq=1, ack=2)
        target.must_send(ACK, seq=2, ack=1)
    peer.send(ACK, seq=1, ack=2)
    target.must_be(FIN_WAIT_2)


@cites("RFC5961-4.2-recovery", "RFC 9293 §3.5.1", "RFC5961-3.2-exact")
@requires(Capability.RFC5961_SYN)
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)
def test_restarted_peer_confirms(target: Target, peer: Peer) -> None:
    """The reset that a restarted peer makes from the challenge ends the old connection in every state."""
    peer.send(SYN, seq=-500_000)
    challenge = target.must_send(ACK)
    peer.send(RST, seq=challenge.ack)
    target.must_not_send()
    target.must_be(CLOSED)
    prove_gone(target, peer, seq=challenge.ack, ack=challenge.seq)


@cites("RFC5961-4.2-dead-end", "RFC5961-4.2-challenge")
@requires(Capability.RFC5961_SYN)
@in_state(ESTABLISHED)
def test_dead_end(target: Target, peer: Peer) -> None:
    """A restarted peer that calls one below the next expected number gets the same challenge each time, no handshake.

    The challenge acknowledges exactly its SYN, so it can't find out; RFC 5961 §4.2 leaves it to give up.
    """
    for _call in range(3):
        peer.send(SYN, seq=0)
        target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    prove_alive(target, peer)


@cites("RFC5961-4.2-challenge", "RFC 9293 §3.10.7.4 fourth")
@requires(Capability.RFC5961_SYN)
@in_state(ESTABLISHED)
def test_syn_resets_nothing_for_the_application(target: Target, peer: Peer) -> None:
    """After a SYN in the window the application neither hears of a reset nor of an end, and goes on sending."""
    peer.send(SYN, seq=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_not_deliver()
    target.must_report_pending(0)
    target.send(b"undisturbed")
    target.must_send(ACK, seq=1, ack=1, data=b"undisturbed")
    peer.send(RST, seq=1)
    target.must_report(errno.ECONNRESET)
