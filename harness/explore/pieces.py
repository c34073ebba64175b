"""Fragments of datagrams that never become whole, as a word of a plan: ``piece``, and datagrams that come later.

A receiver gives them up after a time: 60 to 120 seconds (RFC 1122 §3.3.2), or 60 (RFC 8200 §4.5). Until then a fragment
of the same identity rightly joins them, so the form ``fragments-reused`` is no other than the plain one that long.
"""

from harness.explore import forms
from harness.explore.link import Link
from harness.fuzz.steps import Position, Probe
from harness.spec.segment import ACK
from harness.wire import codec

#: So long a piece may be kept, in nanoseconds: no stack is asked to be exact.
KEPT_NS = 150_000_000_000
#: How many octets the text of such a datagram has.
OCTETS = 40


class Pieces:
    """The pieces that were sent in one talk, and until when they may be kept."""

    def __init__(self) -> None:
        self._count = 0
        self._until = 0

    def next(self, link: Link, now: int) -> bytes:
        """Return the next piece, by turns the last and the first one of two, each of another datagram."""
        segment = link.view.segment(Probe(ACK, Position("p"), Position("r"), OCTETS))
        packet = codec.encode(link.connection.path, link.connection.to_wire(segment))
        number, self._count = self._count, self._count + 1
        self._until = now + KEPT_NS
        return forms.lonely(packet, number, last=number % 2 == 0)

    def shaped(self, packet: bytes, form: str, now: int) -> list[bytes]:
        """Return the packets that carry this one in the given form."""
        return forms.shaped(packet, "" if form == forms.REUSED and now < self._until else form)
