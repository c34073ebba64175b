"""Later ones, over all kinds."""

import errno

from harness.spec import options
from harness.spec.segment import ACK, FIN, RST, SYN, URG
from harness.spec.states import CLOSED, FIN_WAIT_1
from harness.stack.datagram import Pair
from testcases.selftest.interactions.lab import FULL, Lab, Peer, ended, error, text
from testcases.selftest.interactions.proof import shows

STAMPED = FULL + options.NOP * 2


def stamped(value: int) -> bytes:
    return STAMPED + options.timestamps(value, 0)


def icmp(lab: Lab, peer: Peer, seq: int, *, hard: bool) -> None:
    """An error quotes what the stack has sent with this number."""
    code = errno.ECONNREFUSED if hard else errno.EHOSTUNREACH
    lab.stack.icmp_error(Pair(peer.here, peer.there), (peer.irs or 0) + seq, code, hard=hard)
    lab.collect()


@shows("D531")
def a_soft_error_leaves_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    icmp(lab, peer, 1, hard=False)
    peer.after(1, FIN | ACK, seq=1)


@shows("D532")
def a_bare_ack_leaves_a_delayed_one(lab: Lab) -> None:
    lab.config.delayed_ack_s = 0.2
    _sock, peer = lab.opened()
    peer.send(ACK, b"text")
    peer.send(ACK)
    peer.after(0.2, ACK, ack=5)


@shows("D533")
def acks_lie_behind_the_fin(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.after(1, FIN | ACK)
    peer.send(ACK, b"text", ack=1)
    peer.expect(ACK, seq=2, ack=5)


@shows("D534")
def text_completes_a_late_handshake(lab: Lab) -> None:
    lab.listen()
    peer = lab.peer()
    peer.send(SYN, options=FULL)
    peer.expect(SYN | ACK)
    peer.after(1, SYN | ACK)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D535")
def a_loss_behind_silence_is_made_good(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.quiet(40)
    sock.send(b"text")
    peer.expect(ACK, data=b"text")
    peer.after(1, ACK, data=b"text")


@shows("D536")
def a_window_shuts_before_accept(lab: Lab) -> None:
    listener = lab.listen()
    peer = lab.peer()
    peer.open()
    peer.send(ACK, window=0)
    sock = listener.accept()
    sock.send(b"text")
    peer.quiet(0.5)


@shows("D537")
def abort_resets_behind_a_closed_window(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.abort()
    peer.expect(RST, seq=1)


@shows("D538")
def text_is_acknowledged_while_the_fin_waits(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(ACK, window=0)
    sock.send(b"text")
    sock.shutdown()
    peer.send(ACK, b"theirs", window=0)
    peer.expect(ACK, ack=7)


@shows("D539")
def the_window_begins_anew(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.send(b"text")
    peer.expect(ACK)
    peer.after(1, ACK)
    peer.send(RST, seq=1)
    again = lab.peer(peer.there.port, iss=0x70000000)
    again.open()
    listener.accept().send(bytes(4000))
    again.expect(ACK)
    again.expect(ACK)


@shows("D540")
def a_user_timeout_is_the_connection_s_own(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened(listener)
    sock.settings.user_timeout_s = 5.0
    peer.send(RST)
    again = lab.peer(peer.there.port, iss=0x70000000)
    again.open()
    listener.accept().send(b"text")
    again.expect(ACK)
    lab.wait(30)
    again.skip()
    assert again.state is not CLOSED


@shows("D541")
def unread_text_hides_no_old_segment(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(ACK, b"text", ack=2)
    peer.expect(ACK, ack=5)
    peer.send(ACK, b"text", seq=1, ack=2)
    peer.expect(ACK, ack=5)


@shows("D542")
def text_ends_at_the_wrap(lab: Lab) -> None:
    _sock, peer = lab.opened(iss=(1 << 32) - 5)
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D543")
def other_openings_live_on(lab: Lab) -> None:
    lab.listen()
    one, other = lab.peer(), lab.peer()
    for peer in (one, other):
        peer.send(SYN, options=FULL)
        peer.expect(SYN | ACK)
    one.send(RST)
    other.send(ACK)
    other.quiet()


@shows("D544")
def a_reset_that_acknowledges_the_fin_resets(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    assert peer.state is FIN_WAIT_1
    peer.send(RST | ACK, ack=2)
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET


@shows("D545")
def a_gap_is_filled_with_an_older_timestamp(lab: Lab) -> None:
    _sock, peer = lab.opened_with(stamped(100))
    peer.send(ACK, b"behind", seq=5, options=STAMPED[4:] + options.timestamps(300, 0))
    peer.expect(ACK, ack=1)
    peer.send(ACK, b"text", options=STAMPED[4:] + options.timestamps(200, 0))
    peer.expect(ACK, ack=11)


@shows("D546")
def the_next_connection_has_no_timestamps(lab: Lab) -> None:
    listener = lab.listen()
    sock, peer = lab.opened_with(stamped(100), listener)
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK)
    peer.expect(ACK)
    again = lab.peer(peer.there.port, iss=0x70000000)
    again.send(SYN, options=FULL)
    assert options.timestamps_of(again.expect(SYN | ACK).options) is None


@shows("D547")
def a_reset_may_have_ip_options(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.form = with_ip_options
    peer.send(RST)
    assert error(lambda: sock.recv(1)) == errno.ECONNRESET


def with_ip_options(packet: bytes) -> list[bytes]:
    """Put four no-operations into the IPv4 header."""
    head = bytearray(packet[:20])
    head[0] += 1
    head[2:4] = (len(packet) + 4).to_bytes(2, "big")
    head[10:12] = bytes(2)
    whole = head + bytes([1, 1, 1, 1])
    total = sum(int.from_bytes(whole[at : at + 2], "big") for at in range(0, len(whole), 2))
    total = (total & 0xFFFF) + (total >> 16)
    whole[10:12] = (~(total + (total >> 16)) & 0xFFFF).to_bytes(2, "big")
    return [bytes(whole) + packet[20:]]


@shows("D548")
def a_hard_error_is_told(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.send(b"text")
    peer.expect(ACK)
    icmp(lab, peer, 1, hard=True)
    assert error(lambda: sock.recv(1)) == errno.ECONNREFUSED


@shows("D549")
def the_end_may_be_peeked_at(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK)
    peer.expect(ACK)
    assert sock.recv(10, peek=True) == b""
    assert ended(sock)


@shows("D550")
def urgent_text_is_delivered_once(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(URG | ACK, b"text")
    peer.expect(ACK, ack=5)
    peer.send(URG | ACK, b"text", seq=1)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"
