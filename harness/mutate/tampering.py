"""What a saboteur can do, in small pieces: which segments (`Where`), and what becomes of them (`Change`)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from harness.mutate.saboteur import Delivery, Exchange
from harness.observe.snapshot import Snapshot
from harness.spec import options, seqno
from harness.spec.segment import ACK, PSH, RST, SYN, Segment
from harness.spec.states import State
from harness.wire import codec
from harness.wire.codec import Packet

#: A delay that no case waits for, and that a late sweep still sees.
LATE_S = 0.1

#: Which of the target's segments: the segment, and the peer's segment in front of it.
Where = Callable[[Packet, Packet | None], bool]
#: What becomes of one segment of the target.
Change = Callable[[Packet], list[Delivery]]
Deliver = Callable[[Exchange], list[Delivery]]


# --- which segments --------------------------------------------------------------------------------------------------


def exactly(flags: int) -> Where:
    """Segments with these flags; PSH doesn't count."""
    return lambda sent, _cause: sent.segment.flags & ~PSH == flags


def carrying(flag: int) -> Where:
    """Segments with this flag among others."""
    return lambda sent, _cause: bool(sent.segment.flags & flag)


def data(sent: Packet, _cause: Packet | None) -> bool:
    """Tell whether the segment carries data."""
    return bool(sent.segment.payload)


def bare_ack(sent: Packet, _cause: Packet | None) -> bool:
    """Tell whether the segment is an ACK and nothing else."""
    return sent.segment.flags & ~PSH == ACK and not sent.segment.payload


def ack_of(flag: int) -> Where:
    """Bare ACKs behind a segment of the peer with this flag: of its FIN, or challenging its SYN or RST."""
    return lambda sent, cause: bare_ack(sent, cause) and cause is not None and bool(cause.segment.flags & flag)


def ack_of_data(sent: Packet, cause: Packet | None) -> bool:
    """Tell whether the segment is a bare ACK behind data."""
    return bare_ack(sent, cause) and cause is not None and bool(cause.segment.payload)


def synchronized(sent: Packet, _cause: Packet | None) -> bool:
    """Tell whether the segment is neither SYN nor RST."""
    return not sent.segment.flags & (SYN | RST)


def anything(_sent: Packet, _cause: Packet | None) -> bool:
    """Every segment."""
    return True


# --- what is done ----------------------------------------------------------------------------------------------------


def each(where: Where, change: Change) -> Deliver:
    """Do `change` to every segment that `where` picks; the others pass."""

    def deliver(exchange: Exchange) -> list[Delivery]:
        picked = ((packet, where(packet, exchange.cause)) for packet in exchange.sent)
        return [made for packet, hit in picked for made in (change(packet) if hit else [Delivery(packet.raw)])]

    return deliver


def put(**fields: Callable[[Segment], Any]) -> Change:
    """Replace fields of the segment by what these functions of it give; the checksum is right again."""
    return lambda packet: [Delivery(_encoded(packet, _with(packet.segment, fields)))]


def followed_by(**fields: Callable[[Segment], Any]) -> Change:
    """Send another segment, made like `put` does, right behind the true one."""
    return lambda packet: [Delivery(packet.raw), Delivery(_encoded(packet, _with(packet.segment, fields)))]


def drop(_packet: Packet) -> list[Delivery]:
    """Let the segment vanish."""
    return []


def twice(packet: Packet) -> list[Delivery]:
    """Send it two times."""
    return [Delivery(packet.raw), Delivery(packet.raw)]


def late(packet: Packet) -> list[Delivery]:
    """Send it later."""
    return [Delivery(packet.raw, LATE_S)]


def again_later(packet: Packet) -> list[Delivery]:
    """Send it now, and once more later, as an impatient timer would."""
    return [Delivery(packet.raw), Delivery(packet.raw, LATE_S)]


def bad_checksum(packet: Packet) -> list[Delivery]:
    """Break the TCP checksum."""
    return [Delivery(_encoded(packet, packet.segment, checksum_error=0x0001))]


def bad_ip_checksum(packet: Packet) -> list[Delivery]:
    """Break the checksum of the IPv4 header."""
    return [Delivery(packet.raw[:10] + bytes((packet.raw[10] ^ 0x40,)) + packet.raw[11:])]


def other_identification(packet: Packet) -> list[Delivery]:
    """Send it with another identification in its IPv4 header."""
    return [Delivery(_encoded(replace(packet, ip_id=packet.ip_id ^ 0x5555), packet.segment))]


def backwards(exchange: Exchange) -> list[Delivery]:
    """Deliver the segments of a step in the opposite order."""
    return [Delivery(packet.raw) for packet in reversed(exchange.sent)]


def speak(where: Callable[[Segment], bool], flags: int, after_s: float = 0.0) -> Deliver:
    """Answer with these flags where the target rightly says nothing to a segment of the peer."""

    def deliver(exchange: Exchange) -> list[Delivery]:
        made = [Delivery(packet.raw) for packet in exchange.sent]
        if exchange.cause is not None and not exchange.sent and where(exchange.cause.segment):
            made.append(Delivery(_answer(exchange.cause, flags), after_s))
        return made

    return deliver


def _with(segment: Segment, fields: dict[str, Callable[[Segment], Any]]) -> Segment:
    return replace(segment, **{name: make(segment) for name, make in fields.items()})


def _encoded(packet: Packet, segment: Segment, checksum_error: int = 0) -> bytes:
    path = codec.Path(packet.source, packet.destination)
    return codec.encode(
        path,
        segment,
        checksum_error=checksum_error,
        ttl=packet.ttl,
        traffic_class=packet.traffic_class,
        ip_id=packet.ip_id,
    )


def _answer(cause: Packet, flags: int) -> bytes:
    heard = cause.segment
    segment = Segment(
        flags,
        seq=heard.ack,
        ack=heard.end if flags & ACK else 0,
        source_port=heard.destination_port,
        destination_port=heard.source_port,
    )
    return codec.encode(codec.Path(cause.destination, cause.source), segment)


# --- functions of a segment ------------------------------------------------------------------------------------------


def flags(*, on: int = 0, off: int = 0) -> Callable[[Segment], int]:
    """Switch bits."""
    return lambda segment: segment.flags & ~off | on


def moved(field: str, by: int) -> Callable[[Segment], int]:
    """Return a sequence number moved by so much, modulo 2^32."""
    return lambda segment: seqno.add(getattr(segment, field), by)


def always(value: Any) -> Callable[[Segment], Any]:
    """Return a constant."""
    return lambda _segment: value


def without(kind: int) -> Callable[[Segment], bytes]:
    """Return the options without those of a kind."""

    def rest(segment: Segment) -> bytes:
        kept = [option for option in options.parse(segment.options) if option.kind not in (kind, options.KIND_NOP)]
        return b"".join(options.unknown(option.kind, option.data) for option in kept)

    return rest


def added(octets: bytes) -> Callable[[Segment], bytes]:
    """Return the options and one more, unless the field is full."""
    return lambda segment: (octets + segment.options)[:40]


def spoilt(segment: Segment) -> bytes:
    """Return the payload with its first octet changed."""
    return bytes((segment.payload[0] ^ 0xFF,)) + segment.payload[1:]


# --- what a look shows -----------------------------------------------------------------------------------------------


def stuck(now: Snapshot, before: Snapshot) -> Snapshot:
    """Show the state before."""
    return before if now.state is not before.state else now


def instead(true: State, shown: State) -> Callable[[Snapshot, Snapshot], Snapshot]:
    """Show another state in place of one."""
    return lambda now, _before: now._replace(state=shown) if now.state is true else now
