"""Resets where no connection exists: RFC 9293 §3.5.2 group 1, and how their numbers are chosen."""

import pytest

from harness.case import ACK, CLOSED, FIN, PSH, RST, SYN, URG, Absolute, Peer, Segment, Target, cites
from harness.spec.segment import flag_names

#: Every set of the four control bits that matter here; PSH and URG change nothing and have their own case.
CONTROLS = [fin | syn | rst | ack for fin in (0, FIN) for syn in (0, SYN) for rst in (0, RST) for ack in (0, ACK)]


def _name(flags: int) -> str:
    return flag_names(flags).lower().replace(",", "-") or "none"


def _draws_reset(target: Target, segment: Segment) -> None:
    """The answer of CLOSED to `segment` (relative numbers), by the rules of RFC 9293 §3.10.7.1."""
    if segment.flags & RST:
        target.must_not_send()
    elif segment.flags & ACK:
        target.must_send(RST, seq=segment.ack)
    else:
        target.must_send(RST | ACK, seq=Absolute(0), ack=segment.seq + segment.length)


@pytest.mark.parametrize("data", [b"", b"0123456789"], ids=["bare", "data"])
@pytest.mark.parametrize("flags", CONTROLS, ids=_name)
@cites("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.10.7.1", "RFC9293-3.5.2-closed", "RFC9293-3.5.2-sparing")
def test_any_segment_draws_a_reset(target: Target, peer: Peer, flags: int, data: bytes) -> None:
    """What arrives without a connection is reset with numbers that its sender will believe; a reset never is."""
    peer.send(flags, data, seq=1000, ack=2000)
    _draws_reset(target, peer.segment(flags, data, seq=1000, ack=2000))
    target.must_be(CLOSED)


@pytest.mark.parametrize("flags", [PSH, URG, PSH | URG | ACK, PSH | URG | RST], ids=_name)
@cites("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.10.7.1")
def test_push_and_urgent_change_nothing(target: Target, peer: Peer, flags: int) -> None:
    """PSH and URG make no difference to the reset."""
    peer.send(flags, b"data", seq=1000, ack=2000, urgent=3)
    _draws_reset(target, peer.segment(flags, b"data", seq=1000, ack=2000))


@pytest.mark.parametrize("flags", [SYN, FIN, SYN | FIN], ids=_name)
@cites("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.4")
def test_reset_number_wraps(target: Target, peer: Peer, flags: int) -> None:
    """The acknowledgment of the reset counts text, SYN and FIN across the end of the sequence space."""
    peer.choose_iss(-2)
    peer.send(flags, b"data")
    octets = 4 + bool(flags & SYN) + bool(flags & FIN)
    target.must_send(RST | ACK, seq=Absolute(0), ack=Absolute(octets - 2))


@pytest.mark.parametrize("number", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
@cites("RFC 9293 §3.5.2 group 1", "RFC9293-3.5.2-closed")
def test_reset_takes_any_number(target: Target, peer: Peer, number: int) -> None:
    """The reset takes over the acknowledgment number of the segment whatever it is, zero included."""
    peer.send(ACK, seq=0, ack=number)
    target.must_send(RST, seq=Absolute(number))


@cites("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.10.7.1")
def test_each_segment_draws_its_own(target: Target, peer: Peer) -> None:
    """Several segments draw a reset each, in their order: nothing is kept between them."""
    peer.inject(peer.segment(SYN, seq=10), peer.segment(ACK, seq=20, ack=30), peer.segment(FIN, seq=40))
    target.must_send(RST | ACK, seq=Absolute(0), ack=11)
    target.must_send(RST, seq=Absolute(30))
    target.must_send(RST | ACK, seq=Absolute(0), ack=41)


@cites("RFC 9293 §3.5.2 group 1", "RFC 9293 §3.5.2")
def test_resets_do_not_echo(target: Target, peer: Peer) -> None:
    """Two ends without a connection fall silent: the answer to a reset is nothing."""
    peer.send(SYN)
    reset = target.must_send(RST | ACK, seq=Absolute(0), ack=1)
    peer.send(RST, seq=reset.ack)
    target.must_not_send()
    peer.send(RST | ACK, seq=reset.ack, ack=0)
    target.must_not_send()
