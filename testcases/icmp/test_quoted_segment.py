"""An ICMP error counts only if what it quotes is in flight (RFC 5927 §4.1) on a connection that exists (MUST-54)."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
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
from testcases.icmp.errors import HARD, SOFT, Error, each, prove_alive, send

#: Off the number in flight: below SND.UNA, above SND.NXT, far away.
OFFSETS = pytest.mark.parametrize("offset", [-1, 20, 2**31], ids=["below", "above", "far"])
RULE = cites("RFC5927-4.1-in-window", "MUST-54", "RFC 9293 §3.9.2.2")


@OFFSETS
@each(HARD | SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_wrong_number_while_opening(target: Target, peer: Peer, error: Error, offset: int) -> None:
    """In SYN-SENT an error that does not quote the SYN's number is forged: the opening goes on."""
    with target.must_stay():
        send(peer, target, error, seq_offset=offset)
        target.must_not_send()
    target.must_report_pending(0)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@OFFSETS
@each(HARD | SOFT)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_wrong_number_in_the_handshake(target: Target, peer: Peer, error: Error, offset: int) -> None:
    """In SYN-RECEIVED an error that does not quote the SYN,ACK's number is forged: the handshake goes on."""
    with target.must_stay():
        send(peer, target, error, seq_offset=offset)
        target.must_not_send()
    peer.send(ACK, seq=1, ack=1)
    target.must_not_send()
    target.must_be(ESTABLISHED)


@OFFSETS
@each(HARD | SOFT)
@RULE
@requires(Capability.ICMP, Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED)
def test_wrong_number_on_a_connection(target: Target, peer: Peer, error: Error, offset: int) -> None:
    """An error about a number that is not in flight neither ends the connection nor reaches the application."""
    target.ask_for_icmp_errors()
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    with target.must_stay():
        send(peer, target, error, seq_offset=offset)
        target.must_not_send()
    target.must_report_pending(0)
    peer.send(ACK, ack=11)
    prove_alive(target, peer, ack=11)


@each(HARD)
@RULE
@requires(Capability.ICMP, Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED)
def test_number_that_was_acknowledged(target: Target, peer: Peer, error: Error) -> None:
    """An error about data that the peer has acknowledged meanwhile comes too late to mean anything."""
    target.ask_for_icmp_errors()
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    peer.send(ACK, ack=11)
    send(peer, target, error)
    target.must_report_pending(0)
    prove_alive(target, peer, ack=11)


@RULE
@requires(Capability.ICMP)
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)
def test_wrong_number_while_closing(target: Target, peer: Peer) -> None:
    """A forged hard error changes no state of a connection that is closing."""
    with target.must_stay():
        send(peer, target, HARD["port-unreachable"], seq_offset=-100_000)
        target.must_not_send()


@each(HARD | {"host-unreachable": SOFT["host-unreachable"]})
@cites("MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(SYN_SENT, ESTABLISHED, FIN_WAIT_1)
def test_wrong_port(target: Target, peer: Peer, error: Error) -> None:
    """An error that quotes another port of the peer is not about this connection."""
    with target.must_stay():
        send(peer, target, error, port_offset=1)
        target.must_not_send()
    target.must_report_pending(0)
