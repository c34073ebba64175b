"""Calls of the application that wait while the conversation goes on: each must return when it may, and not before."""

import errno
from collections.abc import Callable
from dataclasses import dataclass

from harness.explore.application import Application
from harness.explore.link import Link, PeerView
from harness.spec.history.answers import Answer
from harness.spec.history.fall import Broken, Fall
from harness.spec.history.waiting import Call
from harness.spec.history.world import text
from harness.targets.sockets import AppSocket, UnderWay, WaitingSocket

PREFIX = "begin-"
#: What a call that waits stands for once it has returned, by its name: the judge's name for that.
_RETURNED = {"connect": "connected", "recv": "recv", "send": "sent", "close": "lingered"}
#: While a call of send() waits, nobody closes its direction: how much of it was taken could not be told.
_CLOSING = frozenset({"shutdown", "shut-rdwr", "close", "abort", "begin-close"})

#: What accept() may say of a connection that has ended in the queue (POSIX accept()).
_ABORTED = frozenset({"ECONNABORTED", "EPROTO"})


@dataclass(eq=False, slots=True)
class Waiting:
    """One call under way, on a socket or a listener."""

    link: Link
    call: Call
    under_way: UnderWay
    sock: AppSocket
    view: PeerView

    @property
    def text(self) -> str:
        """What the ladder says when it returns."""
        return f"{self.call.name}() returns"


class WaitingCalls:
    """All calls that wait in a talk. `fallen` takes a link and why no history explains it; `told` an event's words."""

    def __init__(
        self, application: Application, fallen: Callable[[Link, Fall], None], told: Callable[[Link, str, str], None]
    ) -> None:
        self._application = application
        self._fallen, self._told = fallen, told
        self._waiting: list[Waiting] = []

    def forbid(self, link: Link, name: str) -> bool:
        """Tell whether a call is none that can be judged while others wait."""
        return name in _CLOSING and any(each.link is link and each.call.name == "send" for each in self._waiting)

    def begin(self, link: Link, name: str, amount: int, now: int) -> tuple[str, Answer] | None:
        """Begin a call; return the judge's name for what that is, "" for nothing, and its answer.

        None where there is nothing to call on.
        """
        call = Call(name.removeprefix(PREFIX), amount, now)
        try:
            begun = self._begin(link, call)
        except OSError as error:
            return name, Answer(errno.errorcode.get(error.errno or 0, "EIO"))
        if begun is None:
            return None
        sock, under_way = begun
        if call.name == "send":
            if under_way.done:
                answer = _answer(call, under_way)
                link.written += answer.taken
                return "sent-at-once", answer
            link.written += amount
        self._waiting.append(Waiting(link, call, under_way, sock, link.view))
        link.history.reader_waits |= call.name == "recv"
        return name if call.name in ("connect", "send", "close") else "", Answer()

    def _begin(self, link: Link, call: Call) -> tuple[AppSocket, UnderWay] | None:
        tuple4, app = link.connection.tuple4, link.app
        if call.name == "connect":
            sock = self._application.socket(tuple4.version)
            if app is not None or not isinstance(sock, WaitingSocket):
                return None
            there = (tuple4.peer_address, tuple4.peer_port)
            under_way = sock.start("connect", (tuple4.address, tuple4.port), there)
            if under_way.done:
                under_way.result()  # where it was refused at once, that is its answer
            link.app, link.accepted, link.written, link.read = sock, True, 0, 0
            return sock, under_way
        if call.name == "accept":
            listener = self._application.listeners.get(self._application.listener_of(link))
            return (listener, listener.start("accept")) if isinstance(listener, WaitingSocket) else None
        if not isinstance(app, WaitingSocket) or link.early:
            return None
        if call.name == "recv":
            return app, app.start("recv", call.amount)
        if call.name == "send":
            return app, app.start("send", text(1 + link.written, call.amount, link.salt - 5))
        link.app, link.view.reader_gone = None, True
        return app, app.start("close", call.amount / 1000)

    def look(self, now: int) -> None:
        """Judge all that have returned, and that the others wait rightly, the first of a kind on each socket."""
        blocked: set[tuple[object, str]] = set()
        for each in list(self._waiting):
            key = each.sock, each.call.name
            if self._is_gone(each):
                self._waiting.remove(each)
            elif each.under_way.done:
                self._waiting.remove(each)
                self._returned(each, now)
            elif key not in blocked:
                blocked.add(key)
                self._waits(each, now)
        readers = {each.link for each in self._waiting if each.call.name == "recv"}
        for link in self._application.links.values():
            link.history.reader_waits = link in readers

    def _is_gone(self, each: Waiting) -> bool:
        """Tell whether the socket on which a call waits was closed, or its connection has begun anew."""
        if each.call.name == "accept":
            return self._application.listeners.get(self._application.listener_of(each.link)) is not each.sock
        if each.call.name == "close":
            return each.link.view is not each.view
        return each.link.app is not each.sock

    def _returned(self, each: Waiting, now: int) -> None:
        link, call = each.link, each.call
        if call.name == "accept":
            self._accepted(link, each)
            return
        answer = _answer(call, each.under_way)
        self._told(link, each.text, "" if str(answer) == "ok" else str(answer))
        amount = call.amount
        if call.name == "recv":
            link.read += len(answer.data or b"")
        elif call.name == "close":
            amount = max(0, call.deadline - now) // 1_000_000
        try:
            link.history.calls(_RETURNED[call.name], amount, answer, now, (), link.state)
        except Fall as fall:
            self._fallen(link, fall)

    def _accepted(self, link: Link, each: Waiting) -> None:
        try:
            sock = each.under_way.result()
        except OSError as error:
            answer = Answer(errno.errorcode.get(error.errno or 0, "EIO"))
            self._told(link, each.text, str(answer))
            if answer.error not in _ABORTED:
                due = "accept() to wait, or to give a connection"
                self._fallen(
                    link, Fall(Broken.WRONG_ANSWER, due, str(answer), ("RFC 9293 §3.9.1.1",), "waiting/accept")
                )
            return
        self._told(link, each.text, "")
        self._application.accepted(self._application.listener_of(link), sock)

    def _waits(self, each: Waiting, now: int) -> None:
        if each.call.name == "accept":
            for link in self._application.ready(self._application.listener_of(each.link)):
                cites = ("RFC 9293 §3.9.1.1", "RFC 9293 §3.9.1.8")
                self._fallen(link, Fall(Broken.WRONG_ANSWER, "accept() to return", "it waits", cites, "waiting/accept"))
            return
        try:
            each.link.history.waits(each.call, now)
        except Fall as fall:
            self._fallen(each.link, fall)


def _answer(call: Call, under_way: UnderWay) -> Answer:
    """Return what a call has returned."""
    try:
        result = under_way.result()
    except OSError as error:
        return Answer(errno.errorcode.get(error.errno or 0, "EIO"))
    if call.name == "recv":
        return Answer(data=result)
    if call.name == "send":
        return Answer(taken=result)
    return Answer(whole=result) if call.name == "close" else Answer()
