"""What the application is told: waiting calls return at the right event, poll says what holds."""

import errno
import select
import socket

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED
from harness.stack.readiness import Ready
from testcases.selftest.interactions.lab import Lab, error, text
from testcases.selftest.interactions.proof import shows

IN, OUT, ERR, HUP, RDHUP = (
    Ready(bit) for bit in (select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP, select.POLLRDHUP)
)


@shows("D505")
def accept_wakes_when_a_connection_is_open(lab: Lab) -> None:
    call, peer = lab.listen().start_accept(), lab.peer()
    peer.open()
    assert call.done


@shows("D506")
def recv_wakes_at_the_peers_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    call = sock.start_recv(10)
    peer.send(FIN | ACK)
    assert call.result() == b""


@shows("D507")
def send_wakes_when_there_is_room(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    call = sock.start_send(b"x" * 1500)
    assert not call.done
    peer.expect(ACK, seq=1)
    peer.send(ACK)
    assert call.result() == 1500


@shows("D508")
def close_wakes_at_the_end_of_last_ack(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    call = sock.start_close(60)
    peer.expect(FIN | ACK)
    assert not call.done
    peer.send(ACK)
    assert call.result() is True


@shows("D509")
def connect_wakes_when_it_is_refused(lab: Lab) -> None:
    peer = lab.peer(own=1024)
    call = lab.stack.socket().start_connect(peer.there, peer.here)
    peer.expect(SYN)
    peer.send(RST | ACK)
    assert call.done
    assert error(call.result) == errno.ECONNREFUSED


@shows("D510")
def an_error_is_readable(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(RST)
    assert sock.poll() & (IN | ERR) == IN | ERR


@shows("D511")
def nothing_is_writable_before_the_handshake_is_done(lab: Lab) -> None:
    sock, _peer = lab.connecting()
    assert not sock.poll() & OUT
    assert error(lambda: sock.send(b"text")) == errno.EAGAIN


@shows("D512")
def the_peers_fin_is_no_hang_up(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    assert sock.poll() & (RDHUP | HUP) == RDHUP


@shows("D513")
def the_end_is_told_in_front_of_what_is_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    assert sock.poll() & (IN | RDHUP) == IN | RDHUP


@shows("D514")
def an_edge_is_told_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    assert sock.edges() & IN
    assert not sock.edges() & IN


@shows("D515")
def a_full_buffer_is_not_writable(lab: Lab) -> None:
    sock, _peer = lab.opened()
    sock.settings.send_buffer = 1000
    sock.send(b"x" * 1000)
    assert not sock.poll() & OUT
    assert error(lambda: sock.send(b"x")) == errno.EAGAIN


@shows("D516")
def shutting_both_directions_sends_a_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown(socket.SHUT_RDWR)
    peer.expect(FIN | ACK)


@shows("D517")
def shutting_the_receiving_direction_sends_nothing(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown(socket.SHUT_RD)
    peer.quiet()
    sock.send(b"text")
    peer.expect(ACK, seq=1, data=b"text")


@shows("D518")
def a_reset_in_close_wait_is_an_error(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert text(sock) == b""
    peer.send(RST)
    assert sock.pending_error() == errno.ECONNRESET


@shows("D519")
def an_error_is_told_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(RST)
    assert (sock.pending_error(), sock.pending_error()) == (errno.ECONNRESET, 0)


@shows("D520")
def the_user_timeout_outlives_close(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.user_timeout_s = 20
    sock.send(b"text")
    sock.close()
    lab.wait(30)
    assert peer.state is CLOSED


@shows("D521")
def close_tells_that_its_time_was_over(lab: Lab) -> None:
    sock, _peer = lab.opened()
    sock.send(b"text")
    call = sock.start_close(2)
    lab.wait(3)
    assert call.result() is False


@shows("D522")
def connect_tells_that_it_has_timed_out(lab: Lab) -> None:
    peer = lab.peer(own=1024)
    call = lab.stack.socket().start_connect(peer.there, peer.here)
    lab.wait(200)
    assert error(call.result) == errno.ETIMEDOUT


@shows("D523")
def a_listener_is_readable_when_accept_would_not_wait(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN)
    assert (listener.poll(), error(listener.accept)) == (Ready.NONE, errno.EAGAIN)


@shows("D524")
def recv_that_waits_is_told_of_a_reset(lab: Lab) -> None:
    sock, peer = lab.opened()
    call = sock.start_recv(10)
    peer.send(RST)
    assert error(call.result) == errno.ECONNRESET


@shows("D525")
def close_waits_for_the_acknowledgment_only(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    call = sock.start_close(60)
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK)
    assert not call.done


@shows("D526")
def what_has_come_before_accept_is_an_edge(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    assert listener.accept().edges() & IN
