"""The form of the packet: whatever IP does with a segment, TCP behaves the same."""

import errno

from harness.spec.segment import ACK, FIN, SYN
from harness.spec.states import CLOSE_WAIT
from harness.stack import Socket
from harness.wire import forms
from testcases.selftest.interactions.lab import FULL, Form, Lab, Peer, error, text
from testcases.selftest.interactions.proof import shows


def delivers(lab: Lab, form: Form, *, ip: int = 4, flags: int = ACK) -> tuple[Socket, Peer]:
    """See that text arrives in this form as it does in any other; the handshake comes in it too."""
    sock, peer = lab.opened(lab.listen(address="::" if ip == 6 else "0.0.0.0"), ip=ip)
    peer.form = form
    peer.send(flags, b"text of 20 octets...")
    peer.expect(ACK, ack=21 + bool(flags & FIN))
    assert text(sock) == b"text of 20 octets..."
    return sock, peer


@shows("D487")
def padding_is_no_text(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.trailed(packet, b"\xff" * 6)])


@shows("D488")
def padding_does_not_move_a_fin(lab: Lab) -> None:
    _sock, peer = lab.opened()
    peer.form = lambda packet: [forms.trailed(packet, bytes(6))]
    peer.send(FIN | ACK)
    peer.expect(ACK, ack=2)
    assert peer.state is CLOSE_WAIT


@shows("D489")
def ipv4_options_are_skipped(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.with_ipv4_options(packet, forms.ROUTER_ALERT)])


def cut(packet: bytes) -> list[bytes]:
    return forms.fragmented(packet, (16, 32), 7)


@shows("D490")
def fragments_of_ipv4_are_joined(lab: Lab) -> None:
    delivers(lab, cut)


@shows("D491")
def fragments_are_joined_in_any_order(lab: Lab) -> None:
    delivers(lab, lambda packet: cut(packet)[::-1])


@shows("D492")
def overlapping_fragments_of_ipv6_are_discarded(lab: Lab) -> None:
    listener, peer = lab.listen(address="::"), lab.peer(ip=6)
    peer.form = lambda packet: [
        forms.fragment(packet, 0, packet[40:64], 7, more=True),
        forms.fragment(packet, 16, packet[56:], 7, more=False),
    ]
    peer.send(SYN, options=FULL + bytes(8))
    peer.quiet(1)
    assert error(listener.accept) == errno.EAGAIN


@shows("D493")
def hop_by_hop_options_are_skipped(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.with_extension(packet, forms.HOP_BY_HOP)], ip=6)


@shows("D494")
def destination_options_are_skipped(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.with_extension(packet, forms.DESTINATION)], ip=6)


@shows("D495")
def fragments_of_ipv6_are_joined(lab: Lab) -> None:
    delivers(lab, cut, ip=6)


@shows("D496")
def an_atomic_fragment_is_a_packet(lab: Lab) -> None:
    delivers(lab, lambda packet: forms.fragmented(packet, (), 7), ip=6)


@shows("D497")
def the_last_hop_is_near_enough(lab: Lab) -> None:
    peer = lab.opened()[1]
    peer.ttl = 1
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D498")
def a_mark_changes_nothing(lab: Lab) -> None:
    peer = lab.opened()[1]
    peer.traffic_class = 3
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D499")
def a_flow_label_changes_nothing(lab: Lab) -> None:
    delivers(lab, lambda packet: [forms.with_flow_label(packet, 0x12345)], ip=6)


@shows("D500")
def text_of_odd_length_is_not_padded(lab: Lab) -> None:
    sock, peer = lab.opened()
    peer.send(FIN | ACK, b"odd")
    peer.expect(ACK, ack=5)
    assert text(sock) == b"odd"


@shows("D501")
def precedence_changes_nothing(lab: Lab) -> None:
    peer = lab.opened()[1]
    peer.traffic_class = 0xC0
    peer.send(ACK, b"text")
    peer.expect(ACK, ack=5)


@shows("D502")
def fragments_of_two_peers_are_kept_apart(lab: Lab) -> None:
    listener = lab.listen()
    one, two = (lab.opened(listener, address=address) for address in range(2))
    held: list[bytes] = []

    def hold(packet: bytes) -> list[bytes]:
        first, *rest = cut(packet)
        held.extend(rest)
        return [first]

    one[1].form = hold
    one[1].send(ACK, b"text of 20 octets...")
    two[1].form = cut
    two[1].send(ACK, b"TEXT OF 20 OCTETS...")
    two[1].expect(ACK, ack=21)
    one[1].form = lambda packet: held
    one[1].send(ACK, seq=1)
    one[1].expect(ACK, ack=21)
    assert (text(one[0]), text(two[0])) == (b"text of 20 octets...", b"TEXT OF 20 OCTETS...")


@shows("D503")
def an_unknown_option_is_skipped_if_it_may_be(lab: Lab) -> None:
    unknown = b"\x1e\4" + bytes(4)
    delivers(lab, lambda packet: [forms.with_extension(packet, forms.DESTINATION, unknown)], ip=6)


@shows("D504")
def a_fin_in_fragments_counts(lab: Lab) -> None:
    peer = delivers(lab, cut, flags=FIN | ACK)[1]
    assert peer.state is CLOSE_WAIT
