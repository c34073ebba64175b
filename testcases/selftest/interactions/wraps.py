"""Wraps: numbers, timestamps and clocks go on behind their ends."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN, URG, Segment
from harness.spec.states import CLOSE_WAIT, CLOSED, FIN_WAIT_2, TIME_WAIT
from harness.stack import Socket
from harness.stack.options import read
from testcases.selftest.interactions.lab import FULL, Lab, Peer, text
from testcases.selftest.interactions.proof import shows

LAST = seqno.MASK
MS = 1_000_000


def beginning(lab: Lab, iss: int) -> tuple[Socket, Peer]:
    """A connection of which the stack's numbers begin here."""
    lab.config.iss = iss
    return lab.opened()


@shows("D423")
def the_last_number_of_all_may_be_the_fins(lab: Lab) -> None:
    sock, peer = beginning(lab, LAST - 1)
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.send(ACK)
    assert peer.state is FIN_WAIT_2


def fill(sock: Socket, peer: Peer, data: bytes = b"text") -> None:
    """See that data leaves at once, and acknowledge it."""
    sock.send(data)
    peer.expect(ACK, data=data)
    peer.send(ACK)


@shows("D424")
def windows_are_updated_when_the_peer_has_wrapped(lab: Lab) -> None:
    sock, peer = lab.opened(iss=LAST - 3)
    peer.send(ACK, b"textmore", window=0)
    peer.expect(ACK)
    peer.send(ACK, window=1000)
    fill(sock, peer)


@shows("D425")
def windows_are_updated_when_we_have_wrapped(lab: Lab) -> None:
    sock, peer = beginning(lab, LAST - 3)
    sock.send(b"textmore")
    peer.expect(ACK)
    peer.send(ACK, window=0)
    peer.send(ACK, window=1000)
    fill(sock, peer)
    peer.send(ACK, window=0)
    sock.send(b"more")
    peer.quiet(0.5)
    peer.send(ACK, window=1000)
    peer.expect(ACK, data=b"more")


@shows("D426")
def a_reset_may_have_number_zero(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=LAST)
    peer.send(RST)
    assert peer.state is CLOSED


def stamped(value: int) -> bytes:
    return options.NOP * 2 + options.timestamps(value & LAST, 0)


def echoed(segment: Segment) -> int:
    stamps = read(segment.options).timestamps
    return stamps[1] if stamps is not None else -1


@shows("D427")
def what_is_echoed_wraps_too(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(LAST - 1))
    for value in (LAST, LAST + 2, LAST + 3):
        peer.send(ACK, b"text", options=stamped(value))
        assert echoed(peer.expect(ACK)) == value & LAST


@shows("D428")
def a_timestamp_is_forgotten_after_24_days(lab: Lab) -> None:
    _sock, peer = lab.opened_with(FULL + stamped(1000))
    lab.wait(25 * 24 * 3600)
    peer.send(ACK, b"text", options=stamped(500))
    peer.expect(ACK, ack=5)


@shows("D429", beginning_ns=((1 << 31) - 500) * MS)
def a_timer_runs_over_the_middle_of_the_clock(lab: Lab) -> None:
    _sock, peer = lab.connecting()
    peer.expect(SYN)
    peer.after(1, SYN)


@shows("D430", beginning_ns=((1 << 32) - 100_000) * MS)
def time_wait_lasts_over_the_end_of_the_clock(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.close()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    lab.wait(230)
    assert peer.state is TIME_WAIT


@shows("D431")
def text_behind_a_gap_is_kept_over_the_wrap(lab: Lab) -> None:
    sock, peer = lab.opened(iss=LAST - 3)
    peer.send(ACK, b"more", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=9)
    assert text(sock) == b"textmore"


@shows("D432")
def a_fin_may_have_number_zero(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=LAST)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D433")
def urgent_data_reaches_over_the_wrap(lab: Lab) -> None:
    sock, _peer = beginning(lab, LAST - 3)
    sock.send(b"textmore", urgent=True)
    assert _peer.expect(ACK | URG, seq=1).urgent == 8


@shows("D434")
def small_segments_leave_at_once_behind_the_wrap(lab: Lab) -> None:
    sock, peer = beginning(lab, LAST - 6)
    fill(sock, peer)
    fill(sock, peer, b"x" * 1460)
    fill(sock, peer)


@shows("D435")
def text_with_an_old_ack_from_before_the_wrap_counts(lab: Lab) -> None:
    sock, peer = beginning(lab, LAST - 3)
    fill(sock, peer)
    peer.send(ACK, b"text", ack=1)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"


@shows("D436")
def the_last_number_of_all_may_be_the_syns(lab: Lab) -> None:
    lab.config.iss = LAST
    lab.connected()


@shows("D437")
def a_syn_behind_the_wrap_reopens_time_wait(lab: Lab) -> None:
    listener = lab.listen()
    sock, first = lab.opened(listener, iss=LAST - 10)
    sock.close()
    first.expect(FIN | ACK)
    first.send(FIN | ACK)
    first.expect(ACK)
    lab.peer(first.there.port, iss=1000).open()


@shows("D438")
def a_sack_block_reaches_over_the_wrap(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=LAST - 6)
    peer.send(ACK, b"more", seq=5)
    field = options.find(peer.expect(ACK, ack=1).options, options.KIND_SACK)
    assert field is not None
    assert [int.from_bytes(field[at : at + 4], "big") for at in (0, 4)] == [LAST - 1, 2]


@shows("D439")
def the_peers_syn_may_have_the_last_number_of_all(lab: Lab) -> None:
    lab.opened(iss=LAST)


@shows("D527")
def text_may_end_with_the_last_number_of_all(lab: Lab) -> None:
    sock, peer = lab.opened(iss=LAST - 8)
    peer.send(ACK, b"more", seq=5)
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=9)
    assert text(sock) == b"textmore"


@shows("D528", beginning_ns=0)
def our_timestamps_wrap(lab: Lab) -> None:
    lab.config.timestamp_offset = LAST - 1000
    sock, peer = lab.opened_with(FULL + stamped(1000))
    lab.wait(2)
    sock.send(b"text")
    found = read(peer.expect(ACK, seq=1).options).timestamps
    assert found is not None
    assert found[0] == 999
