"""What arrives while an ACK is delayed is judged as at any other time, and the ACK is not forgotten over it."""

from collections.abc import Generator

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSED,
    ESTABLISHED,
    FIN,
    FIN_WAIT_2,
    RST,
    SYN,
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
from harness.case.timers import Stopwatch, Wait, Waits

#: MUST-40.
MAX_DELAY_S = 0.5
#: Behind which no delayed ACK can come any more.
LONG_S = 1.5 * MAX_DELAY_S
ROUTES = ("passive", "active")
TEXT = b"data"


def _pend(target: Target, peer: Peer) -> Generator[Wait, None, Stopwatch]:
    """Send data whose ACK a target delays, if it delays any: behind a conversation, where it may still send itself.

    What it acknowledges at once is tolerated: then nothing is pending, and each rule holds all the same. Returns a
    stopwatch, which is to say that the data has just been sent.
    """
    watch = Stopwatch(target)
    for _ in range(0 if peer.rcv_nxt > 1 else 2):
        peer.send(ACK, b"request")
        target.may_send(ACK, ack=peer.snd_nxt)
        target.send(b"reply")
        target.must_send(ACK, ack=peer.snd_nxt, data=b"reply")
        target.must_deliver(b"request")
        peer.send(ACK)
        yield from watch.must_stay_silent(LONG_S)
    peer.send(ACK, TEXT)
    return watch


def _acknowledge(target: Target, watch: Stopwatch, ack: int, since_ns: int) -> Waits:
    """Demand an ACK in time, at once or later, and nothing behind it."""
    if not target.may_send(ACK, ack=ack):
        yield from watch.must_send_within(MAX_DELAY_S, ACK, ack=ack, since_ns=since_ns)
    yield from watch.must_stay_silent(LONG_S)


@timer(seconds=6)
@cites("RFC 9293 §3.10.7.4 second", "RFC9293-3.10.7.4-rst")
@in_state(ESTABLISHED, FIN_WAIT_2, opened=ROUTES)
def test_reset_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """A reset behind data whose ACK is still due, at the next expected number, ends the connection and the ACK."""
    watch = yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    peer.send(RST)
    target.may_send(ACK, ack=peer.snd_nxt)  # it may have left before the reset came
    target.must_not_send()
    target.must_be(CLOSED)
    yield from watch.must_stay_silent(LONG_S)


@timer(seconds=6)
@cites("RFC9293-3.5.3-validity", "MUST-40", "RFC 9293 §3.10.7.4 first")
@in_state(ESTABLISHED, FIN_WAIT_2)
def test_old_reset_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """A reset with the number of the data that has come is old: it is dropped, and the ACK of the data still comes."""
    watch = yield from _pend(target, peer)
    sent_ns, due = watch.now_ns(), peer.snd_nxt
    early = target.may_send(ACK, ack=due)
    with target.must_stay():
        peer.send(RST, seq=due - len(TEXT))
    if early:
        yield from watch.must_stay_silent(LONG_S)
    else:
        yield from _acknowledge(target, watch, due, sent_ns)


@timer(seconds=6)
@requires(Capability.RFC5961_RST)
@cites("RFC5961-3.2-challenge", "RFC 9293 §3.10.7.4 second")
@in_state(ESTABLISHED, FIN_WAIT_2)
def test_blind_reset_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """The challenge of a reset elsewhere in the window acknowledges the data; the one made from it ends all."""
    yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    peer.send(RST, seq=peer.snd_nxt + 100)
    target.must_send(ACK, seq=peer.rcv_nxt, ack=peer.snd_nxt)
    target.may_send(ACK, ack=peer.snd_nxt)
    peer.send(RST)
    target.may_send(ACK, ack=peer.snd_nxt)
    target.must_not_send()
    target.must_be(CLOSED)


@timer(seconds=6)
@requires(Capability.RFC5961_SYN)
@cites("RFC5961-4.2-challenge", "RFC9293-3.10.7.4-syn", "RFC 9293 §3.10.7.4 fourth")
@in_state(ESTABLISHED, FIN_WAIT_2)
def test_syn_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """A SYN that comes while an ACK is due draws its challenge all the same, which acknowledges the data."""
    watch = yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    due = peer.snd_nxt
    with target.must_stay():
        peer.send(SYN, seq=due)
    target.must_send(ACK, seq=peer.rcv_nxt, ack=due)
    target.may_send(ACK, ack=due)
    yield from watch.sleep(LONG_S)
    target.may_send(ACK, ack=due)


@timer(seconds=6)
@cites("RFC 9293 §3.10.7.4 eighth", "MUST-40")
@in_state(ESTABLISHED, FIN_WAIT_2, opened=ROUTES)
def test_fin_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """A FIN behind data whose ACK is still due moves the state at once; an ACK of both comes in time, and only one."""
    watch = yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    sent_ns, data_end = watch.now_ns(), peer.snd_nxt
    peer.send(FIN | ACK)
    target.must_be(CLOSE_WAIT, TIME_WAIT)
    target.may_send(ACK, ack=data_end)
    yield from _acknowledge(target, watch, data_end + 1, sent_ns)


@timer(seconds=6)
@cites("RFC 9293 §3.10.4", "RFC 9293 §3.4", "MUST-58")
@in_state(ESTABLISHED, opened=ROUTES)
def test_close_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """The FIN of CLOSE carries the ACK that was still due."""
    yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    target.shutdown()
    target.may_send(ACK, ack=peer.snd_nxt)
    target.must_send(FIN | ACK, ack=peer.snd_nxt)
    yield from Stopwatch(target).must_stay_silent(0.1)
    peer.send(ACK)
    target.must_be(FIN_WAIT_2)


@timer(seconds=6)
@cites("RFC 9293 §3.10.5", "RFC9293-3.10.5-abort")
@in_state(ESTABLISHED, opened=ROUTES)
def test_abort_meets_a_pending_ack(target: Target, peer: Peer) -> Waits:
    """Behind the reset of an abort no ACK comes, though one was due."""
    watch = yield from _pend(target, peer)
    target.may_send(ACK, ack=peer.snd_nxt)
    sent = peer.rcv_nxt
    target.abort()
    target.may_send(ACK, ack=peer.snd_nxt)
    target.must_answer(segment(RST, seq=sent), segment(RST | ACK, seq=sent, ack=peer.snd_nxt))
    yield from watch.must_stay_silent(LONG_S)
