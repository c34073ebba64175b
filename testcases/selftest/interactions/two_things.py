"""Further ones of all kinds, written without a look at what the generators can say."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import ESTABLISHED, TIME_WAIT
from harness.stack.readiness import Ready
from testcases.selftest.interactions.lab import FULL, Lab, ended, text
from testcases.selftest.interactions.ordinary_numbers import stamped
from testcases.selftest.interactions.proof import shows

SCALED = FULL + options.NOP + options.window_scale(7)


@shows("D764")
def a_challenged_syn_leaves_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.send(SYN, seq=1)
    peer.expect(ACK)
    peer.after(1, FIN | ACK, seq=1)


@shows("D765")
def window_updates_leave_the_timer(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, seq=1, data=b"text")
    lab.wait(0.6)
    peer.window = 65_000
    peer.send(ACK, ack=1, window=60_000)
    peer.send(ACK, ack=1, window=65_000)
    peer.after(0.4, ACK, seq=1, data=b"text")


@shows("D766")
def both_lost_segments_come_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 2920)
    peer.expect(ACK, seq=1)
    peer.expect(ACK, seq=1461)
    peer.ack = 1
    peer.after(1, ACK, seq=1)
    peer.send(ACK, ack=1461)
    peer.sleep(60)
    peer.expect(ACK, seq=1461)


@shows("D767")
def a_fin_acknowledges_what_has_come(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1, ack=1)
    peer.send(ACK, b"text", ack=1)
    peer.expect(ACK, ack=5)
    peer.sleep(60)
    peer.expect(FIN | ACK, seq=1, ack=5)


@shows("D768")
def a_fin_that_establishes_is_told(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(FIN | ACK)
    assert ended(listener.accept())


@shows("D769")
def a_reset_leaves_the_place(lab: Lab) -> None:
    listener = lab.listen(backlog=1)
    peer = lab.peer()
    peer.open()
    peer.send(RST)
    listener.accept()
    lab.peer().open()


@shows("D770")
def all_text_before_accept_is_kept(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"one")
    peer.expect(ACK, ack=4)
    peer.send(ACK, b"two")
    peer.expect(ACK, ack=7)
    assert text(listener.accept()) == b"onetwo"


@shows("D771")
def a_fin_opens_the_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    peer.send(FIN | ACK, window=1000)
    peer.sleep(60)
    peer.expect(FIN | ACK, seq=1, data=b"text")


@shows("D772")
def the_heir_hears(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert peer.state is TIME_WAIT
    again = lab.peer(peer.there.port, iss=900_000)
    again.open()
    again.send(ACK, b"text")
    again.expect(ACK, ack=5)


@shows("D773")
def keep_alives_are_one_connection_s(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.settings.keep_alive = True
    sock.settings_changed()
    peer.send(RST)
    _other, second = lab.opened(listener)
    second.quiet(3 * 3600)


@shows("D774")
def a_fin_comes_in_when_there_is_room(lab: Lab) -> None:
    sock, peer = lab.opened()
    room = peer.window
    while room > 0:
        part = min(room, 1460)
        peer.send(ACK, b"x" * part)
        peer.skip()
        room -= part
    peer.send(FIN | ACK)
    peer.skip()
    text(sock)
    peer.skip()
    peer.send(FIN | ACK, seq=peer.seq - 1)
    peer.expect(ACK, ack=peer.seq)


@shows("D775")
def an_abort_has_the_next_number(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    sock.send(b"answer")
    peer.expect(ACK, seq=1)
    sock.close()
    peer.expect(RST, seq=7)


@shows("D776")
def a_timestamp_of_0_is_one(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped((1 << 32) - 5))
    peer.send(ACK, b"text", options=stamped(0))
    peer.expect(ACK, ack=5)


@shows("D777")
def an_edge_at_0_is_one(lab: Lab) -> None:
    iss = (1 << 32) - 1 - 65_535
    _sock, peer = lab.opened(iss=iss)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D778")
def time_wait_outlives_others(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener, port=3000)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    _other, second = lab.opened(listener, port=3000, address=1)
    second.send(RST)
    assert peer.state is TIME_WAIT


@shows("D779")
def a_listener_ends_alone(lab: Lab) -> None:
    listener = lab.listen(port=2500)
    sock, peer = lab.connected(port=2500)
    listener.close()
    peer.quiet(1)
    assert sock.status() is ESTABLISHED


@shows("D780")
def a_reset_counts_whatever_it_acknowledges(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, seq=1)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    peer.send(RST | ACK, ack=1)
    assert peer.is_gone()


@shows("D781")
def the_third_block_is_whole(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(1))
    for seq in (101, 201, 301):
        peer.send(ACK, b"text", seq=seq)
        found = peer.expect(ACK, ack=1)
    assert found.options[-4:] == (peer.iss + 205).to_bytes(4, "big")


@shows("D782")
def a_scaled_window_of_1_is_128(lab: Lab) -> None:
    sock, peer = lab.opened_with(SCALED)
    peer.send(ACK, window=1)
    sock.settings.no_delay = True
    sock.send(b"text")
    peer.expect(ACK, seq=1, data=b"text")


@shows("D783")
def a_padded_fin_is_one(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.form = lambda packet: [packet + bytes(6)]
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)


@shows("D784")
def the_end_stays(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert ended(sock)
    assert ended(sock)


@shows("D785")
def room_is_an_edge(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    sock.send(b"x" * 1000)
    peer.expect(ACK, seq=1)
    sock.edges()
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert sock.edges() & Ready.OUT
