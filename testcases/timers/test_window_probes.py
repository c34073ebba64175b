"""Probing a closed window (RFC 9293 §3.8.6.1)."""

import errno
import socket
from collections.abc import Generator

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
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
from harness.case.expect import Expected
from harness.case.timers import LONGEST_FIRST_RTO_S, Stopwatch, Wait, Waits
from harness.case.violation import Level
from testcases.timers.giving_up import gave_up

Probed = Generator[Wait, None, Segment]

#: A first probe SHOULD come within this time: SHLD-29 puts it at the retransmission timeout, 3 s at most so early.
USUAL_FIRST_PROBE_S = 3.5
#: Longer than a target for timer cases is patient with unanswered data.
OUTLASTING_S = 12
DATA = b"waiting"


def _probes(sent: int, fin: bool) -> tuple[Expected, ...]:
    """Return the forms of a probe behind `sent` octets: an old empty number, an old octet, what waits or some of it."""
    old = segment(ACK, seq=sent, data=b""), segment(ACK, seq=sent, data=None)
    if fin:
        return *old, segment(FIN | ACK, seq=sent + 1)
    return *old, Expected(ACK, sent + 1, data=None, check=_brings_what_waits)


def _brings_what_waits(wire: Segment) -> str:
    """MUST-36: at least one octet of new data; how many, it leaves open."""
    return "" if wire.payload and DATA.startswith(wire.payload) else "nothing of what waits"


def _next_probe(watch: Stopwatch, *, fin: bool = False) -> Probed:
    """Demand a probe after twice the interval that was judged last."""
    return (yield from watch.must_send_between(0, 2.3 * watch.interval + 0.2, *_probes(0, fin)))


def _close_window(target: Target, peer: Peer, *, fin: bool) -> Stopwatch:
    """Shut the window, then let the target have something to send: nothing may leave."""
    peer.send(ACK, window=0)
    target.must_not_send()
    if fin:
        target.shutdown()
        target.must_hold_back(b"", seq=1, ack=1)
    else:
        target.send(DATA)
        target.must_hold_back(DATA, seq=1, ack=1)
    return Stopwatch(target)


def _first_probe(watch: Stopwatch, target: Target, *due: Expected) -> Probed:
    """Demand one of these as the first segment of a closed window; that it comes soon is a SHOULD (SHLD-29)."""
    probe = yield from watch.must_send_between(0.1, LONGEST_FIRST_RTO_S, *due, since_ns=watch.now_ns())
    soon = f"within {USUAL_FIRST_PROBE_S:g} s"
    target.should_show("the first probe comes", soon if watch.interval <= USUAL_FIRST_PROBE_S else "later", soon)
    return probe


def _open_window(watch: Stopwatch, target: Target, peer: Peer, *, fin: bool) -> Waits:
    """Open the window: what waits is sent, at once where no probe has brought it, else when it is due again."""
    peer.send(ACK, seq=1, ack=1, window=1000)
    flags, data = (FIN | ACK, b"") if fin else (ACK, DATA)
    if target.may_send(flags, seq=1, ack=1, data=data):
        return
    # Or what is behind the octets of a probe goes first, at once or when more has come together, and those wait.
    rests = [Expected(ACK, 1 + probed, 1, data=data[probed:]) for probed in range(1, len(data))]
    brought = any(each.segment.seq == 1 and each.segment.length for each in target.connection.received)
    latest = 2.3 * max(USUAL_FIRST_PROBE_S, watch.interval) if brought else 0.5
    oldest = Expected(ACK, 1, 1, data=None, check=_brings_what_waits) if data else Expected(flags, 1, 1)
    opened_ns = watch.now_ns()
    first = yield from watch.must_send_between(0, latest, oldest, *(rests if brought else ()), since_ns=opened_ns)
    if first.seq != 1:
        yield from watch.must_send_between(0, latest, oldest, since_ns=opened_ns)


@timer(seconds=10)
@cites("MUST-36", "SHLD-29", "RFC 9293 §3.8.6.1")
@in_state(ESTABLISHED, opened=("passive", "active"))
@pytest.mark.parametrize("fin", [False, True], ids=["data", "fin"])
def test_closed_window_is_probed(target: Target, peer: Peer, fin: bool) -> Waits:
    """Data or a FIN that a closed window holds back makes the target probe; once it opens they are sent."""
    watch = _close_window(target, peer, fin=fin)
    yield from _first_probe(watch, target, *_probes(0, fin))
    peer.send(ACK, seq=1, ack=1, window=0)
    target.must_not_send()
    yield from _open_window(watch, target, peer, fin=fin)
    peer.send(ACK, ack=2 if fin else 1 + len(DATA), window=1000)
    target.must_be(FIN_WAIT_2 if fin else ESTABLISHED)
    yield from watch.must_stay_silent(2)


@timer(seconds=12)
@cites("SHLD-30", "MUST-36")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("fin", [False, True], ids=["data", "fin"])
@pytest.mark.parametrize("answered", [True, False], ids=["answered", "unanswered"])
def test_probes_back_off(target: Target, peer: Peer, fin: bool, answered: bool) -> Waits:
    """The interval between probes grows exponentially, whether the peer answers them or not."""
    watch = _close_window(target, peer, fin=fin)
    yield from _first_probe(watch, target, *_probes(0, fin))
    for _ in range(2):
        if answered:
            peer.send(ACK, seq=1, ack=1, window=0)
            target.must_not_send()
        earliest, latest = 1.7 * watch.interval - 0.15, 2.3 * watch.interval + 0.15
        yield from watch.must_send_between(earliest, latest, *_probes(0, fin), level=Level.SHOULD)
    if answered:
        target.must_be(FIN_WAIT_1 if fin else ESTABLISHED)


@timer(seconds=35)
@cites("MUST-37", "SHLD-17")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("fin", [False, True], ids=["data", "fin"])
def test_connection_outlasts_a_closed_window(target: Target, peer: Peer, fin: bool) -> Waits:
    """While the peer answers the probes the connection stays, beyond what unanswered data would be given."""
    watch = _close_window(target, peer, fin=fin)
    start_ns = watch.now_ns()
    yield from _first_probe(watch, target, *_probes(0, fin))
    while watch.now_ns() - start_ns < OUTLASTING_S * 1e9:
        peer.send(ACK, seq=1, ack=1, window=0)
        target.must_not_send()
        yield from _next_probe(watch, fin=fin)
    target.must_be(FIN_WAIT_1 if fin else ESTABLISHED)
    yield from _open_window(watch, target, peer, fin=fin)


@timer(seconds=8)
@cites("MUST-34", "RFC 9293 §3.8.6")
@in_state(ESTABLISHED)
def test_window_closed_over_sent_data(target: Target, peer: Peer) -> Waits:
    """If the peer shuts its window over data already sent, the target neither gives up nor forgets that data."""
    target.send(DATA)
    target.must_send(ACK, seq=1, ack=1, data=DATA)
    peer.send(ACK, seq=1, ack=1, window=0)
    target.must_not_send()
    watch = Stopwatch(target)
    probe_or_again = (*_probes(0, False), segment(ACK, seq=1, ack=1, data=DATA))
    yield from _first_probe(watch, target, *probe_or_again)
    target.must_be(ESTABLISHED)
    yield from _open_window(watch, target, peer, fin=False)
    peer.send(ACK, ack=1 + len(DATA))
    target.must_not_send()


@timer(seconds=8)
@cites("MUST-21", "RFC 9293 §3.10.8")
@requires(Capability.USER_TIMEOUT)
@in_state(ESTABLISHED)
def test_user_timeout_ends_probing(target: Target, peer: Peer) -> Waits:
    """With a user timeout, probes that nobody answers end the connection when it is over."""
    target.set_option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500)
    watch = _close_window(target, peer, fin=False)
    yield from watch.must_become(CLOSED, 1.2, 5)
    while any(target.may_send(probe.flags, seq=probe.seq, data=probe.data) for probe in _probes(0, False)):
        pass
    gave_up(target, ACK, seq=1, data=DATA[:1])
    target.must_report(errno.ETIMEDOUT)


@timer(seconds=12)
@cites("MUST-36", "RFC 9293 §3.10.4", "RFC 9293 §3.10.7.4 fifth")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("taken", [False, True], ids=["window-opens", "probe-is-taken"])
def test_last_fin_at_a_closed_window(target: Target, peer: Peer, taken: bool) -> Waits:
    """The FIN of CLOSE-WAIT, held back by a closed window, is probed with, sent once that opens, and ends the
    connection when it is acknowledged, be it as a probe beyond the window."""
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    peer.send(FIN | ACK, window=0)
    yield from watch.must_send_within(0.5, ACK, seq=1, ack=2, since_ns=sent_ns)
    target.shutdown()
    if target.must_hold_back(b"", seq=1, ack=2):
        return  # it is sent, and is from then on as any FIN that is not acknowledged
    probe = yield from _first_probe(watch, target, *_probes(0, True))
    target.must_be(CLOSE_WAIT, LAST_ACK)
    if taken and probe.flags & FIN:
        peer.send(ACK, ack=2, window=0)
    else:
        peer.send(ACK, ack=1, window=1000)
        if not target.may_send(FIN | ACK, seq=1, ack=2):
            again = Expected(FIN | ACK, 1, 2)
            yield from watch.must_send_between(0, 2.3 * USUAL_FIRST_PROBE_S, again, since_ns=watch.now_ns())
        target.must_be(LAST_ACK)
        peer.send(ACK, ack=2, window=1000)
    target.must_not_send()
    target.must_be(CLOSED)
