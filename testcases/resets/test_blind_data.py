"""The range of acceptable acknowledgments (RFC 5961 §5.2): both edges, alone, with text and with FIN."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    SYN,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec.options import NOP, mss, window_scale
from testcases.resets.proof import prove_alive

RULE = cites("RFC5961-5.2-range", "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.5.2 group 3")
#: What the peer takes in a segment: not below the default of 536, which some stacks take for the least there is.
SIZE = 640
#: The peer's window in these cases, small so that the target can send more than one of them.
WINDOW = 2 * SIZE
SHAPES = pytest.mark.parametrize(
    ("flags", "data"),
    [(ACK, b""), (ACK, b"forged"), (FIN | ACK, b""), (FIN | ACK, b"forged")],
    ids=["bare", "data", "fin", "data-fin"],
)


def _established_with_history(target: Target, peer: Peer, *, window: int = WINDOW, shift: int = 0) -> int:
    """Open a connection and let the target send four windows, all acknowledged; return SND.UNA.

    `window` is the peer's, in octets, and its largest ever; it is written scaled by `shift` behind the handshake.
    """
    target.listen()
    scale = NOP + window_scale(shift) if shift else b""
    peer.send(SYN, window=window, options=mss(SIZE) + scale)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, window=window >> shift)
    target.accept()
    una = 1
    for _window in range(4):
        target.send(bytes(window))
        for _segment in range(window // SIZE):
            target.must_send(ACK, seq=una, data=bytes(SIZE))
            una += SIZE
        peer.send(ACK, ack=una, window=window >> shift)
        target.must_not_send()
    target.must_be(ESTABLISHED)
    return una


@SHAPES
@pytest.mark.parametrize("beyond", [1, 1000, 2**31 - 1], ids=["next", "far", "half-way"])
@RULE
@in_state(ESTABLISHED)
def test_ack_of_the_unsent(target: Target, peer: Peer, beyond: int, flags: int, data: bytes) -> None:
    """A segment that acknowledges what was never sent is answered with an ACK and dropped, text and FIN with it."""
    with target.must_stay():
        peer.send(flags, data, seq=1, ack=1 + beyond)
        target.must_send(ACK, seq=1, ack=1)
    target.must_not_deliver()
    prove_alive(target, peer)


@RULE
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK)
def test_ack_of_the_unsent_while_closing(target: Target, peer: Peer) -> None:
    """While the connection closes, too, an ACK beyond what was sent draws an ACK: it does not count for our FIN."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    with target.must_stay():
        peer.send(ACK, seq=rcv_nxt, ack=snd_nxt + 1)
        target.must_send(ACK, seq=snd_nxt, ack=rcv_nxt)


@RULE
@in_state(ESTABLISHED)
def test_ack_beyond_data_in_flight(target: Target, peer: Peer) -> None:
    """An ACK one octet beyond the data in flight acknowledges none of it; the right one still does."""
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    peer.send(ACK, seq=1, ack=12)
    target.must_send(ACK, seq=11, ack=1)
    peer.send(ACK, seq=1, ack=11)
    target.must_not_send()
    prove_alive(target, peer, ack=11)


@pytest.mark.parametrize("below", [1, 5000, 2**31 - WINDOW - 100_000], ids=["next", "far", "half-way"])
@SHAPES
@RULE
@requires(Capability.RFC5961_ACK)
def test_too_old_ack(target: Target, peer: Peer, below: int, flags: int, data: bytes) -> None:
    """An ACK more than the largest window below SND.UNA is answered with an ACK; the segment is dropped as a whole."""
    una = _established_with_history(target, peer)
    with target.must_stay():
        peer.send(flags, data, seq=1, ack=una - WINDOW - below, window=WINDOW)
        target.must_send(ACK, seq=una, ack=1)
    target.must_not_deliver()
    prove_alive(target, peer, ack=una)


@pytest.mark.parametrize("below", [0, 1, WINDOW], ids=["at-una", "just-below", "lower-edge"])
@RULE
def test_old_but_acceptable_ack(target: Target, peer: Peer, below: int) -> None:
    """Down to the largest window below SND.UNA an ACK is a mere duplicate: the segment's text is taken."""
    una = _established_with_history(target, peer)
    peer.send(ACK, b"genuine", seq=1, ack=una - below, window=WINDOW)
    target.must_send(ACK, seq=una, ack=8)
    target.must_deliver(b"genuine")


@cites("RFC5961-5.2-range", "RFC 5961 §5.2")
@requires(Capability.RFC5961_ACK)
def test_largest_window_ever_counts(target: Target, peer: Peer) -> None:
    """The range is that of the largest window the peer ever offered, not of its present one."""
    una = _established_with_history(target, peer)
    peer.send(ACK, ack=una, window=WINDOW // 10)
    peer.send(ACK, b"genuine", seq=1, ack=una - WINDOW, window=WINDOW // 10)
    target.must_send(ACK, seq=una, ack=8)
    target.must_deliver(b"genuine")


@pytest.mark.parametrize("below", [0, 1], ids=["lower-edge", "beyond"])
@cites("RFC5961-5.2-scaled", "RFC 5961 §5.2")
@requires(Capability.RFC5961_ACK, Capability.WINDOW_SCALE)
def test_largest_window_is_scaled(target: Target, peer: Peer, below: int) -> None:
    """The largest window is reckoned in octets: the field of the header shifted by the negotiated scale."""
    window = 2 * WINDOW
    una = _established_with_history(target, peer, window=window, shift=4)
    peer.send(ACK, b"text", seq=1, ack=una - window - below, window=window >> 4)
    target.must_send(ACK, seq=una, ack=1 if below else 5)
    if below:
        target.must_not_deliver()
    else:
        target.must_deliver(b"text")
