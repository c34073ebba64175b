"""The forms in which packets come: what no receiver has to put together is not sent."""

import pytest

from harness.case.rig import Rig
from harness.case.violation import Finding
from harness.explore import forms, run
from harness.explore.notation import generated_from
from harness.stack import Stack
from harness.stack.defects import defective
from harness.targets.reference.target import ReferenceTarget

#: A TCP header without options behind 20 octets of text, in whatever packet.
TCP = bytes(12) + b"\x50\x10" + bytes(6) + bytes(20)
PACKETS = {
    4: b"\x45\x00" + (20 + len(TCP)).to_bytes(2) + bytes(5) + b"\x06" + bytes(10) + TCP,
    6: b"\x60\x00\x00\x00" + len(TCP).to_bytes(2) + b"\x06\x40" + bytes(32) + TCP,
}


def findings(text: str, stack_class: type[Stack] = Stack) -> list[Finding]:
    rig = Rig(ReferenceTarget(stack_class=stack_class), guarded=False)
    return run.play_generated(rig, generated_from(text)).conversation.findings


@pytest.mark.parametrize(("version", "pieces"), [(4, 3), (6, 1)])
def test_copies_of_fragments_are_for_ipv4(version: int, pieces: int) -> None:
    """RFC 8200 §4.5: a receiver of IPv6 may drop the datagram for them."""
    packet = PACKETS[version]
    assert len(forms.shaped(packet, "fragments")) == 2
    assert len(forms.shaped(packet, "fragments-twice")) == pieces


@pytest.mark.parametrize("name", sorted(forms.FORMS))
@pytest.mark.parametrize("version", [4, 6])
def test_no_form_makes_a_packet_that_the_wire_does_not_carry(name: str, version: int) -> None:
    full = PACKETS[version] + bytes(1500 - len(PACKETS[version]))
    length = len(full) - (40 if version == 6 else 0)
    at = 4 if version == 6 else 2
    full = full[:at] + length.to_bytes(2) + full[at + 2 :]
    made = forms.shaped(full, name)
    assert made
    assert all(len(packet) <= 1500 for packet in made)


REUSED = "1{form=fragments-reused,ip=%d}:listen S@i A@p,r accept"


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("pieces", ["piece", "piece piece", "piece piece piece piece"])
def test_pieces_that_stay_alone_are_given_up_and_are_no_part_of_what_comes_later(version: int, pieces: str) -> None:
    text = f"{REUSED % version} {pieces} wait:200000 " + "A@p,r/10 recv:100 " * 4
    assert findings(text) == []
    assert findings(text, defective("D819").stack_class) != []


@pytest.mark.parametrize("version", [4, 6])
def test_a_datagram_has_their_identity_only_when_they_may_be_kept_no_longer(version: int) -> None:
    assert findings(f"{REUSED % version} piece wait:20000 A@p,r/10 recv:100") == []


@pytest.mark.parametrize("version", [4, 6])
def test_a_piece_is_one_of_two(version: int) -> None:
    packet = PACKETS[version]
    last, first = (forms.lonely(packet, number, last=number == 0) for number in (0, 1))
    assert len(last) + len(first) == sum(map(len, forms.shaped(packet, "fragments")))
    assert last[-1] == packet[-1] ^ 0xFF
