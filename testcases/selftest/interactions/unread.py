"""Unread data: it is delivered once, in front of the end or of the error, and hides neither."""

import errno

from harness.spec.segment import ACK, FIN, RST
from harness.spec.states import CLOSE_WAIT, CLOSED, TIME_WAIT
from harness.stack import Socket
from testcases.selftest.interactions.lab import Lab, Peer, ended, text
from testcases.selftest.interactions.proof import shows


def unread(lab: Lab, data: bytes = b"text") -> tuple[Socket, Peer]:
    sock, peer = lab.opened()
    peer.send(ACK, data)
    peer.expect(ACK, ack=1 + len(data))
    return sock, peer


def behind(lab: Lab) -> tuple[Socket, Peer]:
    """The same with the peer's FIN behind."""
    sock, peer = unread(lab)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=6)
    return sock, peer


def told(sock: Socket) -> tuple[bytes, int]:
    """Return what is read until the stream ends, and the errno with which it does (0: cleanly)."""
    data = b""
    for _ in range(10):
        try:
            part = sock.recv(10)
        except OSError as refusal:
            return data, refusal.errno or 0
        if not part:
            return data, 0
        data += part
    raise AssertionError("the stream has no end")


@shows("D409")
def a_fin_counts_at_once_behind_unread_text(lab: Lab) -> None:
    sock, peer = unread(lab)
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=6)
    assert peer.state is CLOSE_WAIT
    assert told(sock) == (b"text", 0)


@shows("D410")
def a_reset_is_no_clean_end(lab: Lab) -> None:
    sock, peer = unread(lab)
    peer.send(RST)
    assert told(sock)[1] == errno.ECONNRESET


@shows("D411")
def nothing_is_delivered_behind_the_error(lab: Lab) -> None:
    sock, peer = unread(lab)
    peer.send(RST)
    assert told(sock)[1] == errno.ECONNRESET
    assert told(sock) == (b"", 0)


@shows("D412")
def text_in_front_of_a_fin_is_delivered(lab: Lab) -> None:
    assert told(behind(lab)[0]) == (b"text", 0)


@shows("D413")
def closing_on_unread_text_resets(lab: Lab) -> None:
    sock, peer = behind(lab)
    sock.close()
    peer.expect(RST, seq=1)


@shows("D414")
def peeking_reads_nothing(lab: Lab) -> None:
    sock, _peer = behind(lab)
    assert sock.recv(10, peek=True) == sock.recv(10, peek=True) == b"text"
    assert told(sock) == (b"text", 0)


@shows("D415")
def a_reset_in_close_wait_is_told(lab: Lab) -> None:
    sock, peer = behind(lab)
    peer.send(RST)
    assert told(sock)[1] == errno.ECONNRESET


@shows("D416")
def the_end_waits_for_the_gap(lab: Lab) -> None:
    sock, peer = unread(lab)
    peer.send(FIN | ACK, b"end", seq=9)
    peer.expect(ACK, ack=5)
    assert text(sock) == b"text"
    assert not ended(sock)
    peer.send(ACK, b"more")
    peer.expect(ACK, ack=13)
    assert told(sock) == (b"moreend", 0)


@shows("D417")
def closing_on_unread_text_does_not_end_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    sock.close()
    peer.quiet()
    assert peer.state is TIME_WAIT


@shows("D418")
def the_text_of_a_reset_is_not_delivered(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(RST, b"go away")
    assert told(sock) == (b"", errno.ECONNRESET)


@shows("D419")
def what_is_unread_outlives_last_ack(lab: Lab) -> None:
    sock, peer = behind(lab)
    sock.shutdown()
    peer.expect(FIN | ACK, seq=1)
    peer.send(ACK)
    assert peer.state is CLOSED
    assert told(sock) == (b"text", 0)


@shows("D420")
def what_is_unread_outlives_time_wait(lab: Lab) -> None:
    sock, peer = lab.opened()
    sock.shutdown()
    peer.expect(FIN | ACK)
    peer.send(FIN | ACK, b"text")
    peer.expect(ACK, ack=6)
    lab.wait(241)
    assert peer.state is CLOSED
    assert told(sock) == (b"text", 0)


@shows("D421")
def text_that_comes_again_with_a_fin_is_delivered_once(lab: Lab) -> None:
    sock, peer = unread(lab)
    peer.send(FIN | ACK, b"text", seq=1)
    peer.expect(ACK, ack=6)
    assert told(sock) == (b"text", 0)


@shows("D422")
def the_fin_is_counted_behind_unread_text(lab: Lab) -> None:
    behind(lab)[1].quiet()
