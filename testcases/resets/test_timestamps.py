"""Resets and timestamps (RFC 7323 §5.2, §5.3): PAWS is not for resets, and they teach nothing."""

import errno
from collections.abc import Callable

import pytest

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    FIN,
    RST,
    SYN,
    Absolute,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    requires,
    segment,
)
from harness.spec.options import NOP, mss, timestamps, timestamps_of

#: The peer's clock on its SYN, and a little later.
SYN_VALUE, VALUE = 1_000_000, 1_000_100


def _stamp(value: int, echo: int = 0) -> bytes:
    return NOP + NOP + timestamps(value, echo)


def _echoes(value: int) -> Callable[[Segment], str]:
    """Check that a segment has timestamps and echoes `value`."""

    def check(answer: Segment) -> str:
        found = timestamps_of(answer.options)
        if found is None:
            return "timestamps"
        return "" if found[1] == value else f"TSecr={value} instead of {found[1]}"

    return check


def _establish(target: Target, peer: Peer) -> int:
    """Open a connection with timestamps, the peer's last being VALUE; return the target's last."""
    target.listen()
    peer.send(SYN, options=mss(1460) + _stamp(SYN_VALUE))
    target.must_send(SYN | ACK, seq=0, ack=1, check=_echoes(SYN_VALUE))
    found = timestamps_of(peer.last.options)
    echo = found[0] if found else 0
    peer.send(ACK, options=_stamp(VALUE, echo))
    target.accept()
    target.close_listener()
    target.must_be(ESTABLISHED)
    return echo


@pytest.mark.parametrize("value", [VALUE - 50, SYN_VALUE - 2**30, 0, None], ids=["old", "very-old", "zero", "none"])
@cites("RFC7323-5.2-rst-received", "RFC 7323 §5.2", "RFC 9293 §3.5.3")
@requires(Capability.TIMESTAMPS)
def test_old_timestamp_on_a_reset(target: Target, peer: Peer, value: int | None) -> None:
    """A reset at the next expected number counts though its timestamp is old, or missing."""
    echo = _establish(target, peer)
    peer.send(RST, options=b"" if value is None else _stamp(value, echo))
    target.must_not_send()
    target.must_be(CLOSED)
    target.must_report(errno.ECONNRESET)


@pytest.mark.parametrize("place", ["inside", "below"])
@cites("RFC7323-5.2-rst-received", "RFC7323-4.3-recent")
@requires(Capability.TIMESTAMPS, Capability.RFC5961_RST)
def test_reset_does_not_move_the_clock(target: Target, peer: Peer, place: str) -> None:
    """The timestamp of a reset that does not count is neither echoed nor held against later segments."""
    echo = _establish(target, peer)
    peer.send(RST, seq=100 if place == "inside" else -100, options=_stamp(VALUE + 100_000, echo))
    if place == "inside":
        target.must_send(ACK, seq=1, ack=1, check=_echoes(VALUE))
    peer.send(ACK, b"data", options=_stamp(VALUE + 1, echo))
    target.must_send(ACK, seq=1, ack=5, check=_echoes(VALUE + 1))
    target.must_deliver(b"data")


@pytest.mark.parametrize("flags", [ACK, FIN | ACK, SYN], ids=["data", "fin", "syn"])
@cites("RFC7323-5.3-paws", "RFC 9293 §3.5.2 group 3")
@requires(Capability.TIMESTAMPS)
def test_old_timestamp_on_anything_else(target: Target, peer: Peer, flags: int) -> None:
    """Any other segment with an old timestamp is dropped after an ACK, though its number is the next expected one."""
    echo = _establish(target, peer)
    data = b"" if flags & SYN else b"old"
    with target.must_stay():
        peer.send(flags, data, seq=1, options=_stamp(VALUE - 50, echo))
        target.must_send(ACK, seq=1, ack=1, check=_echoes(VALUE))
    target.must_not_deliver()
    peer.send(ACK, b"new", seq=1, options=_stamp(VALUE + 1, echo))
    target.must_send(ACK, seq=1, ack=4)
    target.must_deliver(b"new")


@pytest.mark.parametrize("flags", [SYN, ACK], ids=["syn", "ack"])
@cites("RFC7323-5.2-rst-sent", "RFC 7323 §5.2")
@requires(Capability.TIMESTAMPS)
def test_reset_in_answer_carries_timestamps(target: Target, peer: Peer, flags: int) -> None:
    """A reset that answers a segment with timestamps echoes its value and gives zero as its own."""

    def check(reset: Segment) -> str:
        found = timestamps_of(reset.options)
        return "" if found == (0, VALUE) else f"TSval=0 and TSecr={VALUE} instead of {found}"

    peer.send(flags, seq=0, ack=1000, options=_stamp(VALUE))
    if flags & ACK:
        target.should_send(RST, seq=Absolute(1000), check=check)
    else:
        target.should_send(RST | ACK, seq=Absolute(0), ack=1, check=check)


@cites("RFC 7323 §5.2", "RFC 9293 §3.10.5")
@requires(Capability.TIMESTAMPS)
def test_reset_of_an_abort_carries_timestamps(target: Target, peer: Peer) -> None:
    """The reset of an abort carries timestamps where they were negotiated."""
    _establish(target, peer)
    target.abort()
    check = _echoes(VALUE)
    target.should_answer(segment(RST, seq=1, check=check), segment(RST | ACK, seq=1, ack=1, check=check))
    target.must_be(CLOSED)


@cites("RFC7323-3.2-always", "RFC5961-3.2-challenge")
@requires(Capability.TIMESTAMPS, Capability.RFC5961_RST, Capability.RFC5961_SYN)
def test_challenge_carries_timestamps(target: Target, peer: Peer) -> None:
    """A challenge ACK carries timestamps as every segment does that is no reset."""
    echo = _establish(target, peer)
    peer.send(RST, seq=100, options=_stamp(VALUE, echo))
    target.must_send(ACK, seq=1, ack=1, check=_echoes(VALUE))
    peer.send(SYN, seq=100, options=mss(1460) + _stamp(VALUE, 0))
    target.must_send(ACK, seq=1, ack=1, check=_echoes(VALUE))
