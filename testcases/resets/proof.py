"""Proofs from outside that a connection is still there, or is gone."""

from harness.case import ACK, RST, Peer, Target

DATA = b"still here"


def prove_alive(target: Target, peer: Peer, *, seq: int = 1, ack: int = 1) -> None:
    """The connection takes data at `seq` as if nothing had happened, and its next segment has the number `ack`."""
    peer.send(ACK, DATA, seq=seq, ack=ack)
    target.must_send(ACK, seq=ack, ack=seq + len(DATA))
    target.must_deliver(DATA)


def prove_gone(target: Target, peer: Peer, *, seq: int = 1, ack: int = 1) -> None:
    """A segment that the connection would have taken draws a reset, as from any port without a connection."""
    peer.send(ACK, seq=seq, ack=ack)
    target.must_send(RST, seq=ack)


def right_edge(peer: Peer) -> int:
    """Return the number behind the target's receive window, as it was announced last (no window scale)."""
    return peer.last.ack + peer.last.window
