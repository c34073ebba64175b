"""Combinations of two ordinary things among numbers, neighbours and applications, written likewise."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, CLOSING, ESTABLISHED, TIME_WAIT
from harness.stack.readiness import Ready
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import again, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.packet_form import delivers
from testcases.selftest.interactions.proof import shows

SPACE = 1 << 32


def stamped(value: int) -> bytes:
    """Return options with a timestamp."""
    return options.NOP * 2 + options.timestamps(value, 0)


@shows("D688")
def a_reopened_connection_is_accepted(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    next_one = again(lab, peer)
    next_one.open()
    assert listener.accept().status() is ESTABLISHED


@shows("D689")
def behind_time_wait_a_fin_is_refused(lab: Lab) -> None:
    peer = in_time_wait(lab)
    lab.wait(241)
    peer.send(FIN | ACK, seq=1)
    peer.expect(RST)


@shows("D690")
def a_next_connection_has_an_application(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    next_one = again(lab, peer)
    next_one.open()
    next_one.send(ACK, b"text")
    next_one.expect(ACK, ack=5)
    assert text(listener.accept()) == b"text"


@shows("D691")
def a_fin_behind_the_window_is_not_taken(lab: Lab) -> None:
    lab.config.receive_buffer = 1000
    sock, peer = lab.opened()
    peer.send(FIN | ACK, bytes(1200))
    peer.expect(ACK, ack=1001)
    assert len(text(sock)) == 1000


@shows("D692")
def crossing_fins_leave_the_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK)
    assert peer.state is CLOSING
    assert text(sock) == b"text"


@shows("D693")
def new_text_stands_behind_the_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"first")
    peer.expect(ACK)
    assert sock.recv(2) == b"fi"
    peer.send(ACK, b"second")
    peer.expect(ACK)
    assert text(sock) == b"rstsecond"


def before_the_wrap(lab: Lab, octets: int) -> None:
    """Let the next connection begin with so many octets left before the wrap, its SYN among them."""
    lab.config.iss = SPACE - octets


@shows("D694")
def what_is_under_way_across_the_wrap_is_sent_again(lab: Lab) -> None:
    before_the_wrap(lab, 3)
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.sleep(3)
    peer.expect(ACK, seq=1, data=b"text")


@shows("D695")
def an_edge_behind_the_wrap_lets_text_out(lab: Lab) -> None:
    before_the_wrap(lab, 100)
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.sleep(2)
    peer.expect(ACK, data=b"text")


@shows("D696")
def an_acknowledgment_across_the_wrap_takes_all(lab: Lab) -> None:
    before_the_wrap(lab, 4)
    sock, peer = lab.opened()
    sock.send(b"abcdef")
    peer.expect(ACK, data=b"abcdef")
    peer.send(ACK)
    sock.send(b"more")
    peer.expect(ACK, seq=7, data=b"more")


@shows("D697")
def a_port_of_the_peer_has_connections_to_two_of_ours(lab: Lab) -> None:
    _sock, peer = lab.opened()
    lab.listen(port=81)
    other = lab.peer(peer.there.port, 81, iss=0x1000)
    other.open()
    assert other.state is ESTABLISHED


@shows("D698")
def a_full_backlog_has_room_again(lab: Lab) -> None:
    listener, first = lab.listen(backlog=1), lab.peer()
    first.open()
    lab.peer().send(SYN, options=FULL)
    listener.accept()
    lab.peer().open()
    assert listener.accept().status() is ESTABLISHED


@shows("D699")
def two_connections_delay_their_acks(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    listener = lab.listen()
    _one, first = lab.opened(listener)
    _two, second = lab.opened(listener)
    first.send(ACK, b"text")
    second.send(ACK, b"text")
    first.sleep(1)
    first.expect(ACK, ack=5)


@shows("D700")
def ten_connections_wait(lab: Lab) -> None:
    listener = lab.listen()
    peers = []
    for _ in range(10):
        sock, peer = lab.opened(listener)
        sock.shutdown()
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK)
        peer.expect(ACK)
        peers.append(peer)
    assert peers[0].state is TIME_WAIT


@shows("D704")
def crossing_syns_echo_timestamps(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(SYN, options=FULL + stamped(77))
    found = options.timestamps_of(peer.expect(SYN | ACK).options)
    assert found is not None
    assert found[1] == 77


@shows("D705")
def the_timestamp_of_partly_old_text_is_echoed(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(100))
    peer.send(ACK, b"text", options=stamped(200))
    peer.expect(ACK)
    peer.send(ACK, b"xt and more", seq=3, options=stamped(300))
    found = options.timestamps_of(peer.expect(ACK).options)
    assert found is not None
    assert found[1] == 300


@shows("D706")
def the_window_on_a_fin_is_scaled(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(2))
    sock.send(b"text")
    before = peer.expect(ACK).window
    peer.send(ACK)
    sock.shutdown()
    assert peer.expect(FIN | ACK).window == before


@shows("D707")
def an_old_timestamp_leaves_the_wait(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1000))
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.wait(200)
    peer.send(ACK, options=stamped(500))
    peer.expect(ACK)
    lab.wait(50)
    assert peer.state is CLOSED


@shows("D708")
def ipv4_options_leave_the_text(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.with_ipv4_options(packet, forms.ROUTER_ALERT)])


@shows("D709")
def hop_by_hop_options_stand_in_front_of_fragments(lab: Lab) -> None:
    delivers(
        lab,
        lambda packet: [forms.with_extension(part, forms.HOP_BY_HOP) for part in forms.fragmented(packet, (16, 32), 7)],
        ip=6,
    )


@shows("D710")
def datagrams_in_fragments_come_at_once(lab: Lab) -> None:
    _sock, peer = lab.opened()
    held: list[bytes] = []

    def interleaved(packet: bytes) -> list[bytes]:
        pieces = forms.fragmented(packet, (24,), 7 if not held else 8)
        held.extend(pieces)
        return [] if len(held) == len(pieces) else [held[0], held[2], held[1], held[3]]

    peer.form = interleaved
    peer.send(ACK, b"text of 20 octets...")
    peer.send(ACK, b"text of 20 octets...")
    peer.expect(ACK, ack=21)
    peer.expect(ACK, ack=41)


@shows("D711")
def recv_wakes_when_the_connection_is_given_up(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    call = sock.start_recv(10)
    lab.wait(301)
    peer.skip()
    assert error(call.result) == errno.ETIMEDOUT


@shows("D712")
def crossing_fins_hang_up(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK)
    assert sock.poll() & Ready.HUP


@shows("D713")
def poll_leaves_the_error(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(RST)
    assert sock.poll() & Ready.ERR
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET
