"""More connections than the listener has room for: §3.10.7.2 knows no reset for a SYN, and no backlog either."""

from harness.case import ACK, LISTEN, SYN, Peer, Target, cites, segment, silence

#: More than fit into a backlog of one, however a stack counts.
CALLERS = 6


@cites("RFC 9293 §3.10.7.2 third")
def test_full_backlog_does_not_refuse(target: Target, peer: Peer) -> None:
    """A SYN that finds no room should be dropped, not reset: the peer repeats it, and there may be room by then."""
    target.listen(backlog=1)
    for _ in range(CALLERS):
        called, caller = target.beside()
        caller.send(SYN)
        if called.should_answer(segment(SYN | ACK, seq=0, ack=1), silence()) is None:
            if not called.connection.received:
                called.must_be(LISTEN)
            return
        caller.send(ACK)
        called.must_not_send()
