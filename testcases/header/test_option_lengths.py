"""Illegal lengths of options are survived (RFC 9293 §3.1, MUST-7). To reset is suggested, to skip is common."""

import itertools

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    LISTEN,
    RST,
    SYN,
    SYN_SENT,
    Peer,
    Target,
    cites,
    in_state,
    segment,
    silence,
)
from harness.spec.options import KIND_MSS, KIND_SACK, KIND_TIMESTAMPS, KIND_WINDOW_SCALE, NOP

UNKNOWN = 253
ILLEGAL = {
    "zero": bytes((UNKNOWN, 0, 1, 1)),
    "one": bytes((UNKNOWN, 1, 1, 1)),
    "beyond-the-field": bytes((UNKNOWN, 40, 1, 1)),
    "255": bytes((UNKNOWN, 255, 1, 1)),
    "missing": NOP * 3 + bytes((UNKNOWN,)),
    "mss-zero": bytes((KIND_MSS, 0, 2, 0)),
    "mss-too-short": bytes((KIND_MSS, 3, 2, 1)),
    "mss-too-long": bytes((KIND_MSS, 5, 2, 0, 0, 1, 1, 1)),
    "mss-beyond-the-field": NOP * 2 + bytes((KIND_MSS, 4)),
    "window-scale-too-long": bytes((KIND_WINDOW_SCALE, 4, 7, 7)),
    "timestamps-too-short": bytes((KIND_TIMESTAMPS, 4, 0, 1)),
    "sack-of-half-a-block": bytes((KIND_SACK, 6, 0, 0, 0, 1, 1, 1)),
}
LENGTHS = (0, 1, 3, 255)
RULE = "RFC 9293 §3.1"
SURVIVED = (
    segment(SYN | ACK, seq=0, ack=1, cites=RULE),
    segment(RST | ACK, ack=1, cites=RULE),
    silence(cites=RULE),
)

illegal = pytest.mark.parametrize("options", ILLEGAL.values(), ids=ILLEGAL.keys())


def _demand_service(target: Target) -> None:
    """Demand that the listener opens another connection."""
    other, visitor = target.beside()
    visitor.send(SYN)
    other.must_send(SYN | ACK, seq=0, ack=1)
    visitor.send(ACK)
    other.must_be(ESTABLISHED)


@cites("MUST-7")
@in_state(LISTEN)
@illegal
def test_illegal_length_in_a_syn(target: Target, peer: Peer, options: bytes) -> None:
    """A SYN with an illegal option length is answered, reset or dropped, and the listener lives on."""
    peer.send(SYN, options=options)
    target.must_answer(*SURVIVED)
    _demand_service(target)


@cites("MUST-7")
@in_state(SYN_SENT)
@illegal
def test_illegal_length_in_a_syn_ack(target: Target, peer: Peer, options: bytes) -> None:
    """A SYN,ACK with an illegal option length is answered, reset or dropped, and the next one is taken."""
    peer.send(SYN | ACK, options=options)
    answer = target.must_answer(
        segment(ACK, seq=1, ack=1, cites=RULE),
        segment(RST, seq=1, cites=RULE),
        segment(RST | ACK, seq=1, cites=RULE),
        silence(cites=RULE),
    )
    if answer is None:
        peer.send(SYN | ACK, seq=0)
        target.must_send(ACK, seq=1, ack=1)
    if answer is None or not answer.flags & RST:
        target.must_be(ESTABLISHED)


@cites("MUST-7")
@in_state(ESTABLISHED, keep_listener=True)
@illegal
@pytest.mark.parametrize("flags", [ACK, FIN | ACK], ids=["data", "fin"])
def test_illegal_length_in_a_connection(target: Target, peer: Peer, flags: int, options: bytes) -> None:
    """Data with an illegal option length is taken, dropped, or ends the connection; it is never taken in part."""
    length = 4 + bool(flags & FIN)
    peer.send(flags, b"data", options=options)
    answer = target.must_answer(
        segment(ACK, seq=1, ack=1 + length, cites=RULE),
        segment(RST, seq=1, cites=RULE),
        segment(RST | ACK, seq=1, cites=RULE),
        silence(cites=RULE),
    )
    if answer is None:
        peer.send(flags, b"data", seq=1)
        target.must_send(ACK, seq=1, ack=1 + length)
    if answer is None or not answer.flags & RST:
        target.must_deliver(b"data")
    _demand_service(target)


@cites("MUST-7")
@in_state(LISTEN)
def test_every_length_of_every_kind(target: Target, peer: Peer) -> None:
    """Whatever kind and length a SYN's option claims, the listener lives on."""
    for kind, length in itertools.product(range(256), LENGTHS):
        peer.renew(iss=1000)
        peer.send(SYN, options=bytes((kind, length)) + bytes(6))
        target.must_answer(*SURVIVED)
        peer.send(RST, seq=1)
        target.must_be(LISTEN)
    _demand_service(target)
