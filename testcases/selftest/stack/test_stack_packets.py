"""The forms that IP gives a packet: to the reference stack they are all the same segment, or none."""

import itertools

import pytest

from harness.spec.segment import ACK, RST, SYN, Segment
from harness.targets.reference.target import ReferenceTarget
from harness.wire import codec, forms

ROUTED = b"\0\0" + bytes(4)
UNKNOWN_SKIPPED, UNKNOWN_DISCARDED = b"\x1e\4" + bytes(4), b"\x5e\4" + bytes(4)


@pytest.fixture
def host() -> ReferenceTarget:
    return ReferenceTarget()


def syn(host: ReferenceTarget, version: int) -> bytes:
    addresses = host.addresses(version)
    path = codec.Path(addresses.peer[0], addresses.target[0])
    options = b"\2\4\5\xb4" + b"\1" * 8
    return codec.encode(path, Segment(SYN, 5, options=options, source_port=40_000, destination_port=80))


def answers(host: ReferenceTarget, *packets: bytes) -> list[int]:
    """What comes back from a port on which nobody listens: a reset for each SYN that reaches TCP."""
    return [codec.decode(arrival.packet).segment.flags for arrival in host.exchange(packets)]


REFUSED = [RST | ACK]


@pytest.mark.parametrize("version", [4, 6])
def test_padding_behind_the_datagram_is_no_text(host: ReferenceTarget, version: int) -> None:
    packet = syn(host, version)
    sent = host.exchange([forms.trailed(packet, b"\xff" * 6)])
    assert codec.decode(sent[0].packet).segment.ack == 6


def test_ipv4_options_change_nothing(host: ReferenceTarget) -> None:
    for options in (forms.NOPS, forms.ROUTER_ALERT, forms.NOPS * 10):
        assert answers(host, forms.with_ipv4_options(syn(host, 4), options)) == REFUSED


@pytest.mark.parametrize("kinds", [*itertools.permutations((60, 43), 2), (0,), (60, 0), (60, 60), (0, 43, 60, 44)])
def test_extension_headers_are_skipped_in_any_order(host: ReferenceTarget, kinds: tuple[int, ...]) -> None:
    packet = syn(host, 6)
    for kind in kinds:
        packet = forms.with_extension(packet, kind, ROUTED if kind in (43, 44) else forms.PAD6)
    # Hop-by-hop options stand first, or the packet is none for us.
    assert answers(host, packet) == ([] if 0 in kinds[:-1] else REFUSED)


def test_unknown_options_are_skipped_or_discard_the_packet_as_their_type_says(host: ReferenceTarget) -> None:
    assert answers(host, forms.with_extension(syn(host, 6), 60, UNKNOWN_SKIPPED)) == REFUSED
    assert answers(host, forms.with_extension(syn(host, 6), 60, UNKNOWN_DISCARDED)) == []


def test_a_routing_header_that_is_not_used_up_is_not_for_us(host: ReferenceTarget) -> None:
    assert answers(host, forms.with_extension(syn(host, 6), 43, b"\0\1" + bytes(4))) == []


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_are_joined_in_any_order(host: ReferenceTarget, version: int) -> None:
    for identity, order in enumerate(itertools.permutations(range(3))):
        pieces = forms.fragmented(syn(host, version), (8, 24), identity)
        assert answers(host, *(pieces[at] for at in order[:2])) == []
        assert answers(host, pieces[order[2]]) == REFUSED


@pytest.mark.parametrize("version", [4, 6])
def test_a_fragment_that_comes_twice_does_no_harm(host: ReferenceTarget, version: int) -> None:
    first, last = forms.fragmented(syn(host, version), (16,), 7)
    assert answers(host, first, first, last) == REFUSED


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_of_two_datagrams_are_kept_apart(host: ReferenceTarget, version: int) -> None:
    one, two = (forms.fragmented(syn(host, version), (16,), identity) for identity in (1, 2))
    assert answers(host, one[0], two[1]) == []
    assert answers(host, two[0], one[1]) == REFUSED * 2


def test_overlapping_fragments_of_ipv6_are_discarded_with_their_datagram(host: ReferenceTarget) -> None:
    packet = syn(host, 6)
    first, last = forms.fragmented(packet, (16,), 7)
    assert answers(host, first, forms.fragment(packet, 8, packet[48:64], 7, more=True), last) == []
    first, last = forms.fragmented(packet, (16,), 8)
    assert answers(host, first, last) == REFUSED


def test_overlapping_fragments_of_ipv4_are_joined_with_what_came_last(host: ReferenceTarget) -> None:
    packet = syn(host, 4)
    first, last = forms.fragmented(packet, (16,), 7)
    garbage = forms.fragment(packet, 0, bytes(16), 7, more=True)
    assert answers(host, garbage, first, last) == REFUSED


@pytest.mark.parametrize("version", [4, 6])
def test_pieces_are_forgotten_after_a_minute(host: ReferenceTarget, version: int) -> None:
    first, last = forms.fragmented(syn(host, version), (16,), 7)
    assert answers(host, first) == []
    host.clock.wait(61)
    assert answers(host, last) == []


def test_an_atomic_fragment_has_nothing_to_do_with_others(host: ReferenceTarget) -> None:
    packet = syn(host, 6)
    first, last = forms.fragmented(packet, (16,), 7)
    assert answers(host, first, *forms.fragmented(packet, (), 7), last) == REFUSED * 2


def test_what_is_cut_off_draws_nothing(host: ReferenceTarget) -> None:
    packets = [forms.with_extension(syn(host, 6), 60), forms.fragmented(syn(host, 6), (16,), 9)[1]]
    packets += [forms.with_ipv4_options(syn(host, 4), forms.NOPS), forms.fragmented(syn(host, 4), (16,), 9)[1]]
    for packet in packets:
        for length in range(len(packet)):
            assert answers(host, packet[:length]) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda host: forms.with_ipv4_options(syn(host, 4), b"\1"),
        lambda host: forms.with_ipv4_options(syn(host, 4), forms.NOPS * 11),
        lambda host: forms.with_extension(syn(host, 6), 60, b"\1"),
        lambda host: forms.fragmented(syn(host, 4), (4,), 1),
        lambda host: forms.fragmented(syn(host, 4), (16, 8), 1),
    ],
)
def test_a_form_that_can_not_be_is_refused(host: ReferenceTarget, make: object) -> None:
    with pytest.raises(ValueError, match="octets"):
        make(host)  # type: ignore[operator]
