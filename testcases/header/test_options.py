"""Options: the mandatory ones in any place, any option in any segment, unknown ones skipped (RFC 9293 §3.1, §3.2)."""

import pytest

from harness.case import (
    ACK,
    CLOSE_WAIT,
    ESTABLISHED,
    FIN,
    LISTEN,
    RST,
    SYN,
    SYN_RECEIVED,
    SYN_SENT,
    Peer,
    Segment,
    Target,
    cites,
    in_state,
)
from harness.spec.options import EOL, NOP, mss, unknown

#: Below the defaults of both IP versions (536 and 1220), so that a target that misses it shows.
MSS = 500
PLACES = {
    "alone": mss(MSS),
    "behind-1-nop": NOP + mss(MSS),
    "behind-2-nops": NOP * 2 + mss(MSS),
    "behind-3-nops": NOP * 3 + mss(MSS),
    "at-the-end-of-40-octets": NOP * 36 + mss(MSS),
    "before-eol": mss(MSS) + EOL * 4,
    "between-nops-and-eol": NOP + mss(MSS) + NOP + EOL * 2,
    "behind-an-unknown-option": unknown(253, b"\x00\x01\x02") + mss(MSS),
    "behind-an-unknown-option-that-looks-like-mss": unknown(253, mss(100)) + mss(MSS),
    "behind-an-empty-unknown-option": unknown(77) + mss(MSS),
    "before-an-unknown-option-of-36-octets": mss(MSS) + unknown(253, bytes(34)),
}
#: What may stand in any segment: an MSS option behind the handshake changes nothing, unknown options never do.
ANYWHERE = {
    "nop": NOP * 4,
    "eol": EOL * 4,
    "mss": mss(100),
    "unknown": unknown(253, b"\xde\xad"),
    "unaligned-unknown": NOP + unknown(253, b"\xbe\xef\x00") + EOL * 2,
    "40-octets": unknown(253, bytes(38)),
}
#: Kinds with a meaning of their own: RFC 9293, 7323, 2018, 2385, 5482, 5925, 8684, 7413, 9768, TCP-ENO (RFC 8547).
DEFINED = {0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 69, 172, 174, 254}
UNKNOWN_KINDS = [kind for kind in range(256) if kind not in DEFINED]

anywhere = pytest.mark.parametrize("options", ANYWHERE.values(), ids=ANYWHERE.keys())


def _within_mss(segment: Segment) -> str:
    return f"at most {MSS} octets of data" if len(segment.payload) > MSS else ""


def _demand_mss(target: Target) -> None:
    target.send(bytes(2 * MSS))
    first = target.must_send(ACK, seq=1, ack=1, data=None, check=_within_mss)
    target.must_send(ACK, seq=1 + len(first.payload), ack=1, data=None, check=_within_mss)


@cites("MUST-4", "MUST-6", "MUST-64")
@in_state(LISTEN)
@pytest.mark.parametrize("options", PLACES.values(), ids=PLACES.keys())
def test_mss_in_a_syn(target: Target, peer: Peer, options: bytes) -> None:
    """The MSS option of a SYN is found wherever it stands, and obeyed."""
    peer.send(SYN, options=options)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK)
    target.accept()
    _demand_mss(target)


@cites("MUST-4", "MUST-6", "MUST-64")
@in_state(SYN_SENT)
@pytest.mark.parametrize("options", PLACES.values(), ids=PLACES.keys())
def test_mss_in_a_syn_ack(target: Target, peer: Peer, options: bytes) -> None:
    """The MSS option of a SYN,ACK is found wherever it stands, and obeyed."""
    peer.send(SYN | ACK, options=options)
    target.must_send(ACK, seq=1, ack=1)
    target.must_be(ESTABLISHED)
    _demand_mss(target)


@cites("MUST-5", "MUST-6", "MUST-64")
@anywhere
def test_options_in_every_segment_of_a_client(target: Target, peer: Peer, options: bytes) -> None:
    """A peer whose ACKs, data and FIN carry options is served as any other."""
    target.listen()
    peer.send(SYN)
    target.must_send(SYN | ACK, seq=0, ack=1)
    peer.send(ACK, options=options)
    target.must_be(ESTABLISHED)
    target.accept()
    peer.send(ACK, b"data", options=options)
    target.must_send(ACK, seq=1, ack=5)
    target.must_deliver(b"data")
    target.send(b"x" * 300)
    target.must_send_stream(b"x" * 300, seq=1, ack=5)
    peer.send(ACK, ack=301, options=options)
    peer.send(FIN | ACK, ack=301, options=options)
    target.must_send(ACK, seq=301, ack=6)
    target.must_be(CLOSE_WAIT)


@cites("MUST-5", "MUST-65")
@in_state(ESTABLISHED)
def test_mss_behind_the_handshake(target: Target, peer: Peer) -> None:
    """An MSS option belongs into a SYN: one that comes later doesn't change the segments that the target sends."""
    target.send(b"x" * 300)
    size = len(target.must_send(ACK, seq=1, ack=1, data=None).payload)
    if size < 300:
        target.must_send_stream(b"x" * (300 - size), seq=1 + size, ack=1)
    peer.send(ACK, ack=301, options=mss(100))
    target.must_not_send()
    target.send(b"x" * 300)
    again = target.must_send(ACK, seq=301, ack=1, data=None)
    target.must_show("octets in a segment", len(again.payload), size)


@cites("MUST-5", "MUST-6")
@in_state(SYN_RECEIVED, ESTABLISHED)
@anywhere
def test_options_in_a_reset(target: Target, peer: Peer, options: bytes) -> None:
    """A reset that carries options resets."""
    peer.send(RST, seq=1, options=options)
    target.must_not_send()
    peer.send(ACK, seq=1, ack=1)
    target.must_send(RST, seq=1)


@cites("MUST-6")
@in_state(LISTEN)
@pytest.mark.parametrize("size", [0, 1, 6, 34])
def test_every_unknown_kind_in_a_syn(target: Target, peer: Peer, size: int) -> None:
    """A SYN with an option of any kind that no RFC defines is answered as without it."""
    for kind in UNKNOWN_KINDS:
        peer.renew(iss=1000)
        peer.send(SYN, options=mss(MSS) + unknown(kind, bytes(size)))
        target.must_send(SYN | ACK, seq=0, ack=1)
        target.must_be(SYN_RECEIVED)
        peer.send(RST)
        target.must_be(LISTEN)


@cites("MUST-5", "MUST-6")
@in_state(ESTABLISHED)
@pytest.mark.parametrize("size", [0, 1, 6, 38])
def test_every_unknown_kind_beside_data(target: Target, peer: Peer, size: int) -> None:
    """Data in a segment with an option of any kind that no RFC defines is taken as without it."""
    for kind in UNKNOWN_KINDS:
        peer.send(ACK, bytes((kind,)), options=unknown(kind, bytes(size)))
        target.must_send(ACK, seq=1, ack=peer.snd_nxt)
        target.must_deliver(bytes((kind,)))
