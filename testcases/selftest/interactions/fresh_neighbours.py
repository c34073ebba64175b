"""Further ones in the neighbourhood of what was not found at first."""

import socket

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED, TIME_WAIT
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import again, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.proof import shows


@shows("D585")
def a_delayed_ack_leaves_the_timer(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    peer.quiet(0.7)
    peer.send(ACK, b"theirs", ack=1)
    peer.after(0.2, ACK, seq=5)
    peer.after(0.1, ACK, seq=1)


@shows("D586")
def an_update_leaves_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, window=100)
    peer.expect(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK)
    peer.send(ACK, ack=1, window=1000)
    peer.after(2, FIN | ACK)


@shows("D587")
def a_fin_counts_behind_a_late_handshake(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.after(1, SYN)
    peer.send(SYN | ACK)
    peer.expect(ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D588")
def urgent_text_waits_for_accept(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(URG | ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(listener.accept()) == b"text"


@shows("D589")
def nothing_follows_abort(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.abort()
    peer.expect(RST)
    peer.quiet(60)


@shows("D590")
def the_next_connection_outlives_fin_wait_2(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    lab.wait(100)
    assert second.state is ESTABLISHED


@shows("D591")
def the_window_is_the_peer_s_of_now(lab: Lab) -> None:
    _sock, peer = lab.connected(50_000)
    peer.send(RST)
    sock, second = lab.stack.socket(), again(lab, peer)
    sock.connect(second.there, second.here)
    second.expect(SYN)
    second.send(SYN | ACK, window=10)
    second.expect(ACK)
    sock.send(bytes(100))
    second.expect(ACK, data=bytes(10))


@shows("D592")
def unread_text_outlives_shutdown(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    sock.shutdown()
    assert text(sock) == b"text"


@shows("D593")
def a_timestamp_may_be_zero(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP * 2 + options.timestamps((1 << 32) - 1, 0))
    peer.send(ACK, b"text", options=options.NOP * 2 + options.timestamps(0, 0))
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D594")
def each_wait_ends_for_itself(lab: Lab) -> None:
    one = in_time_wait(lab)
    lab.wait(200)
    listener = lab.listen(81)
    sock, other = lab.opened(listener, own=81)
    sock.shutdown()
    other.expect(FIN | ACK)
    other.send(FIN | ACK)
    other.expect(ACK)
    lab.wait(60)
    assert (one.state, other.state) == (CLOSED, TIME_WAIT)


@shows("D595")
def a_reset_ends_last_ack(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    sock.shutdown()
    peer.skip()
    peer.send(RST | ACK, ack=1)
    assert peer.state is CLOSED


@shows("D596")
def an_update_is_scaled(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(7))
    for _ in range(90):
        peer.send(ACK, bytes(1400))
        peer.skip()
    text(sock)
    assert peer.expect(ACK).window == 131_072 >> 2


@shows("D597")
def padding_harms_no_fin(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.form = lambda packet: [forms.trailed(packet, bytes(6))]
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)


@shows("D598")
def shut_rd_wakes_a_reader(lab: Lab) -> None:
    sock, _peer = lab.opened()
    call = sock.start_recv(10)
    sock.shutdown(socket.SHUT_RD)
    lab.collect()
    assert call.done
