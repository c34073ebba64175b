"""TIME-WAIT of a connection with timestamps: RFC 6191 (SHLD-4) and RFC 7323."""

import pytest

from harness.case import (
    ACK,
    FIN,
    FIN_WAIT_2,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    TIME_WAIT,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    requires,
    segment,
    silence,
)
from harness.case.target_side import walking
from harness.spec.options import mss, timestamps, timestamps_of

#: The peer's timestamp on the last segment of the old connection.
LAST_VALUE = 5000
RCV_NXT, SND_NXT = 2, 2
BELOW, ABOVE = -100_000, 100_000


def _into_time_wait(target: Target, peer: Peer, *, stamped: bool) -> None:
    """Open and close a connection, every segment with timestamps or none; the listener stays."""

    def options() -> bytes:
        mine = timestamps_of(peer.last.options) if stamped else None
        return timestamps(LAST_VALUE, mine[0]) if mine else b""

    with walking(target.conversation):
        target.listen()
        peer.send(SYN, seq=0, options=mss(1460) + (timestamps(LAST_VALUE) if stamped else b""))
        target.must_send(SYN | ACK, seq=0, ack=1)
        peer.send(ACK, options=options())
        target.must_not_send()
        target.accept()
        target.shutdown()
        target.must_send(FIN | ACK, seq=1, ack=1)
        peer.send(ACK, options=options())
        target.must_be(FIN_WAIT_2)
        peer.send(FIN | ACK, options=options())
        target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT)
        target.must_be(TIME_WAIT)


def _stamped(wire: Segment) -> str:
    return "" if timestamps_of(wire.options) else "no timestamps"


#: RFC 6191 §2 as a table: old connection with timestamps?, the SYN's timestamp, its number, is it honoured?
_HONOURED = [
    pytest.param(True, LAST_VALUE + 1, ABOVE, id="newer-timestamp-higher-number"),
    pytest.param(True, LAST_VALUE + 1, BELOW, id="newer-timestamp-lower-number"),
    pytest.param(True, LAST_VALUE, ABOVE, id="equal-timestamp-higher-number"),
    pytest.param(True, None, ABOVE, id="timestamps-dropped-higher-number"),
    pytest.param(False, LAST_VALUE, ABOVE, id="timestamps-gained-higher-number"),
    pytest.param(False, LAST_VALUE, BELOW, id="timestamps-gained-lower-number"),
    pytest.param(False, None, ABOVE, id="no-timestamps-higher-number"),
]
_REFUSED = [
    pytest.param(True, LAST_VALUE, BELOW, id="equal-timestamp-lower-number"),
    pytest.param(True, LAST_VALUE - 1, ABOVE, id="older-timestamp-higher-number"),
    pytest.param(True, LAST_VALUE - 1, BELOW, id="older-timestamp-lower-number"),
    pytest.param(True, None, BELOW, id="timestamps-dropped-lower-number"),
    pytest.param(False, None, BELOW, id="no-timestamps-lower-number"),
]


def _send_syn(peer: Peer, value: int | None, isn: int) -> None:
    peer.send(SYN, seq=isn, options=mss(1460) + (b"" if value is None else timestamps(value)))


@cites("SHLD-4", "RFC6191-2-newer", "RFC6191-2-equal", "RFC6191-2-dropped", "RFC6191-2-gained")
@requires(Capability.TIMESTAMPS)
@pytest.mark.parametrize(("stamped", "value", "isn"), _HONOURED)
def test_new_syn_is_honoured(target: Target, peer: Peer, stamped: bool, value: int | None, isn: int) -> None:
    """A SYN that its timestamp or else its number proves to be new opens a connection out of TIME-WAIT."""
    _into_time_wait(target, peer, stamped=stamped)
    _send_syn(peer, value, isn)
    target.should_send(SYN | ACK, ack=isn + 1)
    target.should_be(SYN_RECEIVED)


@cites("RFC6191-2-otherwise", "SHLD-4")
@requires(Capability.TIMESTAMPS)
@pytest.mark.parametrize(("stamped", "value", "isn"), _REFUSED)
def test_old_syn_is_refused(target: Target, peer: Peer, stamped: bool, value: int | None, isn: int) -> None:
    """A SYN that may be an old duplicate opens nothing: it is dropped (RFC 6191) or acknowledged (RFC 9293)."""
    _into_time_wait(target, peer, stamped=stamped)
    _send_syn(peer, value, isn)
    target.should_answer(
        silence(cites="RFC6191-2-otherwise"), segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC 9293 §3.10.7.4 fourth")
    )
    target.should_be(TIME_WAIT)


@cites("MAY-2", "RFC6191-2-newer")
@requires(Capability.TIMESTAMPS, Capability.TIME_WAIT_REUSE)
def test_new_isn_is_above_the_old_numbers(target: Target, peer: Peer) -> None:
    """Reopened by its timestamp, the connection still starts above the target's old numbers."""
    _into_time_wait(target, peer, stamped=True)
    target.wait(0.001)  # an ISN may follow the clock alone, and in virtual time that stands still else
    _send_syn(peer, LAST_VALUE + 1, BELOW)
    target.must_send(
        SYN | ACK,
        ack=BELOW + 1,
        check=lambda wire: "" if (wire.seq - peer.target_iss - SND_NXT) & 0xFFFFFFFF < 1 << 31 else "an old number",
    )


@cites("RFC7323-3.2-always")
@requires(Capability.TIMESTAMPS)
def test_last_ack_carries_timestamps(target: Target, peer: Peer) -> None:
    """The ACK of a repeated FIN still carries timestamps."""
    _into_time_wait(target, peer, stamped=True)
    peer.send(FIN | ACK, seq=1, ack=SND_NXT, options=timestamps(LAST_VALUE + 1))
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT, check=_stamped)
    target.must_be(TIME_WAIT)


@cites("RFC7323-5.3-paws")
@requires(Capability.TIMESTAMPS)
def test_old_timestamp_draws_an_ack(target: Target, peer: Peer) -> None:
    """A segment with an old timestamp is an old duplicate even at RCV.NXT: acknowledged and dropped."""
    _into_time_wait(target, peer, stamped=True)
    peer.send(ACK, seq=RCV_NXT, ack=SND_NXT, options=timestamps(LAST_VALUE - 1))
    target.must_send(ACK, seq=SND_NXT, ack=RCV_NXT, check=_stamped)
    target.must_be(TIME_WAIT)


def _ignores_resets(target: Target, *, stamped: bool) -> bool:
    """Tell whether a reset at RCV.NXT leaves TIME-WAIT as it is (RFC 1337), as a connection beside shows."""
    connection = target.conversation.connect_peer()
    other_target, other_peer = Target(connection), Peer(connection)
    _into_time_wait(other_target, other_peer, stamped=stamped)
    other_peer.send(RST, seq=RCV_NXT)
    other_target.must_be(LISTEN, TIME_WAIT)
    if other_target.snapshot is not None:
        return other_target.snapshot.state is TIME_WAIT
    # Its answer to the FIN once more shows what no state can.
    other_peer.send(FIN | ACK, seq=RCV_NXT - 1, ack=SND_NXT, options=timestamps(LAST_VALUE) if stamped else b"")
    kept = segment(ACK, seq=SND_NXT, ack=RCV_NXT, cites="RFC1337-3-ignore-rst")
    answer = other_target.must_answer(segment(RST, seq=SND_NXT, cites="RFC 9293 §3.10.7.2"), kept)
    return answer is not None and not answer.flags & RST


@cites("RFC7323-5.2-rst-received", "RFC 9293 §3.10.7.4 second")
@requires(Capability.TIMESTAMPS)
@pytest.mark.parametrize("value", [LAST_VALUE + 1, LAST_VALUE - 1], ids=["new-timestamp", "old-timestamp"])
def test_rst_is_not_judged_by_its_timestamp(target: Target, peer: Peer, value: int) -> None:
    """A reset at RCV.NXT does what it does without a timestamp: an old one is no reason to reject it."""
    # What it does is up to the target: RFC 9293 ends TIME-WAIT, RFC 1337 ignores resets. A second connection tells.
    ignored = _ignores_resets(target, stamped=True)
    _into_time_wait(target, peer, stamped=True)
    peer.send(RST, seq=RCV_NXT, options=timestamps(value))
    target.must_not_send()
    target.must_be(TIME_WAIT if ignored else LISTEN)


@cites("RFC 9293 §3.10.7.4 second", "MAY-2")
@requires(Capability.TIMESTAMPS, Capability.TIME_WAIT_REUSE)
@pytest.mark.parametrize("stamped", [False, True], ids=["plain", "stamped"])
def test_reset_with_a_syn_is_no_request(target: Target, peer: Peer, stamped: bool) -> None:
    """With a listener on the port a reset at RCV.NXT does the same with a SYN as without: it asks for no connection."""
    ignored = _ignores_resets(target, stamped=stamped)
    _into_time_wait(target, peer, stamped=stamped)
    peer.send(SYN | RST, seq=RCV_NXT)
    target.must_not_send()
    target.must_be(TIME_WAIT if ignored else LISTEN)
