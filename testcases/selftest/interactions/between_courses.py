"""Where two ordinary things meet between the steps of a connection, or between two of its lives."""

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import FIN_WAIT_2, TIME_WAIT
from testcases.selftest.interactions.fresh_courses import again, filled, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.proof import shows


@shows("D826")
def a_user_timeout_is_no_end_of_silence(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 100
    sock.settings.user_timeout_s = 20
    sock.settings_changed()
    peer.after(100, ACK, seq=0)


@shows("D827")
def fin_wait_2_outlasts_r2(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.after(1, FIN | ACK, seq=1)
    peer.send(ACK)
    lab.wait(400)
    assert peer.state is FIN_WAIT_2


@shows("D828")
def what_a_small_window_holds_leaves_in_the_end(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"x" * 3000)
    peer.send(ACK, window=10)
    peer.sleep(10)
    peer.expect(ACK, seq=1, data=b"x" * 10)


@shows("D829")
def a_fin_behind_a_recovery_is_repeated(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 5840)
    for segment in range(4):
        peer.expect(ACK, seq=1 + 1460 * segment)
    sock.shutdown()
    peer.expect(FIN | ACK, seq=5841)
    peer.ack = 1
    for _duplicate in range(3):
        peer.send(ACK)
    peer.expect(ACK, seq=1)
    peer.send(ACK, ack=5841)
    peer.skip()
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=5841)


@shows("D830")
def what_comes_again_fits_the_peer(lab: Lab) -> None:
    sock, peer = lab.opened_with(options.mss(500))
    sock.send(b"x" * 2500)
    peer.skip()
    for _duplicate in range(3):
        peer.send(ACK, ack=1)
    peer.expect(ACK, seq=1, data=b"x" * 500)


@shows("D831")
def a_repeated_syn_takes_one_place(lab: Lab) -> None:
    lab.listen(backlog=3)
    peer = lab.peer()
    for _time in range(3):
        peer.send(SYN, seq=0, options=FULL)
        peer.skip()
    lab.peer().open()


@shows("D832")
def a_scale_that_was_not_answered_is_none(lab: Lab) -> None:
    listener, first, peer = lab.listen(backlog=2), lab.peer(), lab.peer()
    first.send(SYN, options=FULL)
    first.skip()
    peer.send(SYN, options=FULL + options.NOP + options.window_scale(3))
    answer = peer.expect(SYN | ACK)
    peer.send(ACK, window=1000)
    listener.accept().send(b"x" * 3000)
    lab.collect()
    scaled = options.window_scale_of(answer.options) is not None
    assert sum(len(segment.payload) for segment in peer.inbox) <= (8000 if scaled else 1000)


@shows("D833")
def who_was_given_up_before_accept_has_not_ended(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.keep_alive, listener.settings.keep_alive_idle_s = True, 10
    peer = lab.peer()
    peer.open()
    lab.wait(1000)
    peer.skip()
    assert error(lambda: listener.accept().recv(1)) != 0


@shows("D834")
def what_shut_wr_cuts_off_was_not_taken(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.send_buffer = 1000
    peer.send(ACK, window=0)
    call = sock.start_send(b"x" * 3000)
    sock.shutdown()
    lab.stack.serve()
    assert call.result() == 1000


@shows("D835")
def a_fin_keeps_its_number(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.shutdown()
    peer.after(1, FIN | ACK, seq=1)
    peer.ack = 1
    peer.send(ACK, window=1000)
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=1)


@shows("D836")
def time_wait_keeps_its_numbers(lab: Lab) -> None:
    peer = in_time_wait(lab)
    attempt = again(lab, peer)
    attempt.send(SYN, options=FULL)
    answer = attempt.expect(SYN | ACK)
    attempt.send(RST, seq=1)
    assert attempt.state is TIME_WAIT
    assert answer.ack == 1
    lab.peers.remove(attempt)
    peer.send(FIN | ACK, seq=peer.seq - 1)
    peer.expect(ACK, ack=peer.seq)


@shows("D837")
def text_on_a_reopening_syn_is_delivered(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    attempt = again(lab, peer)
    attempt.send(SYN, b"text", options=FULL)
    attempt.expect(SYN | ACK)
    attempt.send(ACK)
    attempt.skip()
    assert text(listener.accept()) == b"text"


@shows("D838")
def the_octet_of_a_probe_is_read_once_acknowledged(lab: Lab) -> None:
    sock, peer = filled(lab)
    assert len(sock.recv(10)) == 10
    peer.send(ACK, b"y")
    taken = peer.expect(ACK).ack == 3002
    assert text(sock).endswith(b"y") == taken


@shows("D839")
def a_peek_shows_what_comes_next(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"first")
    peer.skip()
    assert sock.recv(10, peek=True) == b"first"
    assert sock.recv(10) == b"first"
    peer.send(ACK, b"second")
    peer.skip()
    assert sock.recv(10, peek=True) == b"second"
