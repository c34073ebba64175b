"""Options on crossing SYNs: both SYNs are offers, and what only one side offers is not used."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    RST,
    SYN,
    SYN_SENT,
    Capability,
    Peer,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec import options
from harness.spec.options import KIND_MSS, KIND_WINDOW_SCALE, NOP, mss
from testcases.passive_open.option_checks import (
    STAMP,
    default_mss,
    echoes,
    ethernet_mss,
    has,
    must_send_in_segments,
    must_stay_within,
)

DATA = bytes(2000)


@cites("SHLD-5", "MUST-14", "RFC6691-2-value")
@in_state(SYN_SENT)
def test_syn_ack_repeats_the_mss(target: Target, peer: Peer) -> None:
    """The SYN,ACK that answers a crossing SYN announces the same maximum segment size as the SYN before, or none."""
    announced = options.mss_of(peer.last.options)
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1, check=has(KIND_MSS) if announced else None)
    target.must_show("the announced MSS is", options.mss_of(peer.last.options), announced)


@pytest.mark.parametrize("announced", [1000, 536, 256])
@cites("MUST-14", "MUST-16")
@in_state(SYN_SENT)
def test_mss_of_the_crossing_syn_is_obeyed(target: Target, peer: Peer, announced: int) -> None:
    """No segment carries more data than the crossing SYN has allowed."""
    peer.send(SYN, seq=0, options=mss(announced))
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=min(announced, ethernet_mss(target)))


@cites("MUST-15", "RFC6691-2-absent")
@in_state(SYN_SENT)
def test_default_mss(target: Target, peer: Peer) -> None:
    """A crossing SYN that announces none allows 536 octets of data over IPv4 and 1220 over IPv6."""
    peer.send(SYN, seq=0, options=b"")
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=default_mss(target))


@requires(Capability.WINDOW_SCALE)
@cites("RFC7323-2.3-both", "RFC 7323 §2.3")
@in_state(SYN_SENT)
def test_window_is_scaled_when_both_syns_ask_for_it(target: Target, peer: Peer) -> None:
    """With scale 7 on the crossing SYN a window field of 20 is one of 2560 octets."""
    offers_scale = options.window_scale_of(peer.last.options) is not None
    peer.send(SYN, seq=0, window=0, options=mss(1460) + NOP + options.window_scale(7))
    target.must_send(SYN | ACK, seq=0, ack=1, check=has(KIND_WINDOW_SCALE) if offers_scale else None)
    peer.send(ACK, seq=1, ack=1, window=20)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=1460)


@cites("RFC7323-2.3-both")
@in_state(SYN_SENT)
def test_window_is_not_scaled_when_one_syn_asks_for_it(target: Target, peer: Peer) -> None:
    """Without the option on the crossing SYN a window field of 1000 is one of 1000 octets."""
    peer.send(SYN, seq=0, window=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, seq=1, ack=1, window=1000)
    target.send(bytes(3000))
    must_stay_within(target, peer, 1000)
    peer.send(RST)  # text that is held back for a larger window would come later, by itself (RFC 9293 §3.8.6.2.1)


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-always", "RFC7323-3.2-offer", "RFC 7323 §3.2")
@in_state(SYN_SENT)
def test_timestamps_when_both_syns_have_them(target: Target, peer: Peer) -> None:
    """The SYN,ACK and all that follows echo the timestamps of the peer."""
    peer.send(SYN, seq=0, options=mss(1460) + options.timestamps(STAMP))
    target.must_send(SYN | ACK, seq=0, ack=1, check=echoes(STAMP))
    value, _echo = options.timestamps_of(peer.last.options) or (0, 0)
    peer.send(ACK, b"data", seq=1, ack=1, options=options.timestamps(STAMP + 1, value))
    target.must_send(ACK, seq=1, ack=5, check=echoes(STAMP + 1))
    target.must_be(ESTABLISHED)


@cites("RFC7323-3.2-offer", "RFC7323-3.2-unasked", "MUST-10")
@in_state(SYN_SENT)
def test_timestamps_on_one_syn_only(target: Target, peer: Peer) -> None:
    """A crossing SYN without timestamps meets one that has them: the connection opens, with or without."""
    peer.send(SYN, seq=0)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(SYN | ACK, seq=0, ack=1)
    target.may_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    peer.send(ACK, b"data", seq=1, ack=1)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")
