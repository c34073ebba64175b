"""Many: the hundredth connection is like the first, and none knows of its neighbours."""

import errno

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, ESTABLISHED, TIME_WAIT
from harness.stack import Endpoint, Socket
from testcases.selftest.interactions.lab import FULL, Lab, Peer, error, text
from testcases.selftest.interactions.proof import shows

#: More than any table of the defects holds.
MANY = 70


@shows("D440")
def connections_that_are_reset_leave_nothing(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(MANY):
        lab.opened(listener)[1].send(RST)


@shows("D441")
def attempts_that_are_given_up_leave_nothing(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(20):
        lab.peer().send(SYN, options=FULL)
    lab.wait(200)
    for peer in lab.peers:
        peer.skip()
    lab.opened(listener)


@shows("D442")
def connections_that_are_closed_leave_nothing(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(MANY):
        sock, peer = lab.opened(listener)
        peer.send(FIN | ACK)
        peer.expect(ACK)
        sock.close()
        peer.expect(FIN | ACK)
        peer.send(ACK)
        assert peer.state is CLOSED


def call(lab: Lab, port: int = 80) -> tuple[Socket, Peer]:
    """An active OPEN from a port that the stack chooses."""
    sock = lab.stack.socket()
    peer = lab.peer(port)
    sock.connect(peer.there)
    chosen = sock.local()
    assert chosen is not None
    peer.here = chosen
    peer.expect(SYN)
    return sock, peer


@shows("D443")
def a_refused_connection_gives_its_port_back(lab: Lab) -> None:
    lab.config.ephemeral_ports = (50_000, 50_003)
    lab.stack._next_port = 50_000
    for _ in range(8):
        _sock, peer = call(lab)
        peer.send(RST | ACK)


@shows("D444")
def two_peers_with_the_same_port_are_both_accepted(lab: Lab) -> None:
    listener = lab.listen()
    for address in range(2):
        peer = lab.peer(40_000, address=address)
        peer.open()
        peer.send(ACK, b"%d" % address)
        peer.expect(ACK)
    assert [text(listener.accept()) for _ in range(2)] == [b"0", b"1"]


@shows("D445")
def each_address_answers_for_itself(lab: Lab) -> None:
    listener = lab.listen()
    for to in range(2):
        lab.opened(listener, port=40_000, to=to)


@shows("D446")
def ports_the_other_way_round_are_another_connection(lab: Lab) -> None:
    one, two = lab.listen(1000), lab.listen(2000)
    lab.opened(one, port=2000, own=1000)
    lab.opened(two, port=1000, own=2000)


@shows("D447")
def a_port_may_listen_and_call_at_once(lab: Lab) -> None:
    listener = lab.listen(80, address=lab.own())
    lab.connected(80)
    lab.opened(listener)


def three_ports(lab: Lab) -> None:
    lab.config.ephemeral_ports = (50_000, 50_002)
    lab.stack._next_port = 50_000


def established(lab: Lab) -> tuple[Socket, Peer]:
    sock, peer = call(lab)
    peer.send(SYN | ACK, options=FULL)
    peer.expect(ACK)
    return sock, peer


def refused(lab: Lab) -> None:
    _sock, peer = call(lab)
    peer.send(RST | ACK)


@shows("D448")
def no_port_in_time_wait_is_chosen(lab: Lab) -> None:
    three_ports(lab)
    sock, peer = established(lab)
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert peer.state is TIME_WAIT
    refused(lab)
    established(lab)
    refused(lab)


@shows("D449")
def no_port_in_fin_wait_2_is_chosen(lab: Lab) -> None:
    three_ports(lab)
    sock, peer = established(lab)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK)
    refused(lab)
    established(lab)
    refused(lab)


@shows("D450")
def it_is_told_when_no_port_is_left(lab: Lab) -> None:
    three_ports(lab)
    for _ in range(3):
        established(lab)
    assert error(lambda: lab.stack.socket().connect(Endpoint(lab.target.addresses(4).peer[0], 80))) == (
        errno.EADDRNOTAVAIL
    )


@shows("D451")
def listeners_have_a_backlog_each(lab: Lab) -> None:
    lab.listen(1000, backlog=1)
    other = lab.listen(2000, backlog=1)
    lab.peer(own=1000).send(SYN, options=FULL)
    lab.opened(other, own=2000)


@shows("D452")
def timers_that_expire_together_are_all_served(lab: Lab) -> None:
    peers = [lab.connecting()[1] for _ in range(3)]
    for peer in peers:
        peer.expect(SYN)
    lab.wait(1.5)
    for peer in peers:
        peer.expect(SYN, seq=0)


@shows("D453")
def ports_that_are_alike_are_others(lab: Lab) -> None:
    listener = lab.listen()
    for port in (40_000, 40_256):
        lab.opened(listener, port=port)


@shows("D454")
def a_reset_ends_one_connection(lab: Lab) -> None:
    listener = lab.listen()
    one, two = (lab.opened(listener, port=40_000, address=address)[1] for address in range(2))
    one.send(RST)
    assert two.state is ESTABLISHED


@shows("D455")
def a_peer_may_have_a_dozen_connections(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(12):
        lab.opened(listener)


@shows("D456")
def text_is_acknowledged_where_it_came(lab: Lab) -> None:
    listener = lab.listen()
    one, two = lab.opened(listener)[1], lab.opened(listener)[1]
    for peer in (one, two):
        peer.send(ACK, b"text")
        peer.expect(ACK, ack=5)
    one.quiet()


@shows("D529")
def connections_that_are_aborted_leave_nothing(lab: Lab) -> None:
    listener = lab.listen()
    for _ in range(1010):
        sock, peer = lab.opened(listener)
        sock.abort()
        peer.expect(RST)
        lab.peers.remove(peer)


@shows("D530")
def of_two_listeners_the_nearer_one_has_the_connection(lab: Lab) -> None:
    far, near = lab.listen(backlog=2), lab.listen(address=lab.own())
    for _ in range(3):
        lab.opened(near)
    assert error(far.accept) == errno.EAGAIN
    lab.opened(far, to=1)
