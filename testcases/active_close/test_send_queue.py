"""Everything that was handed over before CLOSE goes out before the FIN (RFC 9293 §3.6, §3.10.4)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    PASSIVE,
    SHUTDOWN,
    TIME_WAIT,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    segment,
    silence,
)
from harness.spec.options import mss

closing = pytest.mark.parametrize("call", [SHUTDOWN, CLOSE])
TEXT = b"all that there was to say"
#: The peer's maximum segment size where a case counts segments.
MSS = 600


def _close(target: Target, call: str) -> None:
    target.close() if call == CLOSE else target.shutdown()


def _must_send_some(target: Target, data: bytes, *, seq: int) -> int:
    """Demand the beginning of this, in segments of any size; return how many octets came."""

    def part(wire: Segment) -> str:
        return "" if wire.payload and data[came:].startswith(wire.payload) else "another part of the text"

    came = 0
    while came == 0 or (came < len(data) and target.connection.inbox):
        came += len(target.must_send(ACK, seq=seq + came, ack=1, data=None, check=part).payload)
    return came


def _peer_closes(target: Target, peer: Peer, *, ack: int) -> None:
    """The target's FIN is acknowledged by `ack`, then the peer closes too."""
    peer.send(ACK, ack=ack)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=ack, ack=2)
    target.must_be(TIME_WAIT)


@closing
@cites("RFC 9293 §3.6", "RFC9293-3.6-order")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_fin_follows_the_data(target: Target, peer: Peer, call: str) -> None:
    """The FIN takes the number behind the last octet that was sent."""
    target.send(TEXT)
    target.must_send(ACK, seq=1, ack=1, data=TEXT)
    _close(target, call)
    target.must_send(FIN | ACK, seq=1 + len(TEXT), ack=1)
    target.must_be(FIN_WAIT_1)
    _peer_closes(target, peer, ack=len(TEXT) + 2)


@closing
@cites("RFC 9293 §3.10.4", "RFC9293-3.6-order")
@in_state(ESTABLISHED)
def test_close_pushes_out_what_nagle_held(target: Target, peer: Peer, call: str) -> None:
    """Small SENDs that wait for an ACK are not forgotten at CLOSE: they precede the FIN."""
    target.send(b"first")
    target.must_send(ACK, seq=1, data=b"first")
    held, sent = b"", 6
    for text in (b"second", b"third"):
        target.send(text)
        if held or not target.may_send(ACK, seq=sent, ack=1, data=text):
            held += text
        else:
            sent += len(text)
    _close(target, call)
    if not target.connection.inbox:
        peer.send(ACK, ack=sent)  # a small segment may wait for the ACK of the one before it (SHLD-7)
    target.must_send_stream(held, seq=sent, ack=1, fin=True)
    target.must_be(FIN_WAIT_1)
    _peer_closes(target, peer, ack=18)


@closing
@cites("RFC 9293 §3.10.4", "RFC9293-3.6-order")
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_closed_window_holds_data_and_fin(target: Target, peer: Peer, call: str) -> None:
    """While the peer's window is closed data and FIN wait, in FIN-WAIT-1; when it opens they go, in this order."""
    peer.send(ACK, window=0)
    target.send(TEXT)
    probed = target.must_hold_back(TEXT, seq=1, ack=1)
    _close(target, call)
    target.must_not_send()
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, window=0)
    probed += target.must_hold_back(TEXT[probed:], seq=1 + probed, ack=1)
    target.must_be(FIN_WAIT_1)
    peer.send(ACK, window=65535)
    target.must_send_stream(TEXT[probed:], seq=1 + probed, ack=1, fin=True)
    target.must_be(FIN_WAIT_1)
    _peer_closes(target, peer, ack=len(TEXT) + 2)


@closing
@cites("RFC 9293 §3.10.4", "RFC9293-3.6-order")
@in_state(ESTABLISHED, options=mss(MSS))
def test_window_opens_segment_by_segment(target: Target, peer: Peer, call: str) -> None:
    """Through a window of one segment all data goes out piece by piece, and only the last piece brings the FIN."""
    data = bytes(range(256)) * 7
    peer.send(ACK, window=0)
    target.send(data)
    sent = target.must_hold_back(data, seq=1, ack=1)
    _close(target, call)
    while len(data) - sent > MSS:
        peer.send(ACK, ack=1 + sent, window=MSS)
        sent += _must_send_some(target, data[sent : sent + MSS], seq=1 + sent)
        target.must_be(FIN_WAIT_1)
    peer.send(ACK, ack=1 + sent, window=MSS)
    target.must_send_stream(data[sent:], seq=1 + sent, ack=1, fin=True)
    target.must_be(FIN_WAIT_1)
    _peer_closes(target, peer, ack=len(data) + 2)


@closing
@cites("RFC 9293 §3.10.4", "RFC 9293 §3.6")
@in_state(ESTABLISHED)
def test_fin_under_a_closed_window(target: Target, peer: Peer, call: str) -> None:
    """Without data to send the FIN may go out although the window is closed; if it waits, it goes when that opens."""
    peer.send(ACK, window=0)
    _close(target, call)
    fin = segment(FIN | ACK, seq=1, ack=1, cites="RFC 9293 §3.10.4")
    went = target.must_answer(fin, silence(cites="RFC 9293 §3.4"))
    target.must_be(FIN_WAIT_1)
    if went is None:
        peer.send(ACK, window=65535)
        target.must_send(FIN | ACK, seq=1, ack=1)
    _peer_closes(target, peer, ack=2)


@closing
@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(ESTABLISHED)
def test_ack_of_the_data_only(target: Target, peer: Peer, call: str) -> None:
    """An ACK that ends before the FIN, within the data or exactly behind it, leaves the target in FIN-WAIT-1."""
    target.send(TEXT)
    target.must_send(ACK, seq=1, data=TEXT)
    _close(target, call)
    target.must_send(FIN | ACK, seq=1 + len(TEXT))
    for ack in (2, len(TEXT), len(TEXT) + 1):
        peer.send(ACK, ack=ack)
        target.must_not_send()
        target.must_be(FIN_WAIT_1)
    _peer_closes(target, peer, ack=len(TEXT) + 2)
