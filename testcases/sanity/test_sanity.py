"""The simplest exchange: if it fails, nothing else means much. Runs first and last."""

from harness.case import ACK, CLOSED, ESTABLISHED, FIN, LAST_ACK, SYN, Peer, Target, cites, sanity


def _open_and_close(target: Target, peer: Peer) -> None:
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=1, ack=2)
    target.close()
    target.must_send(FIN | ACK, seq=1, ack=2)
    target.must_be(LAST_ACK)
    peer.send(ACK)
    target.must_be(CLOSED)


@sanity()
@cites("RFC 9293 §3.5", "RFC 9293 §3.6")
def test_open_and_close_first(target: Target, peer: Peer) -> None:
    """One connection is opened and closed, before all other cases."""
    _open_and_close(target, peer)


@sanity(last=True)
@cites("RFC 9293 §3.5", "RFC 9293 §3.6")
def test_open_and_close_last(target: Target, peer: Peer) -> None:
    """One connection is opened and closed, after all other cases."""
    _open_and_close(target, peer)
