"""Further ones of the first six kinds."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSED, ESTABLISHED, TIME_WAIT
from harness.stack import Socket
from testcases.selftest.interactions.lab import FULL, Lab, Peer, error, text
from testcases.selftest.interactions.later import icmp
from testcases.selftest.interactions.proof import shows


def again(lab: Lab, peer: Peer) -> Peer:
    """The same peer with a new connection."""
    return lab.peer(peer.there.port, peer.here.port, iss=0x70000000)


def in_time_wait(lab: Lab, listener: Socket | None = None, **how: int) -> Peer:
    """Return the peer of a connection that the stack has closed first."""
    sock, peer = lab.opened(listener, **how)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert peer.state is TIME_WAIT
    return peer


def filled(lab: Lab) -> tuple[Socket, Peer]:
    """Return both ends of a connection whose window of 3,000 octets is full of what nobody has read."""
    listener = lab.listen()
    listener.settings.receive_buffer = 3000
    sock, peer = lab.opened(listener)
    for octets in (1460, 1460, 80):
        peer.send(ACK, b"x" * octets)
        peer.skip()
    return sock, peer


def crossing(lab: Lab, syn: bytes = FULL) -> tuple[Socket, Peer]:
    """Return both ends while the stack is in SYN-RECEIVED: its SYN and the peer's have crossed."""
    sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(SYN, options=syn)
    peer.expect(SYN | ACK, seq=0, ack=1)
    return sock, peer


@shows("D551")
def an_old_duplicate_leaves_the_back_off(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    peer.after(1, ACK, seq=1)
    peer.send(ACK, seq=0, ack=1)
    peer.expect(ACK, seq=5)
    peer.after(2, ACK, seq=1)
    peer.after(4, ACK, seq=1)


@shows("D552")
def a_challenge_leaves_the_wait(lab: Lab) -> None:
    peer = in_time_wait(lab)
    peer.send(ACK, ack=100)
    peer.expect(ACK)
    lab.wait(200)
    assert peer.state is TIME_WAIT


@shows("D553")
def a_shut_window_is_no_silence(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 10.0
    sock.settings_changed()
    peer.window = 0
    peer.send(ACK)
    sock.send(b"text")
    for _ in range(6):
        peer.sleep(60)
        peer.expect(ACK, data=b"t")
        peer.send(ACK, ack=1)
    assert peer.state is ESTABLISHED


@shows("D554")
def what_leaves_behind_a_probe_is_guarded(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.after(1, ACK, data=b"t")
    peer.send(ACK, ack=1, window=1000)
    peer.expect(ACK, data=b"text")
    peer.sleep(5)
    peer.expect(ACK, data=b"text")


@shows("D555")
def a_syn_ack_is_repeated_behind_close(lab: Lab) -> None:
    sock, peer = crossing(lab)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, SYN | ACK, seq=0, ack=1)


@shows("D556")
def one_segment_follows_a_lost_syn(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.after(1, SYN | ACK)
    peer.after(2, SYN | ACK)
    peer.send(ACK)
    listener.accept().send(bytes(4000))
    peer.expect(ACK, seq=1)
    peer.quiet()


@shows("D557")
def a_soft_error_leaves_what_waits(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.open()
    icmp(lab, peer, 1, hard=False)
    assert peer.state is ESTABLISHED


@shows("D558")
def a_gap_outlives_accept(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.open()
    peer.send(ACK, b"behind", seq=5)
    peer.expect(ACK, ack=1)
    sock = listener.accept()
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=11)
    assert text(sock) == b"textbehind"


@shows("D559")
def a_reset_counts_in_a_full_queue(lab: Lab) -> None:
    lab.listen(backlog=1)
    peer = lab.peer()
    peer.open()
    peer.send(RST)
    assert peer.state is CLOSED


@shows("D560")
def a_fin_opens_a_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.send(FIN | ACK, window=1000)
    peer.expect(ACK, data=b"text")


@shows("D561")
def a_fin_follows_a_shrunk_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=8)
    sock.send(b"text" * 2)
    peer.expect(ACK, data=b"text" * 2)
    sock.send(b"more")
    sock.shutdown()
    peer.send(ACK, ack=1, window=4)
    peer.send(ACK, ack=9, window=1000)
    peer.expect(FIN | ACK, data=b"more")


@shows("D562")
def a_fin_is_not_urgent(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text", urgent=True)
    sock.shutdown()
    peer.send(ACK, window=1000)
    assert peer.expect(FIN | ACK | URG, data=b"text").urgent == 4


@shows("D563")
def a_delayed_ack_ends_with_its_connection(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    second.quiet(1)


@shows("D564")
def blocks_end_with_their_connection(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.send(ACK, b"behind", seq=5)
    peer.expect(ACK)
    peer.send(RST, seq=1)
    second = again(lab, peer)
    second.open()
    second.send(ACK, b"text")
    assert options.find(second.expect(ACK).options, options.KIND_SACK) is None


@shows("D565")
def urgency_ends_with_its_connection(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.send(b"text", urgent=True)
    peer.expect(ACK | URG)
    peer.send(RST)
    second = again(lab, peer)
    second.open()
    listener.accept().send(b"text")
    second.expect(ACK)


@shows("D566")
def a_timeout_is_told_beside_unread_text(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"theirs")
    peer.expect(ACK)
    sock.send(b"text")
    lab.wait(400)
    peer.skip()
    text_before = error(lambda: text(sock))
    assert errno.ETIMEDOUT in (text_before, error(lambda: sock.recv(10)))


@shows("D567")
def a_probe_is_answered_in_fin_wait_2(lab: Lab) -> None:
    listener = lab.listen()
    listener.settings.receive_buffer = 10
    sock, peer = lab.opened(listener)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK, b"10 octets.")
    peer.expect(ACK, ack=11)
    peer.send(ACK, b"x")
    peer.expect(ACK, ack=11)


@shows("D568")
def an_overlap_is_delivered_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    peer.send(ACK, b"text and more", seq=1)
    peer.expect(ACK, ack=14)
    assert text(sock) == b"text and more"
