"""What still arrives in TIME-WAIT: repeated FINs, old duplicates, resets (RFC 9293 §3.10.7.4)."""

import pytest

from harness.case import (
    ACK,
    ACTIVE,
    CLOSE,
    CLOSED,
    CLOSING,
    ESTABLISHED,
    FIN,
    FIN_WAIT_1,
    FIN_WAIT_2,
    NO_FLAGS,
    PASSIVE,
    RST,
    SHUTDOWN,
    SYN,
    TIME_WAIT,
    Capability,
    Peer,
    State,
    Target,
    cites,
    in_state,
    requires,
    segment,
    silence,
)
from harness.case.user_calls import ANY_ERROR

#: The peer's FIN has number 1, so the target's RCV.NXT is 2; its own FIN has number 1, so its SND.NXT is 2.
FIN_NUMBER, RCV_NXT, SND_NXT = 1, 2, 2
#: Beyond every window that the target may have offered.
FAR_AHEAD = 1 << 30

ROUTES = {"opened": (PASSIVE, ACTIVE), "closed_by": (SHUTDOWN, CLOSE)}


def _still_time_wait(target: Target, peer: Peer) -> None:
    """Prove TIME-WAIT from outside too: the peer's FIN is acknowledged once more."""
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, seq=FIN_NUMBER, ack=SND_NXT)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    target.must_be(TIME_WAIT)


@cites("RFC9293-3.10.7.4-time-wait", "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth", "MUST-13")
@in_state(TIME_WAIT, **ROUTES)
def test_repeated_fin_is_acknowledged(target: Target, peer: Peer) -> None:
    """Each repetition of the peer's FIN shows that the last ACK was lost, and draws it again."""
    for _ in range(3):
        peer.send(FIN | ACK, seq=FIN_NUMBER, ack=SND_NXT)
        target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
        target.must_be(TIME_WAIT)


@cites("RFC9293-3.10.7.4-time-wait", "RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth", "MUST-13")
@in_state(FIN_WAIT_1, FIN_WAIT_2, CLOSING, closed_by=(SHUTDOWN, CLOSE))
def test_every_way_into_time_wait(target: Target, peer: Peer) -> None:
    """TIME-WAIT is the same behind a FIN that acknowledges ours, a FIN in FIN-WAIT-2, and the ACK in CLOSING."""
    was_closing = peer.snd_nxt > FIN_NUMBER  # it has sent its FIN
    peer.send(ACK if was_closing else FIN | ACK, ack=SND_NXT)
    if was_closing:
        target.must_not_send()
    else:
        target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth", "RFC 9293 §3.10.7.4 eighth")
@in_state(FIN_WAIT_2)
def test_repeated_fin_with_its_data(target: Target, peer: Peer) -> None:
    """A FIN repeated together with the last data is acknowledged, and the data is not delivered twice."""
    peer.send(FIN | ACK, b"last words", seq=1)
    target.must_send(ACK, seq=SND_NXT, ack=12)
    target.must_be(TIME_WAIT)
    peer.send(FIN | ACK, b"last words", seq=1)
    target.must_send(ACK, seq=SND_NXT, ack=12)
    target.must_be(TIME_WAIT)
    target.must_deliver(b"last words")
    target.must_deliver(b"")


@cites("RFC 9293 §3.10.7.4 first", "MUST-13")
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
@pytest.mark.parametrize(
    ("flags", "data", "seq"),
    [
        (ACK, b"", 0),
        (ACK, b"old", -1000),
        (ACK, b"old", FAR_AHEAD),
        (SYN | ACK, b"", 0),
        (FIN | ACK, b"", FAR_AHEAD),
    ],
    ids=["old-ack", "old-data", "data-beyond-the-window", "old-syn-ack", "fin-beyond-the-window"],
)
def test_segment_outside_the_window_draws_an_ack(target: Target, peer: Peer, flags: int, data: bytes, seq: int) -> None:
    """What lies outside the window is answered with the current numbers and has no other effect."""
    peer.send(flags, data, seq=seq, ack=SND_NXT)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(TIME_WAIT, **ROUTES)
def test_no_ack_for_an_empty_ack(target: Target, peer: Peer) -> None:
    """An empty segment at RCV.NXT is not answered: both ends may be in TIME-WAIT, and would never stop."""
    for _ in range(2):
        peer.send(ACK, seq=RCV_NXT, ack=SND_NXT)
        target.must_not_send()
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 seventh")
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_data_behind_the_fin_is_ignored(target: Target, peer: Peer) -> None:
    """Data numbered behind the peer's FIN is not taken: at most the old RCV.NXT is acknowledged again."""
    peer.send(ACK, b"more", seq=RCV_NXT, ack=SND_NXT)
    target.must_answer(
        silence(cites="RFC 9293 §3.10.7.4 seventh"),
        segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC 9293 §3.10.7.4 fifth"),
    )
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth", "MAY-12")
@in_state(TIME_WAIT)
def test_ack_of_what_was_never_sent(target: Target, peer: Peer) -> None:
    """An ACK beyond SND.NXT is dropped, with an ACK in answer where the range check of RFC 5961 is in use."""
    peer.send(ACK, seq=RCV_NXT, ack=SND_NXT + 1)
    target.must_answer(
        segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC 5961 §5.2"),
        silence(cites="RFC 9293 §3.10.7.4 fifth"),
    )
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 fifth")
@in_state(TIME_WAIT)
@pytest.mark.parametrize("flags", [NO_FLAGS, FIN], ids=["data", "fin"])
def test_segment_without_ack_is_dropped(target: Target, peer: Peer, flags: int) -> None:
    """An acceptable segment whose ACK bit is off gets no answer."""
    peer.send(flags, b"" if flags else b"data", seq=RCV_NXT)
    target.must_not_send()
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 second", "RFC1337-3-ignore-rst")
@in_state(TIME_WAIT, **ROUTES)
def test_rst_at_rcv_nxt(target: Target, peer: Peer) -> None:
    """A reset at RCV.NXT is never answered; it ends TIME-WAIT, unless the target follows RFC 1337."""
    # RFC 9293 deletes the connection. RFC 1337 (informational) shows that an old duplicate can provoke this reset
    # ("TIME-WAIT assassination") and advises to ignore it. Either is consistent, a third outcome is not.
    peer.send(RST, seq=RCV_NXT)
    target.must_not_send()
    target.must_be(CLOSED, TIME_WAIT)
    gone = segment(RST, seq=SND_NXT, cites="RFC 9293 §3.10.7.1")
    kept = segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC1337-3-ignore-rst")
    allowed = {CLOSED: (gone,), TIME_WAIT: (kept,)}
    state: State | None = target.snapshot.state if target.snapshot is not None else None
    peer.send(FIN | ACK, seq=FIN_NUMBER, ack=SND_NXT)
    target.must_answer(*(allowed[state] if state is not None else (gone, kept)))


@cites("RFC5961-3.2-challenge", "RFC 9293 §3.10.7.4 second")
@requires(Capability.RFC5961_RST)
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_rst_elsewhere_in_the_window(target: Target, peer: Peer) -> None:
    """A reset in the window but not at RCV.NXT draws a challenge ACK and does not end TIME-WAIT."""
    peer.send(RST, seq=RCV_NXT + 1)
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.7.4 first", "RFC 9293 §3.10.7.4 second")
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
@pytest.mark.parametrize("seq", [RCV_NXT - 1, -1000, FAR_AHEAD], ids=["just-below", "old", "beyond-the-window"])
def test_rst_outside_the_window(target: Target, peer: Peer, seq: int) -> None:
    """A reset outside the window is dropped in silence, and TIME-WAIT goes on."""
    peer.send(RST, seq=seq)
    target.must_not_send()
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.10.1", "MUST-13")
@in_state(TIME_WAIT, **ROUTES)
def test_own_open_is_refused(target: Target, peer: Peer) -> None:
    """The target's own application can't open the same connection again: no SYN leaves before the wait is over."""
    target.connect(refused=ANY_ERROR)
    target.must_not_send()
    _still_time_wait(target, peer)


@cites("RFC 9293 §3.6.1", "RFC 9293 §3.3.1")
@in_state(TIME_WAIT, keep_listener=True, closed_by=(SHUTDOWN, CLOSE))
def test_other_connections_are_not_held_up(target: Target, peer: Peer) -> None:
    """TIME-WAIT belongs to one pair of sockets: another port of the peer connects to the same port at once."""
    tuple4 = target.connection.tuple4
    connection = target.conversation.connect_peer(port=tuple4.port, peer_port=tuple4.peer_port + 1)
    other_target, other_peer = Target(connection), Peer(connection)
    other_peer.send(SYN, seq=0)
    other_target.must_send(SYN | ACK, seq=0, ack=1)
    other_peer.send(ACK)
    other_target.must_not_send()
    other_target.must_be(ESTABLISHED)
    _still_time_wait(target, peer)
    other_target.must_be(ESTABLISHED)


@cites("RFC1337-3-ignore-rst", "MUST-13")
@requires(Capability.SETTINGS)
@in_state(TIME_WAIT, closed_by=(SHUTDOWN, CLOSE))
def test_reset_is_ignored_where_the_user_wants_it(target: Target, peer: Peer) -> None:
    """With protection against TIME-WAIT assassination on, not even an exact reset ends the wait."""
    with target.setting("net.ipv4.tcp_rfc1337", "1"):
        peer.send(RST, seq=RCV_NXT)
        target.must_not_send()
        _still_time_wait(target, peer)
