"""How long FIN-WAIT-2 and TIME-WAIT last (RFC 9293 §3.6)."""

import socket

from harness.case import (
    ACK,
    CLOSE,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_2,
    LISTEN,
    RST,
    SHUTDOWN,
    SYN,
    SYN_RECEIVED,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
    timer,
)
from harness.case.timers import COARSENESS, Stopwatch, Waits
from harness.case.violation import Level
from testcases.isolation.connections import fresh_port
from testcases.timers.giving_up import gave_up

#: RFC 9293 takes the MSL to be two minutes and leaves the choice open (§3.4.2): 2 MSL are 60 s in Linux and many more,
#: and 30 s in those systems of today that have the least.
SHORTEST_TWO_MSL_S, USUAL_TWO_MSL_S, LONGEST_TWO_MSL_S = 30, 60, 240


def _open_again(target: Target, peer: Peer) -> None:
    """Prove that the old connection is forgotten: its SYN, with its old number, opens a new one."""
    peer.renew(0)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@timer(seconds=12)
@cites("RFC 9293 §3.6.1", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_2, closed_by=SHUTDOWN)
def test_half_close_is_not_bounded(target: Target, peer: Peer) -> Waits:
    """An application that has only shut down its sending side may receive for as long as the peer likes."""
    watch = Stopwatch(target)
    yield from watch.must_stay_silent(10)
    target.must_be(FIN_WAIT_2)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"late")
    yield from watch.must_send_within(0.5, ACK, seq=2, ack=5, since_ns=sent_ns)
    target.must_deliver(b"late")
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=6)
    target.must_be(TIME_WAIT)


@timer(seconds=8)
@cites("RFC 9293 §3.6")
@requires(Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED)
def test_fin_wait_2_without_application_is_bounded(target: Target, peer: Peer) -> Waits:
    """An application that is gone can't wait for ever: FIN-WAIT-2 ends at the time that it has set."""
    # No RFC bounds FIN-WAIT-2. Where a target offers a bound it must keep it, and a later FIN meets a closed port.
    watch = Stopwatch(target)
    target.set_option(socket.IPPROTO_TCP, socket.TCP_LINGER2, 2)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    peer.send(ACK, ack=2)
    target.must_be(FIN_WAIT_2)
    yield from watch.must_become(CLOSED, 2, 2 * (1 + COARSENESS) + 0.5)
    gave_up(target, FIN | ACK, seq=1, ack=1)
    target.must_not_send()
    peer.send(FIN | ACK, ack=2)
    target.must_send(RST, seq=2)


@timer(seconds=12)
@cites("RFC9293-3.10.7.4-time-wait", "MUST-13", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_2, closed_by=CLOSE)
def test_time_wait_is_not_shortened_by_the_bound(target: Target, peer: Peer) -> Waits:
    """A FIN in a bounded FIN-WAIT-2 starts the whole wait of 2 MSL, not the rest of the bound."""
    watch = Stopwatch(target)
    yield from watch.must_stay_silent(2)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    yield from watch.must_stay_silent(9)
    target.must_be(TIME_WAIT)


@timer(seconds=70)
@cites("MUST-13", "RFC 9293 §3.10.8")
@in_state(FIN_WAIT_2, CLOSING, closed_by=(SHUTDOWN, CLOSE), keep_listener=True)
def test_time_wait_ends(target: Target, peer: Peer) -> Waits:
    """TIME-WAIT lasts 2 MSL and ends in silence; then the port takes a new connection, whatever its number."""
    watch = Stopwatch(target)
    if peer.snd_nxt > 1:  # in CLOSING its FIN has come already
        peer.send(ACK, ack=2)
    else:
        peer.send(FIN | ACK)
        target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)
    yield from _time_wait_is_over(watch, target)
    _open_again(target, peer)


@timer(seconds=70)
@cites("MUST-13", "RFC 9293 §3.10.8", "RFC 9293 §3.10.7.1")
@in_state(TIME_WAIT)
def test_fin_after_time_wait(target: Target, peer: Peer) -> Waits:
    """When TIME-WAIT is over and nobody listens, the peer's FIN meets a closed port."""
    yield from _time_wait_is_over(Stopwatch(target), target)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(RST, seq=2)


@timer(seconds=85)
@cites("MUST-13", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_2)
def test_wait_begins_with_the_last_fin(target: Target, peer: Peer) -> Waits:
    """2 MSL count from the entry into TIME-WAIT, however long ago the target's own FIN was."""
    watch = Stopwatch(target)
    yield from watch.must_stay_silent(15)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    yield from _time_wait_is_over(watch, target)


@timer(seconds=310)
@cites("MUST-13", "RFC 9293 §3.3.2", "RFC 9293 §3.10.7.4 eighth")
@in_state(ESTABLISHED)
def test_time_wait_behind_a_long_silence(target: Target, peer: Peer) -> Waits:
    """2 MSL count from the entry into TIME-WAIT, however long nothing had come before the connection was closed."""
    watch = Stopwatch(target)
    yield from watch.must_stay_silent(LONGEST_TWO_MSL_S + 1)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=1)
    peer.send(FIN | ACK, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    yield from _time_wait_is_over(watch, target)


@timer(seconds=112)
@cites("RFC9293-3.10.7.4-time-wait", "MUST-13", "RFC 9293 §3.10.7.4 eighth")
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_repeated_fin_restarts_the_wait(target: Target, peer: Peer) -> Waits:
    """A FIN that is repeated in TIME-WAIT is acknowledged, and 2 MSL begin anew: a neighbour's are over before."""
    watch = Stopwatch(target)
    neighbour = _in_time_wait_beside(target)
    yield from watch.must_stay_silent(20)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)
    begin_ns = watch.now_ns()
    yield from Stopwatch(neighbour).must_become(CLOSED, 0, LONGEST_TWO_MSL_S * (1 + COARSENESS))
    target.must_be(TIME_WAIT)
    yield from _time_wait_is_over(watch, target, begin_ns)


def _in_time_wait_beside(target: Target) -> Target:
    """Bring another connection into TIME-WAIT, from a port of its own."""
    neighbour, its_peer = target.beside(port=fresh_port(target))
    neighbour.connect()
    neighbour.must_send(SYN, seq=0)
    its_peer.send(SYN | ACK, seq=0, ack=1)
    neighbour.must_send(ACK, seq=1, ack=1)
    neighbour.shutdown()
    neighbour.must_send(FIN | ACK, seq=1, ack=1)
    its_peer.send(FIN | ACK, ack=2)
    neighbour.must_send(ACK, seq=2, ack=2)
    neighbour.must_be(TIME_WAIT)
    return neighbour


def _time_wait_is_over(watch: Stopwatch, target: Target, begin_ns: int | None = None) -> Waits:
    """Demand that TIME-WAIT lasts as long as 2 MSL may be, and not for ever; `begin_ns` is when it began, else now."""
    begin_ns = watch.now_ns() if begin_ns is None else begin_ns
    over = CLOSED if target.connection.listener is None else LISTEN
    yield from watch.must_not_become(over, SHORTEST_TWO_MSL_S, since_ns=begin_ns)
    yield from watch.must_not_become(over, USUAL_TWO_MSL_S, since_ns=begin_ns, level=Level.SHOULD)
    latest = LONGEST_TWO_MSL_S * (1 + COARSENESS)
    yield from watch.must_become(over, SHORTEST_TWO_MSL_S, latest, since_ns=begin_ns)
    target.must_not_send()
