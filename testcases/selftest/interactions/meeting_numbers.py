"""Where two ordinary things meet among numbers, neighbours, packets and applications."""

import socket

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSE_WAIT, CLOSED
from harness.stack.readiness import Ready
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import again
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.ordinary_numbers import SPACE, before_the_wrap, stamped
from testcases.selftest.interactions.packet_form import cut, delivers
from testcases.selftest.interactions.proof import shows


@shows("D803")
def the_last_octet_of_the_window_is_taken(lab: Lab) -> None:
    lab.config.receive_buffer = 1000
    _sock, peer = lab.opened()
    peer.send(ACK, bytes(500))
    peer.expect(ACK, ack=501)
    peer.send(ACK, bytes(500))
    peer.expect(ACK, ack=1001)


@shows("D804")
def urgent_text_stands_behind_what_is_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(URG | ACK, b"urgent")
    peer.expect(ACK)
    assert text(sock) == b"texturgent"


@shows("D805")
def what_is_unread_outlives_reopening(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    again(lab, peer).open()
    assert text(sock) == b"text"


@shows("D806")
def a_fin_of_number_0_comes_again(lab: Lab) -> None:
    before_the_wrap(lab, 1)
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK, seq=1)


@shows("D807")
def a_timestamp_of_our_own_may_be_0(lab: Lab) -> None:
    lab.config.timestamp_offset = -(lab.stack.now // 1_000_000 + 500)
    _sock, peer = lab.opened_with(FULL + stamped(7))
    lab.wait(0.5)
    peer.send(ACK, b"text")
    found = peer.expect(ACK, ack=5)
    assert options.timestamps_of(found.options) == (0, 7)


@shows("D808")
def zero_is_acknowledged(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=SPACE - 5)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D809")
def each_address_has_its_listener(lab: Lab) -> None:
    lab.listen(address=lab.own(index=0))
    second = lab.listen(address=lab.own(index=1))
    lab.peer(to=1).open()
    second.accept()


@shows("D810")
def each_handshake_has_its_mss(lab: Lab) -> None:
    listener, first, second = lab.listen(), lab.peer(), lab.peer()
    for peer, mss in ((first, 500), (second, 1460)):
        peer.send(SYN, options=options.mss(mss))
        peer.expect(SYN | ACK, ack=1)
    first.send(ACK)
    listener.accept().send(b"x" * 1000)
    first.expect(ACK, seq=1, data=b"x" * 500)


@shows("D811")
def nine_connections_repeat(lab: Lab) -> None:
    listener = lab.listen()
    ends = [lab.opened(listener) for _number in range(9)]
    for sock, peer in ends:
        sock.send(b"text")
        peer.expect(ACK, data=b"text")
    lab.wait(20)
    for _sock, peer in ends:
        peer.expect(ACK, seq=1, data=b"text")


@shows("D812")
def a_reset_of_something_else_leaves_the_syn(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(RST | ACK, ack=100)
    peer.after(1, SYN, seq=0)


@shows("D813")
def a_reset_outside_the_window_acknowledges_nothing(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(RST | ACK, seq=-100, ack=5)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D814")
def a_reset_with_fin_is_a_reset(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    peer.send(RST | FIN | ACK)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D815")
def timestamps_may_stand_anywhere(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1))
    peer.send(ACK, b"text", options=options.timestamps(2, 0) + options.NOP * 2)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D816")
def timestamps_are_no_urgent_text(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1))
    sock.send(b"text", urgent=True)
    assert peer.expect(ACK | URG, data=b"text").urgent == 4


@shows("D817")
def a_window_counts_whatever_the_clock_says(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + stamped(1))
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.send(ACK)
    peer.expect(ACK, seq=1, data=b"text")


@shows("D818")
def a_first_fragment_may_be_tiny(lab: Lab) -> None:
    delivers(lab, lambda packet: forms.fragmented(packet, (8,), 7))


@shows("D819")
def old_pieces_are_forgotten(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = lambda packet: cut(packet)[1:]
    peer.send(ACK, b"text of 20 octets...", seq=1)
    lab.wait(200)
    peer.form = lambda packet: [packet]
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    peer.form = cut
    peer.send(ACK, b"TEXT OF 20 OCTETS...")
    peer.expect(ACK, ack=25)
    assert text(sock) == b"textTEXT OF 20 OCTETS..."


def with_checksum_0(packet: bytes) -> list[bytes]:
    """The same with other text: its last two octets are such that the checksum is 0."""
    length = (packet[0] & 15) * 4
    total = int.from_bytes(packet[length + 16 : length + 18], "big") + int.from_bytes(packet[-2:], "big")
    last = (total & 0xFFFF) + (total >> 16)
    return [packet[: length + 16] + b"\0\0" + packet[length + 18 : -2] + last.to_bytes(2, "big")]


@shows("D820")
def a_checksum_may_be_0(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = with_checksum_0
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(sock).startswith(b"te")


@shows("D821")
def options_beside_options_count(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.form = lambda packet: [forms.with_ipv4_options(packet, forms.ROUTER_ALERT)]
    peer.open(options.mss(100))
    listener.accept().send(b"x" * 1000)
    peer.expect(ACK, seq=1, data=b"x" * 100)


@shows("D822")
def text_comes_before_the_end(lab: Lab) -> None:
    sock, peer = lab.opened()
    call = sock.start_recv(10)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    assert call.result() == b"text"


@shows("D823")
def a_fin_counts_for_who_reads_no_more(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown(socket.SHUT_RD)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D824")
def send_waits_when_the_peer_has_closed(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    call = sock.start_send(b"x" * 1500)
    peer.expect(ACK, seq=1)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK, ack=2)
    assert not call.done
    peer.send(ACK)
    assert call.result() == 1500


@shows("D825")
def text_of_the_syn_ack_is_an_edge(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(SYN | ACK, b"text")
    peer.expect(ACK, ack=5)
    assert sock.edges() & Ready.IN
