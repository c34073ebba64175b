"""Window scale, SACK-permitted and timestamps in a handshake that the peer begins: answered, never offered unasked."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
    segment,
)
from harness.spec import options
from harness.spec.options import (
    KIND_SACK_PERMITTED,
    KIND_TIMESTAMPS,
    KIND_WINDOW_SCALE,
    mss,
    timestamps,
    window_scale,
)
from testcases.passive_open.option_checks import (
    NAMES,
    OFFERS,
    STAMP,
    echoes,
    has,
    lacks,
    must_send_in_segments,
    must_stay_within,
    offers,
)

EACH_OPTION = pytest.mark.parametrize("kind", list(OFFERS), ids=list(NAMES.values()))


@EACH_OPTION
@cites("RFC7323-2.2-offer", "RFC7323-3.2-offer")
@in_state(LISTEN)
def test_nothing_is_offered_unasked(target: Target, peer: Peer, kind: int) -> None:
    """An option that the SYN does not have is not on the SYN,ACK either, though the others are there."""
    peer.send(SYN, options=offers(kind))
    target.must_send(SYN | ACK, seq=0, ack=1, check=lacks(kind))


@cites("RFC7323-2.2-offer", "RFC7323-3.2-offer")
@in_state(LISTEN)
def test_bare_syn_gets_a_bare_answer(target: Target, peer: Peer) -> None:
    """A SYN without any option opens a connection in which the target uses none of the negotiated ones."""
    peer.send(SYN, options=b"")
    target.must_send(SYN | ACK, seq=0, ack=1, check=lacks(*OFFERS))
    peer.send(ACK, b"data")
    target.must_send(ACK, seq=1, ack=5, check=lacks(*OFFERS))


def _takes_the_offer(target: Target, peer: Peer, kind: int) -> None:
    peer.send(SYN, options=mss(1460) + OFFERS[kind])
    target.should_answer(segment(SYN | ACK, seq=0, ack=1, check=has(kind)))


@requires(Capability.WINDOW_SCALE)
@cites("RFC 7323 §2.3", "RFC 7323 §2.2")
@in_state(LISTEN)
def test_window_scale_is_taken(target: Target, peer: Peer) -> None:
    """A SYN that offers window scale, and nothing else, should be answered with window scale."""
    _takes_the_offer(target, peer, KIND_WINDOW_SCALE)


@requires(Capability.TIMESTAMPS)
@cites("RFC 7323 §3.2")
@in_state(LISTEN)
def test_timestamps_are_taken(target: Target, peer: Peer) -> None:
    """A SYN that offers timestamps, and nothing else, should be answered with timestamps."""
    _takes_the_offer(target, peer, KIND_TIMESTAMPS)


@requires(Capability.SACK)
@cites("RFC 9293 §3.2")
@in_state(LISTEN)
def test_sack_permitted_is_taken(target: Target, peer: Peer) -> None:
    """A SYN that permits SACK, and offers nothing else, should be answered with the same permission."""
    _takes_the_offer(target, peer, KIND_SACK_PERMITTED)


# --- window scale ----------------------------------------------------------------------------------------------------


@requires(Capability.WINDOW_SCALE)
@cites("RFC 7323 §2.3", "RFC7323-2.3-both")
@in_state(LISTEN)
def test_window_behind_the_handshake_is_scaled(target: Target, peer: Peer) -> None:
    """With scale 7 a window field of 20 is one of 2560 octets, and 2000 go out at once."""
    peer.send(SYN, options=mss(1460) + window_scale(7))
    target.must_send(SYN | ACK, seq=0, ack=1, check=has(KIND_WINDOW_SCALE))
    peer.send(ACK, window=20)
    target.accept()
    target.send(bytes(2000))
    must_send_in_segments(target, bytes(2000), largest=1460)


@cites("RFC7323-2.3-both", "RFC7323-2.2-syn-only")
@pytest.mark.parametrize("late", [b"", window_scale(7)], ids=["no-option", "option-on-the-ack"])
@in_state(LISTEN)
def test_window_is_not_scaled_without_agreement(target: Target, peer: Peer, late: bytes) -> None:
    """Without the option on the SYN a window field of 1000 is 1000 octets; on a later segment it comes too late."""
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1, check=lacks(KIND_WINDOW_SCALE))
    peer.send(ACK, window=1000, options=late)
    target.accept()
    target.send(bytes(3000))
    must_stay_within(target, peer, 1000)
    peer.send(RST)  # text that is held back for a larger window would come later, by itself (RFC 9293 §3.8.6.2.1)


@requires(Capability.WINDOW_SCALE)
@cites("RFC7323-2.3-limit")
@in_state(LISTEN)
def test_shift_above_fourteen_is_fourteen(target: Target, peer: Peer) -> None:
    """A shift count of 15 is taken as 14: a window field of 1 is one of 16384 octets."""
    peer.send(SYN, options=mss(1460) + window_scale(15))
    target.must_send(SYN | ACK, seq=0, ack=1, check=has(KIND_WINDOW_SCALE))
    peer.send(ACK, window=1)
    target.accept()
    target.send(bytes(33_000))
    must_stay_within(target, peer, 16_384)
    acknowledged = peer.rcv_nxt - 1
    peer.send(ACK, window=1)
    must_stay_within(target, peer, acknowledged + 16_384)


@requires(Capability.WINDOW_SCALE)
@cites("RFC7323-2.2-unscaled")
@in_state(LISTEN)
def test_window_of_the_syn_ack_is_not_scaled(target: Target, peer: Peer) -> None:
    """The window on the SYN,ACK is the true one, as far as 16 bits reach; behind it the field is scaled."""
    peer.send(SYN, options=mss(1460) + window_scale(7))
    opening = target.must_send(SYN | ACK, seq=0, ack=1, check=has(KIND_WINDOW_SCALE))
    shift = options.window_scale_of(opening.options) or 0

    def consistent(wire: Segment) -> str:
        true_window = wire.window << shift
        reached = opening.window >= min(0xFFFF, true_window) // 2
        return "" if reached else f"a window near the {opening.window} octets of the SYN,ACK, not {true_window}"

    peer.send(ACK, b"!")
    target.must_send(ACK, seq=1, ack=2, check=consistent)


# --- timestamps ------------------------------------------------------------------------------------------------------


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-always", "RFC 7323 §3.2", "RFC 7323 §4.3")
@in_state(LISTEN)
def test_timestamps_are_on_every_segment(target: Target, peer: Peer) -> None:
    """Once agreed on, timestamps are on SYN,ACK, ACK, data and FIN, and echo the peer's latest."""
    peer.send(SYN, options=mss(1460) + timestamps(STAMP))
    target.must_send(SYN | ACK, seq=0, ack=1, check=echoes(STAMP))
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, b"data", options=timestamps(STAMP + 1, value))
    target.must_send(ACK, seq=1, ack=5, check=echoes(STAMP + 1))
    target.accept()
    target.send(b"back")
    target.must_send(ACK, seq=1, ack=5, data=b"back", check=echoes(STAMP + 1))
    peer.send(ACK, options=timestamps(STAMP + 2, value))
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=5, check=echoes(STAMP + 2))


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-echo")
@in_state(LISTEN)
def test_echo_field_of_the_syn_means_nothing(target: Target, peer: Peer) -> None:
    """Garbage in the echo field of a SYN, which has no ACK, does no harm."""
    peer.send(SYN, options=mss(1460) + timestamps(STAMP, 0xDEADBEEF))
    target.must_send(SYN | ACK, seq=0, ack=1, check=echoes(STAMP))
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, options=timestamps(STAMP, value))
    target.must_be(ESTABLISHED)


@cites("RFC7323-3.2-unasked")
@in_state(LISTEN)
def test_timestamps_that_were_not_agreed_on_are_ignored(target: Target, peer: Peer) -> None:
    """A segment with timestamps on a connection without them is processed; an older stamp is no reason to drop."""
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1, check=lacks(KIND_TIMESTAMPS))
    peer.send(ACK, b"new", options=timestamps(STAMP))
    target.must_send(ACK, seq=1, ack=4, check=lacks(KIND_TIMESTAMPS))
    peer.send(ACK, b"old", options=timestamps(STAMP - 1000))
    target.must_send(ACK, seq=1, ack=7, check=lacks(KIND_TIMESTAMPS))
    target.accept()
    target.must_deliver(b"newold")


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-missing")
@in_state(SYN_RECEIVED, options=mss(1460) + timestamps(STAMP), keep_listener=True)
def test_third_segment_without_timestamps_is_dropped(target: Target, peer: Peer) -> None:
    """Where timestamps were agreed on, an ACK without them should not complete the handshake."""
    peer.send(ACK, options=b"")
    target.must_not_send()
    target.should_be(SYN_RECEIVED)


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-no-abort")
@in_state(SYN_RECEIVED, options=mss(1460) + timestamps(STAMP), keep_listener=True)
def test_third_segment_without_timestamps_ends_nothing(target: Target, peer: Peer) -> None:
    """An ACK without the timestamps that were agreed on never resets: the proper one completes the handshake."""
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, options=b"")
    target.must_not_send()
    peer.send(ACK, b"here", options=timestamps(STAMP + 1, value))
    target.must_send(ACK, seq=1, ack=5)
    target.must_be(ESTABLISHED)


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-4.3-recent", "RFC 7323 §4.3")
@in_state(LISTEN)
def test_segment_behind_a_gap_is_not_echoed(target: Target, peer: Peer) -> None:
    """While something is missing, the echo is that of the last segment in order: then round trips count the loss."""
    peer.send(SYN, options=mss(1460) + timestamps(STAMP))
    target.must_send(SYN | ACK, seq=0, ack=1, check=echoes(STAMP))
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, options=timestamps(STAMP + 1, value))
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"later", seq=5, options=timestamps(STAMP + 20, value))
    target.must_send(ACK, seq=1, ack=1, check=echoes(STAMP + 1))
    peer.send(ACK, b"here", seq=1, options=timestamps(STAMP + 30, value))
    target.must_answer(
        segment(ACK, seq=1, ack=10, check=echoes(STAMP + 30)),
        segment(ACK, seq=1, ack=5, check=echoes(STAMP + 30), cites="SHLD-31"),
    )


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-5.3-paws", "RFC 7323 §5.3")
@in_state(LISTEN)
def test_timestamps_wrap(target: Target, peer: Peer) -> None:
    """Timestamps count modulo 2**32: a small one behind a very large one is newer, and what it stamps is taken."""
    largest = 0xFFFFFFFF
    peer.send(SYN, options=mss(1460) + timestamps(largest - 1))
    target.must_send(SYN | ACK, seq=0, ack=1, check=echoes(largest - 1))
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, b"before", options=timestamps(largest, value))
    target.must_send(ACK, seq=1, ack=7, check=echoes(largest))
    peer.send(ACK, b"behind", options=timestamps(3, value))
    target.must_send(ACK, seq=1, ack=13, check=echoes(3))
    target.accept()
    target.must_deliver(b"beforebehind")


@requires(Capability.SACK)
@cites("RFC 9293 §3.10.7.4 first")
@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not-agreed"])
@in_state(LISTEN)
def test_sack_blocks_only_by_agreement(target: Target, peer: Peer, agreed: bool) -> None:
    """Data above a gap may be reported by SACK blocks only to a peer that has permitted them."""
    peer.send(SYN, options=mss(1460) + (OFFERS[KIND_SACK_PERMITTED] if agreed else b""))
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    peer.send(ACK, b"behind the gap", seq=101)
    check = None if agreed else lacks(options.KIND_SACK)
    target.must_send(ACK, seq=1, ack=1, check=check)
