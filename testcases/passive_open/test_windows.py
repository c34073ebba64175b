"""The peer's window while opening: zero, maximal, and which segment's window counts."""

import pytest

from harness.case import ACK, ESTABLISHED, SYN, SYN_RECEIVED, Peer, Target, cites, in_state


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
    target.must_not_send()
    peer.send(ACK, window=8)
    target.must_send(ACK, seq=1, ack=1, data=b"patience")


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
