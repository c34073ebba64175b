"""Keep-alive probes (RFC 9293 §3.8.4)."""

import errno
import socket
from collections.abc import Generator

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    RST,
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
from harness.case.timers import Stopwatch, Wait, Waits

Probed = Generator[Wait, None, Segment]

#: Seconds of silence before the first probe, and between unanswered ones.
IDLE_S = INTERVAL_S = 1
#: Until when a probe is waited for.
LATEST_S = 2 * IDLE_S
#: MUST-28: two hours.
DEFAULT_IDLE_S = 7200


def _keep_alive(target: Target, *, on: bool = True, probes: int = 0) -> Stopwatch:
    """Set the time of silence and switch the keep-alive on; with `probes` also how many go unanswered, and how fast."""
    target.set_option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S)
    if probes:
        target.set_option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_S)
        target.set_option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, probes)
    if on:
        target.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return Stopwatch(target)


def _probe(watch: Stopwatch, since_ns: int, *, seq: int = 0, ack: int = 1) -> Probed:
    """Demand a probe: an old number, with or without an octet of garbage, not before the time of silence is over.

    How exact that time is no sentence says (MUST-26: "only when no data or acknowledgment packets have been received
    within an interval").
    """
    due = segment(ACK, seq=seq, ack=ack, data=None)
    return (yield from watch.must_send_between(IDLE_S, LATEST_S, due, since_ns=since_ns))


@timer(seconds=5)
@cites("MUST-25", "MUST-28", "RFC1122-4.2.3.6-keep-alive")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_off_by_default(target: Target, peer: Peer) -> Waits:
    """Without being asked a target does not probe, and its default time of silence is two hours or more."""
    default = target.get_option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    target.must_show("keep-alive", target.get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE), 0)
    target.must_show("idle time of two hours or more", int(default) >= DEFAULT_IDLE_S, True)
    watch = _keep_alive(target, on=False)
    yield from watch.must_stay_silent(3 * IDLE_S)


@timer(seconds=6)
@cites("MAY-5", "MUST-24", "MUST-27", "SHLD-12", "MUST-26")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_probe_after_silence(target: Target, peer: Peer) -> Waits:
    """Asked for, a probe without data follows the time of silence that was set; its answer keeps the connection."""
    since_ns = Stopwatch(target).now_ns()
    watch = _keep_alive(target)
    probe = yield from _probe(watch, since_ns)
    target.should_show("octets in the probe", len(probe.payload), 0)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@timer(seconds=6)
@cites("MUST-24", "MUST-27", "MUST-26")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_answer_puts_the_next_probe_off(target: Target, peer: Peer) -> Waits:
    """The answer to a probe starts the time of silence anew."""
    since_ns = Stopwatch(target).now_ns()
    watch = _keep_alive(target, probes=5)
    for _ in range(2):
        yield from _probe(watch, since_ns)
        since_ns = watch.now_ns()
        peer.send(ACK, seq=1, ack=1)
        target.must_not_send()
    target.must_be(ESTABLISHED)


@timer(seconds=5)
@cites("MUST-26")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED)
def test_arrivals_put_the_probe_off(target: Target, peer: Peer) -> Waits:
    """Data that arrives shows that the peer is there: the time of silence counts from it."""
    watch = _keep_alive(target)
    yield from watch.must_stay_silent(0.6)
    since_ns = watch.now_ns()
    peer.send(ACK, b"here")
    yield from watch.must_send_within(0.5, ACK, ack=5, since_ns=since_ns)
    yield from _probe(watch, since_ns, ack=5)


@timer(seconds=6)
@cites("MUST-26")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED)
def test_no_probe_while_data_is_under_way(target: Target, peer: Peer) -> Waits:
    """While data is unacknowledged it is retransmitted, and no keep-alive is sent beside it."""
    watch = _keep_alive(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.sleep(2.5 * IDLE_S)
    while target.may_send(ACK, seq=1, ack=1, data=b"data"):
        pass
    target.must_not_send()
    target.must_be(ESTABLISHED)


@timer(seconds=8)
@cites("MUST-29", "RFC1122-4.2.3.6-keep-alive")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_lost_answers_are_forgiven(target: Target, peer: Peer) -> Waits:
    """Unanswered probes are repeated; an answer to a later one keeps the connection."""
    since_ns = Stopwatch(target).now_ns()
    watch = _keep_alive(target, probes=5)
    yield from _probe(watch, since_ns)
    for _ in range(2):
        yield from _probe(watch, watch.last_sent_ns())
        target.must_be(ESTABLISHED)
    since_ns = watch.now_ns()
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)
    yield from _probe(watch, since_ns)


@timer(seconds=8)
@cites("RFC 9293 §3.8.4", "MUST-29")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_dead_peer_is_noticed(target: Target, peer: Peer) -> Waits:
    """When all probes that the application allows are unanswered, the connection ends and the application is told."""
    since_ns = Stopwatch(target).now_ns()
    watch = _keep_alive(target, probes=2)
    yield from _probe(watch, since_ns)
    yield from _probe(watch, watch.last_sent_ns())
    target.must_be(ESTABLISHED)
    yield from watch.must_become(CLOSED, INTERVAL_S, 2 * LATEST_S, since_ns=watch.last_sent_ns())
    if not target.may_send(RST | ACK, seq=1):
        target.may_send(RST, seq=1)
    target.must_report(errno.ETIMEDOUT)
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)


@timer(seconds=6)
@cites("MUST-24")
@requires(Capability.KEEP_ALIVE)
@in_state(ESTABLISHED)
def test_switched_off_again(target: Target, peer: Peer) -> Waits:
    """Switched off, the keep-alive sends nothing more."""
    since_ns = Stopwatch(target).now_ns()
    watch = _keep_alive(target)
    yield from _probe(watch, since_ns)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
    yield from watch.must_stay_silent(2.5 * IDLE_S)
    target.must_be(ESTABLISHED)
