"""Fields that mean something only with their control bit, or whose highest bit is no sign (RFC 9293 §3.1)."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN,
    LISTEN,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Peer,
    Target,
    cites,
    in_state,
)

numbers = pytest.mark.parametrize("number", [1, 0x7FFF, 0x8000, 0xFFFF], ids="{:#06x}".format)


@cites("RFC 9293 §3.1")
@in_state(LISTEN)
@pytest.mark.parametrize("number", [1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids="{:#010x}".format)
def test_acknowledgment_number_without_ack(target: Target, peer: Peer, number: int) -> None:
    """The acknowledgment number of a SYN without the ACK bit means nothing."""
    peer.send(SYN, ack=number)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.1", "MUST-10")
@in_state(SYN_SENT)
def test_acknowledgment_number_without_ack_in_syn_sent(target: Target, peer: Peer) -> None:
    """A crossing SYN with the right number in its acknowledgment field, but without ACK, acknowledges nothing."""
    peer.send(SYN, ack=1)
    target.must_send(SYN | ACK, seq=0, ack=1)
    target.must_be(SYN_RECEIVED)


@cites("RFC 9293 §3.1")
@in_state(ESTABLISHED)
@numbers
def test_urgent_pointer_without_urg(target: Target, peer: Peer, number: int) -> None:
    """The urgent pointer of a segment without the URG bit means nothing: data and FIN are taken in order."""
    peer.send(ACK, b"plain", urgent=number)
    target.must_send(ACK, seq=1, ack=6)
    target.must_deliver(b"plain")
    peer.send(FIN | ACK, urgent=number)
    target.must_send(ACK, seq=1, ack=7)
    target.must_be(CLOSE_WAIT)


@cites("MUST-1")
@numbers
def test_window_is_unsigned(target: Target, peer: Peer, number: int) -> None:
    """A window of 32768 and more is large and not negative; none of them is exceeded."""
    target.listen()
    peer.send(SYN, window=number)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, window=number)
    target.accept()
    data = b"x" * min(number, 100)
    target.send(data)
    target.must_send_stream(data, seq=1, ack=1)


@cites("RFC 9293 §3.1", "RFC 9293 §3.3.1")
@pytest.mark.parametrize("peer_port", [1, 0x7FFF, 0x8000, 0xFFFF])
@pytest.mark.parametrize("port", [0x8000, 0xFFFF])
def test_port_is_unsigned(target: Target, peer: Peer, port: int, peer_port: int) -> None:
    """Ports at the edges of 16 bits, signed and unsigned, work on both sides."""
    served, client = target.beside(port=port, peer_port=peer_port)
    served.listen()
    client.send(SYN)
    served.must_send(SYN | ACK, seq=0, ack=1)
    client.send(ACK)
    served.must_be(ESTABLISHED)
    served.accept()
    served.close_listener()
    client.send(FIN | ACK)
    served.must_send(ACK, seq=1, ack=2)
    served.close()
    served.must_send(FIN | ACK, seq=1, ack=2)
    client.send(ACK)
