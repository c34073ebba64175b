"""Source Quench is discarded in silence in every state (MUST-55)."""

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE_WAIT,
    CLOSING,
    ESTABLISHED,
    FIN_WAIT_1,
    FIN_WAIT_2,
    LAST_ACK,
    PASSIVE,
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
)
from harness.wire.icmp import SOURCE_QUENCH
from testcases.icmp.errors import prove_alive

RULE = cites("MUST-55", "RFC 9293 §3.9.2.2")


@only_ip(4)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT)
def test_no_state_changes(target: Target, peer: Peer) -> None:
    """A Source Quench about the last segment has no effect in any state."""
    with target.must_stay():
        peer.send_icmp_error(SOURCE_QUENCH, 0)
        target.must_not_send()


@only_ip(4)
@RULE
@requires(Capability.ICMP)
@in_state(SYN_SENT)
def test_opening_goes_on(target: Target, peer: Peer) -> None:
    """A Source Quench in answer to the SYN does not end the attempt."""
    peer.send_icmp_error(SOURCE_QUENCH, 0)
    target.must_report_pending(0)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@only_ip(4)
@RULE
@requires(Capability.ICMP, Capability.SOCKET_OPTIONS)
@in_state(ESTABLISHED, opened=(PASSIVE, ACTIVE))
def test_silently(target: Target, peer: Peer) -> None:
    """Not even an application that asks for ICMP errors is told, and no sending is held back."""
    target.ask_for_icmp_errors()
    target.send(bytes(500))
    target.must_send_stream(bytes(500), seq=1, ack=1)
    peer.send_icmp_error(SOURCE_QUENCH, 0)
    target.must_report_pending(0)
    peer.send(ACK, ack=501)
    target.send(bytes(1000))
    target.must_send_stream(bytes(1000), seq=501, ack=1)
    prove_alive(target, peer, ack=peer.rcv_nxt)
