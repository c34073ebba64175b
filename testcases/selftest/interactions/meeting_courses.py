"""Where two ordinary things meet in the course of a connection."""

import errno

from harness.spec.segment import ACK, FIN, PSH, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, TIME_WAIT
from testcases.selftest.interactions.fresh_courses import again
from testcases.selftest.interactions.lab import FULL, Lab, error, text
from testcases.selftest.interactions.proof import shows


@shows("D786")
def an_acknowledgment_is_a_sign_of_life(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 100
    sock.settings_changed()
    lab.wait(60)
    peer.send(ACK)
    peer.quiet(90)
    peer.sleep(20)
    peer.expect(ACK, seq=0)


@shows("D787")
def time_wait_of_a_closed_socket_lasts(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    lab.wait(30)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.wait(200)
    assert peer.state is TIME_WAIT


@shows("D788")
def a_user_timeout_may_be_over_when_it_is_set(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    lab.wait(30)
    peer.skip()
    sock.settings.user_timeout_s = 20
    sock.settings_changed()
    lab.wait(400)
    assert sock.status() is CLOSED


@shows("D789")
def the_last_text_is_pushed_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    assert peer.expect(ACK, seq=1).flags & PSH
    peer.ack = 1
    assert peer.after(1, ACK, seq=1, data=b"text").flags & PSH


@shows("D790")
def a_fin_on_old_text_is_taken(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    peer.send(FIN | ACK, b"text", seq=1)
    peer.expect(ACK, ack=6)
    assert peer.state is CLOSE_WAIT


@shows("D791")
def what_was_sent_stays_sent(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 2920)
    peer.expect(ACK, seq=1)
    peer.expect(ACK, seq=1461)
    peer.ack = 1
    peer.after(1, ACK, seq=1)
    peer.send(ACK, ack=2921)
    peer.quiet(60)


@shows("D792")
def each_syn_is_challenged(lab: Lab) -> None:
    _sock, peer = lab.opened()
    for _time in range(2):
        peer.send(SYN, seq=100)
        peer.expect(ACK, ack=1)


@shows("D793")
def who_is_ready_is_accepted(lab: Lab) -> None:
    listener, first, second = lab.listen(), lab.peer(), lab.peer()
    first.send(SYN, options=FULL)
    first.expect(SYN | ACK)
    second.open()
    second.send(ACK, b"second")
    second.expect(ACK)
    assert text(listener.accept()) == b"second"


@shows("D794")
def a_full_backlog_leaves_time_wait(lab: Lab) -> None:
    listener = lab.listen(backlog=1)
    sock, peer = lab.opened(listener)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.peer().send(SYN)
    next_one = again(lab, peer)
    next_one.send(SYN, options=FULL)
    next_one.quiet(1)
    assert peer.state is TIME_WAIT


@shows("D795")
def each_life_is_accepted_once(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(RST)
    next_one = again(lab, peer)
    next_one.open()
    assert error(lambda: listener.accept().recv(1)) == errno.ECONNRESET
    listener.accept().send(b"text")
    next_one.expect(ACK, seq=1, data=b"text")


@shows("D796")
def an_abort_has_the_next_number_to_be_sent(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.abort()
    peer.expect(RST, seq=1)


@shows("D797")
def a_fin_leaves_behind_a_full_segment(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"x" * 1460)
    sock.shutdown()
    peer.send(ACK)
    peer.expect(FIN | ACK, seq=1, data=b"x" * 1460)


@shows("D799")
def text_of_a_syn_ends_with_its_attempt(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, b"text", options=FULL)
    peer.expect(SYN | ACK)
    peer.send(RST, seq=1)
    next_one = again(lab, peer)
    next_one.open()
    assert text(listener.accept()) == b""


@shows("D800")
def who_has_opened_before_does_not_count(lab: Lab) -> None:
    _sock, peer = lab.connected(port=2500)
    peer.send(RST)
    lab.listen(port=2500)
    next_one = again(lab, peer)
    next_one.send(SYN, options=FULL)
    next_one.expect(SYN | ACK)
    next_one.send(SYN, seq=100)
    next_one.quiet(0.5)
    assert next_one.is_gone()


@shows("D801")
def each_time_wait_has_its_end(lab: Lab) -> None:
    listener = lab.listen()
    peer = None
    for _life in range(2):
        sock, peer = lab.opened(listener, port=3000, iss=peer.iss + 100_000 if peer else 1000)
        sock.shutdown()
        peer.expect(FIN | ACK)
        peer.send(FIN | ACK)
        peer.expect(ACK)
        lab.wait(200)
    assert peer is not None
    assert peer.state is TIME_WAIT


@shows("D802")
def a_narrow_window_is_the_measure(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    peer.send(RST)
    next_one = again(lab, peer)
    next_one.window = 1000
    next_one.open()
    next_one.send(ACK, b"text", ack=-30_000)
    next_one.expect(ACK, ack=1)
    assert text(listener.accept()) == b""
