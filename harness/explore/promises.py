"""What poll() says is a promise about the next call: it is kept if nothing happens in between.

POSIX: a descriptor is ready when a call on it would not block, whether or not the call would succeed. So this needs no
rule about TCP. Open stays that send() takes something though poll() did not promise it: buffers have low-water marks.
"""

import select
from dataclasses import dataclass

from harness.explore.link import Link
from harness.spec.history.answers import AGAIN, Answer, conditions

IN, OUT, ERR, HUP = select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP
#: What each call goes by, and the call that asks for it.
_RECEIVING = {"recv": "poll", "accept": "poll-listener"}
#: Errors of calls that have nothing to wait for, whatever poll() says.
_NOT_CONNECTED = frozenset({"ENOTCONN", "EINVAL"})


@dataclass(frozen=True, slots=True)
class Promise:
    """The conditions that a socket, or with `poll-listener` its listener, has told last."""

    link: Link
    asked: str
    ready: int

    def broken(self, link: Link, name: str, answer: Answer) -> tuple[str, str] | None:
        """Return what was due of the next call and what it gave, where the two don't agree."""
        due = self._due(name, answer) if link is self.link and answer.error not in _NOT_CONNECTED else ""
        return (f"{due}, as poll() has said: {conditions(self.ready)}", str(answer)) if due else None

    def _due(self, name: str, answer: Answer) -> str:
        waits = answer.error == AGAIN
        if _RECEIVING.get(name) == self.asked:
            if waits and self.ready & IN:
                return f"{name}() not to wait"
            return f"{name}() to wait" if not waits and not self.ready & (IN | ERR | HUP) else ""
        if self.asked != "poll":
            return ""
        if name == "send" and waits and self.ready & OUT:
            return "send() not to wait"
        if name == "error" and answer.error and self.link.history.some(lambda world: world.troubled):
            return ""  # a soft error makes nothing ready
        if name == "error" and bool(answer.error) != bool(self.ready & ERR):
            return "an error" if self.ready & ERR else "no error"
        return ""
