"""The form of a packet: what may lie around a segment without changing what it says (RFC 791, RFC 8200).

Each form takes an IP packet with a segment in it to the packets that are sent instead; a receiver must behave the same.
"""

import random
from collections.abc import Callable

from harness.wire import forms

#: The largest packet that Ethernet carries.
LARGEST = 1500
#: An IPv4 first fragment that ends within the TCP header; a multiple of eight.
_WITHIN_HEADER = 16
#: Where three fragments are cut, all within the shortest TCP header.
_THREE = (8, 16)
#: Where a TCP header says how long it is.
_DATA_OFFSET = 12
#: Expedited forwarding (RFC 3246), without ECN.
_OTHER_CLASS = 0xB8
#: The identities of datagrams that never become whole; odd and even ones, as no other form has them together.
FIRST_REUSED = 0x7FF1
#: The form of datagrams that have them again.
REUSED = "fragments-reused"
#: Both bits of ECN.
_CONGESTION = 0b11
_IPV4, _IPV6 = 4, 6


def shaped(packet: bytes, form: str) -> list[bytes]:
    """Return the packets that carry this one in the given form.

    The form "" and one for the other IP change nothing, nor does one with which the packet is too large for the wire.
    """
    made = FORMS[form](packet) if form else None
    return made if made and max(map(len, made)) <= LARGEST else [packet]


def _version(packet: bytes) -> int:
    return packet[0] >> 4


def _padded(packet: bytes) -> list[bytes]:
    """Octets behind the datagram, as Ethernet pads short frames (RFC 894)."""
    return [forms.trailed(packet, bytes(range(1, 8)))]


def _ip_options(packet: bytes) -> list[bytes] | None:
    """IPv4 options that ask for nothing (RFC 791 §3.1)."""
    return [forms.with_ipv4_options(packet, forms.NOPS)] if _version(packet) == _IPV4 else None


def _hop_by_hop(packet: bytes) -> list[bytes] | None:
    """An IPv6 hop-by-hop header with padding (RFC 8200 §4.3)."""
    return [forms.with_extension(packet, forms.HOP_BY_HOP)] if _version(packet) == _IPV6 else None


def _destination(packet: bytes) -> list[bytes] | None:
    """An IPv6 destination header with padding (RFC 8200 §4.6)."""
    return [forms.with_extension(packet, forms.DESTINATION)] if _version(packet) == _IPV6 else None


def _routing_header(packet: bytes) -> list[bytes] | None:
    """An IPv6 routing header of an experimental kind with no hop left, which is to be ignored (RFC 8200 §4.4)."""
    return [forms.with_extension(packet, forms.ROUTING, forms.USED_UP)] if _version(packet) == _IPV6 else None


def _extension_headers(packet: bytes) -> list[bytes] | None:
    """Both of them, the hop-by-hop header first (RFC 8200 §4.1)."""
    if _version(packet) != _IPV6:
        return None
    return [forms.with_extension(forms.with_extension(packet, forms.DESTINATION), forms.HOP_BY_HOP)]


def _options_in_fragments(packet: bytes) -> list[bytes] | None:
    """IPv4 options in each of two fragments."""
    return _fragments(forms.with_ipv4_options(packet, forms.NOPS)) if _version(packet) == _IPV4 else None


def _body(packet: bytes) -> bytes:
    return packet[(packet[0] & 15) * 4 if _version(packet) == _IPV4 else 40 :]


def _identity(packet: bytes) -> int:
    """Return the identity of a datagram that becomes whole: an even number."""
    return random.Random(_body(packet)).randrange(1, 1 << 15) << 1


def _headers(body: bytes) -> int:
    """Return how much of a datagram a fragment holds that has the TCP header in it, in units of eight octets."""
    return ((body[_DATA_OFFSET] >> 4) * 4 + 7) // 8 * 8


def _fragments(packet: bytes, identity: int | None = None) -> list[bytes]:
    """Two fragments in order (RFC 791 §3.2, RFC 8200 §4.5).

    On IPv4 the first ends within the header. On IPv6 it has to hold all headers (RFC 8200 §4.5); what is no longer than
    these comes as an atomic fragment (RFC 6946).
    """
    body = _body(packet)
    if identity is None:
        identity = _identity(packet)
    cut = _WITHIN_HEADER if _version(packet) == _IPV4 else _headers(body)
    return forms.fragmented(packet, [cut] if cut < len(body) else [], identity)


def _reversed(packet: bytes) -> list[bytes]:
    """The same fragments, the last one first."""
    return _fragments(packet)[::-1]


def _options_before_fragments(packet: bytes) -> list[bytes] | None:
    """An IPv6 hop-by-hop header in front of each fragment header, where it has to stand (RFC 8200 §4.5)."""
    if _version(packet) != _IPV6:
        return None
    return [forms.with_extension(piece, forms.HOP_BY_HOP) for piece in _fragments(packet)]


def _destination_in_fragments(packet: bytes) -> list[bytes] | None:
    """A destination header behind the fragment header, and so in the first fragment (RFC 8200 §4.5)."""
    if _version(packet) != _IPV6:
        return None
    body = _body(packet)
    extended = forms.with_extension(packet, forms.DESTINATION)
    cut = len(extended) - len(packet) + _headers(body)
    return forms.fragmented(extended, [cut] if cut < len(_body(extended)) else [], _identity(packet))


def _padded_fragments(packet: bytes) -> list[bytes]:
    """Fragments with octets behind each, as Ethernet pads short frames."""
    return [piece for whole in _fragments(packet) for piece in _padded(whole)]


def _fragments_twice(packet: bytes) -> list[bytes] | None:
    """Each fragment twice but the last, which makes the datagram whole: a copy behind that would begin another.

    RFC 791 §3.2 joins them. RFC 8200 §4.5 leaves it to the receiver whether copies count as overlapping fragments, for
    which it gives up the datagram.
    """
    if _version(packet) != _IPV4:
        return None
    *pieces, last = _fragments(packet)
    return [*(piece for piece in pieces for _copy in range(2)), last]


def _fragments_copied(packet: bytes) -> list[bytes] | None:
    """Three fragments, of which the first comes twice and the middle one last: a copy does not fill what is missing."""
    if _version(packet) != _IPV4:
        return None
    first, *rest = forms.fragmented(packet, _THREE, _identity(packet))
    return [first, first, *rest[::-1]]


def _atomic_between(packet: bytes) -> list[bytes] | None:
    """A datagram in a single fragment with the identity of another one, of which the first piece has come before.

    It has nothing to do with others of its identity (RFC 6946 §4, RFC 8200 §4.5).
    """
    if _version(packet) != _IPV6:
        return None
    identity = _identity(packet) | 1
    lone = forms.fragment(packet, 0, bytes(_WITHIN_HEADER), identity, more=True)
    return [lone, forms.fragment(packet, 0, packet[40:], identity, more=False)]


def _fragments_between(packet: bytes) -> list[bytes]:
    """Two fragments, and between them the first one of another datagram, of which no more comes.

    Its identity is none that a whole datagram has, with whose fragments it would be joined.
    """
    first, *rest = _fragments(packet)
    identity = random.Random(packet[::-1]).randrange(1 << 15) << 1 | 1
    return [first, forms.fragment(packet, 0, bytes(_WITHIN_HEADER), identity, more=True), *rest]


def _fragments_reused(packet: bytes) -> list[bytes]:
    """Two fragments with the identity of a datagram that came long ago and never became whole, or of the one behind."""
    return _fragments(packet, FIRST_REUSED + random.Random(packet).randrange(2))


def lonely(packet: bytes, number: int, *, last: bool) -> bytes:
    """Return one of the two fragments of a packet with other octets, the last or the first: no other one comes of it.

    `number` counts the identities of such datagrams.
    """
    made = _fragments(packet, FIRST_REUSED + number)[-1 if last else 0]
    return made[:-1] + bytes((made[-1] ^ 0xFF,))


def _last_hop(packet: bytes) -> list[bytes]:
    """A packet that has come a long way."""
    return [forms.with_hops(packet, 1)]


def _other_class(packet: bytes) -> list[bytes]:
    """Another DSCP, which says nothing about TCP."""
    return [forms.with_class(packet, _OTHER_CLASS)]


def _marked(packet: bytes) -> list[bytes]:
    """A packet that a router has marked: congestion experienced (RFC 3168 §5)."""
    return [forms.with_class(packet, _CONGESTION)]


def _changing_class(packet: bytes) -> list[bytes]:
    """Another DSCP, and with it another precedence, in each packet."""
    return [forms.with_class(packet, random.Random(packet).randrange(64) << 2)]


def _flow_label(packet: bytes) -> list[bytes] | None:
    """Another flow label in each packet (RFC 6437)."""
    label = random.Random(packet).randrange(1 << 20)
    return [forms.with_flow_label(packet, label)] if _version(packet) == _IPV6 else None


Form = Callable[[bytes], list[bytes] | None]
_SINGLE: dict[str, Form] = {
    "padded": _padded,
    "ip-options": _ip_options,
    "hop-by-hop": _hop_by_hop,
    "destination-header": _destination,
    "routing-header": _routing_header,
    "extension-headers": _extension_headers,
    "fragments": _fragments,
    "options-in-fragments": _options_in_fragments,
    "fragments-reversed": _reversed,
    "hop-by-hop-and-fragments": _options_before_fragments,
    "destination-in-fragments": _destination_in_fragments,
    "padded-fragments": _padded_fragments,
    "fragments-twice": _fragments_twice,
    "fragments-between": _fragments_between,
    "fragments-copied": _fragments_copied,
    "atomic-between": _atomic_between,
    REUSED: _fragments_reused,
    "ttl-1": _last_hop,
    "dscp": _other_class,
    "changing-class": _changing_class,
    "marked": _marked,
    "flow-label": _flow_label,
}
#: Two at once: what changes how the datagram is carried, and what is then true of each packet.
_CARRIED = (
    *("ip-options", "hop-by-hop", "destination-header", "fragments", "fragments-reversed", "fragments-twice"),
    *("options-in-fragments", "hop-by-hop-and-fragments"),
)
_OF_EACH = ("padded", "ttl-1", "marked", "changing-class")
BOTH = "+"


def _both(carried: Form, of_each: Form) -> Form:
    def form(packet: bytes) -> list[bytes] | None:
        made = carried(packet)
        return None if made is None else [each for piece in made for each in of_each(piece) or [piece]]

    return form


#: All forms by name; one that is made of two has the name of both.
FORMS: dict[str, Form] = _SINGLE | {
    f"{carried}{BOTH}{each}": _both(_SINGLE[carried], _SINGLE[each]) for carried in _CARRIED for each in _OF_EACH
}
