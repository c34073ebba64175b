"""The data offset says where the data begins (RFC 9293 §3.1); some offsets can't be true."""

import pytest

from harness.case import ACK, ESTABLISHED, LISTEN, SYN, Peer, Target, cites, in_state
from harness.spec.options import NOP, mss

#: In 32-bit words: a header is at least 5 long, and these segments are shorter than 15.
IMPOSSIBLE = [0, 1, 4, 15]

impossible = pytest.mark.parametrize("words", IMPOSSIBLE)


@cites("RFC 9293 §3.1")
@in_state(LISTEN)
@impossible
def test_impossible_offset_in_a_syn(target: Target, peer: Peer, words: int) -> None:
    """A SYN whose header is said to be too short, or longer than the segment, opens nothing."""
    with target.must_stay():
        peer.send(SYN, data_offset=words)
        target.must_not_send()
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)


@cites("RFC 9293 §3.1")
@in_state(ESTABLISHED)
@impossible
def test_impossible_offset_beside_data(target: Target, peer: Peer, words: int) -> None:
    """Of a segment whose header can't be as long as it says nothing is delivered, nothing acknowledged."""
    with target.must_stay():
        peer.send(ACK, b"data", data_offset=words)
        target.must_not_send()
    target.must_not_deliver()
    peer.send(ACK, b"data", seq=1)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")


@cites("RFC 9293 §3.1")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("words", range(5, 16))
def test_data_begins_behind_the_options(target: Target, peer: Peer, words: int) -> None:
    """Data begins where the offset says, for every length of the options field."""
    peer.send(ACK, b"data", options=NOP * 4 * (words - 5))
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")


@cites("RFC 9293 §3.1")
@in_state(LISTEN)
def test_options_end_where_the_data_begins(target: Target, peer: Peer) -> None:
    """What stands behind the header is data, even if it reads like an option: it takes up sequence numbers."""
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, mss(100), data_offset=5)
    target.must_send(ACK, seq=1, ack=5)
    target.accept()
    target.must_deliver(mss(100))
