"""Data and FIN that nobody acknowledges (RFC 6298, RFC 9293 §3.8)."""

import errno
import socket

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
    RST,
    SHUTDOWN,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    segment,
    timer,
)
from harness.case.timers import Stopwatch, Waits
from harness.case.violation import Level
from testcases.passive_open.option_checks import ethernet_mss
from testcases.timers.giving_up import gave_up, swallow

#: A first retransmission comes within this time: RFC 6298 rounds small timeouts up to 1 s, or starts with 3 s.
FIRST_RTO_S = 3.5
#: Longer than 2 MSL are anywhere.
SILENCE_S = 300
#: Round trips shorter than any timeout, by turns, and between which times a timeout of RFC 6298 §2.3 lies behind them:
#: SRTT and four times RTTVAR are 0.8 s in the one case, and about 0.5 s and 1.6 s in the other.
ROUND_TRIPS = {"even": ((0.8, 0.8), 0.8, 2.4), "uneven": ((0.1, 0.9), 1.5, 4.2)}
#: So many that the first is forgotten: §2.3 takes an eighth of each.
MANY = 16
#: MUST-40: an ACK may be delayed, but not longer.
MAX_ACK_DELAY_S = 0.5
#: Until when the target for timer cases gives up on data or FIN (its retry counts are pinned to 3).
GIVEN_UP_S = 12


@timer(seconds=12)
@cites("RFC6298-5.5-backoff", "RFC8961-4-backoff", "MUST-18", "MUST-19")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_data_backs_off(target: Target, peer: Peer) -> Waits:
    """Unacknowledged data comes again, the same octets each time, and each wait is twice the one before."""
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.must_send_within(FIRST_RTO_S, ACK, seq=1, ack=1, data=b"data")
    for _ in range(2):
        yield from watch.must_back_off(ACK, seq=1, ack=1, data=b"data")
    target.must_be(ESTABLISHED)


@timer(seconds=5)
@cites("RFC6298-2.4-minimum")
@in_state(ESTABLISHED)
def test_rto_is_a_second_at_least(target: Target, peer: Peer) -> Waits:
    """However short the round trip, the first retransmission waits for a second."""
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.must_send_between(
        1, FIRST_RTO_S, segment(ACK, seq=1, ack=1, data=b"data", cites="RFC6298-2.4-minimum"), level=Level.SHOULD
    )


@timer(seconds=25)
@cites("RFC 6298 §2", "MUST-18")
@requires(Capability.VIRTUAL_TIME)  # the round trip is to be exact
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
@pytest.mark.parametrize("kind", ROUND_TRIPS)
def test_timeout_follows_the_round_trip(target: Target, peer: Peer, kind: str) -> Waits:
    """Behind many round trips the timeout is neither shorter than they and their variation ask for nor much longer."""
    lengths_s, earliest_s, latest_s = ROUND_TRIPS[kind]
    watch = Stopwatch(target)
    for seq in range(1, 1 + MANY):
        target.send(b"x")
        target.must_send(ACK, seq=seq, ack=1, data=b"x")
        yield from watch.sleep(lengths_s[seq % 2])
        repeated = False
        while target.may_send(ACK, seq=seq, ack=1, data=b"x"):
            repeated = True
        if repeated:
            return  # the handshake took no time, and its timeout may be as short: there is nothing to learn from
        peer.send(ACK, ack=seq + 1)
        target.must_not_send()
    target.send(b"lost")
    target.must_send(ACK, seq=1 + MANY, ack=1, data=b"lost")
    again = segment(ACK, seq=1 + MANY, ack=1, data=b"lost")
    yield from watch.must_send_between(earliest_s, latest_s, again, since_ns=watch.now_ns(), level=Level.SHOULD)


@timer(seconds=8)
@cites("RFC9293-3.6-retransmit", "RFC 6298 §5.2", "RFC 9293 §3.10.7.4 fifth")
@in_state(ESTABLISHED)
def test_ack_ends_the_retransmission_of_data(target: Target, peer: Peer) -> Waits:
    """Once retransmitted data is acknowledged, nothing more is sent."""
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.must_send_within(FIRST_RTO_S, ACK, seq=1, ack=1, data=b"data")
    peer.send(ACK, ack=5)
    yield from watch.must_stay_silent(3.5)
    target.must_be(ESTABLISHED)


@timer(seconds=8)
@cites("RFC 6298 §5.4", "RFC 9293 §3.8.1")
@in_state(ESTABLISHED)
def test_only_what_is_not_acknowledged_comes_again(target: Target, peer: Peer) -> Waits:
    """Of several segments of which the first is acknowledged, those behind it are retransmitted, the earliest first."""
    watch = Stopwatch(target)
    first, rest = _first_and_rest(target)
    peer.send(ACK, ack=1 + first)
    _rest_of(target, 1 + first + rest)
    yield from watch.must_send_within(FIRST_RTO_S, ACK, seq=1 + first, ack=1, data=None)


@timer(seconds=8)
@cites("RFC 6298 §5.4", "RFC 9293 §3.8.1")
@in_state(ESTABLISHED)
def test_the_earliest_comes_again_first(target: Target, peer: Peer) -> Waits:
    """Of several segments that nobody acknowledges, the first is retransmitted."""
    watch = Stopwatch(target)
    first, _rest = _first_and_rest(target)
    yield from watch.must_send_within(FIRST_RTO_S, ACK, seq=1, ack=1, data=None)
    _rest_of(target, 1 + first)


def _first_and_rest(target: Target) -> tuple[int, int]:
    """Send what takes two segments or more; return how many octets the first has, and those that came at once behind.

    One segment may be all that leaves at once: an initial window is an upper bound (RFC 5681 §3.1).
    """
    target.send(b"x" * 2 * ethernet_mss(target))
    first = len(target.must_send(ACK, seq=1, ack=1, data=None).payload)
    return first, _rest_of(target, 1 + first)


def _rest_of(target: Target, seq: int) -> int:
    """Accept text from this number on, segmented as the target likes; return how many octets came."""
    begin = seq
    while target.connection.inbox and (size := len(target.connection.inbox[0].segment.payload)):
        if not target.may_send(ACK, seq=seq, ack=1, data=None):
            break
        seq += size
    return seq - begin


@timer(seconds=15)
@cites("MUST-20", "RFC 9293 §3.8.3", "RFC 9293 §3.10.8")
@requires(Capability.GIVES_UP)
@in_state(ESTABLISHED)
def test_repeated_acks_are_no_progress(target: Target, peer: Peer) -> Waits:
    """A peer that repeats its last ACK, but never acknowledges the data, does not keep the connection alive by it."""
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    deadline_ns = watch.now_ns() + int(watch.patience(GIVEN_UP_S) * 1e9)
    while watch.now_ns() < deadline_ns and not (target.snapshot and target.snapshot.state is CLOSED):
        peer.send(ACK, ack=1)
        if target.snapshot is None and target.may_send(RST, seq=1):
            break  # where no state can be read, so answers who has given up
        swallow(target, ACK, seq=1, ack=1, data=b"data")
        yield from watch.sleep(3)
        gave_up(target, ACK, seq=1, ack=1, data=b"data")
    target.must_be(CLOSED)
    target.must_report(errno.ETIMEDOUT)


@timer(seconds=15)
@cites("MUST-20", "RFC 9293 §3.10.8")
@requires(Capability.GIVES_UP)
@in_state(ESTABLISHED)
def test_data_is_given_up(target: Target, peer: Peer) -> Waits:
    """Data that is never acknowledged ends the connection; the application is told, and the port knows nothing."""
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.must_become(CLOSED, 1, watch.patience(GIVEN_UP_S))
    gave_up(target, ACK, seq=1, ack=1, data=b"data")
    target.must_report(errno.ETIMEDOUT)
    peer.send(ACK, ack=5)
    target.must_send(RST, seq=5)


@timer(seconds=12)
@cites("RFC6298-5.5-backoff", "RFC 9293 §3.8.1", "MUST-19")
@in_state(FIN_WAIT_1, opened=(PASSIVE, ACTIVE), closed_by=(SHUTDOWN, CLOSE))
def test_fin_backs_off(target: Target, peer: Peer) -> Waits:
    """An unacknowledged FIN comes again with the same number, each time after twice the wait before."""
    watch = Stopwatch(target)
    yield from watch.must_send_within(FIRST_RTO_S, FIN | ACK, seq=1, ack=1)
    for _ in range(2):
        yield from watch.must_back_off(FIN | ACK, seq=1, ack=1)
    target.must_be(FIN_WAIT_1)


@timer(seconds=8)
@cites("RFC9293-3.6-retransmit", "RFC 6298 §5.2", "RFC 9293 §3.10.7.4 fifth")
@in_state(FIN_WAIT_1)
def test_ack_ends_the_retransmission_of_the_fin(target: Target, peer: Peer) -> Waits:
    """In FIN-WAIT-2 an acknowledged FIN is never sent again."""
    watch = Stopwatch(target)
    yield from watch.must_send_within(FIRST_RTO_S, FIN | ACK, seq=1, ack=1)
    peer.send(ACK, ack=2)
    target.must_be(FIN_WAIT_2)
    yield from watch.must_stay_silent(3.5)
    target.must_be(FIN_WAIT_2)


@timer(seconds=15)
@cites("MUST-20", "RFC 9293 §3.10.8")
@requires(Capability.GIVES_UP)
@in_state(FIN_WAIT_1, closed_by=(SHUTDOWN, CLOSE))
def test_fin_is_given_up(target: Target, peer: Peer) -> Waits:
    """A FIN that is never acknowledged ends the connection as unacknowledged data does."""
    watch = Stopwatch(target)
    yield from watch.must_become(CLOSED, 1, watch.patience(GIVEN_UP_S))
    gave_up(target, FIN | ACK, seq=1, ack=1)
    peer.send(ACK, ack=2)
    target.must_send(RST, seq=2)


@timer(seconds=310)
@cites("RFC9293-3.6-retransmit", "RFC 9293 §3.8.1", "RFC 9293 §3.3.2")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("closed_first_by", ["target", "peer"], ids=["closes-first", "closes-second"])
def test_lost_fin_behind_a_long_silence(target: Target, peer: Peer, closed_first_by: str) -> Waits:
    """A FIN that was lost comes again, however long nothing had been said before the application closed."""
    watch = Stopwatch(target)
    second = closed_first_by == "peer"
    if second:
        sent_ns = watch.now_ns()
        peer.send(FIN | ACK)
        yield from watch.must_send_within(MAX_ACK_DELAY_S, ACK, seq=1, ack=2, since_ns=sent_ns)
    yield from watch.must_stay_silent(SILENCE_S)
    target.must_be(CLOSE_WAIT if second else ESTABLISHED)
    target.close()
    sent_ns = watch.now_ns()
    target.must_send(FIN | ACK, seq=1, ack=2 if second else 1)
    yield from watch.must_send_within(FIRST_RTO_S, FIN | ACK, seq=1, ack=2 if second else 1, since_ns=sent_ns)
    peer.send(ACK, ack=2)
    target.must_be(CLOSED if second else FIN_WAIT_2)


@timer(seconds=8)
@cites("RFC 9293 §3.8.1", "RFC 9293 §3.10.7.4 eighth")
@in_state(CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_fin_is_repeated_in_closing(target: Target, peer: Peer) -> Waits:
    """In CLOSING the FIN is repeated as a FIN, acknowledging the peer's; its ACK then leads to TIME-WAIT."""
    watch = Stopwatch(target)
    fin_ns = next(each.event.time_ns for each in target.connection.received if each.segment.flags & FIN)
    yield from watch.must_send_within(FIRST_RTO_S, FIN | ACK, seq=1, ack=2, since_ns=fin_ns)
    yield from watch.must_back_off(FIN | ACK, seq=1, ack=2)
    target.must_be(CLOSING)
    peer.send(ACK, ack=2)
    target.must_be(TIME_WAIT)


@timer(seconds=8)
@cites("RFC 9293 §3.8.1", "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.1")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
@pytest.mark.parametrize("closed_by", [SHUTDOWN, CLOSE], ids=["by-shutdown", "by-close"])
def test_last_ack_is_lost(target: Target, peer: Peer, closed_by: str) -> Waits:
    """In LAST-ACK the FIN is repeated; then the ACK closes the connection, and the port knows nothing of it."""
    watch = Stopwatch(target)
    yield from _into_last_ack(target, peer, watch, closed_by)
    yield from watch.must_send_within(FIRST_RTO_S, FIN | ACK, seq=1, ack=2)
    yield from watch.must_back_off(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK, ack=2)
    target.must_not_send()
    target.must_be(CLOSED)
    peer.send(ACK, ack=2)
    target.must_send(RST, seq=2)


@timer(seconds=15)
@cites("MUST-20", "RFC 9293 §3.10.8")
@requires(Capability.GIVES_UP)
@in_state(ESTABLISHED)
@pytest.mark.parametrize("closed_by", [SHUTDOWN, CLOSE], ids=["by-shutdown", "by-close"])
def test_last_ack_is_given_up(target: Target, peer: Peer, closed_by: str) -> Waits:
    """LAST-ACK ends even if the peer is gone and its ACK never comes."""
    watch = Stopwatch(target)
    yield from _into_last_ack(target, peer, watch, closed_by)
    yield from watch.must_become(CLOSED, 1, watch.patience(GIVEN_UP_S))
    gave_up(target, FIN | ACK, seq=1, ack=2)


@timer(seconds=8)
@cites("RFC9293-3.6-retransmit", "RFC 9293 §3.8.1", "RFC 6298 §5.4")
@in_state(ESTABLISHED)
def test_data_and_fin_are_repeated_in_order(target: Target, peer: Peer) -> Waits:
    """With data and FIN under way the data comes again first, and the FIN with it or once it is acknowledged.

    The FIN may wait for that from the beginning: a window is an upper bound of what is under way (RFC 5681 §3.1).
    """
    watch = Stopwatch(target)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    target.shutdown()
    target.may_send(FIN | ACK, seq=5, ack=1)
    data = segment(ACK, seq=1, ack=1, data=b"data")
    both = segment(FIN | ACK, seq=1, ack=1, data=b"data")
    again = yield from watch.must_send_between(0, FIRST_RTO_S, data, both)
    if not again.flags & FIN and not target.may_send(FIN | ACK, seq=5, ack=1):
        peer.send(ACK, ack=5)
        if not target.may_send(FIN | ACK, seq=5, ack=1):
            yield from watch.must_send_within(2 * FIRST_RTO_S, FIN | ACK, seq=5, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, ack=6)
    target.must_be(FIN_WAIT_2)


def _into_last_ack(target: Target, peer: Peer, watch: Stopwatch, closed_by: str) -> Waits:
    sent_ns = watch.now_ns()
    peer.send(FIN | ACK)
    yield from watch.must_send_within(MAX_ACK_DELAY_S, ACK, seq=1, ack=2, since_ns=sent_ns)
    target.must_be(CLOSE_WAIT)
    if closed_by == CLOSE:
        target.close()
    else:
        target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)


# --- the user timeout ------------------------------------------------------------------------------------------------

USER_TIMEOUT = socket.TCP_USER_TIMEOUT


@timer(seconds=12)
@cites("MUST-21", "RFC 9293 §3.10.8")
@requires(Capability.USER_TIMEOUT)
@in_state(ESTABLISHED)
@pytest.mark.parametrize("waits_for", ["data", "fin"])
def test_short_user_timeout(target: Target, peer: Peer, waits_for: str) -> Waits:
    """The application sets R2 in time: when it is over, the connection is aborted and the application is told."""
    watch = Stopwatch(target)
    target.set_option(socket.IPPROTO_TCP, USER_TIMEOUT, 1500)
    flags, data = (ACK, b"data") if waits_for == "data" else (FIN | ACK, b"")
    if data:
        target.send(data)
    else:
        target.shutdown()
    target.must_send(flags, seq=1, ack=1, data=data)
    # The time may begin with the segment or with its first retransmission.
    yield from watch.must_become(CLOSED, 1.4, 4)
    gave_up(target, flags, seq=1, ack=1, data=data)
    target.must_report_pending(errno.ETIMEDOUT)
    peer.send(ACK, ack=2)
    target.must_send(RST, seq=2)


@timer(seconds=15)
@cites("MUST-21")
@requires(Capability.USER_TIMEOUT)
@in_state(ESTABLISHED)
def test_long_user_timeout(target: Target, peer: Peer) -> Waits:
    """The application may also ask for more patience than the target has by itself."""
    watch = Stopwatch(target)
    target.set_option(socket.IPPROTO_TCP, USER_TIMEOUT, 60_000)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")
    yield from watch.sleep(GIVEN_UP_S)
    swallow(target, ACK, seq=1, ack=1, data=b"data")
    target.must_be(ESTABLISHED)
    peer.send(ACK, ack=5)
    target.must_not_send()
    target.must_be(ESTABLISHED)
