"""Thirty further ones, written likewise: numbers, neighbours, options, packets and applications."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.ordinary_numbers import before_the_wrap, stamped
from testcases.selftest.interactions.proof import shows

SPACE = 1 << 32


@shows("D749")
def what_was_never_sent_is_not_acknowledged(lab: Lab) -> None:
    before_the_wrap(lab, 3)
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(ACK, ack=100)
    peer.expect(ACK, seq=5)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D750")
def text_may_have_number_0(lab: Lab) -> None:
    sock, peer = lab.opened(iss=SPACE - 1)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D751")
def a_reset_may_have_number_0(lab: Lab) -> None:
    before_the_wrap(lab, 1)
    sock, peer = lab.opened()
    sock.abort()
    peer.expect(RST, seq=1)


@shows("D752")
def each_syn_ack_has_its_own_number(lab: Lab) -> None:
    lab.listen()
    first, second = lab.peer(), lab.peer()
    first.send(SYN, options=FULL)
    first.expect(SYN | ACK)
    second.send(SYN, options=FULL)
    second.expect(SYN | ACK, seq=0)
    lab.wait(1.1)
    second.expect(SYN | ACK, seq=0)


@shows("D753")
def keep_alive_is_each_ones_own(lab: Lab) -> None:
    listener = lab.listen()
    sock, _peer = lab.opened(listener)
    _other, quiet = lab.opened(listener)
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings_changed()
    lab.wait(11)
    quiet.quiet()


@shows("D754")
def each_has_its_own_window(lab: Lab) -> None:
    listener = lab.listen()
    _one, shut = lab.opened(listener)
    sock, peer = lab.opened(listener)
    shut.send(ACK, window=0)
    sock.send(b"text")
    peer.expect(ACK, seq=1, data=b"text")


@shows("D755")
def a_reset_ends_closing_whatever_it_acknowledges(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK, ack=2)
    peer.send(RST | ACK)
    assert peer.state is CLOSED


@shows("D756")
def a_reset_counts_beside_a_gap(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"more", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(RST)
    assert peer.state is CLOSED


@shows("D757")
def the_window_of_a_fin_is_scaled(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(7))
    peer.send(FIN | ACK, window=10)
    peer.expect(ACK)
    sock.send(b"x" * 1000)
    peer.expect(ACK, seq=1, data=b"x" * 1000)


@shows("D758")
def what_paws_rejects_acknowledges_nothing(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1000))
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(ACK, options=stamped(500))
    peer.expect(ACK)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D759")
def an_update_has_timestamps(lab: Lab) -> None:
    lab.config.receive_buffer = 4000
    sock, peer = lab.opened_with(FULL + stamped(1000))
    for _ in range(3):
        peer.send(ACK, b"x" * 1300)
        peer.skip()
    text(sock)
    assert options.timestamps_of(peer.expect(ACK).options) is not None


@shows("D760")
def a_fin_may_stand_behind_options(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.form = lambda packet: [forms.with_ipv4_options(packet, forms.ROUTER_ALERT)]
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D761")
def a_last_fragment_may_be_padded(lab: Lab) -> None:
    _sock, peer = lab.opened()

    def padded(packet: bytes) -> list[bytes]:
        first, last = forms.fragmented(packet, (32,), 7)
        return [first, forms.trailed(last, bytes(6))]

    peer.form = padded
    peer.send(ACK, b"text of 20 octets...")
    peer.expect(ACK, ack=21)


@shows("D762")
def recv_wakes_when_half_closed(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    call = sock.start_recv(10)
    peer.send(ACK, b"text")
    assert call.result() == b"text"


@shows("D763")
def accept_wakes_behind_a_lost_syn_ack(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    call = listener.start_accept()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.after(1, SYN | ACK)
    peer.send(ACK)
    assert call.result().status() is ESTABLISHED
