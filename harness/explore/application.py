"""The application at the target: its sockets and listeners, and whose connection it is that `accept()` gives."""

import errno
import os
import select
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from harness.case.user_calls import BACKLOG
from harness.case.violation import Code
from harness.explore.asking import ASKING, ask
from harness.explore.link import UNKNOWN, Link
from harness.observe.snapshot import FourTuple
from harness.spec import seqno
from harness.spec.history.answers import Answer
from harness.spec.history.readiness import CITES
from harness.spec.history.world import text
from harness.targets.protocol import Target
from harness.targets.sockets import AppSocket, ConnectedSocket, TellingSocket, WatchedSocket
from harness.trace.events import Kind

#: How much is read of an accepted connection to find out whose it is, where the queue holds ended ones too.
EARLY = 1 << 16
#: All addresses of the target, by IP version.
UNSPECIFIED = {4: "0.0.0.0", 6: "::"}

#: Where a listener listens: its port, and its address or the unspecified one.
End = tuple[int, str]


class Application:
    """Makes the calls of a talk. `refuse` takes a link, a code, what was due, what was seen, and citations."""

    def __init__(
        self,
        target: Target,
        links: dict[int, Link],
        all_links: Mapping[int, Link],
        refuse: Callable[[Link, Code, str, str, tuple[str, ...]], None],
    ) -> None:
        self.listeners: dict[End, AppSocket] = {}
        #: By listener, how many ended connections may wait for `accept()` on whose ports another has begun since.
        self.ghosts: Counter[End] = Counter()
        #: Listeners that were asked for keep-alives, and behind how many seconds of silence.
        self.kept_alive: dict[End, int] = {}
        self.links = links
        self._all_links = all_links
        self._target = target
        self._refuse = refuse
        #: Urgent text is to stay in the stream (RFC 9293 §3.8.5): sockets take its last octet out by default.
        self.inline = False
        self._backlogs: dict[End, int] = {}
        #: Among how many ports the target may choose, None where that is not known.
        self.choices: int | None = None

    def end_of(self, link: Link) -> End:
        """Return where whoever has the requests of a connection listens: at its address, or else at all of them."""
        tuple4 = link.connection.tuple4
        own, everywhere = (tuple4.port, tuple4.address), (tuple4.port, UNSPECIFIED[tuple4.version])
        return everywhere if everywhere in self.listeners and own not in self.listeners else own

    def listener_of(self, link: Link) -> End:
        """Return where the application listens by a call about a connection: at all addresses, maybe."""
        tuple4 = link.connection.tuple4
        everywhere = tuple4.port, UNSPECIFIED[tuple4.version]
        return everywhere if link.any_address else self.end_of(link)

    def inherit(self, link: Link, now: int) -> None:
        """Let a connection that a SYN may have begun send keep-alives if its listener was asked: it may inherit."""
        seconds = self.kept_alive.get(self.end_of(link))
        if seconds and link.app is None and not link.accepted and not link.history.lost:
            link.history.calls("keep-alive", seconds, Answer(), now, (), link.state)

    def has_listener(self, link: Link) -> bool:
        """Tell whether somebody listens for a connection."""
        return self.end_of(link) in self.listeners

    def is_crowded(self, end: End) -> bool:
        """Tell whether so many wait for `accept()`, ended ones among them, that a listener may refuse more."""
        waiting = [
            link
            for link in self.links.values()
            if self.end_of(link) == end
            and not link.accepted
            and link.history.some(lambda world: world.queued or not world.over)
        ]
        return len(waiting) + self.ghosts[end] >= self._backlogs.get(end, BACKLOG)

    def call(self, link: Link, name: str, octets: int) -> Answer | None:
        """Make a call and return its answer; None where there is nothing to call on."""
        try:
            return self._perform(link, name, octets)
        except OSError as error:
            return Answer(errno.errorcode.get(error.errno or 0, os.strerror(error.errno or 0)))

    def _perform(self, link: Link, name: str, octets: int) -> Answer | None:
        tuple4, end = link.connection.tuple4, self.listener_of(link)
        if name == "listen":
            return self._listen(link, octets or BACKLOG) if self._may_listen(link) else None
        if name == "unlisten":
            return self._unlisten(end) if end in self.listeners else None
        if name == "accept":
            return self._accept(end) if end in self.listeners else None
        if name == "connect":
            if link.app is not None:
                return None
            if link.any_port:
                return self._connect_from_any_port(link)
            sock = self.socket(tuple4.version)
            sock.connect((tuple4.address, tuple4.port), (tuple4.peer_address, tuple4.peer_port))
            link.app, link.accepted, link.written, link.read = sock, True, 0, 0
            return Answer()
        if name == "poll-listener":
            return self._poll_listener(end)
        app = link.app
        if app is None and name == "keep-alive" and end in self.listeners:
            self.kept_alive[end] = octets
            app = self.listeners[end]
        if app is None:
            return None
        if name in ("send", "urgent"):
            flags = socket.MSG_OOB if name == "urgent" else 0
            taken = app.send(text(1 + link.written, octets, link.salt - 5), flags)
            link.written += taken
            if name == "urgent":
                link.urgent_end = 1 + link.written if taken == octets else UNKNOWN
            return Answer(taken=taken)
        if name == "recv":
            data, link.early = link.early[:octets], link.early[octets:]
            data = data or app.recv(octets)
            link.read += len(data)
            return Answer(data=data)
        if name == "shutdown":
            app.shutdown()
            return Answer()
        if name in ASKING:
            return ask(app, link.history, name, octets)
        link.app, link.view.reader_gone = None, True
        (app.close if name == "close" else app.abort)()
        return Answer()

    def socket(self, version: int) -> AppSocket:
        """Return a fresh socket."""
        sock = self._target.socket(version)
        if self.inline:
            sock.set_option(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        return sock

    def _connect_from_any_port(self, link: Link) -> Answer | None:
        """Have the target choose a port; it is refused only where none is free (RFC 9293 §3.10.1, OPEN)."""
        tuple4 = link.connection.tuple4
        sock = self.socket(tuple4.version)
        if not isinstance(sock, WatchedSocket):
            return None
        taken = [
            other.connection.tuple4.port for other in self._all_links.values() if self._keeps_its_port(other, link)
        ]
        try:
            sock.connect((tuple4.address, 0), (tuple4.peer_address, tuple4.peer_port))
        except OSError as error:
            if self.choices is None or len(taken) >= self.choices:
                link.connection.conversation.note(Kind.NOTE, "no port is free", link.connection)
                return Answer(errno.errorcode.get(error.errno or 0, ""), spent=True)
            raise
        _address, port = sock.local()
        link.any_port = False
        self._displace(link, tuple4._replace(port=port))
        link.app, link.accepted, link.written, link.read = sock, True, 0, 0
        if not port:
            self._refuse(link, Code.WRONG_ANSWER, "a port of its own", "port 0", ("RFC 9293 §3.10.1", "RFC 6335 §6"))
        return Answer()

    def _displace(self, link: Link, tuple4: FourTuple) -> None:
        """Have a connection begin on a pair where there was another one, which has come to its end, if there was."""
        for number, other in list(self.links.items()):
            if other is not link and other.connection.tuple4 == tuple4:
                del self.links[number]
                other.connection.conversation.observed.remove(other.connection)
        link.connection.move(tuple4)

    def _keeps_its_port(self, other: Link, link: Link) -> bool:
        here, there = link.connection.tuple4, other.connection.tuple4
        same_peer = (here.peer_address, here.peer_port) == (there.peer_address, there.peer_port)
        gone = other.app is None and other.history.every(lambda world: world.over)
        return other is not link and same_peer and not gone

    def _may_listen(self, link: Link) -> bool:
        """Tell whether nobody listens where a connection would; beside another one only before requests have come."""
        tuple4 = link.connection.tuple4
        here = tuple4.port, UNSPECIFIED[tuple4.version] if link.any_address else tuple4.address
        if not any(port == tuple4.port for port, _address in self.listeners):
            return True
        same_port = [each for each in self.links.values() if each.connection.tuple4.port == tuple4.port]
        idle = all(each.history.every(lambda world: world.over and not world.queued) for each in same_port)
        return here not in self.listeners and idle

    def _listen(self, link: Link, backlog: int) -> Answer:
        tuple4 = link.connection.tuple4
        address = UNSPECIFIED[tuple4.version] if link.any_address else tuple4.address
        sock = self.socket(tuple4.version)
        sock.listen(address, tuple4.port, backlog)
        self.listeners[tuple4.port, address], self._backlogs[tuple4.port, address] = sock, backlog
        self._listening(tuple4.port)
        return Answer()

    def _unlisten(self, end: End) -> Answer:
        served = [link for link in self.links.values() if self.end_of(link) == end]
        self.listeners.pop(end).close()
        self.kept_alive.pop(end, None)
        for link in served:
            link.view.listening = False
            link.syn_options = None  # a request may be gone with its listener though it still shows
            link.history.listens(False)  # what nobody has accepted goes with it, though another one may listen there
        self._listening(end[0])
        return Answer()

    def _listening(self, port: int) -> None:
        for link in self.links.values():
            if link.connection.tuple4.port == port and link.view.listening != self.has_listener(link):
                link.view.listening = not link.view.listening
                link.history.listens(link.view.listening)

    def _accept(self, end: End) -> Answer | None:
        try:
            sock = self.listeners[end].accept()
        except BlockingIOError:
            for link in self.ready(end)[:1]:
                cites = ("RFC 9293 §3.9.1.1", "RFC 9293 §3.10.7.4 fifth")
                self._refuse(link, Code.WRONG_ANSWER, "the connection that is established", "EAGAIN", cites)
            return Answer("EAGAIN")
        return self.accepted(end, sock)

    def accepted(self, end: End, sock: AppSocket) -> Answer:
        """Find out whose connection it is that a listener has given."""
        waiting = self.queue(end)
        link = self._identify(waiting, sock, end)
        if link is None and self.ghosts[end]:
            self.ghosts[end] -= 1
            sock.close()
            return Answer()
        if link is None:
            sock.abort()
            cites = ("RFC 9293 §3.9.1.1", "RFC 9293 §3.5")
            self._refuse(self.links[min(self.links)], Code.WRONG_ANSWER, "no connection", "a connection", cites)
            return Answer()
        link.app, link.accepted, link.written, link.read = sock, True, 0, 0
        link.history.accepted()
        return Answer()

    def _poll_listener(self, end: End) -> Answer | None:
        listener = self.listeners.get(end)
        if not isinstance(listener, TellingSocket):
            return None
        answer = Answer(ready=listener.poll())
        readable = bool((answer.ready or 0) & select.POLLIN)
        ready, link = self.ready(end), self.links[min(self.links)]
        if ready and not readable:
            self._refuse(ready[0], Code.WRONG_ANSWER, "a listener that is readable", str(answer), CITES)
        if readable and not self.queue(end) and not self.ghosts[end]:
            self._refuse(link, Code.WRONG_ANSWER, "a listener that is not readable", str(answer), CITES)
        return answer

    def ready(self, end: End) -> list[Link]:
        """Return the connections of a listener that `accept()` must give."""
        return [link for link in self.queue(end) if link.history.every(lambda world: world.queued and not world.over)]

    def queue(self, end: End) -> list[Link]:
        """Return the connections of a listener that nobody has accepted and that may be waiting, in their order."""
        found = [
            link
            for link in self.links.values()
            if self.end_of(link) == end and not link.accepted and link.history.some(lambda world: world.queued)
        ]
        return sorted(found, key=lambda link: link.established_at)

    def _identify(self, waiting: list[Link], sock: AppSocket, end: End) -> Link | None:
        """Return whose connection was accepted: the first in order that lives, unless only ended ones are left.

        The socket tells whose it is where it can. Elsewhere, where ended ones may wait too, what RECEIVE gives tells.
        """
        if isinstance(sock, ConnectedSocket):
            with suppress(OSError):
                there = sock.remote()
                return next((link for link in waiting if _peer_of(link) == there), None)
            waiting = [link for link in waiting if link.history.some(lambda world: world.over)]
        alive = [link for link in waiting if not link.history.every(lambda world: world.over)]
        ended: list[Link | None] = [link for link in waiting if link not in alive]
        if self.ghosts[end]:
            ended.append(None)
        if not alive and len(ended) > 1 and ended[0] is not None and self.ghosts[end]:
            return _unless_foreign(ended[0], sock)
        if not (alive and ended):
            return (alive or ended or [None])[0]
        other = ended[0]
        try:
            data = sock.recv(EARLY)
        except BlockingIOError:
            return alive[0]
        except OSError:
            if other is not None:
                other.history.tells()
            return other
        first = alive[0]
        unread = first.history.every(lambda world: world.available > 0 or not world.fin_in)
        if (data and _is_text_of(first, data)) or not (data or unread):
            first.early = data
            return first
        if data and self.ghosts[end]:
            other = next((each for each in ended if each is not None and _is_text_of(each, data)), None)
        if other is not None:
            other.early = data
        return other


def _peer_of(link: Link) -> tuple[str, int]:
    tuple4 = link.connection.tuple4
    return tuple4.peer_address, tuple4.peer_port


def _unless_foreign(link: Link, sock: AppSocket) -> Link | None:
    """Return the link of a socket that is an ended one's or a ghost's: text that is not the link's tells."""
    try:
        data = sock.recv(EARLY)
    except OSError as error:
        if not isinstance(error, BlockingIOError):
            link.history.tells()
        return link
    if data and not _is_text_of(link, data):
        return None
    link.early = data
    return link


def _is_text_of(link: Link, data: bytes) -> bool:
    """Tell whether a connection's text begins so; its peer may have forgotten it and taken other numbers since."""
    return link.history.some(lambda world: data == text(seqno.add(world.irs, 1), len(data), link.salt))


def waits_ended(link: Link) -> bool:
    """Tell whether `accept()` may still give a connection that has ended."""
    return link.history.some(lambda world: world.queued and world.over)
