"""The target's own numbers pass 2**32 in mid-connection (RFC 9293 §3.4); the case waits until its clock is there."""

from harness.case import (
    ACK,
    FIN,
    LISTEN,
    RST,
    SYN,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    timer,
)
from harness.case.timers import Stopwatch, Waits
from harness.spec import seqno
from harness.targets.protocol import NotOffered
from testcases.passive_open.isn_clock import Reading, advances

#: How closely in front of the wrap the connection is to begin, in octets.
NEAR = 400
#: Numbers are compared over half of their space at most: go there in steps.
STEP = 1 << 30
STEPS = 10
#: The clock comes round once in 4.55 hours.
LONGEST_S = 17_500


@timer(seconds=LONGEST_S)
@cites("RFC 9293 §3.4", "MUST-8", "RFC 9293 §3.10.7.4 fifth")
@requires(Capability.VIRTUAL_TIME)
@in_state(LISTEN)
def test_own_numbers_wrap(target: Target, peer: Peer) -> Waits:
    """Data and FIN that lie across the wrap are sent, acknowledged and forgotten as anywhere else."""
    yield from _open_near_the_wrap(target, peer)
    peer.send(ACK)
    target.accept()
    text = bytes(range(200)) * 5
    for seq in range(1, len(text), 100):
        target.send(text[seq - 1 : seq + 99])
        target.must_send(ACK, seq=seq, ack=1, data=text[seq - 1 : seq + 99])
        peer.send(ACK, ack=seq + 100)
        target.must_not_send()
    target.shutdown()
    target.must_send(FIN | ACK, seq=len(text) + 1, ack=1)
    peer.send(FIN | ACK, ack=len(text) + 2)
    target.must_send(ACK, seq=len(text) + 2, ack=2)
    target.must_be(TIME_WAIT)


def _open_near_the_wrap(target: Target, peer: Peer) -> Waits:
    """Open and refuse connections until one begins near the wrap; the clock is measured on the way."""
    watch = Stopwatch(target)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    first = Reading.of(target)
    yield from _open_after(1, watch, target, peer)
    for _ in range(STEPS):
        last = Reading.of(target)
        left = seqno.MODULUS - last.number
        if left <= NEAR:
            return
        rate = (last.number - first.number & seqno.MASK) / (last.time_ns - first.time_ns) * 1e9
        first = last
        yield from _open_after(min(left - NEAR / 2, STEP) / max(rate, 1), watch, target, peer)
    raise NotOffered("the target's initial sequence numbers can't be foretold")


def _open_after(seconds: float, watch: Stopwatch, target: Target, peer: Peer) -> Waits:
    """Reset the connection that is being opened, and open the next one so much later."""
    last = Reading.of(target)
    peer.send(RST)
    target.must_be(LISTEN)
    yield from watch.sleep(seconds)
    peer.renew(0)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1, check=advances(target, last))
