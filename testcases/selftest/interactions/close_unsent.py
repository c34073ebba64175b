"""CLOSE with something unsent: data and FIN go all the same, whatever the peer does next."""

from harness.spec.segment import ACK, FIN
from harness.spec.states import CLOSE_WAIT, CLOSED, CLOSING, LAST_ACK
from harness.stack import Socket
from testcases.selftest.interactions.lab import Lab, Peer
from testcases.selftest.interactions.proof import shows


def shut(lab: Lab, data: bytes = b"text") -> tuple[Socket, Peer]:
    """A connection in ESTABLISHED with data that waits for the window."""
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(data)
    peer.quiet()
    peer.window = 0
    return sock, peer


def closing(lab: Lab, data: bytes = b"text") -> Peer:
    """The same after CLOSE and the peer's FIN."""
    sock, peer = shut(lab, data)
    sock.shutdown()
    peer.send(FIN | ACK)
    peer.expect(ACK, seq=1, ack=2)
    assert peer.state is CLOSING
    return peer


@shows("D377")
def what_waits_leaves_behind_the_peers_fin(lab: Lab) -> None:
    peer = closing(lab)
    lab.wait(10)
    peer.skip()
    peer.send(ACK, ack=1, window=100)
    lab.wait(10)
    assert peer.inbox
    assert peer.inbox[-1].flags & FIN


def closed_in_close_wait(lab: Lab, window: int = 0) -> Peer:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, window=window)
    peer.expect(ACK, ack=2)
    sock.send(b"text")
    if window:
        peer.expect(ACK, seq=1, data=b"text")
    sock.shutdown()
    return peer


@shows("D378")
def a_closed_window_is_probed_after_close_in_close_wait(lab: Lab) -> None:
    closed_in_close_wait(lab).after(1, ACK, seq=1, data=b"t")


def in_last_ack(lab: Lab) -> Peer:
    """LAST-ACK with data and FIN under way, to a peer that shuts its window then."""
    peer = closed_in_close_wait(lab, window=100)
    peer.expect(FIN | ACK, seq=5)
    assert peer.state is LAST_ACK
    peer.send(ACK, ack=1, window=0)
    return peer


@shows("D379")
def a_window_that_closes_in_last_ack_is_probed(lab: Lab) -> None:
    peer = in_last_ack(lab)
    peer.sleep(3)
    assert peer.expect(ACK, seq=1).payload


@shows("D380")
def a_window_update_counts_in_closing(lab: Lab) -> None:
    peer = closing(lab)
    peer.send(ACK, ack=1, window=100)
    peer.expect(FIN | ACK, seq=1, data=b"text")


@shows("D381")
def a_window_update_counts_in_last_ack(lab: Lab) -> None:
    peer = in_last_ack(lab)
    peer.sleep(3)
    assert peer.expect(ACK, seq=1).payload
    peer.send(ACK, ack=1, window=100)
    lab.wait(0.1)
    assert peer.inbox
    assert peer.inbox[-1].flags & FIN


@shows("D382")
def last_ack_begins_when_the_fin_leaves(lab: Lab) -> None:
    peer = closed_in_close_wait(lab)
    assert peer.state is CLOSE_WAIT
    peer.send(ACK, ack=1, window=100)
    peer.expect(FIN | ACK, seq=1, data=b"text")
    assert peer.state is LAST_ACK


@shows("D383")
def what_nagle_holds_back_leaves_with_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, seq=1)
    sock.send(b"more")
    peer.quiet()
    sock.shutdown()
    lab.collect()
    if not peer.inbox:
        peer.send(ACK, ack=5)
    peer.expect(FIN | ACK, seq=5, data=b"more")


@shows("D384")
def probes_go_on_in_fin_wait_1(lab: Lab) -> None:
    sock, peer = shut(lab)
    sock.shutdown()
    for interval in (1, 2, 4):
        peer.after(interval, ACK, seq=1, data=b"t")
        peer.send(ACK, ack=1)


@shows("D385")
def close_resets_nothing_that_waits(lab: Lab) -> None:
    sock, peer = shut(lab)
    sock.close()
    peer.quiet()
    peer.send(ACK, ack=1, window=100)
    peer.expect(FIN | ACK, seq=1, data=b"text")


@shows("D386")
def a_probe_after_close_carries_data(lab: Lab) -> None:
    sock, peer = shut(lab)
    sock.shutdown()
    peer.after(1, ACK, seq=1, data=b"t")


@shows("D387")
def time_wait_waits_for_our_fin(lab: Lab) -> None:
    peer = closing(lab)
    lab.wait(1.5)
    peer.skip()
    peer.send(ACK, ack=1, window=100)
    lab.collect()
    assert peer.inbox
    assert peer.inbox[-1].flags & FIN


@shows("D388")
def the_fin_leaves_with_the_last_octet(lab: Lab) -> None:
    sock, peer = shut(lab, b"x" * 300)
    sock.shutdown()
    peer.send(ACK, window=200)
    lab.wait(1)
    peer.expect(ACK, seq=1, data=b"x" * 200)
    peer.skip()
    peer.send(ACK, ack=201, window=200)
    peer.expect(FIN | ACK, seq=201, data=b"x" * 100)


@shows("D389")
def the_fin_follows_though_data_is_acknowledged_in_parts(lab: Lab) -> None:
    sock, peer = shut(lab, b"x" * 3000)
    sock.shutdown()
    peer.send(ACK, window=1460)
    peer.expect(ACK, seq=1)
    peer.send(ACK, ack=1461, window=1460)
    peer.expect(ACK, seq=1461)
    peer.send(ACK, ack=2921, window=1460)
    peer.expect(FIN | ACK, seq=2921)


@shows("D390")
def a_silent_peer_is_given_up_after_close(lab: Lab) -> None:
    sock, peer = shut(lab)
    sock.shutdown()
    lab.wait(400)
    assert peer.state is CLOSED


@shows("D391")
def a_window_that_opens_after_a_probe_is_used(lab: Lab) -> None:
    sock, peer = shut(lab, b"x" * 3000)
    sock.shutdown()
    peer.after(1, ACK, seq=1, data=b"x")
    peer.send(ACK, ack=1, window=5000)
    peer.expect(ACK, seq=1, data=b"x" * 1460)
    peer.expect(ACK, seq=1461, data=b"x" * 1460)
    peer.expect(FIN | ACK, seq=2921, data=b"x" * 80)
