"""The clock behind timestamps (RFC 7323 §5.4)."""

from harness.case import ACK, LISTEN, SYN, Capability, Peer, Target, cites, in_state, requires, timer
from harness.case.timers import Stopwatch, Waits
from harness.spec import seqno
from harness.spec.options import mss, timestamps, timestamps_of

#: RFC 7323 §5.4: a tick is a millisecond at least, a second at most.
FASTEST_HZ = 1000
WAIT_S = 3
STAMP = 1_000_000
#: RFC 7323 §5.5: so long an idle connection may trust its last timestamp. A host may have been up for longer.
LIFETIME_S = 24 * 86_400


def _stamp(peer: Peer) -> int:
    """Return TSval of the target's last segment."""
    return (timestamps_of(peer.last.options) or (0, 0))[0]


def _established(target: Target, peer: Peer) -> int:
    """Open a connection with timestamps; return the target's of its SYN,ACK."""
    peer.send(SYN, options=mss(1460) + timestamps(STAMP))
    target.must_send(SYN | ACK, seq=0, ack=1)
    first = _stamp(peer)
    peer.send(ACK, options=timestamps(STAMP, first))
    target.accept()
    return first


@timer(seconds=5)
@requires(Capability.TIMESTAMPS)
@cites("RFC7323-5.4-clock", "RFC 7323 §5.4")
@in_state(LISTEN)
def test_timestamps_follow_a_clock(target: Target, peer: Peer) -> Waits:
    """Timestamps advance with the time, by one in a millisecond at most and one in a second at least."""
    first = _established(target, peer)
    watch = Stopwatch(target)
    begin_ns = watch.now_ns()
    yield from watch.must_stay_silent(WAIT_S)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"data", options=timestamps(STAMP + WAIT_S, first))
    yield from watch.must_send_within(0.5, ACK, seq=1, ack=5, since_ns=sent_ns)
    ticks, elapsed = seqno.diff(_stamp(peer), first), (watch.now_ns() - begin_ns) / 1e9
    in_range = WAIT_S - 1 <= ticks <= FASTEST_HZ * (elapsed + 0.5)
    target.should_show("timestamps that follow a clock of 1 ms to 1 s", in_range, True)


@timer(seconds=LIFETIME_S + 3600)
@requires(Capability.TIMESTAMPS, Capability.VIRTUAL_TIME)
@cites("RFC7323-5.3-paws", "RFC 7323 §5.5")
@in_state(LISTEN)
def test_old_timestamp_behind_a_long_idle_time(target: Target, peer: Peer) -> Waits:
    """Behind 24 days of silence any timestamp is taken, be it older; it is the latest from then on."""
    first = _established(target, peer)
    watch = Stopwatch(target)
    yield from watch.must_stay_silent(LIFETIME_S + 60)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"fresh", options=timestamps(STAMP - 1000, first))
    yield from watch.must_send_within(0.5, ACK, seq=1, ack=6, since_ns=sent_ns)
    peer.send(ACK, b"stale", seq=6, options=timestamps(STAMP - 1001, first))
    target.must_send(ACK, seq=1, ack=6)
    target.must_deliver(b"fresh")
