"""Further ones of the later kinds."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST
from harness.spec.states import CLOSED, ESTABLISHED, SYN_RECEIVED
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import crossing, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.proof import shows

SCALED = FULL + options.NOP + options.window_scale(7)


@shows("D569")
def an_acknowledgment_may_be_zero(lab: Lab) -> None:
    lab.config.iss = (1 << 32) - 5
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(ACK)
    peer.quiet(30)


@shows("D570")
def a_reset_behind_the_wrap_is_challenged(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=(1 << 32) - 5)
    peer.send(RST, seq=100)
    peer.expect(ACK, ack=1)


@shows("D571")
def a_fin_in_front_of_the_wrap_is_acknowledged_again(lab: Lab) -> None:
    peer = in_time_wait(lab, iss=(1 << 32) - 2)
    peer.send(FIN | ACK, seq=1)
    peer.expect(ACK, ack=2)


@shows("D572")
def listeners_close_each_for_itself(lab: Lab) -> None:
    lab.listen()
    other, peer = lab.listen(81), lab.peer()
    peer.send(0x02, options=FULL)
    peer.expect(0x12)
    other.close()
    assert peer.state is SYN_RECEIVED


@shows("D573")
def an_error_is_about_one_connection(lab: Lab) -> None:
    listener = lab.listen()
    _sock, one = lab.opened(listener)
    _sock, other = lab.opened(listener)
    icmp(lab, one, 1, hard=True)
    assert (one.state, other.state) == (CLOSED, ESTABLISHED)


@shows("D574")
def a_neighbour_goes_on_repeating(lab: Lab) -> None:
    sock, peer = lab.opened(lab.listen(81), own=81)
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    in_time_wait(lab)
    peer.after(1, ACK, data=b"text")


@shows("D575")
def a_reset_counts_while_the_fin_waits(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.shutdown()
    peer.send(RST | ACK)
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET


@shows("D576")
def a_reset_opens_nothing(lab: Lab) -> None:
    _sock, peer = crossing(lab)
    peer.send(RST | ACK)
    assert peer.state is CLOSED


@shows("D577")
def a_filled_gap_has_no_block(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"behind", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text")
    assert options.find(peer.expect(ACK, ack=11).options, options.KIND_SACK) is None


@shows("D578")
def windows_are_scaled_behind_crossing_syns(lab: Lab) -> None:
    sock, peer = crossing(lab, SCALED)
    for _ in range(2):
        peer.send(ACK, window=8)
    sock.send(bytes(100))
    peer.expect(ACK, data=bytes(100))


@shows("D579")
def a_number_serves_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = lambda packet: forms.fragmented(packet, (24,), 7)
    for _ in range(2):
        peer.send(ACK, b"text of 20 octets...")
        peer.skip()
    assert text(sock) == b"text of 20 octets..." * 2


@shows("D580")
def a_packet_with_options_may_be_odd(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = lambda packet: [forms.with_ipv4_options(packet, forms.ROUTER_ALERT)]
    peer.send(ACK, b"odd")
    peer.expect(ACK, ack=4)
    assert text(sock) == b"odd"


@shows("D581")
def send_wakes_in_close_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.settings.send_buffer = 1000
    call = sock.start_send(bytes(1500))
    peer.expect(ACK)
    peer.send(ACK)
    assert call.done


@shows("D582")
def each_call_wakes(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    call = sock.start_recv(10)
    other = sock.start_send(bytes(1500))
    peer.expect(ACK)
    peer.send(ACK)
    assert other.done
    assert not call.done


@shows("D583")
def a_timeout_is_told_behind_shutdown(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    lab.wait(400)
    peer.skip()
    assert error(lambda: sock.recv(1)) == errno.ETIMEDOUT


@shows("D584")
def a_healed_error_is_over(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    icmp(lab, peer, 1, hard=False)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    assert sock.recv(1) == b""
