"""Before accept(): nothing is lost of what happens on a connection that nobody has accepted, or beside it."""

import errno

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSE_WAIT, CLOSED, ESTABLISHED
from testcases.selftest.interactions.lab import Lab, ended, error, text
from testcases.selftest.interactions.proof import shows


@shows("D361")
def a_reset_connection_does_not_hide_the_next(lab: Lab) -> None:
    listener = lab.listen()
    one, two = lab.peer(), lab.peer()
    one.open()
    two.open()
    one.send(RST)
    two.send(ACK, b"two")
    two.expect(ACK)
    found = [listener.accept()]
    if found[0].status() is CLOSED:
        found.append(listener.accept())
    assert text(found[-1]) == b"two"


@shows("D362")
def a_fin_counts_before_accept(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT
    assert ended(listener.accept())


@shows("D363")
def text_from_before_accept_is_delivered(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(listener.accept()) == b"text"


@shows("D364")
def the_end_from_before_accept_is_told_behind_the_text(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    sock = listener.accept()
    assert sock.recv(10) == b"text"
    assert ended(sock)


@shows("D365")
def a_reset_from_before_accept_is_told(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(RST)
    sock = listener.accept()
    assert error(lambda: [sock.recv(10), sock.recv(10)]) == errno.ECONNRESET


@shows("D366")
def what_waits_is_reset_when_the_listener_closes(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    listener.close()
    peer.expect(RST, seq=1)
    assert peer.state is CLOSED


@shows("D367")
def a_stray_ack_is_refused_beside_a_full_queue(lab: Lab) -> None:
    lab.listen(backlog=1)
    lab.peer().open()
    stray = lab.peer()
    stray.send(ACK, ack=7)
    stray.expect(RST, seq=7)


@shows("D368")
def accepting_gives_a_place_back(lab: Lab) -> None:
    listener = lab.listen(backlog=2)
    for _ in range(5):
        lab.opened(listener)


@shows("D369")
def the_twentieth_connection_is_served_like_the_first(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(20):
        lab.opened(listener)[0].close()


@shows("D370")
def the_connection_that_waits_longest_is_accepted_first(lab: Lab) -> None:
    listener = lab.listen()
    for number in range(3):
        peer = lab.peer()
        peer.open()
        peer.send(ACK, b"%d" % number)
        peer.expect(ACK)
    assert [text(listener.accept()) for _ in range(3)] == [b"0", b"1", b"2"]


@shows("D371")
def an_attempt_that_is_reset_gives_its_place_back(lab: Lab) -> None:
    listener, failed = lab.listen(backlog=1), lab.peer()
    failed.send(SYN)
    failed.expect(SYN | ACK)
    failed.send(RST)
    lab.opened(listener)


@shows("D372")
def an_attempt_that_is_given_up_gives_its_place_back(lab: Lab) -> None:
    listener, failed = lab.listen(backlog=1), lab.peer()
    failed.send(SYN)
    lab.wait(200)
    failed.skip()
    lab.opened(listener)


@shows("D373")
def text_is_acknowledged_before_accept(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    lab.wait(0.5)
    peer.expect(ACK, ack=5)


@shows("D374")
def a_reset_behind_text_counts_before_accept(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.open()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(RST)
    assert peer.is_gone()


@shows("D375")
def a_reset_takes_no_other_connection_out_of_the_queue(lab: Lab) -> None:
    listener = lab.listen()
    one, two = lab.peer(), lab.peer()
    one.open()
    two.open()
    one.send(ACK, b"one")
    one.expect(ACK)
    two.send(RST)
    sock = listener.accept()
    assert (sock.status(), text(sock)) == (ESTABLISHED, b"one")


@shows("D376")
def who_is_turned_away_may_come_again(lab: Lab) -> None:
    listener, first, second = lab.listen(backlog=1), lab.peer(), lab.peer()
    first.open()
    second.send(SYN)
    second.quiet()
    listener.accept()
    second.seq = 0
    second.open()
