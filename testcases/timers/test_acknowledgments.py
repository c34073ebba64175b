"""How long an ACK may be delayed (RFC 9293 §3.8.6.3)."""

import pytest

from harness.case import ACK, CLOSE_WAIT, ESTABLISHED, FIN, Peer, Target, cites, in_state, segment, timer
from harness.case.timers import Stopwatch, Waits
from harness.case.violation import Level
from harness.spec.options import mss_of

#: MUST-40.
MAX_DELAY_S = 0.5
#: An ACK that the application or a timer has to release takes longer than this.
AT_ONCE_S = 0.005


def _converse(target: Target, peer: Peer) -> Waits:
    """Exchange two requests and replies: an endpoint that delays ACKs at all does so now, to save some."""
    watch = Stopwatch(target)
    for _ in range(2):
        peer.send(ACK, b"request")
        target.may_send(ACK, ack=peer.snd_nxt)
        target.send(b"reply")
        target.must_send(ACK, ack=peer.snd_nxt, data=b"reply")
        target.must_deliver(b"request")
        peer.send(ACK)
        yield from watch.must_stay_silent(2 * MAX_DELAY_S)


def _ack_of(watch: Stopwatch, ack: int, since_ns: int) -> Waits:
    yield from watch.must_send_within(MAX_DELAY_S, ACK, ack=ack, since_ns=since_ns)


@timer(seconds=5)
@cites("MUST-40")
@in_state(ESTABLISHED, opened=("passive", "active"))
@pytest.mark.parametrize("interactive", [False, True], ids=["first-data", "after-a-conversation"])
def test_ack_of_data_in_time(target: Target, peer: Peer, interactive: bool) -> Waits:
    """Data is acknowledged within half a second, be it the first or in a conversation of requests and replies."""
    if interactive:
        yield from _converse(target, peer)
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"data")
    yield from _ack_of(watch, peer.snd_nxt, sent_ns)
    target.must_deliver(b"data")
    yield from watch.must_stay_silent(MAX_DELAY_S)


@timer(seconds=5)
@cites("SHLD-18")
@in_state(ESTABLISHED)
def test_ack_waits_for_a_reply(target: Target, peer: Peer) -> Waits:
    """In a conversation the ACK is delayed, so that it can travel with the reply."""
    yield from _converse(target, peer)
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"data")
    expected = segment(ACK, ack=peer.snd_nxt, cites="SHLD-18")
    yield from watch.must_send_between(AT_ONCE_S, MAX_DELAY_S, expected, since_ns=sent_ns, level=Level.SHOULD)


@timer(seconds=5)
@cites("SHLD-18", "RFC 9293 §3.10.7.4 seventh")
@in_state(ESTABLISHED)
def test_reply_carries_the_ack(target: Target, peer: Peer) -> Waits:
    """A reply in time carries the delayed ACK, and none is sent for itself."""
    yield from _converse(target, peer)
    watch = Stopwatch(target)
    peer.send(ACK, b"request")
    on_its_own = target.may_send(ACK)
    target.send(b"reply")
    target.must_send(ACK, ack=peer.snd_nxt, data=b"reply")
    peer.send(ACK)
    yield from watch.must_stay_silent(2 * MAX_DELAY_S)
    target.should_show("an ACK without the reply", on_its_own, False)


@timer(seconds=5)
@cites("SHLD-19")
@in_state(ESTABLISHED)
def test_every_second_full_segment(target: Target, peer: Peer) -> Waits:
    """Of full-sized segments every second one is acknowledged at once."""
    yield from _converse(target, peer)
    watch = Stopwatch(target)
    full = b"x" * (mss_of(target.connection.received[0].wire.options) or 536)
    start = peer.snd_nxt
    for number in range(1, 5):
        sent_ns = watch.now_ns()
        peer.send(ACK, full)
        acknowledged = target.may_send(ACK, ack=start + number * len(full))
        if number % 2 == 0 and not acknowledged:
            expected = segment(ACK, ack=peer.snd_nxt, cites="SHLD-19")
            yield from watch.must_send_between(0, AT_ONCE_S, expected, since_ns=sent_ns, level=Level.SHOULD)
    yield from watch.sleep(MAX_DELAY_S)
    target.may_send(ACK, ack=peer.snd_nxt)


@timer(seconds=5)
@cites("MUST-40", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED, opened=("passive", "active"))
@pytest.mark.parametrize("data", [b"", b"last words"], ids=["alone", "with-data"])
@pytest.mark.parametrize("interactive", [False, True], ids=["first-segment", "after-a-conversation"])
def test_ack_of_fin_in_time(target: Target, peer: Peer, data: bytes, interactive: bool) -> Waits:
    """A FIN is acknowledged within half a second, once."""
    if interactive:
        yield from _converse(target, peer)
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    due = peer.snd_nxt + len(data) + 1
    peer.send(FIN | ACK, data)
    yield from _ack_of(watch, due, sent_ns)
    target.must_be(CLOSE_WAIT)
    yield from watch.must_stay_silent(MAX_DELAY_S)
