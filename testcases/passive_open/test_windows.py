"""The peer's window while opening: zero, maximal, and which segment's window counts."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    LISTEN,
    SYN,
    SYN_RECEIVED,
    Peer,
    Target,
    cites,
    in_state,
    segment,
    silence,
)
from harness.spec.options import mss


@pytest.mark.parametrize("window", [0, 1, 0x7FFF, 0x8000, 0xFFFF])
@cites("RFC 9293 §3.5", "RFC 9293 §3.10.7.2 third")
def test_handshake_with_any_window(target: Target, peer: Peer, window: int) -> None:
    """The window of a SYN, even a closed one, does not keep the handshake from completing."""
    target.listen()
    peer.send(SYN, window=window)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, window=window)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_zero_window_holds_data_back(target: Target, peer: Peer) -> None:
    """The window of the third segment counts: closed, it holds data back until the peer opens it."""
    peer.send(ACK, window=0)
    target.accept()
    target.send(b"patience")
    probed = target.must_hold_back(b"patience", seq=1, ack=1)
    peer.send(ACK, window=8)
    target.must_send(ACK, seq=1 + probed, ack=1, data=b"patience"[probed:])


@cites("RFC 9293 §3.10.7.4 fifth")
def test_window_of_the_ack_replaces_that_of_the_syn(target: Target, peer: Peer) -> None:
    """A SYN with a closed window and an ACK with an open one: data goes out at once."""
    target.listen()
    peer.send(SYN, window=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, window=1000)
    target.accept()
    target.send(b"now")
    target.must_send(ACK, seq=1, ack=1, data=b"now")


@pytest.mark.parametrize("window", [0x8000, 0xFFFF])
@cites("MUST-1", "RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_large_window_is_not_negative(target: Target, peer: Peer, window: int) -> None:
    """A window of 32768 and more is a large one: data goes out at once."""
    peer.send(ACK, window=window)
    target.accept()
    target.send(b"now")
    target.must_send(ACK, seq=1, ack=1, data=b"now")


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(SYN_RECEIVED, keep_listener=True)
def test_window_is_filled_and_not_overrun(target: Target, peer: Peer) -> None:
    """A window of 600 octets takes 600 octets; the next one waits until the peer makes room."""
    peer.send(ACK, window=600)
    target.accept()
    target.send(bytes(600))
    target.must_send_stream(bytes(600), seq=1, ack=1)
    target.send(b"!")
    target.must_not_send()
    peer.send(ACK, ack=601, window=600)
    target.must_send(ACK, seq=601, ack=1, data=b"!")


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.4")
@in_state(ESTABLISHED)
def test_window_of_an_older_segment_does_not_count(target: Target, peer: Peer) -> None:
    """An ACK that overtook another has the newer window: SND.WL1 keeps the older one from replacing it.

    It has no text that could wait behind the gap, and its window with it.
    """
    peer.send(ACK, seq=6, window=1000)
    target.must_answer(silence(), segment(ACK, seq=1, ack=1, cites="MAY-13"))
    peer.send(ACK, seq=1, window=0)
    target.must_not_send()
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data")


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.4")
@in_state(ESTABLISHED)
def test_old_acknowledgment_takes_nothing_back(target: Target, peer: Peer) -> None:
    """An acknowledgment below SND.UNA is a duplicate: what was acknowledged since stays so, and leaves its room."""
    for seq in (1, 5):
        target.send(b"data")
        target.must_send(ACK, seq=seq, ack=1, data=b"data")
        peer.send(ACK, ack=seq + 4, window=4)
    peer.send(ACK, ack=1, window=4)
    target.must_not_send()
    target.send(b"more")
    target.must_send(ACK, seq=9, ack=1, data=b"more")


@cites("MUST-38", "RFC 9293 §3.8.6.2.1")
@in_state(LISTEN)
def test_small_opening_is_not_filled(target: Target, peer: Peer) -> None:
    """While more is under way, a window that opens by a few octets is left alone until a whole segment fits."""
    peer.send(SYN, options=mss(536), window=1072)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, window=1072)
    target.accept()
    target.send(bytes(4000))
    target.must_send_stream(bytes(1072), seq=1, ack=1)
    peer.send(ACK, ack=537, window=566)
    target.must_not_send()
    peer.send(ACK, ack=1073, window=1072)
    target.must_send_stream(bytes(1072), seq=1073, ack=1)
