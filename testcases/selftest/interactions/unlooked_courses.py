"""Further ones of the first six kinds, each an ordinary course and one ordinary disturbance."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, LAST_ACK
from testcases.selftest.interactions.fresh_courses import again, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, ended, error, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.proof import shows


@shows("D599")
def an_old_duplicate_leaves_the_wait_behind_closing(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    text(sock)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK)
    peer.send(ACK)
    lab.wait(200)
    peer.send(ACK, b"text", seq=1)
    peer.expect(ACK)
    lab.wait(50)
    assert peer.state is CLOSED


@shows("D600")
def an_impossible_ack_leaves_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK, ack=100)
    peer.expect(ACK)
    peer.after(1, FIN | ACK)


@shows("D601")
def text_leaves_the_back_off(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK)
    peer.after(2, FIN | ACK)
    peer.send(ACK, b"text", ack=1)
    peer.expect(ACK, ack=5)
    peer.after(4, FIN | ACK)
    peer.after(8, FIN | ACK)


@shows("D602")
def text_leaves_the_probing(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(ACK)
    sock.send(b"text")
    peer.send(ACK, b"theirs")
    peer.expect(ACK, ack=7)
    peer.sleep(10)
    peer.expect(ACK, data=b"t")


@shows("D603")
def the_rest_of_a_segment_is_the_rest(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"abcdef")
    peer.expect(ACK, data=b"abcdef")
    peer.send(ACK, ack=3)
    peer.sleep(3)
    peer.expect(ACK, seq=3, data=b"cdef")


@shows("D604")
def a_syn_ack_is_answered_beside_a_fin(lab: Lab) -> None:
    sock, peer = lab.connected()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK)
    peer.send(SYN | ACK, seq=0, ack=1)
    peer.expect(ACK, seq=2, ack=1)


@shows("D605")
def sending_goes_on_behind_what_was_acknowledged(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 4380)
    peer.skip()
    peer.sleep(2)
    peer.expect(ACK, seq=1)
    peer.send(ACK, ack=4381)
    sock.send(b"text")
    peer.expect(ACK, seq=4381, data=b"text")


@shows("D606")
def reading_opens_what_was_shut_before_accept(lab: Lab) -> None:
    lab.config.receive_buffer = 3000
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    for _ in range(2):
        peer.send(ACK, bytes(1500))
        peer.skip()
    sock = listener.accept()
    assert len(text(sock)) == 3000
    assert peer.expect(ACK, ack=3001).window == 3000


@shows("D607")
def a_reset_is_told_behind_a_late_handshake(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.after(1, SYN | ACK)
    peer.send(ACK)
    peer.send(RST)
    sock = listener.accept()
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET


@shows("D608")
def accept_leaves_close_wait(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock = listener.accept()
    assert peer.state is CLOSE_WAIT
    sock.shutdown()
    peer.expect(FIN | ACK)
    assert peer.state is LAST_ACK


@shows("D609")
def a_soft_error_leaves_what_waits_for_the_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    icmp(lab, peer, 1, hard=False)
    peer.send(ACK, window=1000)
    peer.expect(FIN | ACK, data=b"text")


@shows("D610")
def a_reset_is_told_while_a_fin_waits(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    sock.shutdown()
    peer.send(RST)
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET


@shows("D611")
def a_shut_window_is_no_silence_behind_close(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.window = 0
    peer.send(ACK)
    sock.send(b"text")
    sock.shutdown()
    for _ in range(12):
        peer.sleep(61)
        peer.expect(ACK, data=b"t")
        peer.send(ACK, ack=1)
    assert peer.state is not CLOSED


@shows("D612")
def blocks_are_for_who_permits_them(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    peer.send(RST)
    second = again(lab, peer)
    second.open(options.mss(1460))
    second.send(ACK, b"text", seq=10)
    assert second.expect(ACK, ack=1).options == b""


@shows("D613")
def trouble_ends_with_its_connection(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    icmp(lab, peer, 1, hard=False)
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    sock = listener.accept()
    sock.send(b"text")
    lab.wait(400)
    assert error(lambda: sock.recv(1)) == errno.ETIMEDOUT


@shows("D614")
def a_new_listener_reopens_time_wait(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    listener.close()
    lab.listen()
    again(lab, peer).open()


@shows("D615")
def a_failed_attempt_is_forgotten(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    sock = listener.accept()
    assert error(lambda: sock.send(b"text")) == 0


@shows("D616")
def a_gap_is_filled_beside_unread_text(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"ab")
    peer.expect(ACK)
    peer.send(ACK, b"ef", seq=5)
    peer.expect(ACK, ack=3)
    peer.send(ACK, b"cd")
    peer.expect(ACK, ack=7)
    assert text(sock) == b"abcdef"


@shows("D617")
def abort_resets_beside_unread_text(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    sock.abort()
    peer.expect(RST)


@shows("D618")
def the_rest_is_read_behind_a_part(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK)
    assert sock.recv(1) == b"t"
    assert text(sock) == b"ext"
    assert ended(sock)
