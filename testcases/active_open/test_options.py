"""Options of a handshake that the target begins: what the SYN,ACK doesn't answer is not used, and the MSS is obeyed."""

import pytest

from harness.case import (
    ACK,
    ESTABLISHED,
    FIN,
    RST,
    SYN,
    SYN_SENT,
    Capability,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
    requires,
)
from harness.spec import options
from harness.spec.options import KIND_MSS, KIND_SACK, KIND_SACK_PERMITTED, KIND_TIMESTAMPS, KIND_WINDOW_SCALE, NOP, mss
from testcases.passive_open.option_checks import (
    NAMES,
    OFFERS,
    STAMP,
    default_mss,
    echoes,
    ethernet_mss,
    has,
    lacks,
    must_send_in_segments,
    must_stay_within,
)

DATA = bytes(2000)
SCALE_7 = NOP + options.window_scale(7)


def _stamp_of(peer: Peer) -> int:
    """Return the timestamp that the target has sent last; 0 if it sends none."""
    return (options.timestamps_of(peer.last.options) or (0, 0))[0]


@cites("SHLD-5", "MAY-3", "MUST-14", "RFC6691-2-value", "MUST-67")
def test_syn_announces_the_mss(target: Target, peer: Peer) -> None:
    """The SYN announces a maximum segment size, and it is the MTU less the fixed headers."""
    target.connect()
    target.should_send(SYN, seq=0, check=has(KIND_MSS))
    target.should_show("the announced MSS is", options.mss_of(peer.last.options), ethernet_mss(target))


@cites("MUST-65")
@in_state(SYN_SENT)
def test_mss_on_segments_with_syn_only(target: Target, peer: Peer) -> None:
    """No segment behind the SYN announces a maximum segment size: neither ACK, data, nor FIN."""
    peer.send(SYN | ACK)
    target.must_send(ACK, seq=1, ack=1, check=lacks(KIND_MSS))
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data", check=lacks(KIND_MSS))
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=1, check=lacks(KIND_MSS))


@pytest.mark.parametrize("announced", [65535, 1460, 1000, 536, 256])
@cites("MUST-14", "MUST-16")
@in_state(SYN_SENT)
def test_announced_mss_is_obeyed(target: Target, peer: Peer, announced: int) -> None:
    """No segment carries more data than the SYN,ACK has allowed, nor more than the link takes."""
    peer.send(SYN | ACK, options=mss(announced))
    target.must_send(ACK, seq=1, ack=1)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=min(announced, ethernet_mss(target)))


@cites("MUST-15", "RFC6691-2-absent")
@in_state(SYN_SENT)
def test_default_mss(target: Target, peer: Peer) -> None:
    """A SYN,ACK that announces none allows 536 octets of data over IPv4 and 1220 over IPv6."""
    peer.send(SYN | ACK, options=b"")
    target.must_send(ACK, seq=1, ack=1)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=default_mss(target))


@cites("MUST-15", "MUST-14")
@in_state(SYN_SENT)
def test_mss_of_a_rejected_syn_ack_is_forgotten(target: Target, peer: Peer) -> None:
    """What a SYN,ACK with a wrong acknowledgment announces doesn't count: the default holds for the right one."""
    peer.send(SYN | ACK, ack=2, options=mss(1460))
    target.must_send(RST, seq=2)
    peer.send(SYN | ACK, seq=0, ack=1, options=b"")
    target.must_send(ACK, seq=1, ack=1)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=default_mss(target))


@cites("RFC7323-2.3-both", "RFC7323-3.2-always", "RFC 7323 §3.2")
@in_state(SYN_SENT)
def test_nothing_is_used_without_agreement(target: Target, peer: Peer) -> None:
    """A SYN,ACK without options turns them off: neither timestamps nor SACK blocks are on later segments."""
    off = lacks(KIND_TIMESTAMPS, KIND_WINDOW_SCALE, KIND_SACK_PERMITTED, KIND_SACK)
    peer.send(SYN | ACK, options=b"")
    target.must_send(ACK, seq=1, ack=1, check=off)
    peer.send(ACK, b"behind the gap", seq=101)
    target.must_send(ACK, seq=1, ack=1, check=off)
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data", check=off)


@pytest.mark.parametrize("kind", list(OFFERS), ids=list(NAMES.values()))
@cites("RFC 7323 §2.3", "RFC 7323 §3.2", "RFC 9293 §3.10.7.3 fourth")
@in_state(SYN_SENT)
def test_answer_to_one_option_alone(target: Target, peer: Peer, kind: int) -> None:
    """A SYN,ACK may take up one option and leave the others: the connection opens and uses none of those."""
    others = [other for other in OFFERS if other != kind]
    peer.send(SYN | ACK, options=mss(1460) + OFFERS[kind] if kind != KIND_TIMESTAMPS else _timestamps(peer))
    target.must_send(ACK, seq=1, ack=1, check=lacks(*others))
    target.must_be(ESTABLISHED)


@requires(Capability.WINDOW_SCALE)
@cites("RFC 7323 §2.3", "RFC7323-2.3-both")
@in_state(SYN_SENT)
def test_window_behind_the_handshake_is_scaled(target: Target, peer: Peer) -> None:
    """With scale 7 a window field of 20 is one of 2560 octets, and 2000 go out at once."""
    peer.send(SYN | ACK, window=0, options=mss(1460) + SCALE_7)
    target.must_send(ACK, seq=1, ack=1)
    peer.send(ACK, window=20)
    target.send(DATA)
    must_send_in_segments(target, DATA, largest=1460)


@cites("RFC7323-2.2-unscaled")
@in_state(SYN_SENT)
def test_window_of_the_syn_ack_is_not_scaled(target: Target, peer: Peer) -> None:
    """The window on the SYN,ACK itself is in octets, though it brings the scale for all that follow."""
    peer.send(SYN | ACK, window=1000, options=mss(1460) + SCALE_7)
    target.must_send(ACK, seq=1, ack=1)
    target.send(bytes(3000))
    must_stay_within(target, peer, 1000)
    peer.send(RST)  # text that is held back for a larger window would come later, by itself (RFC 9293 §3.8.6.2.1)


@cites("RFC7323-2.3-both", "RFC7323-2.2-syn-only")
@pytest.mark.parametrize("late", [b"", SCALE_7], ids=["no-option", "option-on-the-ack"])
@in_state(SYN_SENT)
def test_window_is_not_scaled_without_agreement(target: Target, peer: Peer, late: bytes) -> None:
    """Without the option on the SYN,ACK a window field of 1000 is 1000 octets; on a later segment it comes too late."""
    peer.send(SYN | ACK, window=0)
    target.must_send(ACK, seq=1, ack=1)
    peer.send(ACK, window=1000, options=late)
    target.send(bytes(3000))
    must_stay_within(target, peer, 1000)
    peer.send(RST)  # text that is held back for a larger window would come later, by itself (RFC 9293 §3.8.6.2.1)


@cites("RFC7323-2.3-both")
@in_state(SYN_SENT)
def test_own_window_is_not_scaled_without_agreement(target: Target, peer: Peer) -> None:
    """The target doesn't scale its own windows for a peer that hasn't agreed: the field is as large as on its SYN."""
    offered = peer.target_window

    def unscaled(wire: Segment) -> str:
        return (
            "" if wire.window >= offered // 2 else f"a window near the {offered} octets of the SYN, not {wire.window}"
        )

    peer.send(SYN | ACK, options=b"")
    target.must_send(ACK, seq=1, ack=1, check=unscaled)


@cites("RFC 9293 §3.10.7.3 fourth")
@pytest.mark.parametrize("window", [0, 1, 0x8000, 0xFFFF])
@in_state(SYN_SENT)
def test_handshake_with_any_window(target: Target, peer: Peer, window: int) -> None:
    """The window of a SYN,ACK, even a closed one, does not keep the handshake from completing."""
    peer.send(SYN | ACK, window=window)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)


@cites("RFC 9293 §3.10.7.3 fourth")
@in_state(SYN_SENT)
def test_zero_window_holds_data_back(target: Target, peer: Peer) -> None:
    """A closed window on the SYN,ACK holds data back until the peer opens it."""
    peer.send(SYN | ACK, window=0)
    target.must_send(ACK, seq=1, ack=1)
    target.send(b"patience")
    probed = target.must_hold_back(b"patience", seq=1, ack=1)
    peer.send(ACK, window=8)
    target.must_send(ACK, seq=1 + probed, ack=1, data=b"patience"[probed:])


@requires(Capability.TIMESTAMPS)
@cites("RFC7323-3.2-always", "RFC 7323 §3.2", "RFC 7323 §4.3")
@in_state(SYN_SENT)
def test_timestamps_are_on_every_segment(target: Target, peer: Peer) -> None:
    """Once agreed on, timestamps are on ACK, data and FIN, and echo the peer's latest."""
    peer.send(SYN | ACK, options=_timestamps(peer))
    target.must_send(ACK, seq=1, ack=1, check=echoes(STAMP))
    target.send(b"data")
    target.must_send(ACK, seq=1, ack=1, data=b"data", check=echoes(STAMP))
    peer.send(ACK, options=options.timestamps(STAMP + 1, _stamp_of(peer)))
    target.shutdown()
    target.must_send(FIN | ACK, seq=5, ack=1, check=echoes(STAMP + 1))


@cites("RFC 7323 §3.2")
@requires(Capability.TIMESTAMPS)
def test_echo_field_of_the_syn_is_zero(target: Target, peer: Peer) -> None:
    """A SYN has nothing to echo: its echo field should be zero."""
    target.connect()
    target.must_send(SYN, seq=0)
    found = options.timestamps_of(peer.last.options)
    target.should_show("the echo field is", found[1] if found else 0, 0)


def _timestamps(peer: Peer) -> bytes:
    return mss(1460) + options.timestamps(STAMP, _stamp_of(peer))
