"""Thirty further ones, written from sentences of the RFCs before the generators were read: courses of a connection."""

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT
from testcases.selftest.interactions.fresh_courses import again, in_time_wait
from testcases.selftest.interactions.lab import FULL, Lab, text
from testcases.selftest.interactions.proof import shows


@shows("D734")
def a_fin_of_the_peer_leaves_the_repetition(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK, ack=2)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D735")
def a_window_that_opens_again_leaves_the_repetition(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.send(ACK, ack=1, window=0)
    peer.send(ACK, ack=1)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D736")
def what_is_read_is_acknowledged(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    assert text(sock) == b"text"
    peer.after(0.2, ACK, ack=5)


@shows("D737")
def close_wait_gives_up_too(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.send(b"text")
    lab.wait(310)
    peer.skip()
    assert peer.state is CLOSED


@shows("D738")
def a_fin_behind_a_gap_leads_to_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    peer.send(FIN | ACK, seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=6)
    assert peer.state is TIME_WAIT


@shows("D739")
def what_waits_and_comes_again_is_delivered_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"moretext")
    peer.expect(ACK, ack=9)
    assert text(sock) == b"moretext"


@shows("D740")
def before_accept_a_probe_is_answered(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.open()
    peer.send(ACK, seq=0)
    peer.expect(ACK, seq=1, ack=1)


@shows("D741")
def accept_keeps_the_order(lab: Lab) -> None:
    listener, first, second = lab.listen(), lab.peer(), lab.peer()
    first.open()
    second.open()
    first.send(ACK, b"first")
    first.expect(ACK)
    assert text(listener.accept()) == b"first"


@shows("D742")
def close_in_slow_start_sends_all(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"x" * 20_000)
    sock.shutdown()
    peer.skip()
    peer.ack = 14_601
    peer.send(ACK)
    peer.skip()
    assert peer.state is FIN_WAIT_1
    peer.ack = 20_002
    peer.send(ACK)
    assert peer.state is FIN_WAIT_2


@shows("D743")
def a_fin_in_closing_acknowledges_the_other(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    peer.send(FIN | ACK, window=0)
    peer.expect(ACK, ack=2)
    peer.send(ACK)
    peer.expect(FIN | ACK, seq=1, ack=2, data=b"text")


@shows("D744")
def each_attempt_has_its_own_r2(lab: Lab) -> None:
    _sock, peer = lab.connecting(port=2000)
    peer.expect(SYN)
    lab.wait(100)
    peer.skip()
    peer.ack = 1
    peer.send(RST | ACK)
    other = lab.peer(peer.there.port, 2000)
    lab.stack.socket().connect(other.there, other.here)
    lab.wait(170)
    assert other.state is not CLOSED


@shows("D745")
def a_reopening_syn_ack_is_repeated(lab: Lab) -> None:
    peer = in_time_wait(lab)
    other = again(lab, peer)
    other.send(SYN, options=FULL)
    other.expect(SYN | ACK)
    other.after(1, SYN | ACK, seq=0)


@shows("D746")
def a_peer_may_begin_with_the_same_number(lab: Lab) -> None:
    listener = lab.listen()
    _sock, peer = lab.opened(listener)
    peer.send(RST)
    other = lab.peer(peer.there.port)
    other.open()


@shows("D747")
def an_update_beside_a_fin_has_the_next_number(lab: Lab) -> None:
    sock, peer = lab.opened()
    sent = 0
    while peer.last.window or not sent:
        peer.send(ACK, b"x" * 1400)
        peer.skip()
        sent += 1
        if sent > 100:
            break
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    text(sock)
    peer.expect(ACK, seq=2)


@shows("D748")
def a_fin_again_leaves_what_is_unread(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    peer.send(FIN | ACK, seq=5)
    peer.expect(ACK, ack=6)
    assert text(sock) == b"text"
