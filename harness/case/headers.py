"""What holds for every segment, whatever a case is about (RFC 9293 §3.1)."""

from harness.case.received import Received
from harness.spec import options
from harness.spec.segment import Segment

#: AE, the first of the bits that were reserved (RFC 9768 §3.1).
ACCURATE_ECN = 0b0001


def problem_of(received: Received, *, counts_ecn: bool = False) -> str:
    """Return what is wrong with a segment's header or checksum, "" if nothing is."""
    if "(bad checksum)" in received.event.annotations:
        return "a wrong checksum"
    if received.stray:
        return "addresses or ports of no connection"
    counted = counts_ecn and received.wire.reserved == ACCURATE_ECN
    if received.wire.reserved and not counted and not _asks_for_accurate_ecn(received.wire):
        return f"reserved bits {received.wire.reserved:04b}"
    if received.wire.options:
        try:
            options.parse(received.wire.options)
        except options.MalformedOptions as error:
            return str(error)
    return ""


def _asks_for_accurate_ecn(segment: Segment) -> bool:
    """Tell whether this is an AccECN-setup SYN: AE (once reserved), CWR and ECE are set (RFC 9768 §3.1.1)."""
    return segment.reserved == ACCURATE_ECN and segment.asks_for_ecn
