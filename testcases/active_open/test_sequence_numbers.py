"""Sequence numbers of an active opener: its own come from a clock, the peer's may begin anywhere."""

import functools

import pytest

from harness.case import ACK, CLOSE_WAIT, CLOSED, ESTABLISHED, FIN, SYN, Peer, Segment, Target, cites, in_state, segment
from harness.spec import seqno
from testcases.passive_open.isn_clock import Reading, advances, explained_by_a_clock, pause_s

INCARNATIONS = 3
PAIRS = 8
#: A number at random is above the last one every other time.
SUCCESSORS = 12


@pytest.mark.parametrize(
    "iss",
    [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFE, 0xFFFFFFFF],
    ids=lambda iss: f"{iss:#010x}",
)
@cites("RFC 9293 §3.4", "RFC 9293 §3.10.7.3 fourth")
def test_peer_begins_at_any_number(target: Target, peer: Peer, iss: int) -> None:
    """SYN,ACK, data and FIN are acknowledged modulo 2**32, wherever the peer's numbers begin."""
    peer.choose_iss(iss)
    target.connect()
    target.must_send(SYN, seq=0)
    peer.send(SYN | ACK)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"a dozen more")
    target.must_send(ACK, seq=1, ack=13)
    target.must_deliver(b"a dozen more")
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=14)
    target.must_be(CLOSE_WAIT)


@cites("MUST-8", "RFC 9293 §3.4.1", "RFC6528-3-clock")
def test_initial_sequence_numbers_follow_a_clock(target: Target, peer: Peer) -> None:
    """For one pair of sockets they grow with time, not slower than the clock and not round within a lifetime."""
    target.connect()
    target.must_send(SYN, seq=0)
    for _ in range(INCARNATIONS):
        earlier = Reading.of(target)
        target.abort()
        target.must_be(CLOSED)
        target.wait(pause_s(target))
        peer.renew(0)
        target.connect()
        target.must_send(SYN, seq=0, check=advances(target, earlier))


@cites("SHLD-1", "RFC6528-3-clock", "RFC 9293 §3.4.1")
def test_initial_sequence_numbers_have_an_offset_of_their_own(target: Target, peer: Peer) -> None:
    """From pair to pair of sockets they differ by more than the clock: one number does not tell the next."""
    readings: list[Reading] = []
    for _ in range(PAIRS):
        target.connect()
        target.must_send(SYN, seq=0)
        readings.append(Reading.of(target))
        target.abort()
        target, _peer = target.beside()

    def predictable(_wire: Segment) -> str:
        return "an offset that depends on the pair of sockets" if explained_by_a_clock(readings) else ""

    target.connect()
    target.should_answer(segment(SYN, seq=0, check=predictable))


@cites("RFC6528-3-incarnation", "RFC 9293 §3.4.1")
@in_state(ESTABLISHED, opened="active")
def test_next_incarnation_begins_above_the_last(target: Target, peer: Peer) -> None:
    """The next connection of the same sockets begins above every number that the one before has used, each time."""
    for _ in range(SUCCESSORS):
        target.send(b"used up")
        target.must_send(ACK, seq=1, ack=1, data=b"used up")
        peer.send(FIN | ACK, ack=8)
        target.must_send(ACK, seq=8, ack=2)
        target.close()
        target.must_send(FIN | ACK, seq=8, ack=2)
        peer.send(ACK, seq=2, ack=9)
        target.must_be(CLOSED)
        last = seqno.add(peer.target_iss, 9)
        peer.renew(100_000)
        target.connect()
        target.should_answer(segment(SYN, seq=0, check=functools.partial(_above, last)))
        peer.send(SYN | ACK)
        target.must_send(ACK, seq=1, ack=1)


def _above(last: int, wire: Segment) -> str:
    return "" if seqno.leq(last, wire.seq) else "a number above those of the last connection"
