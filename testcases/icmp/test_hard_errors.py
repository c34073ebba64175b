"""Hard ICMP errors should abort the connection they are about (SHLD-26), and no other (MUST-54)."""

import errno

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSE_WAIT,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    LISTEN,
    PASSIVE,
    RST,
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
    only_ip,
    requires,
    segment,
)
from harness.wire.icmp import UNREACHABLE
from testcases.icmp.errors import HARD, SOFT, prove_alive, send

PORT_UNREACHABLE = HARD["port-unreachable"]
RULE = cites("SHLD-26", "MUST-54", "RFC 9293 §3.9.2.2")


@cites("MUST-54", "SHLD-26", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_opening_is_refused(target: Target, peer: Peer) -> None:
    """Port unreachable in answer to the SYN ends the attempt, and the application is told that it was refused."""
    send(peer, target, PORT_UNREACHABLE)
    target.must_not_send()
    target.should_be(CLOSED)
    target.must_report(errno.ECONNREFUSED)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(RST, seq=1)


@only_ip(4)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_protocol_unreachable_ends_the_opening(target: Target, peer: Peer) -> None:
    """Protocol unreachable says that there is no TCP at the other end: the attempt ends with an error."""
    peer.send_icmp_error(UNREACHABLE, 2)
    target.must_not_send()
    target.should_be(CLOSED)


@RULE
@requires(Capability.ICMP)
@in_state(SYN_RECEIVED, opened=(PASSIVE, SIMULTANEOUS))
def test_handshake_is_ended(target: Target, peer: Peer) -> None:
    """A hard error about the SYN,ACK ends the handshake; an active opener has no connection, a passive one listens."""
    send(peer, target, PORT_UNREACHABLE)
    target.must_not_send()
    target.should_be(CLOSED, LISTEN)


@RULE
@requires(Capability.ICMP)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_connection_is_aborted(target: Target, peer: Peer) -> None:
    """A hard error about data in flight aborts an established connection."""
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    send(peer, target, PORT_UNREACHABLE)
    target.may_send(RST | ACK, seq=11)
    target.should_be(CLOSED)


@RULE
@requires(Capability.ICMP)
@in_state(FIN_WAIT_1, CLOSING, LAST_ACK)
def test_close_is_aborted(target: Target, peer: Peer) -> None:
    """A hard error about our FIN aborts the connection that is closing."""
    send(peer, target, PORT_UNREACHABLE)
    target.may_send(RST | ACK, seq=2)
    target.should_be(CLOSED)


@cites("MUST-54", "RFC5927-5.2-hard-as-soft", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)
def test_hard_error_is_all_or_nothing(target: Target, peer: Peer) -> None:
    """A stack may take a hard error for a soft one in the synchronized states: then the connection is as it was."""
    snd_nxt, rcv_nxt = peer.rcv_nxt, peer.snd_nxt
    send(peer, target, PORT_UNREACHABLE)
    target.may_send(RST | ACK)
    peer.send(ACK, seq=rcv_nxt - 1, ack=1)
    target.must_answer(
        segment(ACK, seq=snd_nxt, ack=rcv_nxt, cites="RFC5927-5.2-hard-as-soft"), segment(RST, seq=1, cites="SHLD-26")
    )


@cites("MUST-13", "MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_time_wait_is_not_shortened(target: Target, peer: Peer) -> None:
    """Nothing is left to abort in TIME-WAIT: a hard error about the last ACK does not end the wait of 2 MSL."""
    send(peer, target, PORT_UNREACHABLE)
    target.must_not_send()
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, seq=1, ack=2)
    target.must_send(ACK, seq=2, ack=2)


@cites("MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_only_the_connection_that_erred(target: Target, peer: Peer) -> None:
    """An error is for the connection it quotes: another attempt to the same address goes on."""
    other = target.conversation.connect_peer()
    second, its_peer = Target(other), Peer(other)
    second.connect()
    second.must_send(SYN, seq=0)
    send(peer, target, PORT_UNREACHABLE)
    target.should_be(CLOSED)
    second.must_be(SYN_SENT)
    its_peer.send(SYN | ACK, seq=0, ack=1)
    second.must_send(ACK, seq=1, ack=1)
    second.must_be(ESTABLISHED)


@cites("MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(SYN_RECEIVED)
def test_listener_survives(target: Target, peer: Peer) -> None:
    """Whatever becomes of the attempt that an error is about, the listener goes on."""
    send(peer, target, PORT_UNREACHABLE)
    send(peer, target, SOFT["host-unreachable"])
    other = target.conversation.connect_peer(port=target.connection.tuple4.port, peer_port=20_000)
    caller = Peer(other)
    caller.send(SYN)
    Target(other).must_send(SYN | ACK, seq=0, ack=1)
    caller.send(ACK)
    Target(other).must_be(ESTABLISHED)


@cites("MUST-54", "RFC 9293 §3.9.2.2")
@requires(Capability.ICMP)
@in_state(ESTABLISHED)
def test_error_about_what_is_gone(target: Target, peer: Peer) -> None:
    """An error about a connection that was reset meanwhile has nothing to act on, and draws nothing."""
    peer.send(RST, seq=1)
    target.must_be(CLOSED)
    send(peer, target, PORT_UNREACHABLE)
    target.must_not_send()
    target.must_be(CLOSED)


@cites("MUST-54", "RFC 9293 §3.9.2.2", "RFC5927-5.2-hard-as-soft")
@requires(Capability.ICMP, Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED)
def test_application_is_told_of_hard_errors(target: Target, peer: Peer) -> None:
    """An application that asks for ICMP errors is told of a hard one at once."""
    target.ask_for_icmp_errors()
    target.send(b"0123456789")
    target.must_send(ACK, seq=1, ack=1, data=b"0123456789")
    send(peer, target, PORT_UNREACHABLE)
    target.must_report_pending(errno.ECONNREFUSED)
    peer.send(ACK, ack=11)
    if target.connection.state == ESTABLISHED:
        prove_alive(target, peer, ack=11)
    else:
        target.must_send(RST, seq=11)
