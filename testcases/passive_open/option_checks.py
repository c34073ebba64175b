"""Options of the handshake: what the peer may offer, and checks for `must_send(check=...)`.

A check returns what the segment lacks, or "".
"""

from collections.abc import Callable

from harness.case import ACK, Peer, Segment, Target
from harness.case.peer_side import PeerSide
from harness.spec import options, seqno
from harness.spec.options import KIND_SACK_PERMITTED, KIND_TIMESTAMPS, KIND_WINDOW_SCALE, NOP

Check = Callable[[Segment], str]

#: The MTU of the link between target and peer: Ethernet's.
MTU = 1500
#: What the peer writes into its timestamps.
STAMP = 0x01020304
#: The negotiated options that an opening SYN may offer, each with an offer of it.
OFFERS = {
    KIND_WINDOW_SCALE: NOP + options.window_scale(7),
    KIND_SACK_PERMITTED: options.SACK_PERMITTED,
    KIND_TIMESTAMPS: options.timestamps(STAMP),
}
NAMES = {KIND_WINDOW_SCALE: "window-scale", KIND_SACK_PERMITTED: "sack-permitted", KIND_TIMESTAMPS: "timestamps"}


def offers(*without: int) -> bytes:
    """Return the options of a SYN that offers everything but these kinds."""
    return options.mss(1460) + b"".join(offer for kind, offer in OFFERS.items() if kind not in without)


def default_mss(target: Target) -> int:
    """Return the octets of data that hold where no MSS was announced (RFC 9293 §3.7.1)."""
    return 536 if target.connection.tuple4.version == 4 else 1220


def ethernet_mss(target: Target) -> int:
    """Return the link's MTU less the fixed headers."""
    return MTU - (40 if target.connection.tuple4.version == 4 else 60)


def has(kind: int) -> Check:
    """Return a check that a segment has this option."""
    return lambda wire: f"option {kind}" if options.find(wire.options, kind) is None else ""


def lacks(*kinds: int) -> Check:
    """Return a check that a segment has none of these options."""

    def check(wire: Segment) -> str:
        present = [str(kind) for kind in kinds if options.find(wire.options, kind) is not None]
        return f"no option {', '.join(present)}" if present else ""

    return check


def echoes(value: int) -> Check:
    """Return a check that a segment has timestamps and echoes this value."""

    def check(wire: Segment) -> str:
        found = options.timestamps_of(wire.options)
        return "" if found and found[1] == value else f"timestamps that echo {value}"

    return check


def must_send_in_segments(target: Target, data: bytes, *, largest: int) -> None:
    """Demand these octets behind the handshake in segments of at most `largest`, and the first segment not empty."""
    __tracebackhide__ = True

    def check(wire: Segment) -> str:
        return "" if 0 < len(wire.payload) <= largest else f"1 to {largest} octets of data"

    seq = 1
    while data:
        if seq > 1 and not target.connection.inbox:
            # More may wait for it: a short segment (Nagle), or what is above the congestion window.
            PeerSide(target.connection).send(ACK)
        got = target.must_send(ACK, seq=seq, ack=1, data=None, check=check)
        size = len(got.payload) or len(data)
        seq, data = seq + size, data[size:]


def must_stay_within(target: Target, peer: Peer, window: int) -> None:
    """Demand that the data just sent fills `window` octets behind the handshake at most."""
    __tracebackhide__ = True

    def check(wire: Segment) -> str:
        end = seqno.diff(wire.end, peer.target_iss) - 1
        return "" if end <= window else f"nothing above the {window} octets of the window"

    while target.connection.inbox:
        target.must_send(ACK, ack=1, data=None, check=check)
