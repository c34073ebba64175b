"""A listener that keeps nothing until the handshake is complete: SYN cookies (RFC 4987 §3.6), as a MAY."""

import pytest

from harness.case import (
    ACK,
    CLOSED,
    ESTABLISHED,
    LISTEN,
    RST,
    SYN,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    requires,
)
from harness.spec.options import SACK_PERMITTED, mss, timestamps, timestamps_of, window_scale, window_scale_of

#: Linux: every handshake by cookie, not only when the backlog overflows.
ALWAYS = ("net.ipv4.tcp_syncookies", "2")


def _no_scale(segment: Segment) -> str:
    return "no window scale" if window_scale_of(segment.options) is not None else ""


@cites("RFC4987-3-overflow", "RFC 4987 §3")
@requires(Capability.SETTINGS, Capability.SYN_COOKIES)
def test_handshake_by_cookie(target: Target, peer: Peer) -> None:
    """The listener remembers nothing of the SYN, and the ACK that returns its cookie establishes the connection."""
    with target.setting(*ALWAYS):
        target.listen()
        peer.send(SYN)
        target.must_send(SYN | ACK, seq=0, ack=1)
        target.must_be(LISTEN)
        peer.send(ACK)
        target.must_not_send()
        target.must_be(ESTABLISHED)
        target.accept()
        peer.send(ACK, b"data")
        target.must_send(ACK, seq=1, ack=5)
        target.must_deliver(b"data")


@cites("RFC4987-3.6-options", "RFC 4987 §3.6")
@pytest.mark.parametrize("stamped", [False, True], ids=["without-timestamps", "with-timestamps"])
@requires(Capability.SETTINGS, Capability.SYN_COOKIES, Capability.TIMESTAMPS, Capability.WINDOW_SCALE)
def test_options_of_a_cookie(target: Target, peer: Peer, stamped: bool) -> None:
    """Only timestamps give the cookie room for the other options: without them none is agreed."""
    options = mss(1460) + SACK_PERMITTED + window_scale(7) + (timestamps(1000) if stamped else b"")
    with target.setting(*ALWAYS):
        target.listen()
        peer.send(SYN, options=options)
        answer = target.must_send(SYN | ACK, seq=0, ack=1, check=None if stamped else _no_scale)
        times = timestamps_of(answer.options)
        target.must_show("timestamps in the answer", times is not None, stamped)
        peer.send(ACK, options=timestamps(1001, times[0]) if times else b"")
        target.must_be(ESTABLISHED)
        target.accept()


# The lowest bits of a cookie carry the MSS, so one that is off by less than the number of sizes is another valid one.
@cites("RFC4987-3.6-forged", "RFC 4987 §3.6", "RFC 9293 §3.10.7.2 second")
@pytest.mark.parametrize("ack", [-99, 101, 1 << 20], ids=["less", "more", "far"])
@requires(Capability.SETTINGS, Capability.SYN_COOKIES)
def test_ack_that_is_no_cookie(target: Target, peer: Peer, ack: int) -> None:
    """An ACK that returns another number than the cookie is reset and makes no connection."""
    with target.setting(*ALWAYS):
        target.listen()
        peer.send(SYN)
        target.must_send(SYN | ACK, seq=0, ack=1)
        peer.send(ACK, seq=1, ack=ack)
        target.must_send(RST, seq=ack)
        target.must_be(LISTEN, CLOSED)
        target.accept_must_block()
