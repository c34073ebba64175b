"""What a script says, as a tree of values: nothing here knows a target. Times are in nanoseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from harness.spec.segment import NO_FLAGS, Flags


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file; lines and columns count from 1."""

    line: int
    column: int


class Clock(StrEnum):
    """What a time counts from."""

    ABSOLUTE = "absolute"  # the beginning of the script
    RELATIVE = "relative"  # the event before
    ANY = "any"  # the event before, however late


@dataclass(frozen=True, slots=True)
class Time:
    """When an event is due: between `start_ns` and `end_ns`, which are the same unless a range is written."""

    clock: Clock
    start_ns: int = 0
    end_ns: int = 0

    @property
    def is_range(self) -> bool:
        """Whether both ends are written."""
        return self.end_ns != self.start_ns

    def __str__(self) -> str:
        if self.clock is Clock.ANY:
            return "*"
        sign = "+" if self.clock is Clock.RELATIVE else ""
        end = f"~{sign}{seconds(self.end_ns)}" if self.is_range else ""
        return f"{sign}{seconds(self.start_ns)}{end}"


def seconds(nanoseconds: int) -> str:
    """Return a time as scripts write it, in seconds."""
    return f"{nanoseconds / 1e9:.6f}".rstrip("0").rstrip(".")


# --- expressions of calls ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """An integer."""

    value: int
    place: Place


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol, such as SOCK_STREAM."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Text:
    """A string in quotes."""

    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Anything:
    """Three dots: the script does not say."""

    place: Place


@dataclass(frozen=True, slots=True)
class Union:
    """Values joined by ``|``."""

    parts: "tuple[Expression, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Items:
    """A list, in brackets or in braces."""

    items: "tuple[Expression, ...]"
    place: Place


@dataclass(frozen=True, slots=True)
class Record:
    """A structure: ``{onoff=1, linger=0}``."""

    fields: "Mapping[str, Expression]"
    place: Place


@dataclass(frozen=True, slots=True)
class Applied:
    """A function within an expression: ``htons(8080)``."""

    function: str
    arguments: "tuple[Expression, ...]"
    place: Place


Expression = Number | Name | Text | Anything | Union | Items | Record | Applied


# --- events --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """A system call and what it returns; `stop_ns` is when one that blocks returns, counted as its event's time is."""

    function: str
    arguments: tuple[Expression, ...]
    result: Expression
    error: str = ""
    stop_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TcpOption:
    """One option: its name in the script and its numbers (-1: any), or octets where `octets` is not None.

    `symbol` stands for octets that the runner of the script defines, or marks what `harness.pkt.segments_options` says.
    """

    name: str
    numbers: tuple[int, ...] = ()
    octets: bytes | None = None
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class IpFields:
    """What stands in brackets before a packet. None: not said. `ecn` 4 stands for either of ECT(0) and ECT(1)."""

    ecn: int | None = None
    tos: int | None = None
    ttl: int | None = None
    flow_label: int | None = None
    dscp: int | None = None


@dataclass(frozen=True, slots=True)
class Packet:
    """What all packets have: whether the peer sends it (`<`), ports if written, fields of the IP header."""

    inbound: bool
    ip: IpFields = field(default_factory=IpFields)
    ports: tuple[int, int] | None = None
    #: Headers in front of it, by name, and what is asked for behind it that nobody can play.
    around: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TcpSegment(Packet):
    """A segment. `options` None: anything; `window`, `ack` None: not written."""

    flags: Flags = NO_FLAGS
    reserved: int = 0
    seq: int = 0
    length: int = 0
    ack: int | None = None
    window: int | None = None
    urgent: int = 0
    options: tuple[TcpOption, ...] | None = ()
    #: Whether the sequence number is the very one on the wire.
    absolute: bool = False
    #: Whether the script leaves the sequence number open: ``...(0)``.
    any_seq: bool = False
    #: The descriptor of the connection that it is about, where one fork says it: ``sock(4)``.
    sock: int | None = None


@dataclass(frozen=True, slots=True)
class Icmp(Packet):
    """An ICMP message: type and code by name, and the part of the stream that it quotes (start, octets)."""

    type: str = ""
    code: str = ""
    mtu: int | None = None
    quoted: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Udp(Packet):
    """A UDP datagram with so many octets."""

    length: int = 0


@dataclass(frozen=True, slots=True)
class Shell:
    """Command lines in backquotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """An assertion in ``%{ }%``."""

    text: str


Action = Call | TcpSegment | Icmp | Udp | Shell | Code
#: A name, and whether it must be defined: the name of a system, or one that the script defines.
Condition = tuple[str, bool]


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a script, `text` as it is written; it is played where all of `only` holds."""

    time: Time
    action: Action
    place: Place
    text: str
    only: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script. `options` are its ``--name=value`` lines, `symbols` those that ``--define`` gives."""

    name: str
    options: Mapping[str, str]
    symbols: Mapping[str, str]
    events: tuple[Event, ...]
    #: The comment at its head, without the licence.
    summary: str = ""
    #: Where each of `options` stands.
    places: Mapping[str, Place] = field(default_factory=dict)

    def on(self, system: str) -> "Script":
        """Return what of it is for a system."""
        if not any(event.only for event in self.events):
            return self
        names = {system, *self.symbols}
        kept = (event for event in self.events if all((name in names) is due for name, due in event.only))
        return replace(self, events=tuple(kept))

    @property
    def mtu(self) -> int | None:
        """The MTU of the wire, None where the script does not say."""
        said = self.options.get("mtu", "").partition(".")[0]
        return int(said) if said.isdecimal() else None

    @property
    def opens_fast(self) -> bool:
        """Whether a client in it may open with text (RFC 7413), for which a target remembers cookies of hosts."""
        return any(
            "MSG_FASTOPEN" in event.text or "TCP_FASTOPEN_CONNECT" in event.text
            for event in self.events
            if isinstance(event.action, Call)
        )

    @property
    def leaves_a_path_mtu(self) -> bool:
        """Whether a router says in it what fits through, which a target remembers of the address for minutes."""
        return any(isinstance(event.action, Icmp) and event.action.mtu is not None for event in self.events)
