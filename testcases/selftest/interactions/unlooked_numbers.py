"""Further ones of the last six kinds: numbers, many connections, resets, options, packets, the application."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, ESTABLISHED, FIN_WAIT_1
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.packet_form import cut, delivers
from testcases.selftest.interactions.proof import shows

STAMPED = FULL + options.NOP * 2 + options.timestamps(1000, 0)


@shows("D619")
def a_syn_behind_the_wrap_is_challenged(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=(1 << 32) - 100)
    peer.send(SYN, seq=1000)
    peer.expect(ACK, ack=1)


@shows("D620")
def a_keep_alive_may_have_the_last_number(lab: Lab) -> None:
    lab.config.iss = (1 << 32) - 5
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings_changed()
    sock.send(b"text")
    peer.expect(ACK)
    peer.send(ACK)
    peer.sleep(11)
    peer.expect(ACK, seq=4)


@shows("D621")
def nothing_is_taken_twice_over_the_wrap(lab: Lab) -> None:
    sock, peer = lab.opened(iss=(1 << 32) - 3)
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(ACK, b"textmore", seq=1)
    peer.expect(ACK, ack=9)
    assert text(sock) == b"textmore"


@shows("D622")
def the_last_number_can_be_refused(lab: Lab) -> None:
    lab.config.iss = (1 << 32) - 1
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(RST | ACK, ack=1)
    assert peer.state is CLOSED


@shows("D623")
def the_other_listener_goes_on(lab: Lab) -> None:
    everywhere = lab.listen()
    lab.listen(address=lab.own()).close()
    lab.opened(everywhere)


@shows("D624")
def each_is_given_up_for_itself(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    other, beside = lab.opened(listener)
    sock.send(b"text")
    for _ in range(7):
        other.send(b"more")
        beside.expect(ACK)
        beside.send(ACK)
        lab.wait(50)
        peer.skip()
    assert peer.state is CLOSED


@shows("D625")
def abort_leaves_what_waits(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    second = lab.peer()
    second.open()
    sock.abort()
    peer.expect(RST)
    assert second.state is ESTABLISHED


@shows("D626")
def a_reset_lets_nothing_out(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=2920)
    sock.send(bytes(5840))
    peer.expect(ACK, seq=1)
    peer.expect(ACK, seq=1461)
    peer.send(RST | ACK, ack=1461)
    peer.quiet()


@shows("D627")
def a_challenged_reset_acknowledges_nothing(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(RST | ACK, seq=100)
    peer.expect(ACK)
    assert peer.state is FIN_WAIT_1
    peer.after(1, FIN | ACK)


@shows("D628")
def a_reset_is_no_answer_to_a_probe(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.after(1, ACK, data=b"t")
    peer.send(RST | ACK, window=0)
    assert peer.state is CLOSED


@shows("D629")
def three_blocks_fit(lab: Lab) -> None:
    _sock, peer = lab.opened_with(STAMPED)
    for gap in range(1, 5):
        peer.send(ACK, b"x", seq=10 * gap)
        found = peer.expect(ACK, ack=1).options
    assert (found[14], 14 + found[15]) == (options.KIND_SACK, len(found))


@shows("D630")
def an_old_stamp_is_answered_in_close_wait(lab: Lab) -> None:
    _sock, peer = lab.opened_with(STAMPED)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    peer.send(ACK, options=options.NOP * 2 + options.timestamps(10, 0))
    peer.expect(ACK, ack=2)


@shows("D631")
def the_window_of_an_answer_is_as_it_stands(lab: Lab) -> None:
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.options = options.NOP * 2 + options.timestamps(1000, 0)
    peer.send(SYN | ACK, options=STAMPED + options.NOP + options.window_scale(7), window=10)
    peer.expect(ACK)
    sock.send(bytes(100))
    peer.expect(ACK, data=bytes(10))


@shows("D632")
def two_headers_are_skipped(lab: Lab) -> None:
    def form(packet: bytes) -> list[bytes]:
        return [forms.with_extension(forms.with_extension(packet, forms.DESTINATION), forms.HOP_BY_HOP)]

    delivers(lab, form, ip=6)


@shows("D633")
def fragments_may_have_options(lab: Lab) -> None:
    delivers(lab, lambda packet: cut(forms.with_ipv4_options(packet, forms.ROUTER_ALERT)))


@shows("D634")
def padding_of_odd_text_is_no_part_of_it(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = lambda packet: [forms.trailed(packet, b"\xff" * 5)]
    peer.send(ACK, b"odd")
    peer.expect(ACK, ack=4)
    assert text(sock) == b"odd"


@shows("D635")
def a_syn_may_come_in_fragments(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.form = lambda packet: forms.fragmented(packet, (16,), 7)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)


@shows("D636")
def accept_wakes_when_text_comes_too(lab: Lab) -> None:
    call, peer = lab.listen().start_accept(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(ACK, b"text")
    assert call.done


@shows("D637")
def connect_wakes_when_syns_have_crossed(lab: Lab) -> None:
    peer = lab.peer(own=1024)
    call = lab.stack.socket().start_connect(peer.there, peer.here)
    peer.expect(SYN)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(ACK)
    assert call.done


@shows("D638")
def linger_tells_of_a_reset(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    call = sock.start_close(60)
    peer.expect(FIN | ACK)
    peer.send(RST, ack=0)
    assert call.done
    assert call.result() is False
