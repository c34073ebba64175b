"""Options and scale together: timestamps, window scale and SACK each do their part when all are agreed."""

from harness.spec import options, seqno
from harness.spec.segment import ACK, FIN, RST, SYN, Segment
from harness.stack import Socket
from harness.stack.options import read
from testcases.selftest.interactions.lab import FULL, Lab, Peer
from testcases.selftest.interactions.proof import shows

#: What the target's receive buffer of 128 KiB needs, and what the peer has.
OURS, THEIRS = 2, 7
FIRST = 1000


def stamped(value: int, echo: int = 0) -> bytes:
    return options.NOP * 2 + options.timestamps(value, echo)


EVERYTHING = FULL + stamped(FIRST) + options.NOP + options.window_scale(THEIRS)


def together(lab: Lab) -> tuple[Socket, Peer]:
    sock, peer = lab.opened_with(EVERYTHING)
    return sock, peer


def stamps(segment: Segment) -> tuple[int, int]:
    found = read(segment.options).timestamps
    assert found is not None, f"{segment.notation()} has no timestamps"
    return found


def blocks(segment: Segment) -> list[tuple[int, int]]:
    """Return the SACK blocks, as they stand on the wire."""
    field = options.find(segment.options, options.KIND_SACK)
    assert field is not None, f"{segment.notation()} has no SACK blocks"
    edges = [int.from_bytes(field[at : at + 4], "big") for at in range(0, len(field), 4)]
    return list(zip(edges[::2], edges[1::2], strict=True))


@shows("D471")
def our_window_is_scaled(lab: Lab) -> None:
    _sock, peer = together(lab)
    peer.send(ACK, b"text")
    assert peer.expect(ACK, ack=5).window == ((1 << 17) - 4) >> OURS


@shows("D472")
def the_peers_window_is_scaled(lab: Lab) -> None:
    sock, peer = together(lab)
    peer.send(ACK, window=20)
    sock.send(b"x" * 1448)
    assert len(peer.expect(ACK).payload) == 1448


@shows("D473")
def the_fin_has_a_timestamp_of_now(lab: Lab) -> None:
    sock, peer = together(lab)
    lab.wait(5)
    sock.send(b"text")
    before = stamps(peer.expect(ACK))
    peer.send(ACK)
    lab.wait(5)
    sock.shutdown()
    assert seqno.diff(stamps(peer.expect(FIN | ACK))[0], before[0]) == 5000


@shows("D474")
def the_reset_has_a_timestamp_of_now(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"text")
    before = stamps(peer.expect(ACK))
    peer.send(ACK)
    lab.wait(5)
    sock.abort()
    assert seqno.diff(stamps(peer.expect(RST))[0], before[0]) == 5000


@shows("D475")
def what_lies_outside_the_window_does_not_move_ts_recent(lab: Lab) -> None:
    _sock, peer = together(lab)
    peer.send(ACK, b"stray", seq=500_000, options=stamped(9000))
    peer.expect(ACK)
    peer.send(ACK, b"text", options=stamped(2000))
    assert stamps(peer.expect(ACK, ack=5))[1] == 2000


@shows("D476")
def a_block_ends_behind_its_last_octet(lab: Lab) -> None:
    _sock, peer = together(lab)
    peer.send(ACK, b"text", seq=11)
    assert blocks(peer.expect(ACK, ack=1)) == [(peer.iss + 11, peer.iss + 15)]


@shows("D477")
def what_is_sent_again_is_stamped(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"text")
    peer.skip()
    stamps(peer.after(1, ACK, seq=1))


@shows("D478")
def a_repeated_syn_teaches_nothing(lab: Lab) -> None:
    listener, peer = lab.listen(), lab.peer()
    peer.send(SYN, options=EVERYTHING)
    peer.expect(SYN | ACK)
    peer.send(SYN, seq=0, options=options.mss(500) + FULL[4:] + stamped(FIRST) + options.NOP + options.window_scale(2))
    peer.expect(ACK)
    peer.options = stamped(FIRST)
    peer.send(ACK, window=20)
    listener.accept().send(b"x" * 1448)
    assert len(peer.expect(ACK, seq=1).payload) == 1448


@shows("D479")
def blocks_stand_beside_timestamps(lab: Lab) -> None:
    _sock, peer = together(lab)
    peer.send(ACK, b"text", seq=11)
    segment = peer.expect(ACK, ack=1)
    assert blocks(segment)
    assert stamps(segment)


def sack(left: int, right: int) -> bytes:
    edges = left.to_bytes(4, "big") + right.to_bytes(4, "big")
    return stamped(FIRST) + options.NOP * 2 + options.unknown(options.KIND_SACK, edges)


@shows("D480")
def a_window_counts_beside_blocks(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"text")
    peer.expect(ACK)
    assert peer.irs is not None
    peer.send(ACK, ack=1, window=0, options=sack(peer.irs + 2, peer.irs + 5))
    sock.send(b"x" * 1448)
    peer.quiet(0.5)


@shows("D481")
def timestamps_count_in_the_length_of_segments(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"x" * 3000)
    assert len(peer.expect(ACK, seq=1).payload) == 1448


@shows("D482")
def windows_are_scaled_without_timestamps(lab: Lab) -> None:
    sock, peer = lab.opened_with(FULL + options.NOP + options.window_scale(THEIRS))
    peer.send(ACK, window=20)
    sock.send(b"x" * 1460)
    assert len(peer.expect(ACK, seq=1).payload) == 1460


@shows("D483")
def keep_alive_probes_are_stamped(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.settings.keep_alive, sock.settings.keep_alive_idle_s = True, 30
    sock.settings_changed()
    stamps(peer.after(30, ACK, seq=0))


@shows("D484")
def a_delayed_ack_echoes_what_it_was_delayed_for(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = together(lab)
    peer.send(ACK, b"text", options=stamped(2000))
    peer.send(ACK, b"more", options=stamped(3000))
    assert stamps(peer.after(0.2, ACK, ack=9))[1] == 2000


@shows("D485")
def the_window_beside_data_is_scaled(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"text")
    assert peer.expect(ACK, seq=1).window == (1 << 17) >> OURS


@shows("D486")
def timestamps_last_as_long_as_the_connection(lab: Lab) -> None:
    sock, peer = together(lab)
    sock.send(b"text")
    stamps(peer.expect(ACK, seq=1))
