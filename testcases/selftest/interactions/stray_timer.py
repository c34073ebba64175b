"""Stray × timer: what must not stop, restart or double a timer does not."""

import errno

from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, TIME_WAIT
from harness.stack import Pair, Socket
from testcases.selftest.interactions.lab import FULL, Lab, Peer, error
from testcases.selftest.interactions.proof import shows


@shows("D329")
def the_syn_is_repeated_after_a_bad_ack_was_refused(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.send(ACK, ack=9)
    peer.expect(RST)
    peer.after(1, SYN, seq=0)


def in_closing(lab: Lab, data: bytes = b"") -> tuple[Socket, Peer]:
    sock, peer = lab.opened()
    if data:
        sock.send(data)
        peer.expect(ACK, seq=1)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, ack=1)
    peer.expect(ACK, ack=2)
    return sock, peer


@shows("D330")
def our_fin_is_repeated_though_the_peers_comes_again(lab: Lab) -> None:
    _sock, peer = in_closing(lab)
    peer.send(FIN | ACK, seq=1, ack=1)
    peer.expect(ACK, ack=2)
    peer.after(1, FIN | ACK, seq=1)


@shows("D331")
def data_is_repeated_after_a_challenge(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK, seq=1)
    peer.send(RST, seq=50)
    peer.expect(ACK, ack=1)
    peer.after(1, ACK, seq=1, data=b"text")


@shows("D332")
def every_repeated_fin_restarts_two_msl(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    for _ in range(3):
        lab.wait(200)
        peer.send(FIN | ACK, seq=1)
        peer.expect(ACK, ack=2)
    lab.wait(200)
    assert peer.state is TIME_WAIT


@shows("D333")
def giving_up_counts_from_the_first_octet(lab: Lab) -> None:
    sock, _peer = lab.opened()
    for _ in range(4):
        if error(lambda: sock.send(b"text")) == errno.ETIMEDOUT:
            return
        lab.wait(110)
    assert sock.pending_error() == errno.ETIMEDOUT


@shows("D334")
def nothing_is_kept_alive_in_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 30
    sock.settings_changed()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    peer.quiet(230)


@shows("D335")
def a_reset_counts_while_an_ack_is_delayed(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(RST)
    assert (peer.state, sock.pending_error()) == (CLOSED, errno.ECONNRESET)


@shows("D336")
def an_old_duplicate_does_not_put_a_repetition_off(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    lab.wait(0.6)
    peer.send(ACK, b"old", seq=-9)
    peer.expect(ACK)
    peer.after(0.4, ACK, seq=1, data=b"text")


@shows("D337")
def probes_become_rarer_though_each_is_answered(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    for interval in (1, 2, 4, 8):
        peer.after(interval, ACK, seq=1, data=b"t")
        peer.send(ACK, ack=1, window=0)


@shows("D338")
def a_peer_that_repeats_its_syn_does_not_hold_a_connection_open(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN)
    for _ in range(3):
        lab.wait(60)
        peer.skip()
        peer.send(SYN, seq=0)
        peer.skip()
    lab.wait(5)
    peer.skip()
    assert peer.state is CLOSED


@shows("D339")
def an_ack_of_nothing_new_does_not_put_a_repetition_off(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    lab.wait(0.6)
    peer.send(ACK, ack=1)
    peer.after(0.4, ACK, seq=1, data=b"text")


@shows("D340")
def the_syn_is_repeated_after_a_soft_error(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    assert peer.irs is not None
    lab.stack.icmp_error(Pair(peer.here, peer.there), peer.irs, errno.EHOSTUNREACH, hard=False)
    peer.after(1, SYN, seq=0)


@shows("D341")
def an_ack_that_was_due_is_not_sent_twice(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(ACK, b"old", seq=-9)
    peer.expect(ACK, ack=5)
    peer.quiet(1)


@shows("D342")
def an_old_ack_does_not_end_the_repetition_of_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    sock.close()
    peer.expect(FIN | ACK, seq=5)
    peer.send(ACK, ack=1)
    peer.after(1, FIN | ACK, seq=5)


@shows("D343")
def a_stray_reset_does_not_prolong_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.wait(200)
    peer.send(RST, seq=-9)
    lab.wait(41)
    assert peer.state is CLOSED


@shows("D344")
def a_closed_window_is_probed_after_a_challenge(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    peer.after(1, ACK, seq=1, data=b"t")
    peer.send(SYN, seq=20, options=FULL)
    peer.expect(ACK)
    peer.after(2, ACK, seq=1, data=b"t")


@shows("D345")
def our_fin_is_repeated_though_the_peer_keeps_alive(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK, seq=0, ack=1)
    peer.expect(ACK)
    peer.after(1, FIN | ACK, seq=1)
