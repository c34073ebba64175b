"""Further ones by another pattern of thought: mended once in the history of a released stack, here in a new place."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import ESTABLISHED
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.ordinary_numbers import before_the_wrap, stamped
from testcases.selftest.interactions.proof import shows


@shows("D714")
def keep_alives_leave_the_repetition(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    sock.settings.keep_alive = True
    sock.settings_changed()
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D715")
def a_soft_error_leaves_the_probing(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    icmp(lab, peer, 1, hard=False)
    peer.sleep(60)
    peer.expect(ACK, seq=1, data=b"t")


@shows("D716")
def text_on_a_late_syn_ack_is_delivered(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.after(1, SYN, seq=0)
    peer.ack = 1
    peer.send(SYN | ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D717")
def text_under_way_comes_again_at_a_shut_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(ACK, ack=1, window=0)
    peer.sleep(60)
    peer.expect(ACK, seq=1)


@shows("D718")
def a_port_without_listener_refuses(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    listener.close()
    peer.expect(RST)
    other = lab.peer()
    other.send(SYN)
    other.expect(RST | ACK)


@shows("D719")
def text_before_accept_stays_with_its_connection(lab: Lab) -> None:
    listener, first, second = lab.listen(), lab.peer(), lab.peer()
    first.open()
    second.open()
    second.send(ACK, b"second")
    second.expect(ACK)
    assert text(listener.accept()) == b""
    assert text(listener.accept()) == b"second"


@shows("D720")
def a_full_buffer_has_a_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    sock.send(b"x" * 1000)
    sock.shutdown()
    peer.expect(ACK, seq=1)
    peer.expect(FIN | ACK, seq=1001)


@shows("D721")
def an_exact_window_lets_the_fin_out_later(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    peer.send(ACK, window=4)
    peer.expect(ACK, seq=1, data=b"text")
    peer.send(ACK)
    peer.expect(FIN | ACK, seq=5)


@shows("D722")
def the_next_listener_has_room(lab: Lab) -> None:
    listener, peer = lab.listen(backlog=1), lab.peer()
    peer.open()
    listener.close()
    peer.expect(RST)
    again, other = lab.listen(), lab.peer()
    other.open()
    assert again.accept().status() is ESTABLISHED


@shows("D723")
def a_pair_serves_again_behind_abort(lab: Lab) -> None:
    sock, peer = lab.connected(port=2000)
    sock.abort()
    peer.expect(RST)
    lab.wait(1)
    other = lab.peer(peer.there.port, 2000)
    lab.stack.socket().connect(other.there, other.here)
    other.expect(SYN)


@shows("D724")
def nothing_yet_is_no_end(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    assert error(lambda: sock.recv(1)) == errno.EAGAIN


@shows("D725")
def a_syn_ack_in_front_of_the_wrap_comes_again(lab: Lab) -> None:
    before_the_wrap(lab, 1)
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK, seq=0)
    peer.after(1, SYN | ACK, seq=0)


@shows("D726")
def a_fin_in_front_of_the_wrap_waits_behind_a_gap(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=(1 << 32) - 1 - 9)
    peer.send(FIN | ACK, b"more", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text", seq=1)
    peer.expect(ACK, ack=10)


@shows("D727")
def each_attempt_has_its_own_answer(lab: Lab) -> None:
    _one, first = lab.connecting()
    first.expect(SYN)
    _two, second = lab.connecting()
    second.expect(SYN)
    second.send(SYN | ACK)
    second.expect(ACK, seq=1, ack=1)


@shows("D728")
def a_listener_outlives_resets(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(3):
        _sock, peer = lab.opened(listener)
        peer.send(RST)
    lab.peer().open()


@shows("D729")
def a_reset_behind_a_gap_is_challenged(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"more", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(RST, seq=9)
    peer.expect(ACK, ack=1)


@shows("D730")
def time_wait_has_the_same_clock(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1))
    sock.shutdown()
    before = options.timestamps_of(peer.expect(FIN | ACK).options)
    peer.send(FIN | ACK)
    behind = options.timestamps_of(peer.expect(ACK).options)
    assert before is not None
    assert behind is not None
    assert 0 <= behind[0] - before[0] < 1000


@shows("D731")
def the_timestamp_of_a_fin_is_echoed(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(100))
    peer.send(FIN | ACK, options=stamped(200))
    found = options.timestamps_of(peer.expect(ACK).options)
    assert found is not None
    assert found[1] == 200


@shows("D732")
def fragments_may_have_come_a_long_way(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.form = lambda packet: [forms.with_hops(piece, 1) for piece in forms.fragmented(packet, (24,), 7)]
    peer.send(ACK, b"text of 20 octets...")
    peer.expect(ACK, ack=21)


@shows("D733")
def nobody_hears_of_shut_rd(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown(0)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
