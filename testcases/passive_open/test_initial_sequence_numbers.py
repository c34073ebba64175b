"""The target's initial sequence numbers: another for each connection, driven by a clock, with a keyed offset."""

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    FIN,
    LISTEN,
    RST,
    SYN,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    segment,
)
from harness.spec import seqno
from testcases.passive_open.isn_clock import Reading, advances, explained_by_a_clock, pause_s

INCARNATIONS = 3
PAIRS = 8


@cites("MUST-8", "RFC 9293 §3.4.1", "RFC6528-3-clock")
@in_state(LISTEN)
def test_initial_sequence_numbers_follow_a_clock(target: Target, peer: Peer) -> None:
    """For one pair of sockets they grow with time, not slower than the clock and not round within a lifetime."""
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    for _ in range(INCARNATIONS):
        earlier = Reading.of(target)
        peer.send(RST, seq=1)
        target.must_be(LISTEN)
        target.wait(pause_s(target))
        peer.renew(0)
        peer.send(SYN)
        target.must_send(SYN | ACK, seq=0, ack=1, check=advances(target, earlier))


@cites("SHLD-1", "RFC 9293 §3.4.1")
@in_state(LISTEN)
def test_initial_sequence_numbers_differ(target: Target, peer: Peer) -> None:
    """No two connections of one moment begin at the same number: a clock that all share can't see to that."""
    seen: set[int] = set()

    def again(wire: Segment) -> str:
        return "a new number" if wire.seq in seen else ""

    for _ in range(PAIRS):
        peer.send(SYN)
        target.should_answer(segment(SYN | ACK, seq=0, ack=1, check=again))
        seen.add(peer.target_iss)
        target, peer = target.beside()


@cites("SHLD-1", "RFC6528-3-clock", "RFC 9293 §3.4.1")
@in_state(LISTEN)
def test_initial_sequence_numbers_have_an_offset_of_their_own(target: Target, peer: Peer) -> None:
    """From pair to pair of sockets they differ by more than the clock: one number does not tell the next."""
    readings: list[Reading] = []
    for _ in range(PAIRS):
        peer.send(SYN)
        target.must_send(SYN | ACK, seq=0, ack=1)
        readings.append(Reading.of(target))
        target, peer = target.beside()

    def predictable(wire: Segment) -> str:
        return "an offset that depends on the pair of sockets" if explained_by_a_clock(readings) else ""

    peer.send(SYN)
    target.should_answer(segment(SYN | ACK, seq=0, ack=1, check=predictable))


@cites("RFC6528-3-incarnation", "RFC 9293 §3.4.1")
@in_state(ESTABLISHED, keep_listener=True)
def test_next_incarnation_begins_above_the_last(target: Target, peer: Peer) -> None:
    """The next connection of the same sockets begins above every number that the one before has used."""
    target.send(b"used up")
    target.must_send(ACK, seq=1, ack=1, data=b"used up")
    peer.send(FIN | ACK, ack=8)
    target.must_send(ACK, seq=8, ack=2)
    target.close()
    target.must_send(FIN | ACK, seq=8, ack=2)
    peer.send(ACK, seq=2, ack=9)
    target.must_be(CLOSED, LISTEN)
    last = seqno.add(peer.target_iss, 9)
    peer.renew(100_000)
    peer.send(SYN)
    above = segment(
        SYN | ACK,
        seq=0,
        ack=1,
        check=lambda wire: "" if seqno.leq(last, wire.seq) else "a number above those of the last connection",
    )
    target.should_answer(above)
