"""Soft ICMP errors abort no connection (MUST-56) and are made known to the application (SHLD-25)."""

import errno

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
    SHUTDOWN,
    SIMULTANEOUS,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    TIME_WAIT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from testcases.icmp.errors import SOFT, Error, each, prove_alive, send

RULE = cites("MUST-56", "MUST-54", "RFC5461-4-syn-sent", "RFC 9293 §3.9.2.2")


@each(SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_opening_survives(target: Target, peer: Peer, error: Error) -> None:
    """In SYN-SENT a soft error does not end the attempt: the SYN,ACK that comes after all establishes."""
    send(peer, target, error)
    target.must_not_send()
    target.must_be(SYN_SENT)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@each(SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_handshake_survives(target: Target, peer: Peer, error: Error) -> None:
    """In SYN-RECEIVED a soft error about the SYN,ACK does not end the attempt: the third segment establishes."""
    send(peer, target, error)
    target.must_not_send()
    target.must_be(SYN_RECEIVED)
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@each(SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_connection_survives(target: Target, peer: Peer, error: Error) -> None:
    """An established connection with data in flight lives on, and the data can still be acknowledged."""
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    send(peer, target, error)
    target.must_not_send()
    target.must_be(ESTABLISHED)
    peer.send(ACK, ack=11)
    prove_alive(target, peer, ack=11)


@each(SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_close_survives(target: Target, peer: Peer, error: Error) -> None:
    """A soft error while the connection closes changes no state, whether or not an application is left."""
    with target.must_stay():
        send(peer, target, error)
        target.must_not_send()


@RULE
@requires(Capability.ICMP)
@in_state(FIN_WAIT_1)
def test_close_is_completed(target: Target, peer: Peer) -> None:
    """A FIN that was reported undeliverable can still be acknowledged, and the close goes its way."""
    send(peer, target, SOFT["host-unreachable"])
    target.must_not_send()
    peer.send(ACK, ack=2)
    target.must_be(FIN_WAIT_2)
    peer.send(FIN | ACK)
    target.must_send(ACK, seq=2, ack=2)
    target.must_be(TIME_WAIT)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("net-unreachable", errno.ENETUNREACH),
        ("host-unreachable", errno.EHOSTUNREACH),
        ("hops-exceeded", errno.EHOSTUNREACH),
        ("parameter-problem", errno.EPROTO),
    ],
    ids=["net-unreachable", "host-unreachable", "hops-exceeded", "parameter-problem"],
)
@cites("SHLD-25", "MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP, Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_application_is_told(target: Target, peer: Peer, name: str, code: int) -> None:
    """An application that asks for soft errors gets the one that came, once, and then goes on with the connection."""
    target.ask_for_icmp_errors()
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    send(peer, target, SOFT[name])
    target.must_report_pending(code)
    target.must_report_pending(0)
    peer.send(ACK, ack=11)
    prove_alive(target, peer, ack=11)


@cites("MUST-56", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(ESTABLISHED)
def test_application_is_not_disturbed(target: Target, peer: Peer) -> None:
    """An application that did not ask reads and writes as if nothing had happened."""
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    send(peer, target, SOFT["host-unreachable"])
    target.must_not_deliver()
    peer.send(ACK, ack=11)
    target.send(b"more")
    target.must_send(ACK, seq=11, ack=1, data=b"more")
    target.must_be(ESTABLISHED)
