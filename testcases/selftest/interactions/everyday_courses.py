"""Where two ordinary things meet in what peers and applications do every day: timers, losses, queues, ends, lives."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, ESTABLISHED, TIME_WAIT
from harness.stack.config import NS
from harness.wire import codec
from testcases.selftest.interactions.fresh_courses import again, filled, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.proof import shows


@shows("D853")
def an_answer_with_text_ends_r2(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"question")
    peer.expect(ACK, data=b"question")
    peer.send(ACK, b"answer")
    peer.expect(ACK)
    lab.wait(400)
    assert peer.state is ESTABLISHED


@shows("D854")
def what_can_not_leave_takes_no_acknowledgment_along(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(ACK, b"text")
    sock.send(b"held back")
    peer.sleep(0.5)
    peer.expect(ACK, ack=5, data=b"")


@shows("D855")
def what_is_under_way_outlasts_the_linger_time(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    sock.start_close(5)
    lab.wait(6)
    peer.skip()
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=1, data=b"text")


@shows("D856")
def new_text_may_go_with_what_was_lost(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"lost ")
    peer.expect(ACK, data=b"lost ")
    sock.send(b"and new")
    peer.after(1, ACK, seq=1, data=b"lost and new")
    peer.send(ACK, ack=13)
    peer.quiet(20)


@shows("D857")
def text_and_fin_restart_the_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    lab.wait(200)
    peer.send(FIN | ACK, b"text", seq=1)
    peer.expect(ACK, ack=6)
    lab.wait(100)
    assert peer.state is TIME_WAIT


@shows("D858")
def what_fits_the_smaller_window_is_sent_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 1000)
    peer.expect(ACK, seq=1)
    peer.send(ACK, ack=1, window=500)
    peer.sleep(10)
    peer.expect(ACK, seq=1)


@shows("D859")
def half_closed_ones_end_with_their_listener(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(FIN | ACK, b"question")
    peer.skip()
    listener.close()
    peer.expect(RST)


@shows("D860")
def the_queue_has_no_deadline(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.quiet(300)
    peer.send(ACK, b"text")
    peer.skip()
    assert text(listener.accept()) == b"text"


@shows("D861")
def a_window_that_was_never_open_is_probed(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.window = 0
    peer.open()
    sock = listener.accept()
    sock.send(b"text")
    sock.shutdown()
    peer.sleep(10)
    peer.expect(ACK, seq=1, data=b"t")


@shows("D862")
def what_waits_keeps_its_time_to_live(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.ttl = 3
    sock, peer = lab.opened(listener)
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.close()
    lab.target.pass_time(2 * NS)
    probes = [codec.decode(arrival.packet) for arrival in lab.target.waiting()]
    assert [probe.ttl for probe in probes] == [3]


@shows("D863")
def a_peer_that_has_begun_anew_gets_in(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    peer.send(SYN, seq=500, options=FULL)
    challenge = peer.expect(ACK)
    peer.send(RST, seq=challenge.ack)
    assert peer.state is CLOSED
    begun = again(lab, peer)
    begun.send(SYN, options=FULL)
    begun.expect(SYN | ACK, ack=1)


@shows("D864")
def a_former_life_does_not_return(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    begun = again(lab, peer)
    begun.open()
    begun.send(RST)
    assert begun.state is CLOSED


@shows("D865")
def what_was_reset_is_not_opened_by_a_third_segment(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(RST)
    peer.send(ACK)
    peer.expect(RST, seq=1)


@shows("D866")
def what_is_acknowledged_is_read(lab: Lab) -> None:
    sock, peer = filled(lab)
    read = len(sock.recv(10))
    peer.skip()
    peer.send(ACK, b"y" * 1460)
    acknowledged = peer.expect(ACK).ack
    assert read + len(text(sock)) == acknowledged - 1


@shows("D867")
def the_octet_of_a_keep_alive_is_old(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(3))
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    peer.send(ACK, b"\0", seq=4)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"
