"""What an application can still read of a connection whose place in TIME-WAIT a new one has taken.

Its socket is not the new connection's, and what was acknowledged stays its own until it has been read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from harness.case.violation import Code
from harness.explore.link import Link
from harness.spec import seqno
from harness.spec.history.world import text
from harness.spec.segment import SYN, Segment
from harness.spec.states import TIME_WAIT
from harness.targets.sockets import AppSocket

CITES = ("RFC 9293 §3.10.3", "RFC 9293 §3.6")
#: RECEIVE takes so much at once.
READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Remains:
    """The socket of a former connection, and what it has still to give."""

    link: Link
    sock: AppSocket
    unread: bytes

    def demand(self, refuse: Callable[[Link, Code, str, str, tuple[str, ...]], None]) -> None:
        """Read it all, and close the socket; a violation if something is missing."""
        given = b""
        try:
            while len(given) < len(self.unread) and (part := self.sock.recv(READ)):
                given += part
        except OSError as error:
            seen = f"{len(given)} of them, then {error.strerror}"
        else:
            seen = f"{len(given)} octets" if given == self.unread[: len(given)] else repr(given[:16])
        self.sock.close()
        if not given.startswith(self.unread):
            due = f"the {len(self.unread)} octets that nobody has read of the stream before"
            refuse(self.link, Code.WRONG_ANSWER, due, seen, CITES)


def unread(link: Link, segment: Segment) -> bytes:
    """Return what a socket in TIME-WAIT has still to give when a SYN arrives; nothing where that is not sure."""
    worlds = link.history.worlds
    sure = link.app is not None and not link.early and not link.history.lost and segment.flags & SYN
    if not sure or any(world.state is not TIME_WAIT or world.reads_no_more or not world.fin_in for world in worlds):
        return b""
    least = min(worlds, key=lambda world: world.available)
    return text(seqno.add(least.irs, 1 + least.read), max(0, least.available), link.salt)


def left(link: Link, rest: bytes) -> list[Remains]:
    """Return what the socket of a connection that has made place has still to give; with nothing left it is closed."""
    assert link.app is not None
    if rest:
        return [Remains(link, link.app, rest)]
    link.app.close()
    return []
