"""How much may be under way on a connection that has just been opened, or has lost something (RFC 5681 §3)."""

from harness.case import (
    ACK,
    ESTABLISHED,
    LISTEN,
    SYN,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
    segment,
    timer,
)
from harness.case.timers import Stopwatch, Waits
from harness.case.violation import Code
from harness.spec.options import mss

#: The peer's maximum segment size, in octets.
MSS = 1000
#: The largest initial window of all RFCs: RFC 6928 allows ten segments, or 14600 octets if these are more.
LARGEST_INITIAL = 10 * MSS
#: More than any initial window, and within the peer's window of 65535.
MUCH = bytes(range(250)) * 160
#: A first timeout ends by then, and no second one, of twice the time, has.
FIRST_RTO_S = 3.5
#: Duplicates that stand for a loss (RFC 5681 §3.2), and so many segments that as many can come and some are left.
DUPLICATES, ENOUGH = 3, 6
#: The number behind the text that goes first where something has to be acknowledged before.
FIRST = 1 + len(b"first")
#: How much of a flight may follow a loss: a half (RFC 5681 §3.1), or what CUBIC has (RFC 9438 §4.6).
LARGEST_DECREASE = 0.7
#: Longer than a second timeout, where the first is as long as RFC 6298 §2.5 allows one to be cut to.
LONGEST_RTO_S = 130
ROUTES = ("passive", "active")


def _flight(target: Target) -> list[Segment]:
    """Take the data segments that have come."""
    segments = []
    while target.connection.inbox:
        segments.append(target.must_send(ACK, ack=1, data=None))
    return segments


def _octets(segments: list[Segment]) -> int:
    return sum(len(each.payload) for each in segments)


def _demand_at_most(target: Target, octets: int, segments: list[Segment]) -> None:
    if (sent := _octets(segments)) > octets:
        due = f"at most {octets} octets under way at once"
        target.conversation.fail(Code.EXTRA, due, f"{sent} octets", connection=target.connection)


@timer(seconds=8)
@cites("MUST-19")
@in_state(ESTABLISHED, opened=ROUTES, options=mss(MSS))
def test_slow_start(target: Target, peer: Peer) -> Waits:
    """A new connection sends an initial window and waits; the ACK of one segment lets two more out, not the rest."""
    yield from Stopwatch(target).sleep(0.1)
    target.send(MUCH)
    first = _flight(target)
    _demand_at_most(target, LARGEST_INITIAL, first)
    if len(first) > 1:
        peer.send(ACK, ack=1 + len(first[0].payload))
        # What was acknowledged, and one segment by which the window has grown.
        _demand_at_most(target, 2 * MSS, _flight(target))


@timer(seconds=8)
@cites("MUST-19", "RFC 6298 §5.4")
@in_state(ESTABLISHED, opened=ROUTES, options=mss(MSS))
def test_loss_window(target: Target, peer: Peer) -> Waits:
    """Behind a timeout one segment is sent, the first; its ACK lets two more out, whatever was under way before."""
    watch = Stopwatch(target)
    yield from watch.sleep(0.1)
    target.send(MUCH)
    first = _flight(target)
    lost = first[0]
    yield from watch.must_send_within(FIRST_RTO_S, ACK, seq=1, ack=1, data=lost.payload)
    _demand_at_most(target, 0, _flight(target))
    peer.send(ACK, ack=1 + len(lost.payload))
    _demand_at_most(target, 2 * MSS, _flight(target))


@timer(seconds=12)
@cites("MUST-19", "RFC 5681 §3.1")
@in_state(LISTEN)
def test_lost_syn_ack_costs_the_window(target: Target, peer: Peer) -> Waits:
    """A connection whose SYN,ACK was lost, and lost again, begins with one segment."""
    watch = Stopwatch(target)
    peer.send(SYN, options=mss(MSS))
    target.must_send(SYN | ACK, seq=0, ack=1)
    for _ in range(2):
        yield from watch.must_send_between(0, LONGEST_RTO_S, segment(SYN | ACK, seq=0, ack=1))
    peer.send(ACK)
    target.accept()
    target.send(MUCH)
    _demand_at_most(target, MSS, _flight(target))


@timer(seconds=8)
@requires(Capability.VIRTUAL_TIME)  # in real time the retransmission timer may come first
@cites("RFC 5681 §3.2", "RFC 6582 §3.2", "MUST-19")
@in_state(ESTABLISHED, opened=ROUTES, options=mss(MSS))
def test_fast_retransmit(target: Target, peer: Peer) -> Waits:
    """Three ACKs that repeat themselves have the first segment sent again, at once and once; an ACK of a part of what
    was under way has the next one sent again; and then less may be under way than was."""
    yield from Stopwatch(target).sleep(0.1)
    # RFC 6582 §3.2 begins with "recover" at the initial number: who reads it so believes no duplicates before an ACK.
    target.send(b"first")
    target.must_send(ACK, seq=1, ack=1, data=b"first")
    peer.send(ACK, ack=FIRST)
    target.send(MUCH)
    first = _flight(target)
    if len(first) < ENOUGH:
        return
    sent = _octets(first)
    for number in range(1, DUPLICATES + 3):
        peer.send(ACK, ack=FIRST)
        came = _flight(target)
        again = [each.seq for each in came if each.seq == FIRST]
        sent += _octets([each for each in came if each.seq >= FIRST + sent])
        due = [FIRST] if number == DUPLICATES else []
        target.should_show(f"segments sent again behind {number} duplicates:", again, due)
    part = len(first[0].payload) + len(first[1].payload)
    peer.send(ACK, ack=FIRST + part)
    came = _flight(target)
    sent += _octets([each for each in came if each.seq >= FIRST + sent])
    target.should_show("first segment behind a partial acknowledgment:", came[0].seq if came else None, FIRST + part)
    peer.send(ACK, ack=FIRST + sent)
    due = int(LARGEST_DECREASE * _octets(first)) + 2 * MSS
    target.should_show(f"at most {due} octets behind a loss:", _octets(_flight(target)) <= due, True)


@timer(seconds=8)
@requires(Capability.VIRTUAL_TIME)  # in real time the retransmission timer may come first
@cites("RFC 5681 §3.2", "MUST-19")
@in_state(ESTABLISHED, opened=ROUTES, options=mss(MSS))
def test_window_updates_are_no_duplicates(target: Target, peer: Peer) -> Waits:
    """ACKs that repeat the number with another window each tell that something was read, and of no loss."""
    yield from Stopwatch(target).sleep(0.1)
    target.send(MUCH)
    first = _flight(target)
    for number in range(1, DUPLICATES + 1):
        peer.send(ACK, ack=1, window=60_000 + 100 * number)
        again = [each.seq for each in _flight(target) if each.seq == first[0].seq]
        target.should_show(f"segments sent again behind {number} window updates:", again, [])
