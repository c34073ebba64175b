"""Combinations of two ordinary things in the course of a connection, written before the generators were known."""

import errno

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, TIME_WAIT
from testcases.selftest.interactions.fresh_courses import in_time_wait
from testcases.selftest.interactions.lab import Lab, error, text
from testcases.selftest.interactions.proof import shows


@shows("D674")
def small_pieces_do_not_put_the_ack_off(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"a")
    lab.wait(0.15)
    peer.send(ACK, b"b")
    peer.after(0.05, ACK, ack=3)


@shows("D675")
def old_duplicates_leave_r2(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.skip()
    for _ in range(4):
        lab.wait(70)
        peer.skip()
        peer.send(ACK, seq=0, ack=1)
        peer.expect(ACK)
    lab.wait(30)
    assert peer.state is CLOSED


@shows("D676")
def answered_probes_do_not_count(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings.keep_alive_interval_s, sock.settings.keep_alive_probes = 1.0, 2
    sock.settings_changed()
    for _ in range(3):
        peer.after(10, ACK, seq=0)
        peer.send(ACK, ack=1)


@shows("D677")
def an_old_syn_leaves_the_wait(lab: Lab) -> None:
    peer = in_time_wait(lab)
    lab.wait(200)
    peer.send(SYN, seq=-500)
    lab.wait(50)
    assert peer.state is CLOSED


@shows("D678")
def the_rest_is_sent_again(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 2920)
    peer.skip()
    peer.send(ACK, ack=1461)
    peer.sleep(2)
    peer.expect(ACK, seq=1461)


@shows("D679")
def close_beside_a_repetition_sends_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.after(1, ACK, seq=1, data=b"text")
    sock.shutdown()
    peer.skip()
    peer.send(ACK, ack=5)
    peer.sleep(10)
    peer.expect(FIN | ACK, seq=5)


@shows("D680")
def text_beside_a_repetition_is_acknowledged(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.after(1, ACK, seq=1, data=b"text")
    peer.send(ACK, b"theirs", ack=1)
    peer.sleep(0.5)
    peer.expect(ACK, ack=7, data=b"")


@shows("D681")
def a_fin_that_acknowledges_a_repeated_one_leads_to_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK, seq=1)
    peer.ack = 2
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is TIME_WAIT


@shows("D682")
def a_syn_before_accept_is_challenged(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(SYN, seq=10)
    peer.expect(ACK, seq=1, ack=1)
    assert error(lambda: listener.accept().recv(1)) == errno.EAGAIN


@shows("D683")
def a_fin_again_before_accept_is_acknowledged(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.open()
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    peer.send(FIN | ACK, seq=1)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D684")
def all_texts_before_accept_are_delivered(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    for part in (b"one ", b"two"):
        peer.send(ACK, part)
        peer.expect(ACK)
    assert text(listener.accept()) == b"one two"


@shows("D685")
def a_window_that_shuts_again_is_probed(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    peer.send(ACK, window=2)
    peer.skip()
    peer.sleep(2)
    peer.skip()
    peer.send(ACK, ack=3, window=0)
    peer.sleep(60)
    peer.expect(ACK, seq=3)


@shows("D686")
def a_second_close_leaves_what_waits(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    sock.close()
    peer.send(ACK, window=1000)
    peer.expect(FIN | ACK, seq=1, data=b"text")


@shows("D687")
def a_fin_alone_probes_a_shut_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.shutdown()
    peer.sleep(60)
    peer.expect(FIN | ACK, seq=1)


@shows("D701")
def a_reset_before_accept_counts_whatever_it_acknowledges(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(RST | ACK, ack=0)
    assert error(lambda: listener.accept().recv(1)) == errno.ECONNRESET


@shows("D702")
def no_delayed_ack_follows_a_reset(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(RST)
    peer.quiet(2)


@shows("D703")
def a_reset_that_answers_a_probe_ends_the_connection(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings_changed()
    peer.after(10, ACK, seq=0)
    peer.send(RST)
    assert peer.state is CLOSED
