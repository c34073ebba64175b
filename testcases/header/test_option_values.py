"""Options of the right length whose values are of no use: a maximum segment size of 0, SACK blocks across 2**32.

No RFC says what to make of them. What holds for all segments holds here too: the target goes on.
"""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    LISTEN,
    RST,
    SYN,
    SYN_SENT,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
    segment,
    silence,
)
from harness.spec import options
from harness.spec.options import KIND_SACK, NOP, SACK_PERMITTED, mss

SIZES = (0, 1, 7)
MODULUS = 1 << 32
#: Where the peer begins, so that what it sends next crosses 2**32.
BEFORE_THE_WRAP = MODULUS - 105
#: Blocks as distances from the target's initial sequence number, 32 bits each.
BLOCKS = {
    "above-what-was-sent": ((1000, 2000),),
    "below-what-was-sent": ((-2000, -1000),),
    "turned-round": ((50, 10),),
    "empty": ((10, 10),),
    "half-the-space": ((10, 10 + MODULUS // 2),),
    "all-of-the-space": ((10, 9),),
    "three": ((11, 21), (31, 41), (51, 61)),
}


def _sack(*blocks: tuple[int, int]) -> bytes:
    edges = b"".join((edge % MODULUS).to_bytes(4, "big") for block in blocks for edge in block)
    return NOP * 2 + bytes((KIND_SACK, 2 + len(edges))) + edges


def _demand_service(target: Target) -> None:
    """Demand that the target opens another connection."""
    other, visitor = target.beside(port=target.conversation.rig.fresh_ports()[0])
    other.listen()
    visitor.send(SYN)
    other.must_send(SYN | ACK, seq=0, ack=1)
    visitor.send(ACK)
    other.must_be(ESTABLISHED)


def _ignore_text(target: Target) -> None:
    """Take whatever text comes, if any: how much of it fits into such a segment is nowhere said."""
    while target.may_send(ACK, data=None) or target.may_send(RST | ACK, data=None):
        pass


@cites("MUST-14", "MUST-7")
@in_state(LISTEN)
@pytest.mark.parametrize("size", SIZES)
def test_mss_of_no_use_in_a_syn(target: Target, peer: Peer, size: int) -> None:
    """A SYN that announces next to nothing is answered, reset or dropped; text sent to such a peer stops nobody."""
    peer.send(SYN, options=mss(size))
    answer = target.must_answer(segment(SYN | ACK, seq=0, ack=1), segment(RST | ACK, ack=1), silence())
    if answer is not None and answer.flags & SYN:
        peer.send(ACK)
        target.must_be(ESTABLISHED)
        target.accept()
        target.send(b"text of some length")
        _ignore_text(target)
        peer.send(ACK, b"and back")
        _ignore_text(target)
    _demand_service(target)


@cites("MUST-14", "MUST-7")
@in_state(SYN_SENT)
@pytest.mark.parametrize("size", SIZES)
def test_mss_of_no_use_in_a_syn_ack(target: Target, peer: Peer, size: int) -> None:
    """The same of a SYN,ACK."""
    peer.send(SYN | ACK, options=mss(size))
    answer = target.must_answer(segment(ACK, seq=1, ack=1), segment(RST, seq=1), segment(RST | ACK, seq=1), silence())
    if answer is not None and not answer.flags & RST:
        target.send(b"text of some length")
        _ignore_text(target)
        peer.send(ACK, b"and back")
        _ignore_text(target)
    _demand_service(target)


@requires(Capability.SACK)
@cites("MUST-6")
@in_state(LISTEN)
@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS.keys())
def test_sack_blocks_of_no_use(target: Target, peer: Peer, blocks: tuple[tuple[int, int], ...]) -> None:
    """Blocks that report what was never sent, or nothing at all, change nothing: the ACK beside them counts."""
    peer.send(SYN, options=mss(1460) + SACK_PERMITTED)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.send(b"x" * 10)
    target.must_send(ACK, seq=1, ack=1, data=b"x" * 10)
    peer.send(
        ACK, ack=11, options=_sack(*((peer.target_iss + left, peer.target_iss + right) for left, right in blocks))
    )
    target.must_not_send()
    target.send(b"y" * 10)
    target.must_send(ACK, seq=11, ack=1, data=b"y" * 10)
    peer.send(ACK, b"back", ack=21)
    target.must_send(ACK, seq=21, ack=5)
    target.must_deliver(b"back")


@requires(Capability.SACK)
@cites("RFC 9293 §3.4", "RFC 9293 §3.10.7.4 first")
@in_state(LISTEN)
def test_sack_block_across_the_wrap(target: Target, peer: Peer) -> None:
    """Text above a gap that crosses 2**32 is reported, if at all, by a block with both of its edges right."""
    peer.choose_iss(BEFORE_THE_WRAP)
    peer.send(SYN, options=mss(1460) + SACK_PERMITTED)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    peer.send(ACK, b"b" * 100, seq=51)
    reported = [((BEFORE_THE_WRAP + edge) % MODULUS).to_bytes(4, "big") for edge in (51, 151)]

    def is_right(wire: Segment) -> str:
        blocks = options.find(wire.options, KIND_SACK)
        return "" if blocks in (None, b"".join(reported)) else "the block of the text above the gap, or none"

    target.must_send(ACK, seq=1, ack=1, check=is_right)
    peer.send(ACK, b"a" * 50, seq=1)
    held = target.must_answer(segment(ACK, seq=1, ack=151), segment(ACK, seq=1, ack=51))
    if held is not None and held.ack == 51:
        peer.send(ACK, b"b" * 100, seq=51)
        target.must_send(ACK, seq=1, ack=151)
    target.must_deliver(b"a" * 50 + b"b" * 100)
