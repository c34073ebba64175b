"""A segment with a wrong checksum might as well not have come (RFC 9293 §3.1, MUST-3)."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
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

#: How the checksum is wrong. All zeros mean "no checksum" in UDP over IPv4; TCP has no such thing.
WRONG = {"lowest-bit": {"checksum_error": 0x0001}, "highest-bit": {"checksum_error": 0x8000}, "zeros": {"checksum": 0}}

wrongly = pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())


def _send_damaged(target: Target, peer: Peer, wrong: dict[str, int], flags: int, data: bytes = b"") -> None:
    """Send the segment with a wrong checksum and demand that nothing comes of it."""
    with target.must_stay():
        peer.send(flags, data, **wrong)
        target.must_not_send()


@cites("MUST-3")
@wrongly
def test_damaged_segments_to_a_closed_port(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged segment provokes no reset: who sent it is not known, as the addresses are covered as well."""
    for flags in (SYN, ACK, FIN | ACK):
        peer.send(flags, **wrong)
        target.must_not_send()
        target.must_be(CLOSED)
    peer.send(SYN)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)


@cites("MUST-3")
@in_state(LISTEN)
@wrongly
def test_damaged_syn(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged SYN opens nothing; the intact one does."""
    _send_damaged(target, peer, wrong, SYN)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@cites("MUST-3")
@in_state(SYN_SENT)
@wrongly
def test_damaged_syn_ack(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged SYN,ACK doesn't answer an active open; the intact one does."""
    _send_damaged(target, peer, wrong, SYN | ACK)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("MUST-3")
@in_state(SYN_RECEIVED)
@wrongly
def test_damaged_ack_of_the_handshake(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged ACK doesn't complete the handshake; the intact one does."""
    _send_damaged(target, peer, wrong, ACK)
    target.accept_must_block()
    peer.send(ACK)
    target.must_be(ESTABLISHED)
    target.accept()


@cites("MUST-3")
@in_state(ESTABLISHED)
@wrongly
def test_damaged_data(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """Damaged data is neither delivered nor acknowledged, with an even or an odd number of octets."""
    for data in (b"even", b"odd"):
        _send_damaged(target, peer, wrong, ACK, data)
        target.must_not_deliver()
    peer.send(ACK, b"intact")
    target.must_send(ACK, seq=1, ack=7)
    target.must_deliver(b"intact")


@cites("MUST-3")
@in_state(SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)
@wrongly
def test_damaged_reset(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged RST ends nothing: the connection still answers an old segment, as in SYN-RECEIVED it should."""
    sent = peer.rcv_nxt
    _send_damaged(target, peer, wrong, RST)
    peer.send(ACK, b"old", seq=-3)
    demand = target.should_send if target.connection.state == SYN_RECEIVED else target.must_send
    demand(ACK, seq=sent, ack=peer.snd_nxt)


@cites("MUST-3")
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2)
@wrongly
def test_damaged_fin(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged FIN closes nothing; the intact one does."""
    sent = peer.rcv_nxt
    _send_damaged(target, peer, wrong, FIN | ACK)
    target.must_not_deliver()
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=sent, ack=2)
    target.must_be(CLOSE_WAIT, TIME_WAIT)


@cites("MUST-3")
@in_state(FIN_WAIT_1, CLOSING, LAST_ACK)
@wrongly
def test_damaged_ack_of_a_fin(target: Target, peer: Peer, wrong: dict[str, int]) -> None:
    """A damaged ACK doesn't acknowledge the target's FIN; the intact one does."""
    _send_damaged(target, peer, wrong, ACK)
    peer.send(ACK)
    target.must_be(FIN_WAIT_2, TIME_WAIT, CLOSED)
