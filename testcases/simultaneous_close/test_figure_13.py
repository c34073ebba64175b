"""Both sides close at once (RFC 9293 §3.6, figure 13)."""

from harness.case import ACK, CLOSING, ESTABLISHED, FIN, TIME_WAIT, Peer, Target, cites, in_state


@cites("RFC 9293 §3.6", figure=13)
@in_state(ESTABLISHED, opened=("passive", "active"))
def test_simultaneous_close(target: Target, peer: Peer) -> None:
    """Two FINs cross: each side acknowledges the other's and ends in TIME-WAIT."""
    target.shutdown()
    target.must_send(FIN | ACK, seq=1, ack=1)
    peer.send(FIN | ACK, seq=1, ack=1)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(CLOSING)
    peer.send(ACK)
    target.must_be(TIME_WAIT)
