"""Residue: the same pair, port and listener serve again as if nothing had been before."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN
from harness.spec.states import CLOSED, ESTABLISHED, SYN_RECEIVED, TIME_WAIT
from harness.stack import Socket
from testcases.selftest.interactions.lab import FULL, Lab, Peer, ended, error, text
from testcases.selftest.interactions.proof import shows

SCALED = FULL + options.NOP + options.window_scale(7)


def again(lab: Lab, peer: Peer, *, iss: int = 0x70000000) -> Peer:
    """The same peer with a new connection."""
    return lab.peer(peer.there.port, peer.here.port, iss=iss)


def stamped(value: int) -> bytes:
    return FULL + options.NOP * 2 + options.timestamps(value, 0)


def in_time_wait(lab: Lab, listener: Socket) -> Peer:
    sock, peer = lab.opened(listener)
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is TIME_WAIT
    return peer


@shows("D392")
def a_failed_attempt_leaves_no_timer(lab: Lab) -> None:
    lab.listen()
    failed = lab.peer()
    failed.send(SYN)
    failed.expect(SYN | ACK)
    failed.send(RST)
    second = again(lab, failed)
    second.open()
    second.quiet(30)
    assert second.state is ESTABLISHED


@shows("D393")
def a_reopened_connection_outlives_the_old_two_msl(lab: Lab) -> None:
    listener = lab.listen()
    peer = again(lab, in_time_wait(lab, listener))
    peer.open()
    lab.wait(250)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D394")
def an_mss_is_forgotten(lab: Lab) -> None:
    listener = lab.listen()
    first = lab.opened(listener)[1]
    first.send(RST)
    peer = again(lab, first)
    peer.open(b"")
    listener.accept().send(b"x" * 2000)
    assert len(peer.expect(ACK, seq=1).payload) == 536


@shows("D395")
def a_window_scale_is_forgotten(lab: Lab) -> None:
    listener = lab.listen()
    first = lab.opened_with(SCALED, listener)[1]
    first.send(RST)
    peer = again(lab, first)
    peer.window = 1000
    peer.open(options.mss(1460))
    listener.accept().send(b"x" * 5000)
    lab.wait(0.6)
    assert sum(len(segment.payload) for segment in peer.inbox) <= 1000


@shows("D396")
def a_timestamp_is_forgotten(lab: Lab) -> None:
    listener = lab.listen()
    first = lab.opened_with(stamped(1_000_000), listener)[1]
    first.send(RST)
    peer = again(lab, first)
    peer.options = options.NOP * 2 + options.timestamps(500, 0)
    peer.open(stamped(500))
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)
    assert text(listener.accept()) == b"text"


@shows("D397")
def undelivered_data_is_forgotten(lab: Lab) -> None:
    listener = lab.listen()
    sock, first = lab.opened(listener)
    sock.send(b"secret")
    first.skip()
    first.send(RST)
    peer = again(lab, first)
    peer.open()
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5, data=b"")


@shows("D398")
def unread_text_is_forgotten(lab: Lab) -> None:
    listener = lab.listen()
    first = lab.opened(listener)[1]
    first.send(ACK, b"secret")
    first.expect(ACK)
    first.send(RST)
    peer = again(lab, first)
    peer.open()
    peer.send(ACK, b"text")
    peer.expect(ACK)
    assert text(listener.accept()) == b"text"


@shows("D399")
def a_backed_off_timeout_is_forgotten(lab: Lab) -> None:
    lab.listen()
    first = lab.peer()
    first.send(SYN)
    lab.wait(10)
    first.skip()
    first.send(RST)
    peer = again(lab, first)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.after(1, SYN | ACK)


@shows("D400")
def a_number_is_not_used_again(lab: Lab) -> None:
    listener = lab.listen()
    first = lab.opened(listener)[1]
    first.send(RST)
    lab.wait(1)
    peer = again(lab, first)
    peer.open()
    assert peer.irs != first.irs


@shows("D401")
def an_error_is_told_to_whom_it_concerns(lab: Lab) -> None:
    refused, first = lab.connecting()
    first.expect(SYN)
    first.send(RST | ACK)
    sock, _peer = lab.connected()
    assert (refused.pending_error(), sock.pending_error()) == (errno.ECONNREFUSED, 0)


@shows("D402")
def a_pair_that_was_given_up_serves_again(lab: Lab) -> None:
    listener = lab.listen()
    sock, first = lab.opened(listener)
    sock.send(b"text")
    lab.wait(400)
    first.skip()
    assert first.state is CLOSED
    again(lab, first).open()


@shows("D403")
def a_pair_serves_again_after_two_msl(lab: Lab) -> None:
    listener = lab.listen()
    first = in_time_wait(lab, listener)
    lab.wait(241)
    assert first.state is CLOSED
    again(lab, first).open()


@shows("D404")
def time_wait_outlives_its_listener(lab: Lab) -> None:
    listener = lab.listen()
    peer = in_time_wait(lab, listener)
    listener.close()
    peer.send(FIN | ACK, seq=1)
    peer.expect(ACK, ack=2)


@shows("D405")
def time_wait_ends_though_a_reopening_failed(lab: Lab) -> None:
    first = in_time_wait(lab, lab.listen())
    peer = again(lab, first)
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    assert peer.state is SYN_RECEIVED
    peer.send(RST)
    lab.wait(250)
    assert peer.state is CLOSED


@shows("D406")
def a_reopened_connection_has_a_stream_of_its_own(lab: Lab) -> None:
    listener = lab.listen()
    peer = again(lab, in_time_wait(lab, listener))
    peer.open()
    assert not ended(listener.accept())


@shows("D407")
def a_listener_begins_with_an_empty_queue(lab: Lab) -> None:
    first = lab.listen()
    peer = lab.peer()
    peer.open()
    first.close()
    peer.expect(RST)
    assert error(lab.listen().accept) == errno.EAGAIN


@shows("D408")
def a_pair_that_was_reset_is_closed_like_any_other(lab: Lab) -> None:
    peer = lab.connected()[1]
    peer.send(RST)
    peer.send(ACK, ack=7)
    peer.expect(RST, seq=7)
