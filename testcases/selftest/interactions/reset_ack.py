"""RST,ACK: its sequence number tells whether it counts, its acknowledgment does not."""

import errno

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, CLOSING, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, TIME_WAIT
from harness.stack import Socket
from testcases.selftest.interactions.lab import Lab, Peer
from testcases.selftest.interactions.proof import shows


def sending(lab: Lab) -> tuple[Socket, Peer]:
    """A connection with data under way that the peer has not seen yet."""
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, seq=1)
    return sock, peer


@shows("D457")
def a_reset_counts_while_data_is_under_way(lab: Lab) -> None:
    sock, peer = sending(lab)
    peer.send(RST | ACK, ack=1)
    assert (peer.state, sock.pending_error()) == (CLOSED, errno.ECONNRESET)


@shows("D458")
def a_reset_counts_while_the_fin_is_under_way(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    assert peer.state is FIN_WAIT_1
    peer.send(RST | ACK, ack=1)
    assert (peer.state, sock.pending_error()) == (CLOSED, errno.ECONNRESET)


@shows("D459")
def a_reset_counts_while_data_is_under_way_in_close_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    peer.expect(ACK)
    assert peer.state is CLOSE_WAIT
    peer.send(RST | ACK, ack=1)
    assert peer.state is CLOSED


@shows("D460")
def a_reset_counts_in_last_ack(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.close()
    peer.expect(FIN | ACK)
    assert peer.state is LAST_ACK
    peer.send(RST | ACK, ack=1)
    assert peer.state is CLOSED


@shows("D461")
def a_reset_counts_in_closing(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK)
    assert peer.state is CLOSING
    peer.send(RST | ACK, ack=1)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D462")
def a_reset_counts_in_syn_received(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN)
    peer.expect(SYN | ACK)
    peer.send(RST | ACK, ack=0)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D463")
def a_reset_counts_in_fin_wait_2(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    assert peer.state is FIN_WAIT_2
    peer.send(RST | ACK, ack=1)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D464")
def a_reset_counts_that_acknowledges_too_much(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(RST | ACK, ack=99)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D465")
def a_reset_with_an_old_ack_counts_in_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert peer.state is TIME_WAIT
    peer.send(RST | ACK, ack=1)
    assert peer.state is CLOSED


@shows("D466")
def a_reset_in_the_window_is_challenged_whatever_it_acknowledges(lab: Lab) -> None:
    _sock, peer = sending(lab)
    peer.send(RST | ACK, seq=50, ack=1)
    peer.expect(ACK, seq=5, ack=1)


@shows("D467")
def a_reset_with_an_old_ack_is_told(lab: Lab) -> None:
    sock, peer = sending(lab)
    peer.send(RST | ACK, ack=1)
    assert sock.pending_error() == errno.ECONNRESET


@shows("D468")
def a_refusal_counts_when_the_syn_was_repeated(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.after(1, SYN)
    peer.send(RST | ACK, seq=0)
    assert sock.pending_error() == errno.ECONNREFUSED


@shows("D469")
def a_reset_counts_after_a_simultaneous_open(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(SYN)
    peer.expect(SYN | ACK, ack=1)
    peer.send(RST | ACK, ack=0)
    assert sock.pending_error() == errno.ECONNREFUSED


@shows("D470")
def nothing_answers_a_reset(lab: Lab) -> None:
    _sock, peer = lab.opened()
    assert peer.state is ESTABLISHED
    peer.send(RST | ACK, ack=99)
    peer.quiet()
