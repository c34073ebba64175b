"""FIN at the edges of the target's receive window: it occupies a number like an octet (RFC 9293 §3.10.7.4, table 6)."""

import socket

from harness.case import (
    ACK,
    CLOSE_WAIT,
    EOF,
    ESTABLISHED,
    FIN,
    FIN_WAIT_2,
    SYN,
    Capability,
    Inconclusive,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec.options import NOP, mss, window_scale, window_scale_of
from harness.targets.sockets import AppSocket

#: Fits into a segment of both IP versions.
CHUNK = 1400
#: More than fits into any receive buffer that was asked to be small.
MUCH = 20_000


def _fill(target: Target, peer: Peer, until: int, sent: bytes = b"", shift: int = 0) -> bytes:
    """Send data in order behind what was `sent`, up to the number `until`; return it all.

    ACKs on the way are the target's choice. Where one takes the window back, which it should not (SHLD-14), the text
    ends at the edge that it shows, and is acknowledged up to there.
    """
    text, edge = sent, until
    while (seq := 1 + len(text)) < edge:
        piece = bytes([len(text) % 251]) * min(CHUNK, edge - seq)
        peer.send(ACK, piece, seq=seq)
        text += piece
        if len(text) + 1 < edge and target.may_send(ACK, seq=1, ack=1 + len(text)):
            room = peer.target_window << shift
            if room + (1 << shift) <= edge - 1 - len(text):
                edge = 1 + len(text) + room
    if edge < until:
        target.must_send(ACK, seq=1, ack=edge)
        target.should_show("right edge of the window that was told:", edge, until)
    return text


@cites("RFC 9293 §3.10.7.4 first", "SHLD-31", "MAY-13")
@in_state(ESTABLISHED)
def test_fin_on_the_last_number_of_the_window(target: Target, peer: Peer) -> None:
    """A FIN on the very last number of the window is in it: held, and in force when all before it has come."""
    last = 1 + peer.target_window - 1
    peer.send(FIN | ACK, seq=last)
    target.may_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    text = _fill(target, peer, last)
    if len(text) + 1 < last:
        return
    target.should_send(ACK, seq=1, ack=last + 1)
    target.should_be(CLOSE_WAIT)
    target.must_deliver(text)
    target.may_send(ACK, seq=1, ack=last + 1)  # the window opens
    target.must_deliver(EOF)


@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
@in_state(ESTABLISHED)
def test_fin_behind_the_window(target: Target, peer: Peer) -> None:
    """A FIN on the first number behind the window draws an ACK and is forgotten: all before it may come, it is open."""
    edge = 1 + peer.target_window
    peer.send(FIN | ACK, seq=edge)
    target.must_send(ACK, seq=1, ack=1)
    text = _fill(target, peer, edge)
    if len(text) + 1 < edge:
        return
    target.must_send(ACK, seq=1, ack=edge)
    target.must_be(ESTABLISHED)
    target.must_deliver(text)
    target.may_send(ACK, seq=1, ack=edge)  # the window opens
    target.must_not_deliver()


def _small_buffer(sock: AppSocket) -> None:
    sock.set_option(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


def _open_and_fill(target: Target, peer: Peer) -> bytes:
    """Open a connection with a small receive buffer and send until the target's window is closed; return what was."""
    target.listen(prepare=_small_buffer)
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.close_listener()
    text = b""
    while peer.target_window:
        if len(text) > MUCH:
            raise Inconclusive(f"the target's window is still {peer.target_window} after {len(text)} octets")
        piece = b"x" * min(CHUNK, peer.target_window)
        peer.send(ACK, piece)
        text += piece
        target.must_send(ACK, seq=1, ack=1 + len(text))
    return text


@requires(Capability.SOCKET_OPTIONS)
@cites("RFC 9293 §3.10.7.4 first", "RFC9293-3.5.2-synchronized")
def test_fin_at_a_closed_window(target: Target, peer: Peer) -> None:
    """While the target's window is closed a FIN does not fit: an ACK answers it, and it counts when repeated later."""
    text = _open_and_fill(target, peer)
    end = 1 + len(text)
    peer.send(FIN | ACK, seq=end)
    target.must_be(ESTABLISHED)
    target.must_send(ACK, seq=1, ack=end, window=0)
    target.must_deliver(text)
    target.should_send(ACK, seq=1, ack=end)  # the window opens (§3.8.6.2.2; a peer that is not told probes)
    target.must_not_deliver()
    peer.send(FIN | ACK, seq=end)
    target.must_send(ACK, seq=1, ack=end + 1)
    target.must_be(CLOSE_WAIT)
    target.must_deliver(EOF)


@requires(Capability.SOCKET_OPTIONS)
@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.4")
def test_ack_of_the_fin_at_a_closed_window(target: Target, peer: Peer) -> None:
    """The target closes with its own window closed: the ACK of its FIN is taken all the same."""
    text = _open_and_fill(target, peer)
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1 + len(text))
    peer.send(ACK, ack=2)
    target.must_not_send()
    target.must_be(FIN_WAIT_2)
    target.must_deliver(text)
    target.may_send(ACK, seq=2, ack=1 + len(text))  # the window opens


@requires(Capability.SOCKET_OPTIONS)
@cites("RFC 9293 §3.10.7.4 first", "MUST-66")
def test_ack_with_text_at_a_closed_window(target: Target, peer: Peer) -> None:
    """A segment with text does not fit into a closed window, but its acknowledgment should count all the same."""
    text = _open_and_fill(target, peer)
    end = 1 + len(text)
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=end)
    peer.send(ACK, b"x", seq=end, ack=2)
    target.must_send(ACK, seq=2, ack=end, window=0)
    target.should_be(FIN_WAIT_2)
    target.must_deliver(text)
    target.may_send(ACK, seq=2, ack=end)  # the window opens


@requires(Capability.SOCKET_OPTIONS)
@cites("MUST-39", "RFC 9293 §3.8.6.2.2")
def test_window_does_not_open_by_an_octet(target: Target, peer: Peer) -> None:
    """The application reads one octet out of a full buffer: that is not worth telling, now or when the peer asks."""
    text = _open_and_fill(target, peer)
    end = 1 + len(text)
    target.recv(1)
    target.must_not_send()
    peer.send(ACK, seq=end - 1)
    target.must_send(ACK, seq=1, ack=end, window=0)


@requires(Capability.WINDOW_SCALE)
@cites("RFC 7323 §2.2", "SHLD-14", "RFC 9293 §3.8.6")
def test_whole_scaled_window_is_taken(target: Target, peer: Peer) -> None:
    """What the target offers with its scale it takes: a peer that fills the window loses nothing."""
    target.listen()
    peer.send(SYN, options=mss(CHUNK) + NOP + window_scale(0))
    target.must_send(SYN | ACK, seq=0, ack=1)
    shift = window_scale_of(peer.last.options) or 0
    peer.send(ACK)
    target.accept()
    peer.send(ACK, b"!")
    target.must_send(ACK, seq=1, ack=2)
    edge = 2 + (peer.target_window << shift)
    text = _fill(target, peer, edge, b"!", shift)
    if len(text) + 1 < edge:
        return
    target.must_send(ACK, seq=1, ack=edge)
    target.must_deliver(text)
    target.may_send(ACK, seq=1, ack=edge)  # the window opens
