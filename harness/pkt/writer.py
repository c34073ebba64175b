"""Writes what happened in a case as a script of packetdrill, so that a finding can be sent to people who use that.

What the target did is expected again; where it did something else than was due, the script says what was due, and ends
there: it fails on that target, and passes on a sound one. What no script can say stands in comments.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.case.conversation import Conversation
from harness.case.violation import Finding
from harness.pkt import icmp, options, writer_states
from harness.pkt.matching import flag_letters
from harness.pkt.writer_calls import called
from harness.pkt.writing import IN_OCTETS, PORT, Side, Unsayable, Writing
from harness.spec import options as wire_options
from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, URG, Flags, Segment
from harness.trace.events import Event, Kind, Mark
from harness.wire import codec
from harness.wire import icmp as wire_icmp

#: The port of the first peer, where there are several connections.
PEER_PORT = 2000
#: The TTL of what the peer sends, unless the script says another.
TTL = 64
#: Options fill a header to a multiple of so many octets, which packetdrill demands of a script too.
WORD = 4
#: Options that have a name, and how many octets of data each may have.
_NAMED_LENGTHS = {
    wire_options.KIND_EOL: range(1),
    wire_options.KIND_NOP: range(1),
    wire_options.KIND_MSS: range(2, 3),
    wire_options.KIND_WINDOW_SCALE: range(1, 2),
    wire_options.KIND_SACK_PERMITTED: range(1),
    wire_options.KIND_SACK: range(8, 33, 8),
    wire_options.KIND_TIMESTAMPS: range(8, 9),
    options.FAST_OPEN: range(17),
    options.MD5: range(16, 17),
}
#: A peer's initial number that is so near the wrap is there for a purpose.
NEAR_THE_WRAP = 1 << 17

#: What stands in a script where something comes that none can say.
UNSAID = "here the script ends"
#: What the target may answer, and what its state may change by.
_STIMULI = (Kind.SENT, Kind.CALL)
_MOVES = (Kind.SENT, Kind.RECEIVED, Kind.CALL, Kind.STATE)
_UNSAFE = re.compile(r"[^A-Za-z0-9.=-]+")
_NOTATION = re.compile(r"<SEQ=(-?\d+)>(?:<ACK=(-?\d+)>)?(?:<DATA=(\d+)>)?<CTL=([A-Z,]+|none)>")
_FORM = re.compile(r"\(ttl-\d+\)")
_SETTING = re.compile(r"([\w.]+) = (.+)")


def write(
    events: Sequence[Event],
    *,
    title: str,
    about: Iterable[str] = (),
    version: int = 4,
    between: tuple[str, str] | None = None,
    finding: Finding | None = None,
    each_state: bool = False,
) -> str:
    """Return these events as a script; `about` are lines for its head.

    `between` are the addresses of the peer and of the target, those of the first segment where they are not told. At
    the end stands what was due by a `finding` about a state; `each_state` demands those that the target was in.
    """
    several = len({event.connection for event in events if event.segment is not None}) > 1
    writing = Writing(several, each_state, addresses=between, ports=_ports(events))
    writing.say(title)
    for line in about:
        writing.say(line)
    writing.lines += ["", f"--ip_version=ipv{version}", ""]
    before = head = len(writing.lines)
    alone = True
    try:
        for event in _until_the_finding(events):
            if event.kind in _STIMULI:
                _follow(writing, event.time_ns)
                before = len(writing.lines)
                writing.stimulus = before if alone else None
                alone = False
            _WRITERS[event.kind](writing, event)
            writing.side(event).moved |= event.kind in _MOVES
            alone |= event.kind is Kind.RECEIVED
        _follow(writing, writing.before_ns or 0)
        _demand_state(writing, finding)
        if each_state:
            writer_states.probe(writing)
    except Unsayable as reason:
        if event.kind is Kind.RECEIVED:  # what drew it would demand an answer
            del writing.lines[before:]
        writing.say(f"{UNSAID}: none can say that {reason}")
    if all(line.startswith("//") for line in writing.lines[head:]):
        writing.add("`true`", writing.before_ns or 0)
    if writing.in_octets:
        writing.lines.insert(1, IN_OCTETS)
    return "\n".join(writing.lines) + "\n"


def _ports(events: Sequence[Event]) -> dict[int, int]:
    """Return the target's port of each connection as the script has it: those that it listens on have one each.

    Any other is not written, and has the number of the first.
    """
    listens = {event.connection for event in events if event.kind is Kind.CALL and event.text.startswith("listen(")}
    found: dict[int, int] = {}
    numbers: dict[int, int] = {}
    for event in events:
        if event.segment is None or not event.packet or event.connection in found:
            continue
        with contextlib.suppress(codec.MalformedPacket):
            segment = codec.decode(event.packet).segment
            own = segment.destination_port if event.kind is Kind.SENT else segment.source_port
            found[event.connection] = own
            if event.connection in listens:
                numbers.setdefault(own, PORT + len(numbers))
    return {connection: numbers.get(own, PORT) for connection, own in found.items()}


def own_events(conversation: Conversation) -> Sequence[Event]:
    """Return what happened in a case itself, if it came to its end: what its timers did later, it does not demand."""
    return conversation.events[: conversation.told] if conversation.finished else conversation.events


def unsaid(text: str) -> str | None:
    """Return what a script says of why it ends early, None where it does not."""
    return next((line.removeprefix(f"// {UNSAID}: ") for line in text.splitlines() if UNSAID in line), None)


def cut(text: str, line: int) -> str:
    """Return a script up to a line, with no demands of states before it."""
    lines = text.splitlines()[:line]
    kept = [each for each in lines[:-1] if not writer_states.is_demand(each)]
    return "\n".join([*kept, *lines[-1:]]) + "\n"


def path_in(folder: Path, case_id: str, suffix: str) -> Path:
    """Return the file of a case in a folder of scripts."""
    return folder / (_UNSAFE.sub("_", f"{case_id}-{suffix}").strip("_") + ".pkt")


def _until_the_finding(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events up to what was due and did not come, or what came and was not due."""
    for event in events:
        yield event
        if event.kind is Kind.EXPECTED:
            return


def _follow(writing: Writing, time_ns: int) -> None:
    for side in writing.sides.values():
        writer_states.follow(writing, side, time_ns)


def _demand_state(writing: Writing, finding: Finding | None) -> None:
    due, seen = writer_states.wrong(finding)
    if not due or writing.several:
        return
    for side in writing.sides.values():
        if (line := writer_states.demand(side, due, seen)) is not None:
            writing.say("this was due:")
            writing.add(line, writing.before_ns or 0)


# --- segments --------------------------------------------------------------------------------------------------------


def _sent(writing: Writing, event: Event) -> None:
    if event.segment is None:
        return
    if any(_FORM.fullmatch(each) is None for each in event.annotations):
        raise Unsayable(f"the peer sends {event.notation()}")
    side, wire = writing.side(event), _decoded(event)
    _demand_addresses(writing, event, inbound=True)
    writing.current = event.connection
    opens = bool(wire.flags & SYN)
    if side.peer_base is None or (opens and not side.synchronized):
        side.peer_base = wire.seq if opens else seqno.add(wire.seq, -event.segment.seq)
        side.begin = wire.seq if opens and abs(seqno.diff(wire.seq, 0)) < NEAR_THE_WRAP else 0
    side.peer_shift = seqno.diff(seqno.add(wire.seq, -event.segment.seq), side.peer_base)
    segment = _counted(side, wire, inbound=True, begun=writing.begun)
    if segment.flags & ACK and side.due in (None, segment.seq):
        side.acknowledged = segment.ack
    writing.add(f"< {_packet(writing, event, segment, inbound=True)}", event.time_ns)


def _received(writing: Writing, event: Event) -> None:
    if event.segment is None:
        return
    side, wire = writing.side(event), _decoded(event)
    _demand_addresses(writing, event, inbound=False)
    if wire.flags & SYN:
        side.target_base = wire.seq
        side.closed |= side.synchronized  # what was accepted on these ports before is over
    if side.peer_base is not None and wire.flags & ACK and not wire.flags & RST:
        side.synchronized |= seqno.diff(wire.ack, side.peer_base) > 0
    if wire.seq:  # a reset's that counts from nowhere tells nothing
        side.target_shift = seqno.diff(seqno.add(wire.seq, -event.segment.seq), side.target_base or 0)
    writing.current = event.connection
    segment = _counted(side, wire, inbound=False, begun=writing.begun)
    if wire.is_bare_ack and (segment.ack, segment.seq, side.acknowledged) == (side.due, side.next, side.next):
        writing.space_out(event.time_ns)
    if not wire.flags & RST:
        side.due = segment.ack if wire.flags & ACK else side.due
        side.next = segment.end if wire.flags & SYN or seqno.lt(side.next, segment.end) else side.next
        with contextlib.suppress(wire_options.MalformedOptions):
            side.stamps |= wire_options.timestamps_of(wire.options) is not None
    if event.mark is not Mark.NONE:
        writing.say(f"it sent instead: > {_packet(writing, event, segment, inbound=False)}")
        return
    writing.add(f"> {_packet(writing, event, segment, inbound=False)}", event.time_ns)


def _demand_addresses(writing: Writing, event: Event, *, inbound: bool) -> None:
    """Refuse a second pair of addresses: a script has one."""
    if not event.packet:
        return
    packet = codec.decode(event.packet)
    pair = (packet.source, packet.destination) if inbound else (packet.destination, packet.source)
    ports = (packet.segment.source_port, packet.segment.destination_port)
    writing.side(event).ports = ports[::-1] if inbound else ports
    writing.addresses = writing.addresses or pair
    if pair != writing.addresses:
        raise Unsayable(f"a segment goes from {packet.source} to {packet.destination}")


def _decoded(event: Event) -> Segment:
    """Return a segment as it was on the wire; a rehearsed one has not been there."""
    if not event.packet:
        assert event.segment is not None
        return event.segment
    try:
        wire = codec.decode(event.packet).segment
    except codec.MalformedPacket as reason:
        raise Unsayable(f"the peer sends {event.notation()} with {reason}") from None
    if wire.reserved & ~1:
        raise Unsayable(f"the peer sends {event.notation()} with reserved bits")
    return wire


def _counted(side: Side, wire: Segment, *, inbound: bool, begun: bool) -> Segment:
    """Return a segment with the numbers that a script gives it (`harness.pkt.injection`)."""
    own, other = (side.peer_base, side.target_base) if inbound else (side.target_base, side.peer_base)
    seq, ack = seqno.add(wire.seq, -(own or 0)), seqno.add(wire.ack, -(other or 0))
    if wire.flags & SYN or not begun:
        seq, ack = (seqno.add(seq, side.begin), ack) if inbound else (seq, seqno.add(ack, side.begin))
    if not inbound and wire.flags & RST and not wire.seq:
        seq = 0
    return replace(wire, seq=seq, ack=ack)


def _expected(writing: Writing, event: Event) -> None:
    found = _NOTATION.match(event.text)
    if found is None:
        writing.say(f"due: {event.text}")
        return
    flags = Flags(0)
    for name in found[4].split(","):
        flags |= Flags[name] if name != "none" else Flags(0)
    side = writing.side(event)
    seq, ack = int(found[1]) + side.target_shift, int(found[2] or 0) + side.peer_shift
    segment = Segment(flags, seq, ack, payload=bytes(int(found[3] or 0)))
    if flags & SYN or not writing.begun:
        segment.ack += side.begin
    if flags & RST and not int(found[1]):
        segment.seq = 0
    writing.say("this was due:")
    writing.add(f"> {_packet(writing, event, segment, inbound=False)}", event.time_ns)


def _packet(writing: Writing, event: Event, segment: Segment, *, inbound: bool) -> str:
    seq, length = segment.seq & seqno.MASK, len(segment.payload)
    ports = (PEER_PORT + event.connection, writing.port_of(event.connection) or PORT)
    parts = _in_brackets(event) if inbound else []
    parts += [f"{ports[0]} > {ports[1]}" if inbound else f"{ports[1]} > {ports[0]}"] if writing.several else []
    parts += [flag_letters(int(segment.flags), segment.reserved), f"{seq}:{seqno.add(seq, length)}({length})"]
    if segment.flags & ACK:
        parts.append(f"ack {segment.ack & seqno.MASK}")
    if inbound:
        parts.append(f"win {segment.window}")
    if segment.flags & URG:
        parts.append(f"urg {segment.urgent}")
    side = writing.side(event)
    base = (side.target_base if inbound else side.peer_base) or 0
    stamped = _is_stamped(segment)
    if segment.options and (inbound or stamped):  # the peer echoes timestamps, so they must be written
        field = segment.options + bytes(-len(segment.options) % WORD)
        named = _named(field, base)
        parts.append(f"<{field.hex() if named is None else named}>")
        writing.in_octets |= named is None
    elif not inbound:
        parts.append("<...>")
    return " ".join(parts)


def _in_brackets(event: Event) -> list[str]:
    """Return what of the IP header is not as usual, as scripts write it."""
    if not event.packet:
        return []
    packet = codec.decode(event.packet)
    words = [f"tos {packet.traffic_class:#x}"] if packet.traffic_class else []
    words += [f"ttl {packet.ttl}"] if packet.ttl != TTL else []
    return [f"[{', '.join(words)}]"] if words else []


def _is_stamped(segment: Segment) -> bool:
    try:
        return bool(segment.options) and wire_options.timestamps_of(segment.options) is not None
    except wire_options.MalformedOptions:
        return False


def _named(field: bytes, base: int) -> str | None:
    """Return options with their padding, None where packetdrill has no name for one, or not with the length it has."""
    try:
        found = wire_options.parse(field)
    except wire_options.MalformedOptions:
        return None
    if any(len(option.data) not in _NAMED_LENGTHS.get(option.kind, ()) for option in found):
        return None
    used = sum(1 if option.kind == wire_options.KIND_NOP else 2 + len(option.data) for option in found)
    if field[used:].strip(b"\0"):
        return None
    names = options.described(field[:used], base)[1:-1] if used else ""
    return ",".join(filter(None, [names, *["eol"] * len(field[used:])]))


# --- the rest --------------------------------------------------------------------------------------------------------


def _noted(writing: Writing, event: Event) -> None:
    if event.packet:
        writing.add(f"< {_icmp(writing, event)}", event.time_ns)
    elif (setting := _SETTING.fullmatch(event.text)) is not None and setting[1].startswith(("net.", "tcp_")):
        name = setting[1] if "." in setting[1] else f"net.ipv4.{setting[1]}"
        writing.add(f'`sysctl -q {name}="{setting[2]}"`', event.time_ns)
    else:
        writing.say(event.notation())


def _icmp(writing: Writing, event: Event) -> str:
    """Return an ICMP error about a segment that the target has sent on the connection that the script is about."""
    found, side = icmp.decode(event.packet), writing.side(event)
    if found is None or side.ports not in (None, found.ports) or writing.current not in (None, event.connection):
        raise Unsayable(f"there is {event.notation()}")
    seq = seqno.add(found.seq, -(side.target_base or 0))
    name = f"type_{found.kind} code_{found.code}"
    if found.mtu:
        kind = "packet_too_big" if found.kind == wire_icmp.PACKET_TOO_BIG_V6 else "unreachable frag_needed"
        name = f"{kind} mtu {found.mtu}"
    return f"icmp {name} [{seq}:{seq}(0)]"


def _state(writing: Writing, event: Event) -> None:
    writing.side(event).state = event.text
    writing.say(event.notation())


def _passed(_writing: Writing, _event: Event) -> None:
    """Write nothing: the next event's time says it."""


_WRITERS: dict[Kind, Callable[[Writing, Event], None]] = {
    Kind.SENT: _sent,
    Kind.RECEIVED: _received,
    Kind.EXPECTED: _expected,
    Kind.CALL: called,
    Kind.ANSWER: _passed,
    Kind.STATE: _state,
    Kind.WAIT: _passed,
    Kind.NOTE: _noted,
}
