"""SYN and SYN,ACK that nobody answers (RFC 6298, RFC 9293 §3.8.3)."""

import errno
import socket

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSED,
    ESTABLISHED,
    LISTEN,
    PASSIVE,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    timer,
)
from harness.case.expect import segment
from harness.case.timers import COARSENESS, LONGEST_FIRST_RTO_S, SLACK_S, Stopwatch, Waits
from harness.spec.options import mss, mss_of
from testcases.timers.giving_up import gave_up

#: RFC 6298 §2.1: one second, but any greater value is allowed.
FIRST_RTO_S = 1.0
#: It SHOULD be one second; three were the rule before (RFC 1122 §4.2.3.1), and are no news to anybody.
USUAL_FIRST_RTO_S = 3.5
#: §5.7: behind a repeated SYN data waits three seconds at least.
RTO_BEHIND_A_LOST_SYN_S = 3


def _first_repetition(watch: Stopwatch, flags: int, ack: int | None = None, since_ns: int | None = None) -> Waits:
    """Demand the repetition of what was sent first; its interval is the one that the others double."""
    expected = segment(flags, seq=0, ack=ack)
    yield from watch.must_send_between(FIRST_RTO_S, LONGEST_FIRST_RTO_S, expected, since_ns=since_ns)


@timer(seconds=5)
@cites("RFC6298-2.1-initial", "RFC8961-4-initial", "MUST-18")
@in_state(SYN_SENT)
def test_syn_is_repeated(target: Target, peer: Peer) -> Waits:
    """An unanswered SYN comes again with the same number and MSS, no sooner than after one second.

    What else it offered it may leave away: something on the way may have disliked it (RFC 7413 §4.1.3, RFC 3168 §6.1).
    """
    announced = mss_of(peer.last.options)
    watch = Stopwatch(target)
    yield from _first_repetition(watch, SYN)
    soon = f"within {USUAL_FIRST_RTO_S:g} s"
    target.should_show("the first repetition comes", soon if watch.interval <= USUAL_FIRST_RTO_S else "later", soon)
    target.should_show("the announced MSS is", mss_of(peer.last.options), announced)
    target.must_be(SYN_SENT)


@timer(seconds=12)
@cites("RFC6298-5.5-backoff", "MUST-19", "MUST-22")
@in_state(SYN_SENT)
def test_syn_backs_off(target: Target, peer: Peer) -> Waits:
    """The second repetition of a SYN comes after twice the time that the first one took."""
    watch = Stopwatch(target)
    yield from _first_repetition(watch, SYN)
    yield from watch.must_back_off(SYN, seq=0)
    target.must_be(SYN_SENT)


@timer(seconds=12)
@cites("MUST-20", "MUST-21", "MUST-22", "RFC 9293 §3.10.8")
@requires(Capability.SOCKET_OPTIONS)
def test_open_is_given_up(target: Target, peer: Peer) -> Waits:
    """The application may ask for few SYNs; then the attempt fails, and the application is told so."""
    watch = Stopwatch(target)
    target.connect(prepare=lambda sock: sock.set_option(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1))
    target.must_send(SYN, seq=0)
    yield from _first_repetition(watch, SYN)
    latest = 2 * watch.interval * (1 + COARSENESS)
    yield from watch.must_become(CLOSED, 1, max(8, latest + 2))
    gave_up(target, SYN, seq=0)
    target.must_report_pending(errno.ETIMEDOUT)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@timer(seconds=8)
@cites("RFC 9293 §3.8.1", "RFC 9293 §3.10.7.3 fourth", "MUST-22")
@in_state(SYN_SENT)
def test_answer_to_the_second_syn(target: Target, peer: Peer) -> Waits:
    """The answer to a repeated SYN opens the connection as any would, and ends the repetition."""
    watch = Stopwatch(target)
    yield from _first_repetition(watch, SYN)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    yield from watch.must_stay_silent(3.5)
    target.must_be(ESTABLISHED)


@timer(seconds=12)
@cites("RFC6298-2.1-initial", "RFC6298-5.5-backoff", "RFC8961-4-initial", "MUST-19")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_syn_ack_backs_off(target: Target, peer: Peer) -> Waits:
    """An unanswered SYN,ACK comes again, unchanged, after a second or more and then after twice that time."""
    watch = Stopwatch(target)
    yield from _first_repetition(watch, SYN | ACK, ack=1)
    yield from watch.must_back_off(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@timer(seconds=15)
@cites("MUST-20", "MUST-22", "RFC 9293 §3.10.8")
@requires(Capability.GIVES_UP)
@in_state(SYN_RECEIVED, keep_listener=True)
def test_passive_open_is_given_up(target: Target, peer: Peer) -> Waits:
    """A connection request whose peer stays silent is forgotten, and the listener is as before."""
    watch = Stopwatch(target)
    yield from watch.must_become(LISTEN, 1, watch.patience(12))
    gave_up(target, SYN | ACK, seq=0, ack=1)
    target.accept_must_block()
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)


@timer(seconds=8)
@cites("RFC 9293 §3.8.1", "RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_answer_to_the_second_syn_ack(target: Target, peer: Peer) -> Waits:
    """The ACK of a repeated SYN,ACK establishes the connection and ends the repetition."""
    watch = Stopwatch(target)
    yield from _first_repetition(watch, SYN | ACK, ack=1)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    target.accept()
    yield from watch.must_stay_silent(3.5)
    target.must_be(ESTABLISHED)


@timer(seconds=5)
@cites("RFC 9293 §3.8.1", "RFC 9293 §3.5")
@in_state(SYN_RECEIVED, opened="simultaneous")
def test_syn_ack_of_crossing_opens(target: Target, peer: Peer) -> Waits:
    """In a simultaneous open too an unanswered SYN,ACK is repeated; the timer may be that of the SYN, going on."""
    syn_ns = target.connection.received[0].event.time_ns
    yield from _first_repetition(Stopwatch(target), SYN | ACK, ack=1, since_ns=syn_ns)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@timer(seconds=10)
@cites("RFC6298-5.7-syn", "RFC6298-3-karn")
@pytest.mark.parametrize("opened", [PASSIVE, ACTIVE])
def test_rto_after_a_lost_syn(target: Target, peer: Peer, opened: str) -> Waits:
    """After a repeated SYN or SYN,ACK, which gives no round-trip sample, data waits three seconds at least for its ACK.

    Three are for who began with less; who began with more has no sample to go by either.
    """
    watch = Stopwatch(target)
    if opened == ACTIVE:
        target.connect()
        target.must_send(SYN, seq=0)
        yield from _first_repetition(watch, SYN)
        peer.send(SYN | ACK, seq=0, ack=1, options=mss(1460))
        target.must_send(ACK, seq=1, ack=1)
    else:
        target.listen()
        peer.send(SYN, seq=0, options=mss(1460))
        target.must_send(SYN | ACK, seq=0, ack=1)
        yield from _first_repetition(watch, SYN | ACK, ack=1)
        peer.send(ACK, seq=1, ack=1)
        target.accept()
    target.must_be(ESTABLISHED)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    longest = max(RTO_BEHIND_A_LOST_SYN_S, 2 * watch.interval) * (1 + COARSENESS) + SLACK_S
    again = segment(ACK, seq=1, ack=1, data=b"data")
    yield from watch.must_send_between(RTO_BEHIND_A_LOST_SYN_S, longest, again)


@timer(seconds=190)
@cites("MUST-23", "RFC1122-4.2.3.5-syn")
@requires(Capability.SOCKET_OPTIONS)
def test_syn_is_repeated_for_three_minutes(target: Target, peer: Peer) -> Waits:
    """By default, an attempt to connect to a silent peer goes on for three minutes at least."""
    watch = Stopwatch(target)
    if watch.pinned:  # to fewer repetitions than Linux's default of 6 (tcp_syn_retries)
        target.connect(prepare=lambda sock: sock.set_option(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 6))
    else:
        target.connect()
    target.must_send(SYN, seq=0)
    start_ns = watch.last_sent_ns()
    for elapsed_s in range(10, 181, 10):
        yield from watch.sleep(elapsed_s, since_ns=start_ns)
        while target.may_send(SYN, seq=0):
            pass
        target.must_be(SYN_SENT)
