"""A new SYN in TIME-WAIT, without timestamps (RFC 9293 §3.6.1, MAY-2)."""

import pytest

from harness.case import (
    ACK,
    CLOSE,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LISTEN,
    RST,
    SHUTDOWN,
    SYN,
    SYN_RECEIVED,
    TIME_WAIT,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
    segment,
    silence,
)

#: The peer's FIN has number 1; all numbers below stay relative to the old connection.
FIN_NUMBER, RCV_NXT, SND_NXT = 1, 2, 2
NEW_ISN = 1_000_000
#: Long enough for a clock of 4 microseconds, and too short for any timer.
MOMENT_S = 0.001
#: Nobody sends an octet faster than the ISN clock ticks, as MSL and the size of the numbers have it (§3.4.1).
TICK_S = 4e-6


def _reopen(target: Target, peer: Peer, isn: int = NEW_ISN, *, snd_nxt: int = SND_NXT) -> Segment:
    """Send a new SYN and demand a SYN,ACK whose number lies above all that the target has used.

    Between two incarnations time passes: an ISN may follow the clock alone (RFC 9293 §3.4.1).
    """
    target.wait(MOMENT_S)
    peer.send(SYN, seq=isn)
    answer = target.must_send(SYN | ACK, ack=isn + 1, check=lambda wire: _above(wire, peer.target_iss, snd_nxt))
    target.must_be(SYN_RECEIVED)
    return answer


def _above(wire: Segment, old_iss: int, snd_nxt: int) -> str:
    distance = (wire.seq - old_iss - snd_nxt) & 0xFFFFFFFF
    return "" if distance < 1 << 31 else "an initial sequence number above the old connection's numbers"


@cites("MAY-2", "RFC1122-4.2.2.13-reopen")
@requires(Capability.TIME_WAIT_REUSE)
@in_state(TIME_WAIT, keep_listener=True, closed_by=(SHUTDOWN, CLOSE))
@pytest.mark.parametrize("isn", [RCV_NXT + 1, NEW_ISN, (1 << 31) - 10], ids=["just-above", "above", "far-above"])
def test_syn_above_the_old_numbers(target: Target, peer: Peer, isn: int) -> None:
    """A SYN above the peer's old numbers opens a new connection, which then carries data and is accepted."""
    answer = _reopen(target, peer, isn)
    peer.send(ACK, seq=isn + 1, ack=answer.seq + 1)
    target.must_not_send()
    target.must_be(ESTABLISHED)
    if target.connection.app is not None:
        target.close()
    target.accept()
    peer.send(ACK, b"anew", seq=isn + 1, ack=answer.seq + 1)
    target.must_send(ACK, seq=answer.seq + 1, ack=isn + 5)
    target.must_deliver(b"anew")


@cites("MAY-2", "RFC6528-3-incarnation")
@requires(Capability.TIME_WAIT_REUSE)
@in_state(ESTABLISHED, keep_listener=True)
@pytest.mark.parametrize("octets", [1, 10_000], ids=["1-octet", "10000-octets"])
def test_new_isn_is_above_what_was_sent(target: Target, peer: Peer, octets: int) -> None:
    """The target's initial sequence number lies above its last one, however much it has sent before."""
    text = b"x" * octets
    target.send(text)
    target.must_send_stream(text, seq=1, ack=1)
    peer.send(ACK, ack=octets + 1)
    target.shutdown()
    target.must_send(FIN | ACK, seq=octets + 1, ack=1)
    peer.send(FIN | ACK, ack=octets + 2)
    target.must_send(ACK, seq=octets + 2, ack=2)
    target.must_be(TIME_WAIT)
    target.wait(octets * TICK_S)
    _reopen(target, peer, snd_nxt=octets + 2)


@cites("MAY-2")
@requires(Capability.TIME_WAIT_REUSE)
@in_state(FIN_WAIT_1, keep_listener=True, closed_by=(SHUTDOWN, CLOSE))
def test_reopened_after_closing(target: Target, peer: Peer) -> None:
    """TIME-WAIT behind CLOSING gives way to a new SYN as well."""
    peer.send(FIN | ACK, ack=1)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    peer.send(ACK, ack=SND_NXT)
    target.must_be(TIME_WAIT)
    answer = _reopen(target, peer)
    peer.send(ACK, seq=NEW_ISN + 1, ack=answer.seq + 1)
    target.must_be(ESTABLISHED)


@cites("MAY-2", "RFC1122-4.2.2.13-reopen")
@requires(Capability.TIME_WAIT_REUSE)
@in_state(TIME_WAIT, keep_listener=True)
def test_old_syn_falls_back_to_time_wait(target: Target, peer: Peer) -> None:
    """Where the peer resets the SYN,ACK, the SYN was an old duplicate, and the target is in TIME-WAIT again."""
    answer = _reopen(target, peer)
    peer.send(RST, seq=NEW_ISN + 1, ack=answer.seq + 1)
    target.must_not_send()
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, seq=1, ack=SND_NXT)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)


@cites("RFC1337-2-hazards", "RFC 9293 §3.10.7.4 first")
@requires(Capability.TIME_WAIT_REUSE)
@in_state(TIME_WAIT, keep_listener=True)
@pytest.mark.parametrize(
    ("flags", "data"),
    [(FIN | ACK, b""), (ACK, b"old")],
    ids=["fin-of-the-old-connection", "data-of-the-old-connection"],
)
def test_old_duplicate_after_reopening(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """What is left of the old connection does not disturb the new one: its numbers lie outside the window."""
    answer = _reopen(target, peer)
    peer.send(ACK, seq=NEW_ISN + 1, ack=answer.seq + 1)
    target.must_be(ESTABLISHED)
    peer.send(flags, data, seq=1, ack=SND_NXT)
    target.must_send(ACK, seq=answer.seq + 1, ack=NEW_ISN + 1)
    target.must_be(ESTABLISHED)


@cites("RFC6191-2-otherwise", "RFC 9293 §3.10.7.4 first", "SHLD-4")
@in_state(TIME_WAIT, keep_listener=True, closed_by=(SHUTDOWN, CLOSE))
@pytest.mark.parametrize("isn", [0, RCV_NXT - 1, -NEW_ISN], ids=["the-old-syn", "number-of-the-fin", "far-below"])
def test_syn_below_the_old_numbers(target: Target, peer: Peer, isn: int) -> None:
    """A SYN not above the peer's old numbers is an old duplicate: no new connection, TIME-WAIT goes on."""
    # RFC 9293 acknowledges what is outside the window, RFC 6191 drops it. MAY-2 alone has no condition on the SYN's
    # number, which is why this is no MUST.
    peer.send(SYN, seq=isn)
    target.should_answer(
        segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC 9293 §3.10.7.4 first"), silence(cites="RFC6191-2-otherwise")
    )
    target.should_be(TIME_WAIT)


@cites("RFC6191-2-otherwise", "RFC 9293 §3.10.7.4 fourth")
@in_state(TIME_WAIT, keep_listener=True)
def test_syn_at_rcv_nxt(target: Target, peer: Peer) -> None:
    """RCV.NXT is above the number of the peer's FIN, so a SYN with it is a new one."""
    peer.send(SYN, seq=RCV_NXT)
    target.should_send(SYN | ACK, ack=RCV_NXT + 1)


@cites("RFC5961-4.2-challenge", "RFC 9293 §3.10.7.4 fourth")
@requires(Capability.RFC5961_SYN)
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_syn_that_nobody_awaits(target: Target, peer: Peer) -> None:
    """Without a listener there is nothing to open: a new SYN draws a challenge ACK, and TIME-WAIT goes on."""
    peer.send(SYN, seq=NEW_ISN)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 first", "RFC5961-4.2-challenge")
@requires(Capability.RFC5961_SYN)
@in_state(TIME_WAIT, keep_listener=True)
def test_syn_ack_does_not_reopen(target: Target, peer: Peer) -> None:
    """A SYN,ACK is no request: even with a new number it only draws an ACK."""
    peer.send(SYN | ACK, seq=NEW_ISN, ack=SND_NXT)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    target.must_be(TIME_WAIT)


@cites("RFC 9293 §3.10.7.4 second", "RFC 9293 §3.10.7.2")
@in_state(TIME_WAIT, keep_listener=True)
def test_open_after_a_reset(target: Target, peer: Peer) -> None:
    """After a reset has ended TIME-WAIT nothing is remembered: a SYN with an old number is welcome."""
    peer.send(RST, seq=RCV_NXT)
    target.must_not_send()
    if target.snapshot is None:  # its answer to the FIN once more shows what no state can
        peer.send(FIN | ACK, seq=FIN_NUMBER, ack=SND_NXT)
        kept = segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC1337-3-ignore-rst")
        answer = target.must_answer(segment(RST, seq=SND_NXT, cites="RFC 9293 §3.10.7.2"), kept)
        ended = answer is not None and bool(answer.flags & RST)
    else:
        ended = target.snapshot.state is not TIME_WAIT
    if not ended:
        return  # a target that follows RFC 1337, or may hold its answer back
    target.must_be(LISTEN)
    peer.renew(0)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@cites("RFC 9293 §3.10.7.4 fourth", "RFC5961-4.2-challenge")
@requires(Capability.RFC5961_SYN)
@in_state(FIN_WAIT_2, keep_listener=True, closed_by=(SHUTDOWN, CLOSE))
def test_no_reopening_before_time_wait(target: Target, peer: Peer) -> None:
    """In FIN-WAIT-2 the peer has not closed: a new SYN is challenged, not taken for a new connection."""
    peer.send(SYN, seq=NEW_ISN)
    target.must_send(ACK, seq=SND_NXT, ack=1)
    target.must_be(FIN_WAIT_2)
