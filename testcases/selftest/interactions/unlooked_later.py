"""Further ones of all kinds."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, ESTABLISHED, TIME_WAIT
from harness.wire import forms
from testcases.selftest.interactions.fresh_courses import again, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.proof import shows

STAMPED = FULL + options.NOP * 2 + options.timestamps(1000, 0)


@shows("D639")
def a_syn_ack_leaves_the_timer(lab: Lab) -> None:
    sock, peer = lab.connected()
    sock.send(b"text")
    peer.expect(ACK)
    peer.quiet(0.5)
    peer.send(SYN | ACK, seq=0, ack=1)
    peer.expect(ACK)
    peer.after(0.5, ACK, seq=1)


@shows("D640")
def reading_leaves_the_timer(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    peer.send(ACK, b"theirs", ack=1)
    peer.expect(ACK, seq=5)
    peer.quiet(0.5)
    assert text(sock) == b"theirs"
    peer.after(0.5, ACK, seq=1)


@shows("D641")
def a_repetition_is_no_end(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    peer.expect(ACK)
    peer.after(1, ACK, seq=1)


@shows("D642")
def what_follows_losses_is_guarded(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    for _ in range(4):
        peer.sleep(10)
        peer.expect(ACK, seq=1)
    peer.send(ACK)
    sock.send(b"more")
    peer.expect(ACK, seq=5)
    peer.sleep(60)
    peer.expect(ACK, seq=5)


@shows("D643")
def the_window_counts_beside_text(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL, window=200)
    peer.expect(SYN | ACK)
    peer.send(ACK, b"text", window=150)
    peer.expect(ACK)
    listener.accept().send(bytes(300))
    peer.expect(ACK, data=bytes(150))


@shows("D644")
def a_delayed_ack_outlives_accept(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    listener.accept()
    peer.after(0.2, ACK, ack=5)


@shows("D645")
def a_fin_that_waits_has_no_number_yet(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(ACK)
    sock.send(b"text")
    sock.shutdown()
    peer.send(ACK, b"theirs")
    peer.expect(ACK, seq=1, ack=7)


@shows("D646")
def a_syn_is_challenged_while_a_fin_waits(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(ACK)
    sock.send(b"text")
    sock.shutdown()
    peer.send(SYN, seq=1)
    peer.expect(ACK, seq=1)
    assert peer.state is not CLOSED


@shows("D647")
def the_window_of_before_is_over(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    peer.send(ACK, window=0)
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    listener.accept().send(b"text")
    second.expect(ACK, data=b"text")


@shows("D648")
def nobody_has_asked_for_keep_alives(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings_changed()
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    second.quiet(60)


@shows("D649")
def a_challenge_leaves_what_is_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(RST, seq=100)
    peer.expect(ACK)
    assert text(sock) == b"text"


@shows("D650")
def time_wait_begins_beside_unread_text(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert peer.state is TIME_WAIT


@shows("D651")
def the_last_octet_may_be_probed_with(lab: Lab) -> None:
    lab.config.iss = (1 << 32) - 2
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.after(1, ACK, data=b"t")
    peer.send(ACK, window=100)
    peer.expect(ACK, data=b"ext")


@shows("D652")
def another_port_is_another_connection(lab: Lab) -> None:
    peer = in_time_wait(lab)
    other = lab.peer(peer.there.port + 1000)
    other.open()
    assert other.state is ESTABLISHED


@shows("D653")
def a_reset_counts_beside_unread_text(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    sock.send(b"theirs")
    peer.expect(ACK)
    peer.send(RST | ACK, ack=1)
    peer.quiet()
    assert peer.state is CLOSED


@shows("D654")
def a_repetition_has_the_window_of_its_time(lab: Lab) -> None:
    sock, peer = lab.opened_with(STAMPED + options.NOP + options.window_scale(7))
    sock.send(b"text")
    first = peer.expect(ACK)
    peer.sleep(2)
    assert peer.expect(ACK, seq=1).window == first.window


@shows("D655")
def blocks_hide_no_timestamps(lab: Lab) -> None:
    sock, peer = lab.opened_with(STAMPED)
    sock.send(bytes(2920))
    peer.skip()
    start = (peer.irs or 0) + 1
    block = (start + 1448).to_bytes(4, "big") + (start + 2896).to_bytes(4, "big")
    field = peer.options + options.NOP * 2 + options.unknown(options.KIND_SACK, block)
    peer.send(ACK, b"text", ack=1, options=field)
    peer.expect(ACK, ack=5)


@shows("D656")
def a_syn_may_be_padded(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.form = lambda packet: [forms.trailed(packet, bytes(6))]
    peer.send(SYN)
    peer.expect(SYN | ACK)


@shows("D657")
def send_wakes_at_a_reset(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    peer.send(FIN | ACK)
    peer.expect(ACK)
    call = sock.start_send(b"x" * 1500)
    peer.skip()
    peer.send(RST)
    assert call.done


@shows("D658")
def recv_wakes_when_a_gap_is_filled(lab: Lab) -> None:
    sock, peer = lab.opened()
    call = sock.start_recv(10)
    peer.send(ACK, b"cd", seq=3)
    peer.expect(ACK)
    peer.send(ACK, b"ab")
    assert call.done
