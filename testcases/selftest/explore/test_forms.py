"""The forms in which packets come: what no receiver has to put together is not sent."""

import pytest

from harness.explore import forms

#: A TCP header without options behind 20 octets of text, in whatever packet.
TCP = bytes(12) + b"\x50\x10" + bytes(6) + bytes(20)
PACKETS = {
    4: b"\x45\x00" + (20 + len(TCP)).to_bytes(2) + bytes(5) + b"\x06" + bytes(10) + TCP,
    6: b"\x60\x00\x00\x00" + len(TCP).to_bytes(2) + b"\x06\x40" + bytes(32) + TCP,
}


@pytest.mark.parametrize(("version", "pieces"), [(4, 3), (6, 1)])
def test_copies_of_fragments_are_for_ipv4(version: int, pieces: int) -> None:
    """RFC 8200 §4.5: a receiver of IPv6 may drop the datagram for them."""
    packet = PACKETS[version]
    assert len(forms.shaped(packet, "fragments")) == 2
    assert len(forms.shaped(packet, "fragments-twice")) == pieces
