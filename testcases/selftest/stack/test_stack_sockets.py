"""Sockets of the reference stack: what poll tells, calls that wait, SHUT_RD, chosen ports and numbers."""

import errno
import socket

import pytest

from harness.spec.states import ESTABLISHED, FIN_WAIT_1, SYN_SENT
from harness.stack import Config, Endpoint, Socket
from harness.stack.pending import Pending
from harness.stack.readiness import ENDED, Ready
from harness.stack.settings import SocketSettings
from testcases.selftest.two_stacks import HERE, THERE, TwoStacks

IN, OUT, ERR, HUP, RDHUP, NONE = Ready.IN, Ready.OUT, Ready.ERR, Ready.HUP, Ready.RDHUP, Ready.NONE


@pytest.fixture
def wire() -> TwoStacks:
    return TwoStacks(Config(delayed_ack_s=None))


def error_of(call: Pending[object]) -> int:
    with pytest.raises(OSError, match=r".") as caught:
        call.result()
    return caught.value.errno or 0


# --- poll ------------------------------------------------------------------------------------------------------------


def test_conditions_follow_a_connection_from_its_syn_to_its_end(wire: TwoStacks) -> None:
    ours = wire.client.socket()
    assert (ours.poll(), wire.listener.poll()) == (OUT | HUP, NONE)
    ours.connect(HERE)
    assert ours.poll() == NONE
    wire.run()
    assert (ours.poll(), wire.listener.poll()) == (OUT, IN)
    theirs = wire.listener.accept()
    assert (theirs.poll(), wire.listener.poll()) == (OUT, NONE)
    ours.send(b"text")
    wire.run()
    assert theirs.poll() == IN | OUT
    assert theirs.recv(9) == b"text"
    assert theirs.poll() == OUT
    ours.shutdown()
    wire.run()
    assert (ours.poll(), theirs.poll()) == (OUT, IN | OUT | RDHUP)
    theirs.shutdown()
    wire.run()
    assert theirs.poll() == ours.poll() == ENDED


def test_a_refused_connection_has_an_error_until_that_is_fetched(wire: TwoStacks) -> None:
    ours = wire.client.socket()
    ours.connect(HERE._replace(port=81))
    wire.run()
    assert ours.poll() == ENDED | ERR
    assert ours.pending_error() == errno.ECONNREFUSED
    assert ours.poll() == ENDED


def test_a_socket_is_writable_while_its_buffer_has_room(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    while ours.poll() & OUT:
        ours.send(b"x" * 100_000)
        wire.run()
    assert ours.edges() == NONE
    while theirs.poll() & IN:
        theirs.recv(1 << 20)
        wire.run()
    assert ours.edges() == OUT


def test_an_edge_is_told_once_and_again_for_what_comes_anew(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    assert (ours.edges(), ours.edges(), theirs.edges(), wire.listener.edges()) == (OUT, NONE, OUT, NONE)
    for _ in range(2):
        ours.send(b"text")
        wire.run()
        assert (theirs.edges(), theirs.edges()) == (IN, NONE)
    ours.abort()
    wire.run()
    assert (theirs.edges(), theirs.edges()) == (ENDED | ERR, NONE)


# --- calls that wait -------------------------------------------------------------------------------------------------


def test_connect_and_accept_return_when_the_handshake_is_done(wire: TwoStacks) -> None:
    accepting, ours = wire.listener.start_accept(), wire.client.socket()
    connecting = ours.start_connect(HERE)
    assert not accepting.done
    assert not connecting.done
    wire.run()
    assert connecting.result() is None
    assert accepting.result().status() is ESTABLISHED


def test_connect_tells_why_it_failed(wire: TwoStacks) -> None:
    refused, given_up, closed = (wire.client.socket() for _ in range(3))
    calls = [refused.start_connect(HERE._replace(port=81)), given_up.start_connect(Endpoint("192.0.2.9", 80))]
    calls.append(closed.start_connect(Endpoint("192.0.2.9", 81)))
    closed.shutdown()
    wire.lose = lambda datagram: datagram.destination == "192.0.2.9"
    wire.run(200)
    assert [error_of(call) for call in calls] == [errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EPIPE]


def test_recv_wakes_for_text_and_for_the_end_and_for_an_error(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    text = theirs.start_recv(10)
    assert not text.done
    ours.send(b"text")
    wire.run()
    assert text.result() == b"text"
    end = theirs.start_recv(10)
    ours.shutdown()
    wire.run()
    assert end.result() == b""
    error = ours.start_recv(10)
    theirs.abort()
    wire.run()
    assert error_of(error) == errno.ECONNRESET


def test_two_calls_that_wait_are_served_in_order(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    first, second = theirs.start_recv(2), theirs.start_recv(9)
    ours.send(b"text")
    wire.run()
    assert (first.result(), second.result()) == (b"te", b"xt")


def test_send_returns_when_all_is_queued(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    sending = ours.start_send(b"x" * 500_000)
    wire.run()
    assert not sending.done
    taken = 0
    while not sending.done:
        taken += len(theirs.recv(1 << 20))
        wire.run()
    assert sending.result() == 500_000


def test_send_that_is_cut_off_says_how_much_it_took_and_then_why(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    sending = ours.start_send(b"x" * 500_000)
    wire.run()
    theirs.abort()
    wire.run()
    assert 0 < sending.result() < 500_000
    assert error_of(ours.start_send(b"x")) == errno.ECONNRESET


def test_close_with_linger_time_returns_when_the_fin_is_acknowledged(wire: TwoStacks) -> None:
    ours, _theirs = wire.connected()
    ours.send(b"text")
    wire.lose = lambda datagram: True
    closing = ours.start_close(10)
    wire.run(0.5)
    assert not closing.done
    wire.lose = lambda datagram: False
    wire.run(1)
    assert closing.result() is True


def test_close_with_linger_time_returns_when_that_is_over_and_the_rest_still_goes(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    ours.send(b"text")
    wire.lose = lambda datagram: True
    connection = ours.connection
    closing = ours.start_close(2)
    wire.run(2.5)
    assert closing.result() is False
    assert connection is not None
    assert connection.state is FIN_WAIT_1
    wire.lose = lambda datagram: False
    wire.run(10)
    assert (theirs.recv(10), theirs.recv(10)) == (b"text", b"")


def test_close_with_linger_time_tells_of_a_reset(wire: TwoStacks) -> None:
    ours, theirs = wire.connected()
    wire.lose = lambda datagram: bool(datagram.segment.payload)
    ours.send(b"text")
    closing = ours.start_close(10)
    theirs.abort()
    wire.run(1)
    assert closing.result() is False


def test_a_call_on_a_socket_that_is_closed_meanwhile_ends(wire: TwoStacks) -> None:
    ours, _theirs = wire.connected()
    call = ours.start_recv(1)
    ours.close()
    wire.run()
    assert error_of(call) == errno.ENOTCONN


# --- SHUT_RD ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [socket.SHUT_RD, socket.SHUT_RDWR])
def test_shut_rd_ends_the_stream_for_the_application_only(wire: TwoStacks, how: int) -> None:
    ours, theirs = wire.connected()
    call = theirs.start_recv(10)
    theirs.shutdown(how)
    wire.run()
    assert call.result() == b""
    assert theirs.edges() & (IN | RDHUP) == IN | RDHUP
    both = how == socket.SHUT_RDWR
    assert theirs.poll() == IN | OUT | RDHUP | (HUP if both else NONE)
    assert ours.poll() == (IN | OUT | RDHUP if both else OUT)
    ours.send(b"text")
    wire.run()
    assert (theirs.recv(10), theirs.recv(10)) == (b"text", b"")


# --- ports, numbers, settings ----------------------------------------------------------------------------------------


def test_a_port_is_chosen_that_no_connection_to_the_peer_has_and_exhaustion_is_told() -> None:
    wire = TwoStacks(Config(ephemeral_ports=(50_000, 50_001)))
    first, second = wire.connected()[0], wire.connected()[0]
    assert {first.local(), second.local()} == {THERE._replace(port=port) for port in (50_000, 50_001)}
    first.close()
    wire.run()  # FIN-WAIT-2
    third = wire.client.socket()
    with pytest.raises(OSError, match="no port is free") as caught:
        third.connect(HERE)
    assert caught.value.errno == errno.EADDRNOTAVAIL
    third.connect(Endpoint("192.0.2.9", 80))  # towards another peer it is free
    assert third.status() is SYN_SENT


def test_numbers_begin_where_they_are_told_to() -> None:
    wire = TwoStacks(Config(iss=0xFFFFFFF0, timestamp_offset=0xFFFFFF00))
    ours, theirs = wire.connected()
    assert ours.connection is not None
    assert (ours.connection.iss, ours.connection.ts_offset) == (0xFFFFFFF0, 0xFFFFFF00)
    wire.run(1)
    ours.send(b"x" * 100)
    wire.run()
    assert theirs.recv(1000) == b"x" * 100


def test_a_setting_of_an_accepted_socket_is_its_own(wire: TwoStacks) -> None:
    first, second = (wire.connected()[1] for _ in range(2))
    first.settings.ttl = 9
    later: Socket = wire.connected()[1]
    assert (second.settings, later.settings, wire.listener.settings) == (SocketSettings(),) * 3
