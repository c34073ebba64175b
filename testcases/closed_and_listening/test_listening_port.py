"""A listener against every flag combination: RST first, then ACK, then SYN (RFC 9293 §3.10.7.2)."""

import pytest

from harness.case import (
    ACK,
    CWR,
    ECE,
    ESTABLISHED,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    Absolute,
    Peer,
    Target,
    cites,
    in_state,
    segment,
)
from harness.case.expect import Expected
from harness.spec.segment import Flags
from testcases.closed_and_listening.flag_sets import ROWS, row_name, variants

SEG_ACK = 0x12345678


def _judge_answer(target: Target, sent: Flags, text: bytes) -> None:
    """Demand what LISTEN answers to `sent`, in the order in which the RFC looks at the bits.

    Text on a SYN may be acknowledged by whoever keeps it.
    """
    if sent & RST:
        target.must_not_send()
    elif sent & ACK:
        target.must_send(RST, seq=Absolute(SEG_ACK))
    elif sent & SYN:
        plain = segment(SYN | ACK, seq=0, ack=1, cites="RFC 9293 §3.10.7.2 third")
        kept = segment(SYN | ACK, seq=0, ack=1 + len(text), cites="RFC 9293 §3.5")
        target.must_answer(plain, kept, *_ecn_answers(sent))
        target.must_be(SYN_RECEIVED)
        return
    else:
        target.must_not_send()
    target.must_be(LISTEN)


def _ecn_answers(sent: Flags) -> tuple[Expected, ...]:
    """Return how a SYN may be answered that has one of ECE and CWR, or both.

    ECE alone grants what both ask for (RFC 3168 §6.1.1). Who can feed back accurately takes any other combination for a
    request of that, which CWR alone grants where the SYN was not marked (RFC 9768 §3.1.2, §3.1.3).
    """
    asked = sent & (ECE | CWR)
    if not asked:
        return ()
    return (segment(SYN | ACK | (ECE if asked == ECE | CWR else CWR), seq=0, ack=1, cites="RFC 9293 §3.8.2"),)


@cites("RFC 9293 §3.10.7.2")
@in_state(LISTEN)
@pytest.mark.parametrize("flags", ROWS, ids=row_name)
def test_listener_answers(target: Target, peer: Peer, flags: Flags) -> None:
    """A listener ignores resets, resets acknowledgments, answers SYNs, drops the rest, and goes on listening."""
    for sent, payload in variants(flags):
        visited, visitor = target.beside()
        visitor.send(sent, payload, seq=0, ack=SEG_ACK, urgent=1)
        _judge_answer(visited, sent, payload)
    target.accept_must_block()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"hello")
    target.must_send(ACK, seq=1, ack=6)
    target.must_deliver(b"hello")


@cites("RFC 9293 §3.10.7.2", "RFC 9293 §3.5.2 group 2")
@in_state(LISTEN)
@pytest.mark.parametrize("number", [0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], ids=hex)
def test_listener_resets_any_acknowledgment_number(target: Target, peer: Peer, number: int) -> None:
    """No acknowledgment number is acceptable to a listener; the reset takes it over as its sequence number."""
    peer.send(ACK, ack=number)
    target.must_send(RST, seq=Absolute(number))
    target.must_be(LISTEN)


@cites("RFC 9293 §3.10.7.2", "RFC 9293 §3.5.2 group 1")
@in_state(LISTEN)
def test_listener_closes(target: Target, peer: Peer) -> None:
    """A SYN is answered as long as somebody listens, and reset from then on."""
    other, other_peer = target.beside()
    other_peer.send(SYN)
    other.must_send(SYN | ACK, seq=0, ack=1)
    other_peer.send(RST, seq=1)
    other.must_be(LISTEN)
    target.close_listener()
    peer.send(SYN)
    target.must_send(RST | ACK, seq=Absolute(0), ack=1)
