"""Writes what happened in a case as a script of packetdrill, so that a finding can be sent to people who use that.

What the target did is expected again; where it did something else than was due, the script says what was due, and ends
there: it fails on that target, and passes on a sound one. What no script can say stands in comments.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.pkt import options
from harness.pkt.matching import flag_letters
from harness.spec import options as wire_options
from harness.spec import seqno
from harness.spec.segment import ACK, RST, SYN, URG, Flags, Segment
from harness.trace.events import Event, Kind, Mark
from harness.wire import codec

#: Shorter times between two events are those of the machine.
SHORTEST_S = 0.005
#: The port of the target, and that of the first peer, where there are several connections.
PORT, PEER_PORT = 8080, 2000
WIDTH = 8
#: A peer's initial number that is so near the wrap is there for a purpose.
NEAR_THE_WRAP = 1 << 17

_UNSAFE = re.compile(r"[^A-Za-z0-9.=-]+")
_NOTATION = re.compile(r"<SEQ=(-?\d+)>(?:<ACK=(-?\d+)>)?(?:<DATA=(\d+)>)?<CTL=([A-Z,]+|none)>")
_SENDS = re.compile(r"send\((\d+)(?: octets)?\)")
_SETTING = re.compile(r"([\w.]+) = (.+)")
_ICMP = re.compile(r"ICMP error type (\d+) code (\d+)")
_OCTETS = re.compile(r"= (?:(\d+) octets )?(b(?:'|\").*)", re.DOTALL)
_ERROR = re.compile(r"= (E[A-Z]+)")


class _Unsayable(Exception):
    """Something that no script can say: it ends there."""


@dataclass(slots=True)
class _Side:
    """One connection: its descriptors, and the numbers on the wire from which both sides count.

    `begin` is the number that the script gives to the peer's SYN.
    """

    listener: int = 0
    app: int = 0
    peer_base: int | None = None
    target_base: int | None = None
    begin: int = 0
    synchronized: bool = False
    #: How far the numbers of the case are from those of the script: the peer's, and the target's.
    peer_shift: int = 0
    target_shift: int = 0


@dataclass(slots=True)
class _Writing:
    """A script that is being written."""

    several: bool
    lines: list[str] = field(default_factory=list)
    sides: dict[int, _Side] = field(default_factory=dict)
    next_number: int = 3
    before_ns: int | None = None
    #: The number of the target's last segment, which ICMP errors quote.
    quoted: int = 0

    def side(self, event: Event) -> _Side:
        """Return the connection that an event is about."""
        return self.sides.setdefault(event.connection, _Side())

    def number(self) -> int:
        """Return the next number of a descriptor."""
        self.next_number += 1
        return self.next_number - 1

    def add(self, action: str, time_ns: int) -> None:
        """Write an event."""
        passed = 0.0 if self.before_ns is None else (time_ns - self.before_ns) / 1e9
        shown = f"{passed:.3f}".rstrip("0").rstrip(".") if passed >= SHORTEST_S else "0"
        self.lines.append(f"{'0' if self.before_ns is None else '+' + shown:>{WIDTH}} {action}")
        self.before_ns = time_ns

    def say(self, text: str) -> None:
        """Write a comment."""
        self.lines += [f"// {line}".rstrip() for line in text.splitlines()]


def write(events: Sequence[Event], *, title: str, about: Iterable[str] = (), version: int = 4) -> str:
    """Return these events as a script; `about` are lines for its head."""
    writing = _Writing(several=len({event.connection for event in events if event.segment is not None}) > 1)
    writing.say(title)
    for line in about:
        writing.say(line)
    writing.lines += ["", f"--ip_version=ipv{version}", ""]
    try:
        for event in _until_the_finding(events):
            _WRITERS[event.kind](writing, event)
    except _Unsayable as reason:
        writing.say(f"here the script ends: none can say that {reason}")
    return "\n".join(writing.lines) + "\n"


def path_in(folder: Path, case_id: str, suffix: str) -> Path:
    """Return the file of a case in a folder of scripts."""
    return folder / (_UNSAFE.sub("_", f"{case_id}-{suffix}").strip("_") + ".pkt")


def _until_the_finding(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events up to what was due and did not come, or what came and was not due."""
    for event in events:
        yield event
        if event.kind is Kind.EXPECTED:
            return


# --- segments --------------------------------------------------------------------------------------------------------


def _sent(writing: _Writing, event: Event) -> None:
    if event.segment is None:
        return
    if event.annotations:
        raise _Unsayable(f"the peer sends {event.notation()}")
    side, wire = writing.side(event), _decoded(event)
    opens = bool(wire.flags & SYN)
    if side.peer_base is None or (opens and not side.synchronized):
        side.peer_base = wire.seq if opens else seqno.add(wire.seq, -event.segment.seq)
        side.begin = wire.seq if opens and abs(seqno.diff(wire.seq, 0)) < NEAR_THE_WRAP else 0
    side.peer_shift = seqno.diff(seqno.add(wire.seq, -event.segment.seq), side.peer_base)
    writing.add(f"< {_packet(writing, event, _counted(side, wire, inbound=True), inbound=True)}", event.time_ns)


def _received(writing: _Writing, event: Event) -> None:
    if event.segment is None:
        return
    side, wire = writing.side(event), _decoded(event)
    if wire.flags & URG:
        raise _Unsayable("the application sends urgent data")
    if wire.flags & SYN:
        side.target_base = wire.seq
    if side.peer_base is not None and wire.flags & ACK and not wire.flags & RST:
        side.synchronized |= seqno.diff(wire.ack, side.peer_base) > 0
    if wire.seq:  # a reset's that counts from nowhere tells nothing
        side.target_shift = seqno.diff(seqno.add(wire.seq, -event.segment.seq), side.target_base or 0)
    segment = _counted(side, wire, inbound=False)
    if event.mark is not Mark.NONE:
        writing.say(f"it sent instead: > {_packet(writing, event, segment, inbound=False)}")
        return
    writing.quoted = segment.seq
    writing.add(f"> {_packet(writing, event, segment, inbound=False)}", event.time_ns)


def _decoded(event: Event) -> Segment:
    """Return a segment as it was on the wire; a rehearsed one has not been there."""
    if not event.packet:
        assert event.segment is not None
        return event.segment
    try:
        wire = codec.decode(event.packet).segment
    except codec.MalformedPacket as reason:
        raise _Unsayable(f"the peer sends {event.notation()} with {reason}") from None
    if wire.reserved & ~1:
        raise _Unsayable(f"the peer sends {event.notation()} with reserved bits")
    return wire


def _counted(side: _Side, wire: Segment, *, inbound: bool) -> Segment:
    """Return a segment with the numbers that a script gives it (`harness.pkt.injection`)."""
    own, other = (side.peer_base, side.target_base) if inbound else (side.target_base, side.peer_base)
    seq, ack = seqno.add(wire.seq, -(own or 0)), seqno.add(wire.ack, -(other or 0))
    if wire.flags & SYN:
        seq, ack = (seqno.add(seq, side.begin), ack) if inbound else (seq, seqno.add(ack, side.begin))
    if not inbound and wire.flags & RST and not wire.seq:
        seq = 0
    return replace(wire, seq=seq, ack=ack)


def _expected(writing: _Writing, event: Event) -> None:
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
    if flags & SYN:
        segment.ack += side.begin
    if flags & RST and not int(found[1]):
        segment.seq = 0
    writing.say("this was due:")
    writing.add(f"> {_packet(writing, event, segment, inbound=False)}", event.time_ns)


def _packet(writing: _Writing, event: Event, segment: Segment, *, inbound: bool) -> str:
    seq, length = segment.seq & seqno.MASK, len(segment.payload)
    ports = (PEER_PORT + event.connection, PORT)
    parts = [f"{ports[0]} > {ports[1]}" if inbound else f"{ports[1]} > {ports[0]}"] if writing.several else []
    parts += [flag_letters(int(segment.flags), segment.reserved), f"{seq}:{seqno.add(seq, length)}({length})"]
    if segment.flags & ACK:
        parts.append(f"ack {segment.ack & seqno.MASK}")
    if inbound:
        parts.append(f"win {segment.window}")
    if segment.flags & URG:
        parts.append(f"urg {segment.urgent}")
    side = writing.side(event)
    base = (side.target_base if inbound else side.peer_base) or 0
    try:
        stamped = bool(segment.options) and wire_options.timestamps_of(segment.options) is not None
    except wire_options.MalformedOptions as reason:
        raise _Unsayable(f"options are malformed: {reason}") from None
    if segment.options and (inbound or stamped):  # the peer echoes timestamps, so they must be written
        parts.append(options.described(segment.options, base))
    elif not inbound:
        parts.append("<...>")
    return " ".join(parts)


# --- calls -----------------------------------------------------------------------------------------------------------


def _called(writing: _Writing, event: Event) -> None:
    side = writing.side(event)
    name = event.text.partition("(")[0]
    write_call = _CALLS.get(event.text) or _CALLS.get(name)
    if write_call is None:
        raise _Unsayable(f"the application calls {event.notation()}")
    for text in write_call(writing, side, event):
        writing.add(text, event.time_ns)


def _outcome(event: Event, good: str) -> str:
    """Return what a call gave: what is usual, or the error that it is annotated with."""
    found = next((found for text in event.annotations if (found := _ERROR.match(text)) is not None), None)
    return f"-1 {found[1]} ({found[1]})" if found is not None else good


def _socket(writing: _Writing) -> tuple[int, str]:
    number = writing.number()
    return number, f"socket(..., SOCK_STREAM, IPPROTO_TCP) = {number}"


def _listen(writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    if any(each.listener for each in writing.sides.values()):
        raise _Unsayable("another listener waits on other ports or at another address")
    side.listener, made = _socket(writing)
    yield made
    yield f"setsockopt({side.listener}, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0"
    yield f"bind({side.listener}, ..., ...) = 0"
    yield f"listen({side.listener}, 5) = {_outcome(event, '0')}"


def _connect(writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    outcome = _outcome(event, "-1 EINPROGRESS (Operation now in progress)")
    if any(name in outcome for name in ("ENETUNREACH", "EADDR", "EHOSTUNREACH", "EACCES")):
        raise _Unsayable(f"connect() goes to another address: {event.notation()}")
    side.app, made = _socket(writing)
    yield made
    yield f"fcntl({side.app}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
    yield f"connect({side.app}, ..., ...) = {outcome}"


def _accept(writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    listener = side.listener or next((each.listener for each in writing.sides.values() if each.listener), 3)
    refused = _outcome(event, "")
    if refused:
        yield f"fcntl({listener}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"
        yield f"accept({listener}, ..., ...) = {refused}"
        return
    side.app = writing.number()
    yield f"accept({listener}, ..., ...) = {side.app}"
    yield f"fcntl({side.app}, F_SETFL, O_RDWR|O_NONBLOCK) = 0"


def _close(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    yield f"close({side.app or side.listener}) = {_outcome(event, '0')}"


def _close_listener(writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    listener = side.listener or next((each.listener for each in writing.sides.values() if each.listener), 3)
    yield f"close({listener}) = {_outcome(event, '0')}"


def _abort(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    number = side.app or side.listener
    yield f"setsockopt({number}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8) = 0"
    yield f"close({number}) = {_outcome(event, '0')}"


def _shutdown(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    yield f"shutdown({side.app}, SHUT_WR) = {_outcome(event, '0')}"


def _send(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    found = _SENDS.match(event.text)
    octets = found[1] if found is not None else "0"
    yield f"send({side.app}, ..., {octets}, MSG_NOSIGNAL) = {_outcome(event, octets)}"


def _recv(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    got = "0"
    for text in event.annotations:
        if (found := _OCTETS.match(text)) is not None:
            got = found[1] or str(len(_literal(found[2])))
    yield f"read({side.app}, ..., {got if got != '0' else 65536}) = {_outcome(event, got)}"


def _literal(text: str) -> bytes:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return b""
    return value if isinstance(value, bytes) else b""


def _pending_error(_writing: _Writing, side: _Side, event: Event) -> Iterator[str]:
    seen = _outcome(event, "0").split()
    name = seen[1] if len(seen) > 1 else "0"
    yield f"getsockopt({side.app}, SOL_SOCKET, SO_ERROR, [{name}], [4]) = 0"


_CALLS: dict[str, Callable[[_Writing, _Side, Event], Iterator[str]]] = {
    "listen": _listen,
    "connect": _connect,
    "accept": _accept,
    "close() of the listener": _close_listener,
    "unlisten": _close_listener,
    "close": _close,
    "abort": _abort,
    "shutdown": _shutdown,
    "send": _send,
    "recv": _recv,
    "pending error": _pending_error,
    "SO_ERROR": _pending_error,
}


# --- the rest --------------------------------------------------------------------------------------------------------


def _noted(writing: _Writing, event: Event) -> None:
    if (found := _ICMP.match(event.text)) is not None and not event.annotations:
        quoted = writing.quoted & seqno.MASK
        writing.add(f"< icmp type_{found[1]} code_{found[2]} [{quoted}:{quoted}(0)]", event.time_ns)
    elif (setting := _SETTING.fullmatch(event.text)) is not None and setting[1].startswith(("net.", "tcp_")):
        name = setting[1] if "." in setting[1] else f"net.ipv4.{setting[1]}"
        writing.add(f'`sysctl -q {name}="{setting[2]}"`', event.time_ns)
    else:
        writing.say(event.notation())


def _commented(writing: _Writing, event: Event) -> None:
    writing.say(event.notation())


def _passed(_writing: _Writing, _event: Event) -> None:
    """Write nothing: the next event's time says it."""


_WRITERS: dict[Kind, Callable[[_Writing, Event], None]] = {
    Kind.SENT: _sent,
    Kind.RECEIVED: _received,
    Kind.EXPECTED: _expected,
    Kind.CALL: _called,
    Kind.ANSWER: _passed,
    Kind.STATE: _commented,
    Kind.WAIT: _passed,
    Kind.NOTE: _noted,
}
