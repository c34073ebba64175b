"""A script as it is being written: its lines, and what it has called the sockets and numbers of each connection."""

from dataclasses import dataclass, field

from harness.trace.events import Event

#: Shorter times between two events are those of the machine.
SHORTEST_S = 0.005
#: Linux answers so seldom what it can't accept (`tcp_invalid_ratelimit`), in seconds, and a little more.
APART_S = 0.6
WIDTH = 8
#: The port of the target, the one that packetdrill takes where a script says none; and the address that it gives it.
PORT, OWN = 8080, "192.168.0.1"
#: What stands at the head of a script with options that have no name.
IN_OCTETS = "// Options without a name are written as their octets, as packetdrill for FreeBSD has them."


class Unsayable(Exception):
    """Something that no script can say: it ends there."""


@dataclass(slots=True)
class Side:
    """One connection: its descriptors, and the numbers on the wire from which both sides count.

    `begin` is the number that the script gives to the peer's SYN.
    """

    listener: int = 0
    app: int = 0
    #: Whether the application has closed its socket: the next one is another.
    closed: bool = False
    peer_base: int | None = None
    target_base: int | None = None
    begin: int = 0
    synchronized: bool = False
    #: How far the numbers of the case are from those of the script: the peer's, and the target's.
    peer_shift: int = 0
    target_shift: int = 0
    #: The target's port and the peer's, as they are on the wire.
    ports: tuple[int, int] | None = None
    #: The state that the target was last seen in, and whether something has happened since that was demanded.
    state: str = ""
    moved: bool = False
    #: The numbers that the target expects next, sends next, and had acknowledged; and whether it stamps what it sends.
    due: int | None = None
    next: int = 0
    acknowledged: int = 0
    stamps: bool = False


@dataclass(slots=True)
class Writing:
    """A script that is being written."""

    several: bool
    #: Whether the target's state is demanded behind each step.
    each_state: bool = False
    lines: list[str] = field(default_factory=list)
    sides: dict[int, Side] = field(default_factory=dict)
    next_number: int = 3
    before_ns: int | None = None
    #: The addresses of the peer and of the target, and the connection on which the peer has spoken last.
    addresses: tuple[str, str] | None = None
    current: int | None = None
    #: Whether a socket has listened or connected: before, nothing counts from a SYN of the peer.
    begun: bool = False
    #: Where the line of what was done last stands, None where it was not alone, or was answered already; and when the
    #: target last acknowledged something once more.
    stimulus: int | None = None
    repeated_ns: int | None = None
    #: The target's port by connection, where several are listened on, and the listeners by their ports.
    ports: dict[int, int] = field(default_factory=dict)
    listening: dict[int | None, int] = field(default_factory=dict)
    #: Whether the options of a segment are written as octets, which one of the packetdrills reads.
    in_octets: bool = False
    #: Sockets that were accepted, and nobody knows yet of which connection.
    unclaimed: list[int] = field(default_factory=list)

    def port_of(self, connection: int) -> int | None:
        """Return the port that the script gives to the target of a connection, None where none is to be seen."""
        return self.ports.get(connection)

    def side(self, event: Event) -> Side:
        """Return the connection that an event is about."""
        return self.sides.setdefault(event.connection, Side())

    def number(self) -> int:
        """Return the next number of a descriptor."""
        self.next_number += 1
        return self.next_number - 1

    def app(self, side: Side) -> int:
        """Return the number of a connection's socket, or, before there is one, of its listener."""
        if not side.app and not side.listener and self.unclaimed:
            side.app = self.unclaimed.pop(0)
        if not (side.app or side.listener):
            raise Unsayable("a call is made on a connection that nobody has accepted")
        return side.app or side.listener

    def add(self, action: str, time_ns: int) -> None:
        """Write an event."""
        passed = 0.0 if self.before_ns is None else (time_ns - self.before_ns) / 1e9
        shown = f"{passed:.3f}".rstrip("0").rstrip(".") if passed >= SHORTEST_S else "0"
        self.lines.append(f"{'0' if self.before_ns is None else '+' + shown:>{WIDTH}} {action}")
        self.before_ns = time_ns

    def space_out(self, time_ns: int) -> None:
        """Note an acknowledgment that says nothing new; what draws another one so soon is put off.

        A stack may answer only once in a while what it can't accept (RFC 9293 §3.10.7.4, RFC 5961 §7).
        """
        before, self.repeated_ns = self.repeated_ns, time_ns
        if before is None or (time_ns - before) / 1e9 >= APART_S or self.stimulus is None:
            return
        line = self.lines[self.stimulus]
        self.lines[self.stimulus] = line if line.startswith("//") else f"{f'+{APART_S}':>{WIDTH}}{line[WIDTH:]}"

    def say(self, text: str) -> None:
        """Write a comment."""
        self.lines += [f"// {line}".rstrip() for line in text.splitlines()]
