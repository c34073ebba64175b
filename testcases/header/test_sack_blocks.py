"""SACK blocks tell what has come beyond a gap: whole runs of text, the one that grew last first (RFC 2018 §3, §4)."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from harness.case import ACK, LISTEN, SYN, Capability, Peer, Segment, Target, cites, in_state, requires
from harness.spec import options, seqno
from harness.spec.options import KIND_SACK, SACK_PERMITTED, mss, timestamps

Run = tuple[int, int]

#: Numbers of the peer wrap in the midst of what lies beyond the gap.
ISS = (1 << 32) - 150
#: Pieces beyond the gap in the order in which they come: the number of the first octet of each, 10 octets or as given.
PIECES: dict[str, tuple[Run, ...]] = {
    "one-piece": ((101, 111),),
    "another-right-behind": ((101, 111), (111, 121)),
    "another-right-before": ((111, 121), (101, 111)),
    "two-and-what-joins-them": ((101, 111), (121, 131), (111, 121)),
    "what-joins-the-last-two-of-three": ((101, 111), (201, 211), (221, 231), (211, 221)),
    "what-joins-the-first-two-of-three": ((301, 311), (101, 111), (121, 131), (111, 121)),
    "two-that-overlap": ((101, 111), (106, 116)),
    "one-around-another": ((106, 111), (101, 121)),
    "a-lower-one-last": ((201, 211), (101, 111)),
    "one-in-the-midst-last": ((101, 111), (301, 311), (201, 211)),
    "the-first-grows-last": ((101, 111), (201, 211), (111, 121)),
    "the-first-grows-downwards-last": ((101, 111), (201, 211), (91, 101)),
    "more-than-fit": ((101, 111), (201, 211), (301, 311), (401, 411), (501, 511)),
}
#: How many blocks fit into an option field of 40 octets, with timestamps or without.
FITTING = {True: 3, False: 4}


def _runs(pieces: tuple[Run, ...]) -> list[Run]:
    """Return what the pieces cover, as runs that neither touch nor overlap."""
    runs: list[Run] = []
    for left, right in sorted(pieces):
        if runs and left <= runs[-1][1]:
            runs[-1] = runs[-1][0], max(runs[-1][1], right)
        else:
            runs.append((left, right))
    return runs


def _blocks(wire: Segment) -> list[Run]:
    """Return the blocks of a segment, in numbers that begin at the peer's ISS."""
    data = options.find(wire.options, KIND_SACK) or b""
    edges = [seqno.diff(int.from_bytes(data[at : at + 4], "big"), ISS) for at in range(0, len(data), 4)]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _told(wire: Segment, pieces: tuple[Run, ...]) -> list[Run]:
    """Return the blocks without a first one that tells of what came twice (RFC 2883 §4)."""
    blocks, (latest, *before) = _blocks(wire), reversed(pieces)
    if blocks and any(_lies_in(blocks[0], each) for each in before) and _lies_in(blocks[0], latest):
        return blocks[1:]
    return blocks


def _lies_in(run: Run, other: Run) -> bool:
    return other[0] <= run[0] and run[1] <= other[1]


def _problems(blocks: list[Run], pieces: tuple[Run, ...]) -> Iterator[str]:
    """Yield what is wrong; a stack need not keep every piece, nor tell of it."""
    runs = _runs(pieces)
    for block in blocks:
        if not any(_lies_in(block, run) for run in runs):
            yield f"a block only of what has come, and {block[0]}-{block[1]} is none"
    ordered = sorted(blocks)
    for (_left, right), (left, _right) in pairwise(ordered):
        if left <= right:
            yield f"one block for a run of text that goes on at {left}"
    latest = next((at for at, block in enumerate(blocks) if _lies_in(pieces[-1], block)), 0)
    if latest:
        yield f"the block with {pieces[-1][0]}-{pieces[-1][1]}, which came last, before the others"


def _open(target: Target, peer: Peer, stamped: bool) -> None:
    peer.choose_iss(ISS)
    peer.send(SYN, options=mss(1460) + SACK_PERMITTED + (timestamps(1000) if stamped else b""))
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, options=_stamp(stamped))
    target.accept()


def _stamp(stamped: bool) -> bytes:
    return timestamps(1001) if stamped else b""


@requires(Capability.SACK)
@cites("RFC 2018 §3", "RFC 2018 §4")
@pytest.mark.parametrize("stamped", [False, True], ids=["plain", "stamped"])
@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES.keys())
@in_state(LISTEN)
def test_sack_blocks_tell_what_has_come(target: Target, peer: Peer, pieces: tuple[Run, ...], stamped: bool) -> None:
    """A block is a whole run of text beyond the gap; the run of the segment that is answered stands first."""
    if stamped and Capability.TIMESTAMPS not in target.conversation.rig.target.capabilities:
        stamped = False
    _open(target, peer, stamped)
    for number in range(1, len(pieces) + 1):
        so_far = pieces[:number]
        left, right = so_far[-1]

        def is_right(wire: Segment, so_far: tuple[Run, ...] = so_far) -> str:
            return next(_problems(_told(wire, so_far), so_far), "")

        peer.send(ACK, b"x" * (right - left), seq=left, options=_stamp(stamped))
        answer = target.must_send(ACK, seq=1, ack=1, check=is_right)
        told, runs = _told(answer, so_far), _runs(so_far)
        target.should_show("number of SACK blocks", len(told), min(len(runs), FITTING[stamped]))


@requires(Capability.SACK)
@cites("RFC 2018 §3")
@in_state(LISTEN)
def test_sack_blocks_end_with_the_gap(target: Target, peer: Peer) -> None:
    """What closes the first gap is acknowledged with the run behind it: only the run beyond the next gap is told."""
    _open(target, peer, stamped=False)
    for left in (201, 101):
        peer.send(ACK, b"x" * 10, seq=left)
        target.must_send(ACK, seq=1, ack=1)

    def is_right(wire: Segment) -> str:
        return "" if set(_blocks(wire)) <= {(201, 211)} else "no block but that of 201-211"

    peer.send(ACK, b"x" * 100, seq=1)
    answer = target.must_send(ACK, seq=1, check=is_right)
    target.should_show("acknowledgment", answer.ack, 111)
