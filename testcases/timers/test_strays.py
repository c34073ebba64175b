"""Segments that must change nothing start no timer either: an idle connection is there long after they came."""

import pytest

from harness.case import ACK, ESTABLISHED, FIN, FIN_WAIT_2, Peer, Target, cites, in_state, timer
from harness.case.timers import Stopwatch, Waits

#: Longer than 2 MSL, and than what bounds FIN-WAIT-2 without an application.
LONG_S = 130
#: Flags, number and acknowledgment of each, counted from RCV.NXT and SND.NXT. An ACK may answer each.
STRAYS = {
    "old-fin": (FIN | ACK, -1, 0),
    "old-ack": (ACK, -1, 0),
    "ack-of-the-unsent": (ACK, 0, 100),
}
each_stray = pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS.keys())


def _outlast(target: Target, peer: Peer, stray: tuple[int, int, int], snd_nxt: int, rcv_nxt: int) -> Waits:
    """Send a segment that changes nothing, and let the time pass that any timer would take."""
    flags, seq, ack = stray
    peer.send(flags, seq=rcv_nxt + seq, ack=snd_nxt + ack)
    target.may_send(ACK, seq=snd_nxt, ack=rcv_nxt)
    target.must_not_send()
    yield from Stopwatch(target).must_stay_silent(LONG_S)


@timer(seconds=LONG_S + 5)
@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.8")
@each_stray
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_stray_on_an_idle_connection(target: Target, peer: Peer, stray: tuple[int, int, int]) -> Waits:
    """In ESTABLISHED nothing ends an idle connection: data still flows both ways."""
    yield from _outlast(target, peer, stray, snd_nxt=1, rcv_nxt=1)
    target.must_be(ESTABLISHED)
    target.send(b"still")
    target.must_send(ACK, seq=1, ack=1, data=b"still")


@timer(seconds=LONG_S + 5)
@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.6")
@each_stray
@in_state(FIN_WAIT_2)
def test_stray_on_a_half_close(target: Target, peer: Peer, stray: tuple[int, int, int]) -> Waits:
    """In FIN-WAIT-2 an application that reads waits as long as the peer likes."""
    yield from _outlast(target, peer, stray, snd_nxt=2, rcv_nxt=1)
    target.must_be(FIN_WAIT_2)
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    peer.send(ACK, b"still", seq=1, ack=2)
    yield from watch.must_send_within(0.5, ACK, seq=2, ack=6, since_ns=sent_ns)
    target.must_deliver(b"still")


@timer(seconds=LONG_S + 5)
@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.6")
@each_stray
@in_state(ESTABLISHED)
def test_stray_behind_the_fin(target: Target, peer: Peer, stray: tuple[int, int, int]) -> Waits:
    """In CLOSE-WAIT the target may send for as long as it likes, whatever the peer repeats."""
    watch = Stopwatch(target)
    sent_ns = watch.now_ns()
    peer.send(FIN | ACK)
    yield from watch.must_send_within(0.5, ACK, seq=1, ack=2, since_ns=sent_ns)
    yield from _outlast(target, peer, stray, snd_nxt=1, rcv_nxt=2)
    target.send(b"still")
    target.must_send(ACK, seq=1, ack=2, data=b"still")
